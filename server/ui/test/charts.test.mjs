// Charts: over any metric, of groups of runs, with what is not a number, and beside
// the table.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lab, download, realCurves, soon } from './harness.mjs'

let lab, seeds, odd
const runs = []
const models = ['resnet18', 'resnet50', 'vit', 'mlp', 'unet']

before(async () => {
  lab = await Lab.open()
  seeds = await lab.experiment('seeds')
  for (const [m, model] of models.entries()) {
    for (let seed = 0; seed < 10; seed++) {
      const loss = Array.from({ length: 200 }, (_, i) => m + seed / 10 + Math.exp(-i / 50))
      runs.push(await lab.run(seeds, `${model}-${seed}`, {
        params: { model, seed }, metrics: { loss, ...(seed < 2 ? { epoch: loss.map((_, i) => Math.floor(i / 20)), 'system/cpu': loss.map((_, i) => i % 100) } : {}) }, start: Date.now() - 1000 * (100 - runs.length),
      }))
    }
  }
  odd = await lab.experiment('odd')
})
after(() => lab?.close())

const panel = (page, name) => page.getByRole('region', { name, exact: true })
/** What the server was last asked for, by metric. */
function listen(page) {
  const asked = new Map()
  page.on('request', (r) => { if (r.url().endsWith('/search-series')) for (const k of r.postDataJSON().metric_keys) asked.set(k, r.postDataJSON()) })
  return asked
}
/** Moves the mouse over a chart, which may just be drawn anew. */
async function point(page, region, x, y) {
  const size = () => region.locator('.u-over').evaluate((e) => e.getBoundingClientRect().toJSON())
  let box, last
  do {
    last = JSON.stringify(box)
    box = await size()
    await page.evaluate(() => new Promise(requestAnimationFrame))
  } while (JSON.stringify(box) !== last)
  await page.mouse.move(box.x + box.width * x, box.y + box.height * y)
  return box
}

test('five groups of ten seeds: a mean each, its interval, how many runs', async () => {
  const page = await lab.page(`#/experiments/${seeds}?view=charts`)
  const asked = listen(page)
  const loss = panel(page, 'loss')
  await loss.getByText('2,000 points').waitFor() // of the first ten runs
  await page.getByLabel('Group by').fill('params.model')
  await page.getByLabel('Group by').press('Enter')
  await loss.getByText(/means of 10,000 points of 50 runs/).waitFor()
  assert.equal(asked.get('loss').run_ids.length, 50)
  await soon(async () => assert.equal(await page.getByRole('list', { name: 'Legend' }).getByRole('listitem').count(), 5))
  await page.getByRole('button', { name: 'vit 10 runs' }).waitFor()
  await point(page, loss, 0.5, 0.5)
  await loss.locator('.tip').getByText('n 10').first().waitFor()
  await soon(async () => assert.equal(await loss.locator('.tip .one').count(), 5))
  // Nearest in the middle is the middle group; the others fade.
  await soon(async () => assert.equal(await loss.locator('.tip .near').textContent().then((t) => /vit/.test(t)), true))

  await loss.getByRole('button', { name: 'Table' }).click()
  const row = loss.getByRole('row', { name: /resnet50/ })
  // Ten runs with the values 1, 1.1 … 1.9 and e⁻⁴ more: t is 2.2622, the deviation 0.30277.
  await soon(async () => assert.deepEqual(await row.getByRole('cell').allTextContents(), ['resnet50', '10', '2,000', '2.45', '1.469', '± 0.2166', '1.019', '2.9']))
  await loss.getByRole('button', { name: 'Chart' }).click()
  await page.getByLabel('Band of groups').selectOption('range')
  await page.reload()
  await loss.getByText(/means of 10,000 points of 50 runs/).waitFor()
  await soon(async () => assert.equal(await page.getByLabel('Band of groups').inputValue(), 'range'))

  // A zoom asks for its steps only, of all runs.
  const again = listen(page)
  const box = await point(page, loss, 0.5, 0.5)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.6, box.y + 60, { steps: 4 })
  await page.mouse.up()
  await loss.getByText(/means of 1,\d\d0 points of 50 runs/).waitFor()
  assert.ok(again.get('loss').from_step > 90 && again.get('loss').to_step < 125)
  await page.getByRole('button', { name: 'Elapsed', exact: true }).click()
  await loss.getByText(/means of 10,000 points/).waitFor()
  await page.getByRole('button', { name: 'Step', exact: true }).click()

  // Over another metric: two of each group's runs have it, and all their points of an epoch stand at it.
  await page.getByRole('button', { name: 'Metric', exact: true }).click()
  await page.getByLabel('Metric of the x axis').fill('epoch')
  await page.getByLabel('Metric of the x axis').press('Enter')
  await loss.getByText('50 means of 2,000 points of 10 runs').waitFor()
  await loss.getByText('8,000 without a place').waitFor()
  assert.equal(asked.get('loss').x_metric, 'epoch')
  await point(page, loss, 0.5, 0.5)
  await loss.locator('.tip').getByText('n 2').first().waitFor()
  await loss.locator('.tip').getByText(/^epoch 4/).waitFor()
  await page.getByRole('button', { name: 'Step', exact: true }).click()
  await loss.getByText(/means of 10,000 points/).waitFor()

  // By any value, and by one that cannot be read.
  await page.getByLabel('Group by').fill('params.seed % 2')
  await page.getByLabel('Group by').press('Enter')
  await page.getByRole('button', { name: '1 25 runs' }).waitFor()
  await page.getByLabel('Group by').fill('params.(')
  await page.getByLabel('Group by').press('Enter')
  await page.getByRole('alert').waitFor()
  await page.getByRole('button', { name: 'Ungroup' }).click()
  await loss.getByText('2,000 points').waitFor()
  await lab.done(page)
})

