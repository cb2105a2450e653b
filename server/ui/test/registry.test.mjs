// What people do with registered models, done in a browser.

import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Lab, soon } from './harness.mjs'

let lab, exp
const runs = []
const odd = `a "b" <b>bold<b> 100% 'né' 日本`

const mlmodel = (columns, flavor = 'sklearn') => `artifact_path: model
flavors:
  python_function:
    loader_module: mlflow.${flavor}
    python_version: 3.12.4
  ${flavor}:
    serialization_format: cloudpickle
    code: null
mlflow_version: 2.20.1
signature:
  inputs: '[${columns.map((c) => `{"type": "double", "name": "${c}", "required": true}`).join(', ')}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}]'
  params: '[{"name": "threshold", "type": "double", "default": 0.5, "shape": null}]'
`

before(async () => {
  lab = await Lab.open('/lab')
  exp = await lab.experiment('sepsis study')
  for (let i = 0; i < 3; i++) {
    const run = await lab.run(exp, `fit-${i}`, { params: { lr: 0.1 * (i + 1), trees: 100 }, metrics: { auc: [0.7, 0.8 + i / 50], loss: [1, 0.5 - i / 10] } })
    runs.push(run)
    await lab.file(exp, run, 'model/MLmodel', mlmodel(i < 2 ? ['age', 'lactate'] : ['age', 'lactate', 'crp']))
    await lab.file(exp, run, 'model/model.pkl', 'x'.repeat(2000))
  }
  runs.push(await lab.run(exp, 'no-model'))
})
after(() => lab?.close())

const heading = (page, name) => page.getByRole('heading', { level: 1, name, exact: true })
const history = (page) => page.getByRole('region', { name: 'History' }).getByRole('listitem')
const dialog = (page) => page.getByRole('dialog')
const versions = (page) => page.getByRole('region', { name: 'Versions' })
const model = '#/models/sepsis%20study'

async function register(page, run, name) {
  await page.goto(`${lab.base}/#/experiments/${exp}/runs/${run}`)
  await page.getByRole('button', { name: 'Register model' }).click()
  if (name) await dialog(page).getByLabel('As a version of').fill(name)
  await dialog(page).getByRole('button', { name: 'Register', exact: true }).click()
  await dialog(page).getByRole('status').waitFor()
}

async function move(page, to, reason) {
  await page.getByRole('button', { name: 'Change stage…' }).click()
  await dialog(page).getByRole('radio', { name: to }).check()
  if (reason) await dialog(page).getByLabel('Reason').fill(reason)
  await dialog(page).getByRole('button', { name: `Move to ${to}` }).click()
  await dialog(page).waitFor({ state: 'detached' })
}

test('no models yet', async () => {
  const page = await lab.page('#/models')
  await page.getByText('No registered models').waitFor()
  await page.goto(lab.base + '/#/models/none')
  await page.getByRole('alert').getByText('Registered Model with name=none not found').waitFor()
  page.complaints.length = 0 // the browser itself reports a 404
  await lab.done(page)
})

test('a run registers its model in two clicks, and moves it to Staging', async () => {
  const page = await lab.page(`#/experiments/${exp}/runs/${runs[0]}`)
  await page.getByRole('button', { name: 'Register model' }).click()
  await dialog(page).getByRole('button', { name: 'Register', exact: true }).click()
  await dialog(page).getByText('Version 1 of sepsis study is registered.').waitFor()
  await dialog(page).getByRole('button', { name: 'Move to Staging' }).click()
  await dialog(page).getByText('Staging', { exact: true }).waitFor()
  await dialog(page).getByRole('button', { name: 'Open the version' }).click()
  await heading(page, 'Version 1').waitFor()
  await page.getByRole('link', { name: 'fit-0' }).waitFor()
  await page.getByRole('link', { name: 'sepsis study' }).nth(1).waitFor()
  assert.equal(await page.locator('main header p').first().innerText(), 'Models / sepsis study')
  await page.getByText('2.5 kB · 2 files').or(page.getByText('2.6 kB · 2 files')).waitFor()
  await page.getByText('python_function, sklearn').waitFor()
  const signature = page.getByRole('region', { name: 'Signature' })
  await signature.getByRole('row', { name: 'lactate double required' }).waitFor()
  await signature.getByRole('row', { name: /float64\[\? × 2\]/ }).waitFor()
  await signature.getByRole('row', { name: 'threshold double default 0.5' }).waitFor()
  await page.getByRole('region', { name: 'How to load it' }).getByText('models:/sepsis study/1').waitFor()
  await page.goto(`${lab.base}/#/experiments/${exp}/runs/${runs[0]}`)
  await page.getByRole('link', { name: /sepsis study Version 1/ }).waitFor()
  await lab.done(page)
})

