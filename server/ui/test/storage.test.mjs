// Who uses the bytes: by kind, experiment and run; what deleted runs still take.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { curve, Lab, soon } from './harness.mjs'

let lab, big
before(async () => {
  lab = await Lab.open('/lab')
})
after(() => lab?.close())

test('a new database: nothing is used, nothing is deleted', async () => {
  const page = await lab.page()
  await page.getByRole('heading', { name: 'Experiments' }).waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('s')
  await page.waitForURL(/#\/storage$/)
  await page.getByRole('heading', { name: 'No run uses any bytes yet' }).waitFor()
  await page.getByText('No run is deleted').waitFor()
  await soon(async () => assert.equal(await page.getByRole('region', { name: 'By kind of row' }).count(), 1))
  await lab.done(page)
})

test('the largest first, with artifacts; deleted runs and the command that removes them', async () => {
  const exp = await lab.experiment('segmentation'), other = await lab.experiment('small')
  big = await lab.run(exp, 'unet', { metrics: { dice: curve(3000) } })
  await lab.file(exp, big, 'masks.bin', Buffer.alloc(900_000, 1))
  await lab.run(other, 'tiny', { params: { a: 1 } })
  const gone = await lab.run(exp, 'scratch')
  await lab.file(exp, gone, 'old.bin', Buffer.alloc(400_000, 1))
  await lab.api('POST', 'runs/delete', { run_id: gone })

  const page = await lab.page('#/storage')
  await page.getByText(/^Measured/).waitFor()
  await page.keyboard.press('r') // what was measured a moment ago is kept until asked
  const runs = page.getByRole('region', { name: 'By run' })
  await runs.getByRole('link', { name: 'unet' }).waitFor()
  await soon(async () => assert.deepEqual(await runs.locator('tbody a').allTextContents(), ['unet', 'scratch', 'tiny']))
  await soon(async () => assert.match(await runs.getByRole('row', { name: /scratch/ }).textContent(), /deleted\s*400 kB/))
  const experiments = page.getByRole('region', { name: 'By experiment' })
  await soon(async () => assert.match(await experiments.getByRole('row', { name: /segmentation/ }).textContent(), /1\.3 MB\s*2\s*400 kB/))
  const files = page.getByRole('region', { name: 'By files' })
  await soon(async () => assert.match(await files.getByRole('row', { name: /Artifacts/ }).textContent(), /1\.3 MB/))
  const kinds = page.getByRole('region', { name: 'By kind of row' })
  await kinds.getByText(/points are in journals only/).waitFor()
  await kinds.getByText(/^Tables/).click()
  await kinds.getByRole('cell', { name: 'params', exact: true }).waitFor()

  const deleted = page.getByRole('region', { name: 'Deleted runs' })
  await deleted.getByText('1 run · rows').waitFor()
  await soon(async () => assert.equal(await deleted.locator('code').textContent(), 'runstone gc --dry-run'))
  await deleted.getByRole('button', { name: /30 days/ }).click()
  await soon(async () => assert.equal(await deleted.locator('code').textContent(), 'runstone gc --older-than 30d --dry-run'))
  await deleted.getByText('0 runs').waitFor()

  await page.getByRole('searchbox', { name: 'Filter by name' }).fill('tin')
  await runs.getByRole('link', { name: 'unet' }).waitFor({ state: 'detached' })
  await runs.getByRole('link', { name: 'tiny' }).click()
  await page.waitForURL(/#\/experiments\/\d+\/runs\//)
  await lab.done(page)
})

test('once on a page, no request follows another', async () => {
  const page = await lab.page('#/storage')
  await page.getByText(/^Measured/).waitFor()
  let asked = 0
  page.on('request', (r) => { if (r.url().includes('storage')) asked++ })
  await page.waitForTimeout(400)
  assert.equal(asked, 0)
  await page.getByRole('button', { name: 'Measure again' }).click()
  await page.getByRole('button', { name: 'Measure again' }).waitFor()
  assert.equal(asked, 1)
  await lab.done(page)
})

test('what was not read in time is named', async () => {
  const page = await lab.page('#/storage')
  await page.getByText(/^Measured/).waitFor()
  await page.route(/ajax-api\/runstone\/storage/, async (route) => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer, json: { ...await answer.json(), partial: ['runs'] } })
  })
  await page.keyboard.press('r')
  await page.getByRole('status').getByText('what deleted ones take are of the first ones').waitFor()
  await lab.done(page)
})

test('with users it is for administrators', async () => {
  const guarded = await Lab.open('', { ada: 'zebra-quartz-19', bob: 'violet-anchor-27' })
  try {
    const as = (username, password) => guarded.page('#/storage', { httpCredentials: { username, password } })
    const page = await as('bob', 'violet-anchor-27')
    await page.getByRole('heading', { name: 'For administrators' }).waitFor()
    page.complaints = page.complaints.filter((c) => !/403/.test(c)) // the browser notes the answer
    await guarded.done(page)
    const other = await as('ada', 'zebra-quartz-19')
    await other.getByText(/^Measured/).waitFor()
    await guarded.done(other)
  } finally {
    await guarded.close()
  }
})