test('a group in the table beside: the swatches are the groups\'; grouped from the menu of a column', async () => {
  const page = await lab.page(`#/experiments/${seeds}?order=run_name+ASC`)
  await page.waitForFunction(() => document.querySelectorAll('.body .row .name a').length > 20)
  await page.getByRole('columnheader').filter({ hasText: 'model' }).click({ button: 'right' })
  await page.getByRole('menuitem', { name: 'Group charts by model' }).click()
  await panel(page, 'loss').getByText(/means of 10,000 points/).waitFor()
  await page.waitForFunction(() => new Set([...document.querySelectorAll('.body .row .swatch')].slice(0, 10).map((s) => getComputedStyle(s).backgroundColor)).size === 1)
  // A run under the pointer stands for its group.
  await page.locator('.body .row').nth(2).hover()
  await page.locator('.legend .near').getByText('mlp').waitFor()
  await lab.done(page)
})

test('the nearest run lights up in the table, and the run of a row in all charts', async () => {
  const page = await lab.page(`#/experiments/${seeds}?view=split&order=run_name+ASC&runs=${runs[0]},${runs[40]}`)
  const loss = panel(page, 'loss')
  await loss.getByText('400 points').waitFor()
  await point(page, loss, 0.8, 0.9)
  await page.waitForFunction(() => document.querySelector('.body .row.hovered .name a')?.textContent === 'resnet18-0')
  await point(page, loss, 0.8, 0.1)
  await loss.locator('.tip .near').getByText('unet-0').waitFor()
  await page.locator('.body .row', { hasText: 'resnet18-0' }).hover()
  // System metrics have a place of their own, behind the others.
  const titles = await page.locator('.right h2, .right h3').allTextContents()
  assert.ok(titles.indexOf('system/cpu') > titles.findIndex((t) => t.startsWith('System metrics')) && titles.indexOf('loss') < titles.findIndex((t) => t.startsWith('System metrics')), titles.join())
  await lab.done(page)
})

test('over another metric: joined by step, in the address, what has no place is told', async () => {
  const late = await lab.run(odd, 'late', { metrics: { loss: Array.from({ length: 100 }, (_, i) => 1 / (i + 1)) } })
  for (const step of [20, 40, 60]) await lab.api('POST', 'runs/log-metric', { run_id: late, key: 'epoch', value: step / 20, timestamp: Date.now(), step })
  const page = await lab.page(`#/experiments/${odd}?view=charts&runs=${late}`)
  const asked = listen(page)
  const loss = panel(page, 'loss')
  await loss.getByText('100 points').waitFor()
  await page.getByRole('button', { name: 'Metric', exact: true }).click()
  await page.getByLabel('Metric of the x axis').fill('epoch')
  await page.getByLabel('Metric of the x axis').press('Enter')
  await loss.getByText('20 without a place').waitFor()
  await loss.getByText('80 points').waitFor()
  assert.equal(asked.get('loss').x_metric, 'epoch')
  await point(page, loss, 0.98, 0.5)
  await loss.locator('.tip').getByText(/epoch (3|2\.9\d*)$/).waitFor()
  const box = await point(page, loss, 0.4, 0.5) // epochs 1.8 to 2.2
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.6, box.y + 60, { steps: 4 })
  await page.mouse.up()
  await loss.getByText('20 points').waitFor()
  assert.ok(asked.get('loss').from_x > 1 && asked.get('loss').to_x < 3)
  await page.reload()
  await loss.getByText('80 points').waitFor()
  await page.getByRole('button', { name: 'Step', exact: true }).click()
  await loss.getByText('100 points').waitFor()
  await lab.done(page)
})

