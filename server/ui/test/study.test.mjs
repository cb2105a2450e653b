// The whole way of a laboratory: the study of examples/lab, logged by MLflow's own
// client, then found, compared, registered, promoted and traced back in a browser.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, before, test } from 'node:test'
import { Lab, soon } from './harness.mjs'

const python = process.env.MLFLOW_PYTHON ?? new URL('../../../.cache/venv-mlflow3/bin/python', import.meta.url).pathname
const study = new URL('../../../examples/lab/', import.meta.url).pathname

let lab, exp
before(async () => {
  lab = await Lab.open()
  const client = spawn(python, ['-W', 'ignore', '-c', 'import sys, lab; lab.main(sys.argv[1], seeds=(1, 2))', lab.origin], { cwd: study, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  client.stderr.on('data', (chunk) => { said += chunk })
  const code = await new Promise((resolve) => client.on('exit', resolve))
  assert.equal(code, 0, said)
  exp = (await lab.named('tumour-diagnostics')).experiment_id
}, { timeout: 600_000 })
after(() => lab?.close())

const row = (page, name) => page.locator('.body .row', { has: page.getByRole('link', { name, exact: true }) })
const dialog = (page) => page.getByRole('dialog')

test('find the runs, order them, see the groups', async () => {
  const page = await lab.page()
  await page.getByRole('link', { name: 'tumour-diagnostics' }).click()
  await row(page, 'bayes-2').waitFor()
  const query = page.getByRole('combobox', { name: 'Query' })
  await query.fill("params.family != 'bayes'")
  await query.press('Enter')
  await row(page, 'bayes-2').waitFor({ state: 'detached' })
  await soon(async () => assert.equal(await page.locator('.body .row').count(), 4))
  await page.goto(`${lab.base}/#/experiments/${exp}?view=charts&group=params.family`)
  const loss = page.getByRole('region', { name: 'test/loss' })
  await loss.getByText(/of 6 runs/).waitFor()
  await loss.getByRole('button', { name: 'Table' }).click()
  await soon(async () => assert.deepEqual((await loss.getByRole('row').locator('td:first-child').allTextContents()).sort(), ['bayes', 'huber', 'logistic']))
  await lab.done(page)
})

test('compare two, and their curves at a threshold', async () => {
  const page = await lab.page(`#/experiments/${exp}`)
  for (const name of ['logistic-1', 'bayes-1']) await row(page, name).getByRole('checkbox').check()
  await page.keyboard.press('c')
  await page.getByRole('heading', { level: 1, name: 'Compare runs' }).waitFor()
  await page.getByRole('rowheader', { name: 'family' }).waitFor()
  await page.getByRole('link', { name: 'Curves' }).click()
  const summary = page.getByRole('region', { name: 'Runs' })
  await summary.getByRole('row', { name: /logistic-1/ }).waitFor()
  // The area is the one that scikit-learn computed and the run logged.
  const { runs } = await lab.api('POST', 'runs/search', { experiment_ids: [exp], filter: "attributes.run_name = 'logistic-1'" })
  const auc = runs[0].data.metrics.find((m) => m.key === 'auc').value
  await summary.getByRole('row', { name: /logistic-1/ }).getByText(auc.toFixed(4)).first().waitFor()
  const slider = page.getByRole('slider', { name: 'Threshold' })
  const counts = () => page.getByRole('region', { name: 'Counts at the threshold: logistic-1' }).textContent()
  const before = await counts()
  await slider.focus()
  for (let i = 0; i < 5; i++) await page.keyboard.press('PageUp')
  await page.waitForFunction((b) => document.querySelector('[aria-label="Counts at the threshold: logistic-1"]')?.textContent !== b, before)
  await lab.done(page)
})

test('register two models, promote one with a reason, and follow it back to the data', async () => {
  const page = await lab.page(`#/experiments/${exp}`)
  for (const [name, to] of [['logistic-1', 'Production'], ['huber-1', 'Staging']]) {
    await page.goto(`${lab.base}/#/experiments/${exp}`)
    await row(page, name).getByRole('link', { name }).click()
    await page.getByRole('button', { name: 'Register model' }).click()
    await dialog(page).getByRole('button', { name: 'Register', exact: true }).click()
    await dialog(page).getByRole('button', { name: 'Move to Staging' }).waitFor()
    await dialog(page).getByRole('button', { name: 'Open the version' }).click()
    await page.getByRole('button', { name: 'Change stage…' }).click()
    await dialog(page).getByRole('radio', { name: to }).check()
    await dialog(page).getByLabel('Reason').fill('reviewed by the board')
    await dialog(page).getByRole('button', { name: `Move to ${to}` }).click()
    await dialog(page).waitFor({ state: 'detached' })
  }
  await page.getByRole('heading', { level: 1, name: 'Version 2' }).waitFor()
  await page.getByText(/Version 1 · Production/).waitFor({ state: 'attached' }) // it is compared with
  await page.getByRole('region', { name: 'History' }).getByText('reviewed by the board').waitFor()
  const { model_version: v } = await lab.api('GET', 'model-versions/get?name=tumour-diagnostics&version=1')
  assert.equal(v.current_stage, 'Production')

  await page.goto(lab.base + '/#/lineage/version/tumour-diagnostics/1')
  const node = (name) => page.getByRole('group', { name: /^Lineage graph/ }).getByRole('button', { name })
  await node(/^Version, tumour-diagnostics/).first().focus()
  for (const name of [/^Logged model/, /^Run, logistic-1/, /^Dataset, tumours/]) {
    await page.keyboard.press('ArrowLeft')
    await page.waitForFunction((source) => new RegExp(source).test(document.activeElement?.getAttribute('aria-label') ?? ''), name.source)
  }
  await lab.done(page)
})
