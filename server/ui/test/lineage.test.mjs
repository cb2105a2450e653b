// The lineage of a small lab: walked with the keyboard, shown more of, as a table
// and as a file; and where nothing is recorded yet.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { Lab, soon } from './harness.mjs'

let lab, empty, exp, train, model
const nasty = '<img src=x onerror="document.title=1">=cmd'

before(async () => {
  lab = await Lab.open('/lab')
  exp = await lab.experiment('sepsis')
  const dataset = (name, context) => ({
    tags: [{ key: 'mlflow.data.context', value: context }],
    dataset: { name, digest: 'd' + name.length, source_type: 'local', source: JSON.stringify({ uri: '/data/' + name }), schema: '{}' },
  })
  const use = (run, ...inputs) => lab.api('POST', 'runs/log-inputs', { run_id: run, datasets: inputs })
  for (let i = 0; i < 30; i++) await use(await lab.run(exp, `tune-${i}`), dataset('cohort-a', 'tuning'))
  train = await lab.run(exp, 'train')
  await use(train, dataset('cohort-a', 'training'), dataset('assay/2024', 'validation'))
  const made = await lab.api('POST', 'logged-models', { experiment_id: exp, name: 'gbm', model_type: 'xgboost', source_run_id: train })
  model = made.model.info.model_id
  await lab.api('POST', 'runs/outputs', { run_id: train, models: [{ model_id: model, step: 0 }] })
  await lab.api('PATCH', `logged-models/${model}`, { model_id: model, status: 'LOGGED_MODEL_READY' })
  const check = await lab.run(exp, 'holdout check')
  await use(check, dataset('holdout', 'evaluation'))
  await lab.api('POST', 'runs/log-inputs', { run_id: check, models: [{ model_id: model }] })
  await lab.api('POST', 'registered-models/create', { name: 'sepsis-dx' })
  await lab.api('POST', 'model-versions/create', { name: 'sepsis-dx', source: `models:/${model}`, model_id: model, run_id: train })
  await lab.api('POST', 'model-versions/create', { name: 'sepsis-dx', source: `runs:/${train}/other`, run_id: train })
  await lab.api('POST', 'model-versions/transition-stage', { name: 'sepsis-dx', version: '1', stage: 'Production', archive_existing_versions: false })
  await lab.api('POST', 'registered-models/alias', { name: 'sepsis-dx', alias: 'champion', version: '1' })
  const odd = await lab.run(exp, nasty)
  await use(odd, dataset(nasty, nasty))
  empty = await Lab.open()
})
after(async () => {
  await lab?.close()
  await empty?.close()
})

const map = (page) => page.getByRole('group', { name: /^Lineage graph/ })
const focused = (page) => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? '')
async function press(page, key, want) {
  await page.keyboard.press(key)
  for (let i = 0; ; i++) {
    const at = await focused(page)
    if (want.test(at)) return
    assert.ok(i < 50, `${key} leads to ${at}`)
    await page.waitForTimeout(40)
  }
}

test('from a dataset to Production with the arrow keys', async () => {
  const page = await lab.page()
  await page.getByRole('link', { name: 'sepsis', exact: true }).waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('l')
  await page.getByRole('heading', { name: 'Recent datasets' }).waitFor()
  const row = page.getByRole('row', { name: /cohort-a/ })
  await soon(async () => assert.match(await row.textContent(), /sepsis\s*31/))
  await page.keyboard.press('/')
  await page.keyboard.type('cohort')
  await page.getByRole('link', { name: /assay/ }).waitFor({ state: 'detached' })
  await row.getByRole('link').focus()
  await page.keyboard.press('Enter')
  await page.waitForURL(new RegExp(`#/lineage/dataset/${exp}/cohort-a/d8$`))
  await map(page).waitFor()
  await press(page, 'Home', /^Dataset, cohort-a/)

  const facts = page.getByRole('region', { name: 'Chosen node' })
  await facts.getByText('In Production: sepsis-dx v1').waitFor()
  // 12 of the 31 runs, the one that leads to a version among them, and what follows.
  await facts.getByText('13 runs, 1 logged model, 2 versions, 1 stage, 1 alias').waitFor()
  await facts.getByText(/^at least/).first().waitFor()
  await soon(async () => assert.equal(await map(page).getByRole('button', { name: 'Show 19 more behind cohort-a' }).count(), 1))

  await page.keyboard.press('ArrowRight')
  for (let i = 0; i < 12 && !/^Run, train/.test(await focused(page)); i++) await page.keyboard.press('ArrowUp')
  for (let i = 0; i < 24 && !/^Run, train/.test(await focused(page)); i++) await page.keyboard.press('ArrowDown')
  await soon(async () => assert.match(await focused(page), /^Run, train, finished/))
  await press(page, 'ArrowRight', /^Logged model, gbm|^Version/)
  if (/^Version/.test(await focused(page))) {
    await press(page, 'ArrowLeft', /^Run, train/)
    await page.locator('.node.model').focus()
  }
  await soon(async () => assert.match(await focused(page), /^Logged model, gbm, xgboost/))
  await soon(() => assert.match(page.url(), /at=model%2Fm-/))
  await page.keyboard.press('ArrowRight')
  for (let i = 0; i < 6 && !/v1/.test(await focused(page)); i++) await page.keyboard.press(i < 3 ? 'ArrowUp' : 'ArrowDown')
  await soon(async () => assert.match(await focused(page), /^Version, sepsis-dx v1, Production @champion/))
  await page.keyboard.press('ArrowRight')
  for (let i = 0; i < 4 && !/^Stage/.test(await focused(page)); i++) await page.keyboard.press(i < 2 ? 'ArrowUp' : 'ArrowDown')
  await soon(async () => assert.match(await focused(page), /^Stage, Production/))
  await facts.getByText('1 dataset, 1 run, 1 logged model, 1 version').waitFor()
  await press(page, 'Home', /^Dataset, cohort-a/)
  await page.keyboard.press('Shift+ArrowRight')
  await soon(async () => assert.match(await focused(page), /^Dataset, cohort-a/))
  await lab.done(page)
})