test('what is no number, what a log axis has no place for, steps out of order, smoothing', async () => {
  const values = Array.from({ length: 60 }, (_, i) => (i % 10 === 3 ? -1 : 2 + Math.sin(i)))
  values[10] = NaN
  values[20] = Infinity
  values[30] = -Infinity
  const id = await lab.run(odd, 'strange', { metrics: { value: values } })
  for (const step of [9, 3, 7, 1, 5]) await lab.api('POST', 'runs/log-metric', { run_id: id, key: 'back', value: step, timestamp: 1e12 - step, step })
  const page = await lab.page(`#/experiments/${odd}?view=charts&runs=${id}`)
  const value = panel(page, 'value'), back = panel(page, 'back')
  await value.getByText('60 points').waitFor()
  await value.getByText('1 NaN').waitFor()
  await value.getByText('2 ∞').waitFor()
  const ink = (p) => p.locator('canvas').evaluate((c) => {
    const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, seen = new Set()
    for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 60) seen.add(d[i] + ',' + d[i + 1] + ',' + d[i + 2] + ',' + (d[i + 3] >> 4))
    let pixels = 0
    for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 60) pixels++
    return { pixels, shades: seen.size }
  })
  const plain = await ink(value)
  await page.getByRole('slider').fill('0.8')
  await page.waitForTimeout(200)
  const ghost = await ink(value)
  assert.notDeepEqual(ghost, plain, 'the raw line stays behind the smoothed one')
  await page.getByLabel('Smoothing').and(page.locator('select')).selectOption('window')
  await page.waitForTimeout(200)
  await soon(async () => assert.notDeepEqual(await ink(value), ghost))
  await page.getByRole('slider').fill('0')
  await page.getByRole('button', { name: 'log y' }).click()
  await value.getByText('7 ≤ 0 not on a log axis').waitFor() // six of -1 and the -∞
  await page.getByRole('button', { name: 'log y' }).click()
  await value.getByText(/not on a log axis/).waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Table' }).last().waitFor()
  // Steps that came in another order than they count stand in theirs, and over time in that of time.
  await point(page, back, 0.99, 0.5)
  await back.locator('.tip b').getByText('9').waitFor()
  await page.getByRole('button', { name: 'Time', exact: true }).click()
  await point(page, back, 0.99, 0.5)
  await back.locator('.tip b').getByText('1', { exact: true }).waitFor()
  await lab.done(page)
})

