// Curves of classifiers, drawn from what programs log of them.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lab, download, png, soon } from './harness.mjs'

const labels = [0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 1, 0], scores = [0.05, 0.9, 0.6, 0.6, 0.85, 0.3, 0.3, 0.75, 0.45, 0.1, 0.2, 0.7]
let lab, exp
const run = {}

before(async () => {
  lab = await Lab.open('/lab')
  exp = await lab.experiment('classifiers')
  const add = async (name, path, body) => {
    run[name] ??= await lab.run(exp, name)
    await lab.file(exp, run[name], path, body)
  }
  await add('logistic', 'predictions.json', JSON.stringify({ columns: ['y_true', 'y_score'], data: labels.map((y, i) => [y, scores[i]]) }))
  await add('logistic', 'notes.txt', 'not a table')
  await add('forest', 'predictions.json', JSON.stringify({ columns: ['y_true', 'y_score'], data: [...labels.map((y, i) => [y, y ? 0.9 : 0.2 + i / 100]), [1, null]] }))
  await add('csv', 'holdout/scores.csv', 'sample,truth,prob_case,age\n' + labels.map((y, i) => `s${i},${y ? 'case' : 'control'},${1 - scores[i]},${40 + i}\n`).join(''))
  await add('three', 'test_set.jsonl', [['a', 0.7, 0.2, 0.1], ['b', 0.1, 0.8, 0.1], ['c', 0.3, 0.4, 0.3], ['a', 0.2, 0.5, 0.3]].map(([target, prob_a, prob_b, prob_c]) => JSON.stringify({ target, prob_a, prob_b, prob_c }) + '\n').join(''))
  await add('drawn', 'roc_curve.json', JSON.stringify({ fpr: [0, 0, 0.5, 1], tpr: [0, 0.5, 0.75, 1], thresholds: [2, 0.8, 0.4, 0.1] }))
  await add('classes', 'per_class_metrics.csv', 'positive_class,true_negatives,false_positives,false_negatives,true_positives\n0,338,63,47,152\n1,295,104,124,77\n')
  await add('pictures', 'training_roc_curve.png', png(40, 30, [200, 30, 30]))
  await add('pictures', 'training_confusion_matrix.png', png(40, 30, [30, 200, 30]))
  await add('matrix', 'confusion_matrix.json', JSON.stringify({ labels: ['B', 'NK', 'T'], matrix: [[50, 2, 3], [1, 40, 4], [0, 6, 94]] }))
  await add('empty', 'notes.txt', 'nothing here')
})
after(() => lab?.close())

const matrix = (page, name) => page.getByRole('region', { name: `Counts at the threshold: ${name}` })
async function counts(page, name) {
  const box = matrix(page, name)
  return Object.fromEntries(await Promise.all(['tp', 'fp', 'fn', 'tn'].map(async (k) => [k, await box.locator(`[data-count=${k}] b`).textContent()])))
}
const summary = (page, name) => page.getByRole('region', { name: 'Runs' }).getByRole('row', { name: new RegExp(name) })
const cells = (row) => row.getByRole('cell').allTextContents()