test('more of a node, by key and by click, stays in the address', async () => {
  const page = await lab.page(`#/lineage/dataset/${exp}/cohort-a/d8`)
  await map(page).waitFor()
  await page.locator('.node.start').waitFor()
  await soon(async () => assert.equal(await page.locator('.node.run').count(), 13))
  await page.waitForFunction(() => document.activeElement?.matches('.node.start'))
  await page.keyboard.press('e')
  await page.waitForFunction(() => document.querySelectorAll('.node.run').length === 32)
  await page.getByRole('region', { name: 'Chosen node' }).getByText('32 runs, 1 logged model').waitFor()
  await soon(async () => assert.equal(await page.getByRole('button', { name: /more behind cohort-a/ }).count(), 0))
  await page.getByRole('button', { name: 'Show 1 more before train' }).click()
  await page.locator('.node.dataset', { hasText: 'assay/2024' }).waitFor()
  await page.getByRole('region', { name: 'Chosen node' }).getByText('2 datasets').waitFor()
  await page.reload()
  await page.locator('.node.dataset', { hasText: 'assay/2024' }).waitFor()
  await soon(async () => assert.equal(await page.locator('.node.run').count(), 32))
  await page.getByRole('region', { name: 'Chosen node' }).getByRole('link', { name: /^Start here/ }).click()
  await page.waitForURL(new RegExp(`#/lineage/run/${train}$`))
  await page.locator('.node.start', { hasText: 'train' }).waitFor()
  await page.getByText('2 datasets').waitFor()
  await lab.done(page)
})

test('a link to a version: provenance, the page of a node, zoom', async () => {
  const page = await lab.page('#/lineage/version/sepsis-dx/1')
  await page.getByRole('heading', { name: 'sepsis-dx v1', level: 1 }).waitFor()
  const facts = page.getByRole('region', { name: 'Chosen node' })
  await facts.getByText('2 datasets, 1 run, 1 logged model').waitFor()
  await facts.getByText('@champion').first().waitFor()
  // Fitted into its window, the graph does not stand at its corner.
  await page.waitForFunction(() => new DOMMatrix(getComputedStyle(document.querySelector('.plane')).transform).f !== 0)
  const scale = () => page.locator('.plane').evaluate((e) => new DOMMatrix(getComputedStyle(e).transform).a)
  const before = await scale()
  await page.keyboard.press('+')
  await page.waitForFunction((b) => new DOMMatrix(getComputedStyle(document.querySelector('.plane')).transform).a > b, before)
  await page.keyboard.press('0')
  await page.mouse.move(500, 500)
  await page.mouse.wheel(0, -300)
  await page.waitForFunction((b) => new DOMMatrix(getComputedStyle(document.querySelector('.plane')).transform).a > b, before)
  await page.keyboard.press('0')
  await page.locator('.node.run').focus()
  await page.keyboard.press('Enter')
  await page.waitForURL(new RegExp(`#/experiments/${exp}/runs/${train}$`))
  await page.getByRole('heading', { name: 'train', level: 1 }).waitFor()
  await page.getByRole('main').getByRole('link', { name: 'Lineage', exact: true }).click()
  await page.waitForURL(new RegExp(`#/lineage/run/${train}$`))
  await lab.done(page)
})

