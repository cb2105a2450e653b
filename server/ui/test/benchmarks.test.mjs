// Benchmarks: this project's own results, logged by the command line; the figures of
// the pages are those that it prints.

import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Lab, soon } from './harness.mjs'

const history = new URL('../../../bench/results/history/', import.meta.url).pathname
let lab, exp, long, trends, long24

/** 24 runs made of real ones: each with a commit and a day of its own, and from the 13th on Recorder takes a quarter longer. */
function longer(dir) {
  const files = readdirSync(history).filter((f) => f.endsWith('.txt')).sort()
  mkdirSync(dir)
  for (let i = 0; i < 24; i++) {
    const day = new Date(Date.UTC(2026, 2, 1 + i)).toISOString().replace('.000', '')
    const commit = (0xabc0000 + i * 4369).toString(16).padEnd(40, 'd')
    let text = readFileSync(join(history, files[i % files.length]), 'utf8')
      .replace(/^# (date|end|commit-time): .*$/gm, (_, k) => `# ${k}: ${day}`).replace(/^# commit: .*$/m, `# commit: ${commit}`)
    text = text.replace(/^(BenchmarkRecorder-\d+\s+\d+\s+)([\d.]+)( ns\/op)/gm, (_, a, ns, b) => a + (Number(ns) * (i >= 12 ? 1.25 : 1) + (i % 5) * 0.3).toFixed(1) + b)
    writeFileSync(join(dir, String(i).padStart(2, '0') + '.txt'), text)
  }
  return readdirSync(dir).sort().map((f) => join(dir, f))
}

before(async () => {
  lab = await Lab.open('/lab')
  lab.cli(['bench', 'log', '-q', ...readdirSync(history).filter((f) => f.endsWith('.txt')).map((f) => join(history, f))])
  lab.cli(['bench', 'log', '-q', '-e', 'nightly', ...longer(join(lab.dir, 'texts'))])
  exp = (await lab.named('benchmarks')).experiment_id
  long = (await lab.named('nightly')).experiment_id
  for (let i = 0; i < 100; i++) { // the server has taken all of them
    long24 = JSON.parse(lab.cli(['bench', 'trend', '-e', 'nightly', '--json']))
    const heads = await (await fetch(`${lab.base}/ajax-api/runstone/bench-list?experiment_id=${long}`)).json()
    if (heads.runs.length === 24 && !heads.skipped) break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  trends = JSON.parse(lab.cli(['bench', 'trend', '--json']))
})
after(() => lab?.close())

const recorder = () => long24.find((t) => t.name === 'Recorder-2' && t.unit === 'ns/op')
const digits = (text) => Number(text.replace('−', '-').replace(/,/g, '').match(/-?\d+(\.\d+)?/)[0])

test('the list has every series, is narrowed by words, unit and change, and walked by keyboard', async () => {
  const page = await lab.page('#/benchmarks?experiment=' + exp)
  await page.getByText(`${trends.length} of ${trends.length} · 2 runs`).waitFor()
  await page.getByLabel('Unit').selectOption('B/op')
  const bytes = trends.filter((t) => t.unit === 'B/op')
  await page.getByText(`${bytes.length} of ${trends.length}`).waitFor()
  await soon(() => assert.match(page.url(), /units=B%2Fop/))
  await page.keyboard.press('/')
  await page.keyboard.type(bytes[1].name.toLowerCase().slice(0, 5))
  await page.waitForURL(/q=/)
  const left = bytes.filter((t) => (t.package + '.' + t.name + ' B/op').toLowerCase().includes(bytes[1].name.toLowerCase().slice(0, 5)))
  await page.getByText(`${left.length} of ${trends.length}`).waitFor()
  await soon(async () => assert.deepEqual(await page.locator('aside li .name').allTextContents(), left.map((t) => t.name)))
  await page.getByLabel('Search benchmarks').fill('no such thing')
  await page.getByText('No benchmark matches').first().waitFor()
  await page.getByLabel('Search benchmarks').fill('')
  await page.getByLabel('Unit').selectOption('')
  await page.getByText(`${trends.length} of ${trends.length} · 2 runs`).waitFor()
  await page.getByLabel('Search benchmarks').blur()
  await page.keyboard.press('j')
  await page.waitForURL(/name=/)
  await page.locator('aside a[aria-current]').waitFor()
  await page.getByRole('heading', { name: `${trends[1].name} ${trends[1].unit}`, exact: true }).waitFor()
  await page.getByLabel('Changed only').check()
  await page.getByText(`0 of ${trends.length}`).waitFor()
  await lab.done(page)
})

test('a history: its change of level, its points and its table are those of the command line', async () => {
  const want = recorder()
  assert.equal(want.changes.length, 1)
  assert.equal(want.changes[0].index, 12)
  const page = await lab.page(`#/benchmarks?experiment=${long}`)
  await page.getByLabel('Search benchmarks').fill('recorder ns/op')
  const item = page.locator('aside li a', { hasText: 'Recorder-2' }).first()
  const percent = `+${(100 * want.changes[0].delta).toFixed(2)}%`
  await item.getByText(`▲ ${percent} worse`).waitFor()
  await item.click()
  const chart = page.getByRole('slider', { name: /History of .*Recorder-2 in ns\/op over 24 runs, 1 change of level/ })
  await chart.waitFor()
  await soon(async () => assert.equal(await chart.locator('circle.dot').count() + await chart.locator('path.dot').count(), 24))
  await soon(async () => assert.equal(await chart.locator('path.dot').count(), 1))
  await soon(async () => assert.equal(await chart.locator('path.whisker').count(), 24))
  await soon(async () => assert.equal(await chart.locator('text.label').textContent(), `▲ ${percent} worse`))

  const change = page.locator('.changes tbody tr')
  await soon(async () => assert.equal(await change.count(), 1))
  const cells = await change.locator('td').allTextContents()
  assert.equal(cells[0], `▲ ${percent} worse`)
  assert.ok(Math.abs(digits(cells[1]) - want.changes[0].from) < 0.06, cells[1])
  assert.ok(Math.abs(digits(cells[2]) - want.changes[0].to) < 0.06, cells[2])
  assert.equal(cells[3], `≤ ${want.changes[0].p}`)
  const name = (p) => p.commit.slice(0, 7) + (p.dirty ? '+' : '')
  assert.equal(cells[4], `${name(want.points[11])}..${name(want.points[12])}`)
  assert.equal(want.changes[0].commit, want.points[12].commit)

  // Along the runs, by keyboard: what is said, the address, the run itself.
  await chart.focus()
  await page.keyboard.press('Home')
  await page.keyboard.press('ArrowRight')
  await soon(async () => assert.match(await chart.getAttribute('aria-valuetext'), new RegExp(`^${name(want.points[1]).replace('+', '\\+')}, ${want.points[1].median.toFixed(1)}ns/op`)))
  await page.waitForURL(new RegExp(`run=${want.points[1].run_id}`))
  await page.locator('.chosen').getByText(want.points[1].commit.slice(0, 7)).waitFor()
  const box = await chart.boundingBox()
  await page.mouse.move(box.x + box.width - 16, box.y + 150)
  await page.locator('.tip').getByText(`${want.points[23].median.toFixed(1)}ns/op`).waitFor()

  await page.keyboard.press('t')
  const rows = page.locator('.points tbody tr')
  await rows.first().waitFor()
  await soon(async () => assert.equal(await rows.count(), 24))
  for (const i of [0, 11, 12, 23]) {
    const line = await rows.nth(i).locator('td').allTextContents()
    const p = want.points[i]
    assert.ok(Math.abs(digits(line[2]) - p.median) < 0.06, line[2])
    const [lo, hi] = line[3].split(' – ').map(Number)
    assert.ok(Math.abs(lo - p.lo) < 0.06 && Math.abs(hi - p.hi) < 0.06, line[3])
    assert.equal(line[5], String(p.n))
  }
  await page.reload()
  await page.locator('.points').waitFor()
  await page.getByRole('button', { name: 'Chart' }).click()
  await page.getByLabel('From zero').check()
  await page.waitForURL(/zero=1/)
  await chart.focus()
  await page.keyboard.press('Enter')
  await page.waitForURL(new RegExp(`/experiments/${long}/runs/${want.points[1].run_id}`))
  await lab.done(page)
})

test('two runs side by side, as bench compare prints them', async () => {
  const want = JSON.parse(lab.cli(['bench', 'compare', 'latest~1', 'latest', '--json']))
  const printed = lab.cli(['bench', 'compare', 'latest~1', 'latest'])
  const page = await lab.page(`#/benchmarks?experiment=${exp}`)
  await page.getByText(/of \d+ · 2 runs/).waitFor()
  await page.keyboard.press('v')
  const tables = page.locator('.main section')
  await tables.first().waitFor()
  await soon(async () => assert.equal(await tables.count(), want.units.length))
  for (const [i, unit] of want.units.entries()) {
    const rows = tables.nth(i).locator('tbody tr')
    await soon(async () => assert.equal(await rows.count(), unit.rows.length))
    for (const [k, row] of unit.rows.entries()) {
      const cells = await rows.nth(k).locator('td').allTextContents()
      assert.equal(cells[2], !row.a || !row.b ? '' : row.differs ? (row.a.center === row.b.center ? '0.00%' : `${row.delta > 0 ? '+' : ''}${(100 * row.delta).toFixed(2)}%`) : '~', row.name)
      if (row.a && row.b) assert.ok(cells[4].startsWith(`p=${row.p.toFixed(3)} n=`), cells[4])
      // The very texts of the command line.
      for (const text of [cells[0], cells[1]]) assert.ok(printed.includes(text), text)
    }
    const mean = tables.nth(i).locator('tfoot td')
    if (unit.geomean_a && unit.rows.length > 1) assert.equal((await mean.allTextContents())[2], `${(unit.geomean_delta ?? 0) >= 0 ? '+' : ''}${(100 * (unit.geomean_delta ?? 0)).toFixed(2)}%`)
    else assert.equal(await mean.count(), 0)
  }

  // Only what differs, sorted by change.
  await page.getByLabel('Only significant').check()
  const differ = want.units[0].rows.filter((r) => r.differs && r.a && r.b)
  if (differ.length) {
    await page.getByTitle('Sort by change').first().click()
    await page.waitForURL(/sort=up/)
    const names = await tables.first().locator('tbody th').allTextContents()
    const sorted = [...differ].sort((x, y) => y.delta - x.delta)
    assert.deepEqual(names.map((n) => n.split('.').pop()), sorted.map((r) => r.name.split('.').pop()))
  } else await page.getByText('No row differs').waitFor()

  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.getByRole('button', { name: 'Copy as text' }).click()
  await page.getByRole('button', { name: 'Copied' }).waitFor()
  const text = await page.evaluate(() => navigator.clipboard.readText())
  assert.equal(text.slice(text.indexOf('\n\n')), printed.slice(printed.indexOf('\n\n')))

  // Other runs, by a commit and by a name; what is not there is said.
  const b = page.getByLabel(/^B, after: a run/)
  await b.fill('55d2708')
  await b.press('Enter')
  await page.waitForURL(/b=55d2708/)
  await page.getByText('A and B are the same run.').waitFor()
  await page.getByRole('button', { name: 'Swap A and B' }).click()
  await page.waitForURL(/a=55d2708/)
  await b.fill('latest~7')
  await b.press('Enter')
  await page.getByRole('alert').getByText('there are only 2 benchmark runs').waitFor()
  await lab.done(page)
})

test('from a change to the comparison of the runs on both sides', async () => {
  const want = recorder()
  const page = await lab.page(`#/benchmarks?experiment=${long}&pkg=${encodeURIComponent(want.package)}&name=${want.name}&unit=ns%2Fop&machine=${encodeURIComponent(want.machine)}`)
  await page.locator('.changes').getByRole('link', { name: 'Compare' }).click()
  await page.waitForURL(new RegExp(`a=${want.changes[0].run_before}&b=${want.changes[0].run}`))
  const row = page.locator('.main section').first().locator('tbody tr', { hasText: 'Recorder-2' }).first()
  await row.getByText('▲ worse').waitFor()
  await lab.done(page)
})

test('nothing logged: the page says how; one run compares to nothing', async () => {
  const empty = await Lab.open()
  try {
    const page = await empty.page('#/experiments')
    await page.keyboard.press('g')
    await page.keyboard.press('b')
    await page.getByText('go test -bench . -count 10 | runstone bench log').waitFor()
    await soon(async () => assert.equal(await page.getByRole('link', { name: 'Benchmarks' }).getAttribute('aria-current'), 'page'))
    empty.cli(['bench', 'log', '-q'], 'pkg: p\nBenchmarkA-2 100 5 ns/op\nBenchmarkA-2 100 6 ns/op\n')
    const { experiment_id } = await empty.named('benchmarks')
    for (let i = 0, n = 0; n < 1; i++) {
      assert.ok(i < 100)
      n = (await (await fetch(`${empty.base}/ajax-api/runstone/bench-list?experiment_id=${experiment_id}`)).json()).series.length
    }
    await page.reload()
    await page.getByRole('slider').waitFor()
    await page.keyboard.press('v')
    await page.getByText('Nothing to compare').waitFor()
    await empty.done(page)
  } finally {
    await empty.close()
  }
})

for (const colorScheme of ['light', 'dark']) {
  test(`narrow pages do not scroll sideways (${colorScheme})`, async () => {
    const page = await lab.page(`#/benchmarks?experiment=${long}`, { colorScheme, viewport: { width: 420, height: 800 } })
    await page.getByRole('slider').waitFor()
    await soon(async () => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)))
    await page.getByRole('button', { name: 'Compare', exact: true }).click()
    await page.locator('.main section').first().waitFor()
    await soon(async () => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)))
    await lab.done(page)
  })
}
