// Files of runs: what is shown of them, and of many runs beside each other.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lab, lib, png, soon } from './harness.mjs'

const uuid = '3de5047b-13bd-4dc7-8ff0-5b44d5a95dfb'
const model = `artifact_path: model
flavors:
  python_function:
    env:
      conda: conda.yaml
    loader_module: mlflow.sklearn
    python_version: 3.11.9
  sklearn:
    code: null
    sklearn_version: 1.9.1
mlflow_version: 3.18.0
model_id: m-2f0a
model_size_bytes: 1234567
run_id: 0090f627
signature:
  inputs: '[{"type": "double", "name": "age", "required": true}, {"type": "string",
    "name": "the patient''s site", "required": true}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
  params: null
utc_time_created: '2026-11-23 14:21:30.123456'
<script>: document.title = "owned"
`
let lab, exp, one, two, three

before(async () => {
  lab = await Lab.open('/lab')
  exp = await lab.experiment('files')
  one = await lab.run(exp, 'one', { params: { lr: 0.1 }, metrics: { loss: [1, 0.5] } })
  two = await lab.run(exp, 'two', { params: { lr: 0.2 } })
  three = await lab.run(exp, 'three')
  const put = (run, path, body) => lab.file(exp, run, path, body)
  await put(one, 'runs.parquet', lab.parquet('files'))
  await put(one, 'broken.parquet', Buffer.concat([Buffer.from('PAR1'), Buffer.alloc(64, 7), Buffer.from([255, 255, 255, 127]), Buffer.from('PAR1')]))
  await put(one, 'model/MLmodel', model)
  await put(one, 'table.json', JSON.stringify({ columns: ['id', 'text'], data: [[1, '<img src=x onerror=alert(1)>'], [2, null]] }))
  await put(one, 'events.jsonl', '{"step":1,"loss":0.5}\n{"step":2,"loss":0.25,"note":"<b>x</b>"}\n')
  await put(one, 'wide.tsv', 'gene\tcount\nBRCA1\t12\nTP53\t7\n')
  await put(one, 'train.log', Array.from({ length: 60_000 }, (_, i) => `line ${i} of the log\n`).join(''))
  await put(one, 'binary.bin', Buffer.from([0, 1, 2]))
  const config = (lr, extra = '') => Array.from({ length: 40 }, (_, i) => `key${i}: ${i === 20 ? lr : i}\n`).join('') + extra
  await put(one, 'config.yaml', config(0.1))
  await put(two, 'config.yaml', config(0.2, 'added: true\n'))
  await put(three, 'config.yaml', config(0.1))
  for (const [run, colour] of [[one, [200, 40, 40]], [two, [40, 40, 200]]]) {
    for (const step of [0, 10, 20]) {
      if (run === two && step === 10) continue
      await put(run, `images/val~mask+step+${step}+timestamp+179544293${step}000+${uuid}.png`, png(24 + step, 24, colour))
      await put(run, `images/val~mask+step+${step}+timestamp+179544293${step}000+${uuid}+compressed.webp`, 'small twin')
    }
    await put(run, 'metrics.csv', `name,value\nauc,${run === one ? 0.75 : 0.8}\n`)
  }
})
after(() => lab?.close())

const open = (path) => lab.page(`#/experiments/${exp}/runs/${one}/artifacts/${path}`)

test('Parquet: the first rows with their types, read by ranges; a broken one says so', async () => {
  const page = await open('runs.parquet')
  const ranges = []
  page.on('request', (r) => { if (r.url().includes('get-artifact')) ranges.push(r.headers().range) })
  await page.getByText(/^1 rows?, \d+ columns|^3 rows, \d+ columns/).waitFor()
  const table = page.getByRole('table', { name: 'runs.parquet' })
  await table.getByRole('columnheader', { name: /^name\s*string$/ }).waitFor()
  await table.getByRole('columnheader', { name: /^start_time\s*timestamp$/ }).waitFor()
  await table.getByRole('row', { name: /one/ }).getByText('{"loss":0.5}').waitFor()
  await table.getByRole('cell', { name: /^\d{4}-\d\d-\d\dT\d\d:/ }).first().waitFor()
  await page.reload()
  await table.waitFor()
  assert.ok(ranges.length && ranges.every((r) => /^bytes=\d+-\d+$/.test(r)), String(ranges))
  await page.getByRole('button', { name: /broken\.parquet/ }).click()
  await page.getByRole('alert').getByText(/parquet/).waitFor()
  await page.getByRole('button', { name: /wide\.tsv/ }).click()
  await page.getByRole('cell', { name: 'BRCA1' }).waitFor()
  await lab.done(page)
})