test('a run without a model says so', async () => {
  const page = await lab.page(`#/experiments/${exp}/runs/${runs[3]}`)
  await page.getByRole('button', { name: 'Register model' }).click()
  await dialog(page).getByText('No model is among the files of this run.').waitFor()
  await soon(async () => assert.ok(await dialog(page).getByRole('button', { name: 'Register', exact: true }).isDisabled()))
  await page.keyboard.press('Escape')
  await lab.done(page)
})

test('promotion with a reason archives the version before, and stands in the history', async () => {
  const page = await lab.page()
  await register(page, runs[1])
  await register(page, runs[2])
  await page.goto(lab.base + '/' + model + '/versions/1')
  await heading(page, 'Version 1').waitFor()
  await move(page, 'Production', 'first one that is good enough')
  await page.goto(lab.base + '/' + model + '/versions/3')
  await heading(page, 'Version 3').waitFor()
  await page.getByRole('button', { name: 'Change stage…' }).click()
  await dialog(page).getByRole('radio', { name: 'Production' }).check()
  await dialog(page).getByText('(version 1)').waitFor()
  await dialog(page).getByLabel('Reason').fill('AUC 0.84 on <i>site B</i>')
  await dialog(page).getByRole('button', { name: 'Move to Production' }).click()
  await history(page).filter({ hasText: 'AUC 0.84 on <i>site B</i>' }).waitFor()
  await page.getByRole('link', { name: 'sepsis study', exact: true }).first().click()
  await versions(page).getByRole('row', { name: /^(Choose version 1 )?Version 1 Archived/ }).waitFor()
  await versions(page).getByRole('row', { name: /Version 3 Production/ }).waitFor()
  await soon(async () => assert.equal(await history(page).count(), 8))
  const told = await history(page).allInnerTexts()
  assert.match(told[0], /Version 3[^]*None[^]*→[^]*Production[^]*AUC 0.84/)
  assert.match(told[1], /Version 1[^]*Production[^]*→[^]*Archived[^]*AUC 0.84/)
  assert.match(told[2], /Version 1[^]*Staging[^]*→[^]*Production[^]*first one/)
  assert.match(told.at(-1), /Model created/)
  await lab.done(page)
})

test('versions: metrics that people choose, one stage, two compared', async () => {
  const page = await lab.page(model)
  const head = versions(page).getByRole('columnheader')
  await head.filter({ hasText: 'auc' }).waitFor()
  await versions(page).getByRole('cell', { name: '0.84', exact: true }).waitFor()
  await versions(page).getByRole('button', { name: 'Leave out auc' }).click()
  await head.filter({ hasText: 'auc' }).waitFor({ state: 'detached' })
  await versions(page).getByRole('button', { name: 'Leave out loss' }).click()
  await page.reload()
  await versions(page).getByRole('row').nth(3).waitFor()
  await soon(async () => assert.equal(await head.filter({ hasText: /auc|loss/ }).count(), 0))
  await versions(page).getByLabel('Add a metric').selectOption('loss')
  await versions(page).getByRole('cell', { name: '0.4', exact: true }).waitFor()
  await versions(page).getByLabel('Only versions in a stage').selectOption('Archived')
  await versions(page).getByRole('link', { name: 'fit-1' }).waitFor({ state: 'detached' })
  await versions(page).getByRole('link', { name: 'fit-0' }).waitFor()
  await versions(page).getByLabel('Only versions in a stage').selectOption('')
  await versions(page).getByLabel('Choose version 1').check()
  await versions(page).getByLabel('Choose version 3').check()
  await versions(page).getByRole('link', { name: 'Compare the runs of 2 versions' }).click()
  await heading(page, 'Compare runs').waitFor()
  await lab.done(page)
})

