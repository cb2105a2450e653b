// What pages may cost.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lab } from './harness.mjs'

let lab
before(async () => { lab = await Lab.open() })
after(() => lab?.close())

test('the first load is at most 120 kB, under a policy without exceptions', async () => {
  const page = await lab.page('#/experiments/0')
  const client = await page.context().newCDPSession(page)
  await client.send('Network.enable')
  await client.send('Network.setCacheDisabled', { cacheDisabled: true })
  let bytes = 0
  client.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength })
  await page.reload()
  await page.getByText('No runs yet').waitFor()
  assert.ok(bytes > 10_000 && bytes <= 120_000, `${bytes} bytes`)
  const policy = (await fetch(lab.base + '/')).headers.get('content-security-policy')
  assert.match(policy, /default-src 'self'/)
  assert.doesNotMatch(policy, /unsafe|https?:|\*/)
  await lab.done(page)
})

test('12,000 params: the page opens, the picker finds one', async () => {
  const exp = await lab.experiment('wide')
  const params = {}
  for (let i = 0; i < 12_000; i++) params['layer.' + i] = i
  await lab.run(exp, 'wide-1', { params })
  await lab.run(exp, 'wide-2', { params: { 'layer.0': -1 } })
  const page = await lab.page(`#/experiments/${exp}`)
  await page.getByRole('link', { name: 'wide-1' }).waitFor()
  assert.ok(await page.getByRole('columnheader').count() < 20)
  await page.getByRole('button', { name: /^Columns/ }).click()
  await page.getByText(/more: narrow the search/).waitFor()
  await page.getByLabel('Search metrics, params and tags').fill('layer.11999')
  await page.getByRole('checkbox', { name: 'layer.11999' }).check()
  await page.getByRole('button', { name: 'Done' }).click()
  await page.getByRole('gridcell', { name: '11999', exact: true }).or(page.getByRole('gridcell', { name: '11,999' })).waitFor()
  assert.ok(await page.locator('*').count() < 3000)
  await lab.done(page)
})

test('many runs: only rows that are seen are in the page, any of them is reached', async () => {
  const exp = await lab.experiment('many')
  const total = 1500, start = Date.now() - total * 1000
  for (let i = 0; i < total; i += 25) {
    await Promise.all(Array.from({ length: 25 }, (_, k) => lab.api('POST', 'runs/create', { experiment_id: exp, run_name: `r${i + k}`, start_time: start + (i + k) * 1000 })))
  }
  const page = await lab.page(`#/experiments/${exp}`)
  await page.getByRole('link', { name: 'r1499', exact: true }).waitFor()
  await page.getByText('1,500 runs match').waitFor()
  await page.locator('.table').evaluate((t) => t.scrollTo(0, t.scrollHeight))
  await page.getByRole('link', { name: 'r0', exact: true }).waitFor()
  assert.ok(await page.locator('.body .row').count() < 80)
  await lab.done(page)
})