test('areas, counts that follow the threshold by keyboard, the mark on the curve, the address', async () => {
  const page = await lab.page(`#/curves?runs=${run.logistic},${run.forest}`)
  await matrix(page, 'logistic').waitFor()
  await page.waitForFunction(() => /\d–\d/.test(document.querySelector('section[aria-label=Runs]').textContent)) // bands are drawn
  const row = (await cells(summary(page, 'logistic'))).map((t) => t.trim())
  assert.deepEqual([row[0], row[1], row[2], row[3], row[5], row[6]], ['predictions.json', '12', '6 (50 %)', '0.7500', '0.8037', '0.2117'])
  assert.match(row[4], /^0\.\d{3}–[01]\.\d{3}$/)
  await soon(async () => assert.equal((await cells(summary(page, 'forest')))[3].trim(), '1.0000'))
  await summary(page, 'forest').getByText('1 row without label or score is left out.').waitFor()

  await soon(async () => assert.deepEqual(await counts(page, 'logistic'), { tp: '4', fp: '2', fn: '2', tn: '4' }))
  const slider = page.getByRole('slider', { name: 'Threshold' })
  await slider.focus()
  for (let i = 0; i < 11; i++) await page.keyboard.press('ArrowRight')
  await page.waitForFunction(() => document.querySelector('[data-count=tp] b').textContent === '3')
  await soon(async () => assert.deepEqual(await counts(page, 'logistic'), { tp: '3', fp: '1', fn: '3', tn: '5' }))
  await soon(async () => assert.equal(await slider.getAttribute('aria-valuetext'), '0.61'))
  await soon(async () => assert.equal(await matrix(page, 'logistic').locator('[data-rate=sensitivity]').textContent(), '0.5'))
  await soon(async () => assert.equal(await matrix(page, 'logistic').locator('[data-rate=specificity]').textContent(), '0.833'))
  await soon(async () => assert.equal(await matrix(page, 'logistic').locator('[data-rate=ppv]').textContent(), '0.75'))
  const mark = page.getByRole('region', { name: 'ROC' }).locator(`[data-mark="${run.logistic}"]`)
  await soon(async () => assert.equal(Number(await mark.getAttribute('data-x')).toFixed(4), '0.1667'))
  await soon(async () => assert.equal(await mark.getAttribute('data-y'), '0.5'))
  await soon(async () => assert.equal((await counts(page, 'forest')).tp, '6'))

  await page.waitForFunction(() => location.hash.includes('at=0.61'))
  await slider.blur()
  await page.keyboard.press('[')
  await page.waitForFunction(() => location.hash.includes('at=0.6') && !location.hash.includes('at=0.61'))
  await soon(async () => assert.equal((await counts(page, 'logistic')).tp, '4'))

  await page.getByLabel('Prevalence').fill('10')
  await page.getByLabel('Prevalence').press('Enter')
  await page.getByText('PPV and NPV are those at a prevalence of 10 %.').waitFor()
  await soon(async () => assert.equal(await matrix(page, 'logistic').locator('[data-rate=ppv]').textContent(), '0.182')) // 0.0667 / (0.0667 + 0.3)
  await page.reload()
  await matrix(page, 'logistic').waitFor()
  await soon(async () => assert.equal(await matrix(page, 'logistic').locator('[data-rate=ppv]').textContent(), '0.182'))
  await page.getByRole('button', { name: "Best Youden's J" }).click()
  await page.waitForFunction(() => location.hash.includes('at=0.75'))
  await lab.done(page)
})