test('in a small window what has no room is told, and reached', async () => {
  const page = await lab.page('#/lineage/version/sepsis-dx/1', { viewport: { width: 1000, height: 700 } })
  await page.locator('.node.start').waitFor()
  // Nodes that are not wholly in the window of the graph, and how many are told to be so.
  const hidden = () => page.evaluate(() => {
    const box = document.querySelector('.map').getBoundingClientRect()
    const out = [...document.querySelectorAll('.map .node')].filter((n) => {
      const r = n.getBoundingClientRect()
      return r.left < box.left - 3 || r.right > box.right + 3 || r.top < box.top - 3 || r.bottom > box.bottom + 3
    }).map((n) => n.getAttribute('aria-label'))
    const told = [...document.querySelectorAll('.map .beyond')].reduce((n, b) => n + parseInt(b.getAttribute('aria-label')), 0)
    return { out, told }
  })
  await page.waitForFunction(() => document.querySelector('.map .beyond'))
  const first = await hidden()
  assert.ok(first.out.length && !first.out.some((n) => /^Version, sepsis-dx v1/.test(n)), first.out.join('\n'))
  assert.equal(first.told, first.out.length)
  const unseen = new Set(first.out)
  const seen = async () => {
    const { out, told } = await hidden()
    assert.equal(told, out.length)
    for (const n of unseen) if (!out.includes(n)) unseen.delete(n)
  }
  for (const side of ['left', 'right']) {
    const more = page.getByRole('button', { name: new RegExp(`more to the ${side}$`) })
    for (let i = 0; i < 4 && await more.count(); i++) {
      await more.click()
      await seen()
    }
    assert.equal(await more.count(), 0, side)
  }
  assert.deepEqual([...unseen], [])
  // Fitted again, the start is in view; a step of the keys to what is not leads there.
  await page.getByRole('button', { name: 'Fit' }).click()
  await press(page, 'Home', /^Version, sepsis-dx v1/)
  assert.ok(!(await hidden()).out.some((n) => /^Version, sepsis-dx v1/.test(n)))
  for (const want of [/^Logged model/, /^Run, train/, /^Dataset/]) await press(page, 'ArrowLeft', want)
  assert.ok(!(await hidden()).out.some((n) => /^Dataset, cohort-a/.test(n)))
  await lab.done(page)
})

test('the same as a table, and as a file', async () => {
  const page = await lab.page(`#/lineage/run/${train}`)
  await map(page).waitFor()
  await page.keyboard.press('t')
  await page.waitForURL(/view=table/)
  const rows = await page.locator('tbody tr').allTextContents()
  const line = (...parts) => rows.some((r) => parts.every((p) => r.includes(p)))
  assert.ok(line('cohort-a', 'used by', 'train', 'training', 'Provenance'), rows.join('\n'))
  assert.ok(line('train', 'made', 'gbm', 'Impact'))
  assert.ok(line('gbm', 'input of', 'holdout check', 'Impact'))
  assert.ok(line('sepsis-dx v1', 'is named', '@champion', 'Impact'))
  assert.ok(line('train', 'registered as', 'sepsis-dx v2', 'Impact'))
  await page.getByRole('button', { name: 'gbm' }).first().click()
  await page.waitForURL(/at=model/)
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export CSV' }).click()])
  assert.equal(file.suggestedFilename(), 'lineage-gbm.csv')
  const text = readFileSync(await file.path(), 'utf8')
  assert.match(text, /^set,kind,name,/)
  assert.match(text, new RegExp(`chosen,model,gbm,${model},`))
  assert.match(text, /provenance,dataset,assay\/2024,/)
  assert.match(text, /impact,version,sepsis-dx,,1,,,READY,Production,champion,/)
  assert.doesNotMatch(text, /sepsis-dx,,2/)
  await page.reload()
  await page.getByRole('cell', { name: 'made' }).waitFor()
  await lab.done(page)
})

test('names of others are text, in the graph and in the file', async () => {
  const page = await lab.page(`#/lineage/dataset/${exp}/${encodeURIComponent(nasty)}/d${nasty.length}`)
  await page.locator('.node.start', { hasText: '<img' }).waitFor()
  await page.keyboard.press('ArrowRight')
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export CSV' }).click()])
  assert.ok(readFileSync(await file.path(), 'utf8').includes(`"${nasty.replaceAll('"', '""')}"`))
  await soon(async () => assert.match(await page.title(), /<img/))
  await page.keyboard.press('Home')
  await page.getByRole('link', { name: 'Its runs in the table' }).click()
  await page.getByText('1 run matches').waitFor()
  await lab.done(page)
})

test('a thing that is not there, and a database without lineage', async () => {
  const page = await lab.page('#/lineage/run/0123456789abcdef0123456789abcdef')
  await page.getByRole('alert').getByText(/not found/).waitFor()
  page.complaints = page.complaints.filter((c) => !/404/.test(c)) // the browser notes the answer
  await page.getByRole('alert').getByRole('link', { name: 'Lineage' }).click()
  await page.getByRole('heading', { name: 'Registered versions' }).waitFor()
  await lab.done(page)
  const other = await empty.page('#/lineage')
  await other.getByRole('heading', { name: 'Nothing has a lineage yet' }).waitFor()
  await other.getByText('mlflow.log_input').waitFor()
  const bare = await empty.run('0', 'alone')
  await other.goto(`${empty.base}/#/lineage/run/${bare}`)
  await other.getByText('Nothing else is recorded of it').waitFor()
  await empty.done(other)
})