test('tables, trees and lines of JSON; what is chosen is in the address', async () => {
  const page = await open('table.json')
  await page.getByRole('cell', { name: '<img src=x onerror=alert(1)>' }).waitFor()
  await page.getByRole('button', { name: 'Tree' }).click()
  await page.getByRole('button', { name: /columns\s*\[2\]/ }).waitFor()
  await page.getByRole('button', { name: /data\s*\[2\]/ }).press('Enter')
  await page.getByText('"<img src=x onerror=alert(1)>"').waitFor({ state: 'detached' })
  await page.reload()
  await page.getByRole('button', { name: /data\s*\[2\]/ }).waitFor()
  await page.getByRole('button', { name: 'Text', exact: true }).click()
  await page.locator('pre').getByText('"columns": [').waitFor()
  await page.getByRole('button', { name: /events\.jsonl/ }).click()
  await page.getByRole('cell', { name: '0.25', exact: true }).waitFor()
  await soon(async () => assert.deepEqual(await page.getByRole('row').nth(2).getByRole('cell').allTextContents(), ['2', '0.25', '<b>x</b>']))
  await lab.done(page)
})

test('an MLmodel: flavors, signature and origin above its text', async () => {
  const page = await open('model/MLmodel')
  for (const fact of ['python_function (Python 3.11.9), sklearn 1.9.1', '3.18.0', 'm-2f0a', '1.2 MB', '2026-11-23 14:21:30', "age: double, the patient's site: string", '#0: int64[?]']) {
    await page.locator('dd').getByText(fact, { exact: true }).waitFor()
  }
  await page.locator('pre').getByText('<script>').waitFor()
  await soon(async () => assert.match(await page.title(), /^one/))
  await lab.done(page)
})

test('a log from its end, and from its start; what cannot be shown is told', async () => {
  const page = await open('train.log')
  await page.locator('pre').getByText('line 59999 of the log').waitFor()
  await soon(async () => assert.equal(await page.locator('pre').getByText('line 1 of the log').count(), 0))
  await page.getByText('The last 524 kB are shown.').waitFor()
  await page.getByRole('button', { name: 'Start' }).click()
  await page.locator('pre').getByText(/^line 0 of the log/).waitFor()
  await page.waitForFunction(() => location.hash.includes('as=start'))
  await page.getByRole('button', { name: /binary\.bin/ }).click()
  await page.getByText(/Files of this kind are not shown here/).waitFor()
  await lab.done(page)
})

const compare = (query = '') => lab.page(`#/compare-runs?runs=${one},${two},${three}${query}`)
const files = (page) => page.getByRole('region', { name: 'Artifacts' })

test('texts of runs: which lines differ, against any of them', async () => {
  const page = await compare()
  await files(page).scrollIntoViewIfNeeded()
  await files(page).getByRole('button', { name: /config\.yaml\s*3\/3/ }).click()
  await files(page).getByText('−1', { exact: true }).waitFor()
  await files(page).getByText('+2', { exact: true }).waitFor()
  const lines = files(page).getByRole('row')
  await lines.filter({ hasText: 'key20: 0.1' }).getByText('−').waitFor()
  await lines.filter({ hasText: 'key20: 0.2' }).getByText('+').waitFor()
  await lines.filter({ hasText: '17 equal lines' }).waitFor()
  await files(page).getByLabel('All lines').check()
  await lines.filter({ hasText: 'key3: 3' }).waitFor()
  await files(page).getByRole('combobox', { name: 'Against' }).selectOption({ label: 'three' })
  await files(page).getByText('The files are the same.').waitFor()
  await page.reload()
  await files(page).getByText('The files are the same.').waitFor()
  await lab.done(page)
})