test('compare with Production: metrics, params, signature, by words that judge nothing', async () => {
  const page = await lab.page(model + '/versions/2')
  const compare = page.getByRole('region', { name: 'Compare' })
  const auc = compare.getByRole('row', { name: /auc/ })
  await auc.waitFor()
  await soon(async () => assert.match(await auc.innerText(), /0\.82\s+0\.84[^]*▼ −0\.02 \(−2\.4 %\) lower/))
  await soon(async () => assert.match(await compare.getByRole('row', { name: /^loss/ }).innerText(), /▲ \+0\.1 \(\+33 %\) higher/))
  await compare.getByRole('row', { name: /^lr 0.2/ }).waitFor()
  await soon(async () => assert.equal(await compare.getByRole('row', { name: /trees/ }).count(), 0, 'it is equal'))
  await compare.getByRole('row', { name: 'Inputs crp not there double' }).waitFor()
  await compare.getByLabel('also what is equal').check()
  await compare.getByRole('row', { name: /trees 100 100/ }).waitFor()
  await compare.getByLabel('Compare with').selectOption('1')
  await page.waitForURL(/with=1/)
  await compare.getByText('Both have the same signature.').waitFor()
  await compare.getByRole('link', { name: 'Compare the runs' }).click()
  await heading(page, 'Compare runs').waitFor()
  await lab.done(page)
})

test('aliases are set, moved and removed; descriptions and tags change', async () => {
  const page = await lab.page(model + '/versions/1')
  const aliases = page.getByRole('region', { name: 'Aliases' })
  await aliases.getByLabel('Alias', { exact: true }).fill('champion')
  await aliases.getByRole('button', { name: 'Set alias' }).click()
  await aliases.getByText('@champion').waitFor()
  const load = page.getByRole('region', { name: 'How to load it' })
  await load.getByRole('button', { name: '@champion' }).click()
  await load.getByText('models:/sepsis study@champion').waitFor()
  await page.goto(lab.base + '/' + model + '/versions/3')
  await heading(page, 'Version 3').waitFor()
  await aliases.getByLabel('Alias', { exact: true }).fill('champion')
  await aliases.getByText('The alias names version 1 now').waitFor()
  await aliases.getByRole('button', { name: 'Move here' }).click()
  await aliases.getByText('@champion').waitFor()
  await aliases.getByLabel('Alias', { exact: true }).fill('other')
  await aliases.getByRole('button', { name: 'Set alias' }).click()
  await aliases.getByRole('button', { name: 'Remove alias other' }).click()
  await aliases.getByText('@other').waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Edit: Description' }).click()
  await page.getByRole('textbox', { name: 'Description' }).fill('Trained on <script>three</script> sites')
  await page.keyboard.press('Control+Enter')
  await page.getByText('Trained on <script>three</script> sites').first().waitFor()
  const tags = page.getByRole('region', { name: 'Tags' })
  await tags.getByLabel('Key').fill('reviewed by')
  await tags.getByLabel('Value').fill('ada')
  await tags.getByRole('button', { name: 'Add' }).click()
  await tags.getByRole('rowheader', { name: 'reviewed by' }).waitFor()
  await page.goto(lab.base + '/' + model)
  const told = history(page)
  await told.filter({ hasText: '@champion' }).filter({ hasText: 'Version 3' }).filter({ hasText: '(was Version 1)' }).waitFor()
  await told.filter({ hasText: '@other removed from Version 3' }).waitFor()
  await told.filter({ hasText: 'tag reviewed by = ada' }).waitFor()
  await page.getByRole('link', { name: '@champion → 3' }).waitFor()
  await lab.done(page)
})