test('a panel as a picture and as a table: points, windows of them, groups', async () => {
  const page = await lab.page(`#/experiments/${seeds}?view=charts&order=run_name+ASC&runs=${runs[0]},${runs[40]}`)
  const loss = panel(page, 'loss')
  await loss.getByText('400 points').waitFor()
  const png = await download(page, loss, 'Picture (PNG)')
  assert.equal(png.name, 'loss.png')
  const canvas = await loss.locator('canvas').evaluate((c) => [c.width, c.height])
  const [width, height] = [png.body.readUInt32BE(16), png.body.readUInt32BE(20)]
  assert.deepEqual([png.body.toString('latin1', 1, 4), width], ['PNG', canvas[0]])
  assert.ok(height >= canvas[1] + 40, 'with a title and a legend')
  // The colours of both curves are in it, on a ground that is not transparent.
  const seen = await page.evaluate(async (data) => {
    const img = new Image()
    img.src = 'data:image/png;base64,' + data
    await img.decode()
    const c = document.createElement('canvas'), ctx = c.getContext('2d')
    c.width = img.width
    c.height = img.height
    ctx.drawImage(img, 0, 0)
    const d = ctx.getImageData(0, 0, c.width, c.height).data, colours = new Set()
    let clear = 0
    for (let i = 0; i < d.length; i += 4) {
      colours.add([d[i], d[i + 1], d[i + 2]].join())
      if (d[i + 3] < 255) clear++
    }
    return { clear, colours: [...colours] }
  }, png.body.toString('base64'))
  assert.equal(seen.clear, 0)
  assert.ok(seen.colours.length > 20)
  const lines = async () => (await download(page, loss, 'Values (CSV)')).body.toString().trimEnd().split('\r\n')
  let csv = await lines()
  assert.equal(csv[0], 'run,run_id,step,time,value')
  assert.equal(csv.length, 401)
  assert.match(csv[1], new RegExp(`^(resnet18-0,${runs[0]}|unet-0,${runs[40]}),0,20\\d\\d-\\d\\d-\\d\\dT[\\d:.]+Z,[15]$`))
  // A zoom is what is shown then; smoothing has a column.
  const box = await point(page, loss, 0.5, 0.5)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.6, box.y + 60, { steps: 4 })
  await page.mouse.up()
  await loss.getByText(/^[34]\d points$/).waitFor()
  await page.getByRole('slider').fill('0.5')
  csv = await lines()
  assert.equal(csv[0], 'run,run_id,step,time,value,smoothed')
  assert.ok(csv.length > 30 && csv.length < 50, `${csv.length} lines`)
  await page.getByRole('slider').fill('0')
  // Groups have their means; a table in place of the chart has no picture.
  await page.goto(`${lab.base}/#/experiments/${seeds}?view=charts&group=params.model`)
  await loss.getByText(/means of 10,000 points/).waitFor()
  await loss.getByRole('button', { name: 'Table' }).click()
  await loss.getByRole('button', { name: 'Download loss' }).click()
  assert.deepEqual(await page.getByRole('menuitem').allTextContents(), ['Values (CSV)'])
  await page.keyboard.press('Escape')
  csv = await lines()
  assert.equal(csv[0], 'group,step,time,elapsed_ms,runs,mean,deviation,min,max')
  assert.match(csv[1], /^\w+,0,20[^,]+Z,[\d.]+,10,[\d.]+,0\.302765\d+,/)
  // Long curves are windows, of which each has its bounds.
  const long = await lab.run(odd, 'long', { metrics: { many: Array.from({ length: 20_000 }, (_, i) => Math.sin(i)) } })
  await page.goto(`${lab.base}/#/experiments/${odd}?view=charts&runs=${long}`)
  await panel(page, 'many').getByText(/of 20,000 points/).waitFor()
  csv = (await download(page, panel(page, 'many'), 'Values (CSV)')).body.toString().trimEnd().split('\r\n')
  assert.equal(csv[0], 'run,run_id,step,time,value,min,max,points,nan')
  assert.equal(csv.slice(1).reduce((n, l) => n + Number(l.split(',')[7]), 0), 20_000)
  await lab.done(page)
})

test('two hundred runs in groups are few bytes', async () => {
  const exp = await lab.experiment('two hundred')
  for (let i = 0; i < 200; i += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, k) => lab.run(exp, `g${i + k}`, { params: { arm: (i + k) % 5 }, metrics: { score: Array.from({ length: 1000 }, (_, s) => ((i + k) % 5) + Math.sin(s / 50) + (i + k) / 1000) } })))
  }
  const page = await lab.page()
  const bodies = []
  page.on('response', (r) => { if (r.url().endsWith('/search-series')) bodies.push(r.body()) })
  await page.goto(`${lab.base}/#/experiments/${exp}?view=charts&group=params.arm`)
  await panel(page, 'score').getByText(/means of 200,000 points of 200 runs/).waitFor()
  const bytes = (await bodies.at(-1)).length
  assert.ok(bytes > 1000 && bytes < 5 * 1001 * 9 * 8 + 4096, `${bytes} bytes`)
  await lab.done(page)
})

test('real curves over one another and in groups', async () => {
  const curves = realCurves(3)
  for (const [name, lines] of curves) lab.log(lines, '-e', 'real', '--name', name)
  const experiment = await lab.named('real')
  const page = await lab.page(`#/experiments/${experiment.experiment_id}?view=charts&group=status`)
  await page.waitForFunction(() => document.querySelectorAll('section[data-state="ready"] .u-over').length > 0)
  const key = await page.locator('section.panel[data-state="ready"]').first().getAttribute('aria-label')
  await page.goto(`${lab.base}/#/experiments/${experiment.experiment_id}?view=charts&x=${encodeURIComponent(key)}`)
  await panel(page, key).locator('.u-over').waitFor()
  await lab.done(page)
})