test('tables of runs: side by side, or their difference', async () => {
  const page = await compare('&file=metrics.csv')
  await files(page).getByRole('table', { name: 'metrics.csv, one' }).getByRole('cell', { name: '0.75' }).waitFor()
  await files(page).getByRole('table', { name: 'metrics.csv, two' }).getByRole('cell', { name: '0.8' }).waitFor()
  await files(page).getByText('Not in three.').waitFor()
  await files(page).getByRole('button', { name: 'Difference' }).click()
  await files(page).getByRole('row').filter({ hasText: 'auc,0.75' }).waitFor()
  await lab.done(page)
})

test('pictures of runs: one slider of steps, overlay, flicker by keyboard', async () => {
  const page = await compare('&file=images/val/mask.png&step=0')
  const widths = () => files(page).locator('figure img').evaluateAll((all) => all.map((i) => i.naturalWidth))
  const until = (want) => page.waitForFunction((w) => JSON.stringify([...document.querySelectorAll('section[aria-label=Artifacts] figure img')].map((i) => i.naturalWidth)) === w, JSON.stringify(want))
  await until([24, 24])
  await page.keyboard.press('.')
  await until([34, 24]) // two has none of step 10: that of step 0 stays
  await files(page).getByText('of step 0').waitFor()
  await files(page).getByRole('slider', { name: 'Step' }).focus()
  await page.keyboard.press('ArrowRight')
  await until([44, 44])
  await soon(() => assert.match(page.url(), /step=20/))
  await soon(async () => assert.deepEqual(await widths(), [44, 44]))
  await soon(async () => assert.equal(await files(page).getByRole('button', { name: /compressed/ }).count(), 0))
  await files(page).getByRole('button', { name: 'Flicker' }).click()
  await files(page).getByText('1/2').waitFor()
  await page.keyboard.press('i')
  await files(page).locator('figcaption').getByText('two').waitFor()
  await files(page).getByText('2/2').waitFor()
  await files(page).getByRole('button', { name: 'Overlay' }).click()
  await files(page).getByRole('slider', { name: 'Strength' }).fill('0.25')
  await files(page).getByText('25 %').waitFor()
  await soon(async () => assert.equal(await files(page).locator('img.top').evaluate((i) => getComputedStyle(i).opacity), '0.25'))
  await lab.done(page)
})

test('lines that differ: the shortest script, applied, gives the other text', async () => {
  const { diff, folded } = await lib('diff')
  const { numbers } = await lib('bootstrap')
  const kinds = (a, b) => diff([...a], [...b]).map((l) => ({ same: ' ', gone: '-', new: '+' })[l.kind] + l.text).join('')
  assert.equal(kinds('abc', 'abc'), ' a b c')
  assert.equal(kinds('', 'ab'), '+a+b')
  assert.equal(kinds('ab', ''), '-a-b')
  assert.equal(diff([...'abcabba'], [...'cbabac']).filter((l) => l.kind !== 'same').length, 5) // the example of Myers
  const random = numbers(3)
  for (let n = 0; n < 300; n++) {
    const text = () => Array.from({ length: Math.floor(random() * 30) }, () => 'abcd'[Math.floor(random() * 4)])
    const a = text(), b = text(), lines = diff(a, b)
    assert.deepEqual(lines.filter((l) => l.kind !== 'new').map((l) => l.text), a)
    assert.deepEqual(lines.filter((l) => l.kind !== 'gone').map((l) => l.text), b)
    assert.deepEqual(lines.filter((l) => l.a).map((l) => l.a), a.map((_, i) => i + 1))
    const longest = a.reduce((row, x) => { // of the common subsequence, by the table
      const next = [0]
      b.forEach((y, k) => next.push(x === y ? row[k] + 1 : Math.max(row[k + 1], next[k])))
      return next
    }, Array(b.length + 1).fill(0))[b.length]
    assert.equal(lines.filter((l) => l.kind === 'same').length, longest)
  }
  const many = diff(Array.from({ length: 9000 }, (_, i) => 'a' + i), Array.from({ length: 9000 }, (_, i) => 'b' + i))
  assert.equal(many.length, 18_000)
  const some = folded(diff([...'0123456789'], [...'01234x6789']))
  assert.deepEqual(some.map((l) => (l.kind === 'fold' ? l.n : l.text)).join(' '), '2 2 3 4 5 x 6 7 8 9')
})