test('models: made, searched for, sorted; a name with odd characters', async () => {
  const page = await lab.page('#/models')
  await page.getByRole('button', { name: 'New model' }).click()
  await dialog(page).getByLabel('Name').fill('a/b')
  await dialog(page).getByText('A name has no slash and no colon.').waitFor()
  await dialog(page).getByLabel('Name').fill(odd)
  await dialog(page).getByLabel('Description').fill('odd one')
  await dialog(page).getByRole('button', { name: 'Create' }).click()
  await heading(page, odd).waitFor()
  await page.getByText('No versions yet').waitFor()
  assert.equal(await page.locator('main header p').first().innerText(), 'Models')
  await page.reload()
  await heading(page, odd).waitFor()
  await page.getByRole('link', { name: 'Models' }).last().click()
  await page.getByRole('row', { name: /sepsis study/ }).getByText('Production').waitFor()
  await soon(async () => assert.deepEqual(await page.locator('a.open').allTextContents(), [odd, 'sepsis study'], 'the newest change first'))
  await page.getByRole('button', { name: 'Name' }).click()
  await page.waitForURL(/order=name\+ASC/)
  for (const [words, found] of [['SEPSIS', 'sepsis study'], ["100% 'NÉ'", odd], ["name LIKE 'sep%'", 'sepsis study'], ['"b" <b>', odd], ['y', 'sepsis study']]) {
    await page.keyboard.press('/')
    await page.getByRole('searchbox').fill(words)
    await page.waitForFunction((f) => [...document.querySelectorAll('a.open')].map((a) => a.textContent).join() === f, found)
    await page.getByRole('heading', { level: 1 }).click()
  }
  await page.getByRole('searchbox').fill('nothing of this name')
  await page.getByText('No model matches').waitFor()
  await page.getByRole('button', { name: 'Clear the search' }).click()
  await page.getByRole('link', { name: odd, exact: true }).click()
  await register(page, runs[0], odd)
  await dialog(page).getByRole('button', { name: 'Open the version' }).click()
  await heading(page, 'Version 1').waitFor()
  await page.getByRole('region', { name: 'How to load it' }).getByText('models:/a \\"b\\" <b>bold<b>').waitFor()
  await move(page, 'Staging')
  await page.getByRole('link', { name: odd }).first().click()
  await versions(page).getByText('Staging', { exact: true }).last().waitFor()
  assert.equal(await page.locator('b:text("bold")').count(), 0)
  await lab.done(page)
})

test('a model is renamed with its history, a version and then the model deleted', async () => {
  const page = await lab.page('#/models/' + encodeURIComponent(odd))
  await lab.settle(page) // nothing is asked by the old name behind the new one
  await page.getByRole('button', { name: 'Rename' }).click()
  await dialog(page).getByLabel('Name').fill('sepsis study')
  await dialog(page).getByRole('button', { name: 'Rename' }).click()
  await dialog(page).getByRole('alert').getByText('already exists').waitFor()
  page.complaints.length = 0 // the browser itself reports the answer 400
  await dialog(page).getByLabel('Name').fill('plain')
  await dialog(page).getByRole('button', { name: 'Rename' }).click()
  await heading(page, 'plain').waitFor()
  await history(page).filter({ hasText: 'Renamed ' + odd }).waitFor()
  await soon(async () => assert.equal(await history(page).count(), 4))
  await page.goto(lab.base + '/#/models/plain/versions/1')
  await heading(page, 'Version 1').waitFor()
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await dialog(page).getByText('the number is not given again').waitFor()
  await dialog(page).getByRole('button', { name: 'Delete', exact: true }).click()
  await page.getByText('No versions yet').waitFor()
  await history(page).filter({ hasText: 'Version 1 deleted' }).waitFor()
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  const go = dialog(page).getByRole('button', { name: 'Delete', exact: true })
  await soon(async () => assert.ok(await go.isDisabled()))
  await dialog(page).getByLabel('Type the name').fill('plain')
  await go.click()
  await heading(page, 'Models').waitFor()
  await page.getByRole('link', { name: 'sepsis study', exact: true }).waitFor()
  assert.equal(await page.getByRole('link', { name: 'plain' }).count(), 0)
  await lab.done(page)
})