test('ROC, precision and recall, and calibration as drawings and as tables', async () => {
  const page = await lab.page(`#/curves?runs=${run.logistic},${run.forest}`)
  await matrix(page, 'logistic').waitFor()
  await page.waitForFunction(() => /\d–\d/.test(document.querySelector('section[aria-label=Runs]').textContent)) // bands are drawn
  for (const [name, columns] of [['ROC', 'threshold,False positive rate,True positive rate,low,high'], ['Precision and recall', 'threshold,Recall,Precision,low,high'], ['Calibration', 'threshold,Mean score,Share of positives,low,high']]) {
    const region = page.getByRole('region', { name })
    const svg = await download(page, region, 'Drawing (SVG)')
    assert.equal(svg.name, name.replaceAll(' ', '_') + '.svg')
    // It stands alone: an image of it has the size of its chart with a title and a legend, and nothing in it needs the page.
    const of = await page.evaluate(async (source) => {
      const doc = new DOMParser().parseFromString(source, 'image/svg+xml')
      const img = new Image()
      img.src = URL.createObjectURL(new Blob([source], { type: 'image/svg+xml' }))
      await img.decode()
      return { error: !!doc.querySelector('parsererror'), texts: [...doc.querySelectorAll('text')].map((t) => t.textContent), width: img.width, height: img.height, lines: [...doc.querySelectorAll('path')].filter((p) => /^rgb|^#/.test(p.getAttribute('stroke') ?? '')).length }
    }, svg.body.toString())
    assert.equal(of.error, false)
    assert.ok(of.width > 120 && of.height > of.width && of.lines >= 4, JSON.stringify(of))
    assert.equal(of.texts[0], name)
    for (const want of [/^logistic  /, /^forest  /, /^0\.2$/]) assert.ok(of.texts.some((t) => want.test(t)), of.texts.join())
    assert.doesNotMatch(svg.body.toString(), /var\(|class=|<style|style=|href/)
    const csv = await download(page, region, 'Values (CSV)')
    const lines = csv.body.toString().trimEnd().split('\r\n')
    assert.equal(lines[0], 'run,run_id,' + columns)
    assert.ok(lines.some((l) => l.startsWith('logistic,')) && lines.some((l) => l.startsWith('forest,')))
  }
  await lab.done(page)
})

test('a table behind each chart; bins of equal size; without a band', async () => {
  const page = await lab.page(`#/curves?runs=${run.logistic}`)
  const roc = page.getByRole('region', { name: 'ROC' }), calibration = page.getByRole('region', { name: 'Calibration' })
  await matrix(page, 'logistic').waitFor()
  await roc.getByRole('img', { name: /ROC of 1 run: logistic AUC 0\.75/ }).waitFor()
  await roc.getByRole('button', { name: 'Table' }).click()
  await soon(async () => assert.deepEqual((await cells(roc.getByRole('row').nth(2))), ['logistic', '0.9', '0', '0.1667']))
  await soon(async () => assert.equal(await roc.getByRole('row').count(), 12)) // 10 distinct scores, the start and the heads
  await roc.getByRole('button', { name: 'Chart' }).click()
  await page.getByRole('region', { name: 'Precision and recall' }).getByRole('button', { name: 'Table' }).click()
  await calibration.getByRole('button', { name: 'Table' }).click()
  const before = await calibration.getByRole('table').textContent()
  await page.getByRole('button', { name: 'of equal size' }).click()
  await page.waitForFunction(() => location.hash.includes('by=size'))
  await soon(async () => assert.notEqual(await calibration.getByRole('table').textContent(), before))
  await page.getByLabel('95 % band').uncheck()
  await page.getByText(/draws of the rows/).waitFor({ state: 'detached' })
  await lab.done(page)
})

test('columns are found by their names, or chosen; classes one against the rest', async () => {
  const page = await lab.page(`#/curves?runs=${run.csv}`)
  await matrix(page, 'csv').waitFor()
  await soon(async () => assert.equal(await page.getByRole('combobox', { name: 'Label', exact: true }).inputValue(), 'truth'))
  await soon(async () => assert.equal(await page.getByRole('combobox', { name: 'Positive class', exact: true }).inputValue(), 'case'))
  await soon(async () => assert.equal((await cells(summary(page, 'csv')))[3].trim(), '0.2500')) // the scores are turned round
  await page.getByRole('combobox', { name: 'Positive class', exact: true }).selectOption('control')
  await page.waitForFunction(() => location.hash.includes('positive=control'))
  await summary(page, 'csv').getByText('0.7500').waitFor()
  await page.getByRole('combobox', { name: 'Score', exact: true }).selectOption('age')
  await page.waitForFunction(() => location.hash.includes('score=age'))
  await page.getByText('Scores outside 0 to 1 are no probabilities.').waitFor()
  await soon(async () => assert.equal(await page.getByRole('slider', { name: 'Threshold' }).getAttribute('max'), '51'))
  await page.reload()
  await page.getByText('Scores outside 0 to 1 are no probabilities.').waitFor()
  await lab.done(page)

  const three = await lab.page(`#/curves?runs=${run.three}`)
  await matrix(three, 'three').waitFor()
  await soon(async () => assert.equal(await three.getByRole('combobox', { name: 'Score', exact: true }).inputValue(), 'prob_a'))
  await three.getByRole('combobox', { name: 'Positive class', exact: true }).selectOption('b')
  await three.waitForFunction(() => document.querySelector('[data-count=tn] b')?.textContent === '2')
  await soon(async () => assert.equal(await three.getByRole('combobox', { name: 'Score', exact: true }).inputValue(), 'prob_b'))
  await soon(async () => assert.deepEqual(await counts(three, 'three'), { tp: '1', fp: '1', fn: '0', tn: '2' }))
  const all = three.getByRole('region', { name: 'All classes: three' })
  await soon(async () => assert.deepEqual(await Promise.all([1, 2, 3].map(async (i) => (await cells(all.getByRole('row').nth(i))).join())), ['1,1,0,2', '0,1,0,1', '0,1,0,1']))
  await all.getByRole('button', { name: 'c', exact: true }).press('Enter')
  await three.waitForFunction(() => location.hash.includes('positive=c'))
  await soon(async () => assert.equal(await three.getByRole('combobox', { name: 'Score', exact: true }).inputValue(), 'prob_c'))
  await lab.done(three)
})

test('curves that were logged as such, counts by class, pictures, and nothing', async () => {
  const page = await lab.page(`#/curves?runs=${run.drawn},${run.classes},${run.pictures},${run.empty}&at=0.4`)
  await matrix(page, 'drawn').waitFor()
  await soon(async () => assert.deepEqual(await counts(page, 'drawn'), { tp: '75 %', fp: '50 %', fn: '25 %', tn: '50 %' }))
  await matrix(page, 'drawn').getByText('The curve was logged without counts: shares only.').waitFor()
  await soon(async () => assert.equal((await cells(summary(page, 'drawn')))[3].trim(), '0.7500'))
  await soon(async () => assert.deepEqual(await counts(page, 'classes'), { tp: '77', fp: '104', fn: '124', tn: '295' }))
  await page.getByRole('combobox', { name: 'Positive class', exact: true }).selectOption('0')
  await page.waitForFunction(() => [...document.querySelectorAll('[data-count=tp] b')].some((b) => b.textContent === '152'))
  const pictures = page.getByRole('region', { name: 'Pictures of curves' })
  await pictures.getByText('mlflow.log_table(table, "predictions.parquet")').waitFor()
  await pictures.getByRole('button', { name: 'training_roc_curve.png' }).click()
  await page.waitForFunction(() => document.querySelector('figure img')?.naturalWidth === 40)
  await page.goto(`${lab.base}/#/curves?runs=${run.matrix}`)
  const logged = page.getByRole('region', { name: 'All classes: matrix' })
  await logged.waitFor()
  await soon(async () => assert.deepEqual(await cells(logged.getByRole('row').nth(3)), ['0', '6', '94', '100']))
  await logged.getByText('0.92').waitFor() // 184 of 200
  await page.goto(`${lab.base}/#/curves?runs=${run.empty},${run.matrix}`)
  await summary(page, 'empty').getByText('No table of labels and scores was found.').waitFor()
  await lab.done(page)

  const none = await lab.page(`#/curves?runs=${run.empty}`)
  await none.getByText('mlflow.log_table(table, "predictions.parquet")').waitFor()
  await none.goto(lab.base + '/#/curves')
  await none.getByText('Choose runs whose curves to draw').waitFor()
  await lab.done(none)
})

test('from a run and from the comparison there is a way here, if there are curves', async () => {
  const page = await lab.page(`#/experiments/${exp}/runs/${run.logistic}`)
  await page.getByRole('link', { name: 'Curves' }).waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('c')
  await matrix(page, 'logistic').waitFor()
  await page.goto(`${lab.base}/#/compare-runs?runs=${run.logistic},${run.pictures}`)
  await page.getByRole('link', { name: 'Curves' }).click()
  await page.waitForFunction((ids) => location.hash.includes(ids), `runs=${run.logistic},${run.pictures}`)
  await page.goto(`${lab.base}/#/experiments/${exp}/runs/${run.empty}`)
  await page.getByRole('heading', { name: 'empty' }).waitFor()
  await page.waitForTimeout(500)
  assert.equal(await page.getByRole('link', { name: 'Curves' }).count(), 0)
  await lab.done(page)
})

test('Parquet of our own export: a column of classes and one of numbers', async () => {
  const cohort = await lab.experiment('cohort')
  for (let i = 0; i < labels.length; i++) await lab.run(cohort, `s${i}`, { params: { label: labels[i] ? 'case' : 'control' }, metrics: { score: [scores[i]] } })
  const id = await lab.run(exp, 'parquet')
  await lab.file(exp, id, 'cohort_predictions.parquet', lab.parquet('cohort'))
  const page = await lab.page(`#/curves?runs=${id}`)
  await matrix(page, 'parquet').waitFor()
  await soon(async () => assert.equal((await cells(summary(page, 'parquet')))[3].trim(), '0.7500'))
  await soon(async () => assert.deepEqual(await counts(page, 'parquet'), { tp: '4', fp: '2', fn: '2', tn: '4' }))
  await lab.done(page)
})

test('a million rows do not stop the page', async () => {
  const id = await lab.run(exp, 'large'), rows = ['y_true,y_score']
  for (let i = 0; i < 1_000_000; i++) {
    const u = ((i * 7919) % 1_000_003) / 1_000_003
    rows.push(`${i & 1},${(i & 1 ? Math.sqrt(u) : u).toFixed(5)}`)
  }
  await lab.file(exp, id, 'predictions.csv', rows.join('\n'))
  const page = await lab.page(`#/curves?runs=${id}&band=0`)
  page.setDefaultTimeout(60_000)
  await page.evaluate(() => {
    let last = performance.now()
    window.pause = 0
    setInterval(() => {
      window.pause = Math.max(window.pause, performance.now() - last)
      last = performance.now()
    }, 20)
  })
  await matrix(page, 'large').waitFor()
  await soon(async () => assert.equal((await cells(summary(page, 'large')))[1], '1,000,000'))
  await soon(async () => assert.match((await cells(summary(page, 'large')))[3].trim(), /^0\.66[67]\d$/))
  await page.getByRole('slider', { name: 'Threshold' }).focus()
  for (let i = 0; i < 20; i++) await page.keyboard.press('ArrowRight')
  await page.waitForFunction(() => location.hash.includes('at=0.7'))
  const tp = Number((await counts(page, 'large')).tp.replaceAll(',', ''))
  assert.ok(Math.abs(tp - 500_000 * (1 - 0.49)) < 1000, String(tp))
  const pause = await page.evaluate(() => window.pause)
  assert.ok(pause < 3000, `the page stood still for ${Math.round(pause)} ms`)
  await lab.done(page)
})