// Nothing but the keyboard: from a run to Production, and what is beside it.
test('everything by keyboard', async () => {
  const page = await lab.page(`#/experiments/${exp}/runs/${runs[1]}`)
  const press = async (...keys) => { for (const k of keys) await page.keyboard.press(k) }
  const tabTo = async (what, max = 60) => {
    for (let i = 0; i < max; i++) {
      if (await what.evaluate((e) => e === document.activeElement)) return
      await press('Tab')
    }
    assert.fail('no way there by Tab: ' + what)
  }
  await tabTo(page.getByRole('button', { name: 'Register model' }))
  await press('Enter')
  await dialog(page).getByRole('radio').first().waitFor()
  await page.waitForFunction(() => document.activeElement?.textContent === 'Register')
  await press('Enter')
  await dialog(page).getByRole('status').waitFor()
  await page.waitForFunction(() => document.activeElement?.textContent === 'Open the version')
  await press('Enter')
  await heading(page, 'Version 4').waitFor()

  await press('s')
  await page.waitForFunction(() => document.activeElement?.getAttribute('value') === 'Staging' || document.querySelector('dialog[open]'))
  await tabTo(dialog(page).getByRole('radio', { name: 'Staging' }))
  await press('ArrowDown')
  await soon(async () => assert.ok(await dialog(page).getByRole('radio', { name: 'Production' }).isChecked()))
  await tabTo(dialog(page).getByLabel('Reason'))
  await page.keyboard.type('typed, not clicked')
  await tabTo(dialog(page).getByRole('button', { name: 'Move to Production' }))
  await press('Enter')
  await history(page).filter({ hasText: 'typed, not clicked' }).waitFor()
  await page.waitForFunction(() => !document.querySelector('dialog[open]'))

  await press('a')
  await page.keyboard.type('fallback')
  await press('Enter')
  await page.getByRole('region', { name: 'Aliases' }).getByText('@fallback').waitFor()
  await page.evaluate(() => document.activeElement.blur())
  await press('e')
  await page.keyboard.type('by keys')
  await press('Control+Enter')
  await page.getByRole('region', { name: 'Description' }).getByText('by keys').waitFor()
  await press('c')
  await soon(async () => assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Compare with'))
  await page.evaluate(() => document.activeElement.blur())
  await press('u')
  await heading(page, 'sepsis study').waitFor()
  await versions(page).getByRole('row').nth(4).waitFor()
  await press('j', 'j', 'Enter')
  await heading(page, 'Version 3').waitFor()
  await press('g', 'm')
  await heading(page, 'Models').waitFor()
  await page.getByRole('link', { name: 'sepsis study', exact: true }).waitFor()
  await press('j', 'Enter')
  await heading(page, 'sepsis study').waitFor()
  await press('?')
  await dialog(page).getByText('edit the description').waitFor()
  await press('Escape')
  await lab.done(page)
})

test('an imported version tells when it was imported and made, and in which stage', async () => {
  const store = join(lab.dir, 'mlruns'), made = Date.UTC(2021, 2, 4, 12)
  const meta = (folder, text) => {
    mkdirSync(join(store, folder), { recursive: true })
    writeFileSync(join(store, folder, 'meta.yaml'), text)
  }
  meta('0', `artifact_location: ${join(store, '0')}\nexperiment_id: '0'\nlifecycle_stage: active\nname: Default\n`)
  meta('models/forest', `name: forest\ncreation_timestamp: ${made}\nlast_updated_timestamp: ${made}\n`)
  meta('models/forest/version-2', `name: forest\nversion: 2\ncurrent_stage: Production\ncreation_timestamp: ${made}\nlast_updated_timestamp: ${made}\nsource: s3://b/f\nstatus: READY\n`)
  await lab.stop()
  lab.cli(['import', 'mlflow', store])
  await lab.start(new URL(lab.origin).port)
  const page = await lab.page('#/models/forest/versions/2')
  await history(page).filter({ hasText: /Version 2 imported from MLflow\s*●\s*Production\s*made 04 Mar 2021/ }).waitFor()
  assert.match((await history(page).allInnerTexts())[0], /just now|s ago/)
  await page.goto(lab.base + '/#/models/forest')
  await history(page).filter({ hasText: 'Imported from MLflow with its versions' }).waitFor()
  await lab.done(page)
})
