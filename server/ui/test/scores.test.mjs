// The arithmetic of curves, against numbers of scikit-learn and against counting by hand.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { lib } from './harness.mjs'

let s, b, p, d, f
before(async () => {
  s = await lib('scores')
  b = await lib('bootstrap')
  p = await lib('preview')
  d = await lib('detect')
  f = await lib('steps')
})

const ranked = (labels, scores) => s.rank(Float64Array.from(scores.filter((_, i) => labels[i])), Float64Array.from(scores.filter((_, i) => !labels[i])))
const near = (got, want, by = 1e-12) => assert.ok(Math.abs(got - want) <= by, `${got}, not ${want}`)

/** Rows with many ties, the same each time. */
function rows(n, seed, levels = 50) {
  const random = b.numbers(seed), labels = [], scores = []
  for (let i = 0; i < n; i++) {
    const y = random() < 0.3
    labels.push(y)
    scores.push(Math.round(levels * Math.min(1, Math.max(0, random() * 0.8 + (y ? 0.2 : 0)))) / levels)
  }
  return [labels, scores]
}

test('areas and points, with ties and without', () => {
  const r = ranked([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
  assert.equal(s.auc(r), 0.75)
  near(s.averagePrecision(r), 0.8333333333333333)
  assert.deepEqual([...s.roc(r).x], [0, 0, 0.5, 0.5, 1])
  assert.deepEqual([...s.roc(r).y], [0, 0.5, 0.5, 1, 1])
  assert.deepEqual([...s.precisionRecall(r).y], [1, 0.5, 2 / 3, 0.5])
  assert.equal(s.auc(ranked([1, 0, 1, 0], [0.5, 0.5, 0.5, 0.5])), 0.5)
  assert.equal(s.auc(ranked([1, 1, 0], [3, 2, -1])), 1)

  const [labels, scores] = rows(400, 7), t = ranked(labels, scores)
  let above = 0, pairs = 0
  labels.forEach((y, i) => y && labels.forEach((z, k) => {
    if (z) return
    pairs++
    above += scores[i] > scores[k] ? 1 : scores[i] === scores[k] ? 0.5 : 0
  }))
  near(s.auc(t), above / pairs)
  near(s.area(s.roc(t).x, s.roc(t).y), above / pairs)
  for (const at of [-1, 0, 0.02, 0.35, 0.5, 0.999, 1, 2]) {
    const want = { tp: 0, fp: 0, fn: 0, tn: 0 }
    labels.forEach((y, i) => { want[(scores[i] >= at) === y ? (y ? 'tp' : 'tn') : y ? 'fn' : 'fp']++ })
    assert.deepEqual(s.countsAt(t, at), want)
  }
})

test('rates, at a prevalence of the table and of elsewhere', () => {
  const c = { tp: 80, fn: 20, fp: 90, tn: 810 }
  const own = s.rates(c)
  near(own.sensitivity, 0.8)
  near(own.specificity, 0.9)
  near(own.ppv, 80 / 170)
  near(own.npv, 810 / 830)
  near(own.f1, 160 / 270)
  near(own.accuracy, 0.89)
  near(s.rates(c, 0.01).ppv, 0.008 / (0.008 + 0.099))
  near(s.rates(c, 0.1).ppv, own.ppv)
  near(s.rates(c, 0.1).npv, own.npv)
  near(s.rates(c, 0.1).accuracy, own.accuracy)
  assert.ok(Number.isNaN(s.rates({ tp: 0, fp: 0, fn: 5, tn: 5 }).ppv))
})

test('calibration in bins of equal width and size', () => {
  const [labels, scores] = rows(1000, 3, 1000), r = ranked(labels, scores)
  const brier = labels.reduce((sum, y, i) => sum + (scores[i] - y) ** 2, 0) / 1000
  for (const by of ['width', 'size']) {
    const k = s.calibration(r, 10, by)
    near(k.brier, brier)
    assert.equal(k.bins.reduce((n, x) => n + x.n, 0), 1000)
    let ece = 0
    k.bins.forEach((bin, i) => {
      const inside = labels.map((_, j) => j).filter((j) => (scores[j] > bin.from || i === 0) && scores[j] <= bin.to)
      assert.equal(inside.length, bin.n)
      near(bin.rate, inside.filter((j) => labels[j]).length / inside.length)
      near(bin.mean, inside.reduce((n, j) => n + scores[j], 0) / inside.length, 1e-9)
      assert.ok(bin.low <= bin.rate && bin.rate <= bin.high)
      ece += Math.abs(bin.rate - bin.mean) * bin.n / 1000
    })
    near(k.ece, ece, 1e-9)
    if (by === 'size') for (const bin of k.bins) assert.ok(Math.abs(bin.n - 100) <= 5)
  }
  assert.equal(s.calibration(ranked([0, 1], [0.2, 1.5]), 10, 'width'), undefined)
  for (const x of Object.values(s.wilson(8, 10))) near((0.8 - x) ** 2, 1.959963984540054 ** 2 * x * (1 - x) / 10)
})

test('numbers of scikit-learn 1.9: ROC, average precision, calibration_curve', () => {
  const labels = [0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 1, 0], scores = [0.05, 0.9, 0.6, 0.6, 0.85, 0.3, 0.3, 0.75, 0.45, 0.1, 0.2, 0.7]
  const r = ranked(labels, scores)
  near(s.auc(r), 0.75)
  near(s.averagePrecision(r), 0.8037037037037037)
  const width = s.calibration(r, 5, 'width'), size = s.calibration(r, 4, 'size')
  for (const [k, want] of [[width, [[0.3333333333333333, 0.5, 0.3333333333333333, 0.5, 1.0], [0.11666666666666668, 0.3, 0.5499999999999999, 0.725, 0.875]]], [size, [[0.3333333333333333, 0.3333333333333333, 0.3333333333333333, 1.0], [0.11666666666666668, 0.35000000000000003, 0.6333333333333333, 0.8333333333333334]]]]) {
    assert.equal(k.bins.length, want[0].length)
    k.bins.forEach((bin, i) => {
      near(bin.rate, want[0][i])
      near(bin.mean, want[1][i])
    })
  }
  near(width.brier, 0.21166666666666664)
})

test('a band of the bootstrap: the same each time, around the curve, as wide as theory has it', () => {
  const [labels, scores] = rows(2000, 11, 100_000), r = ranked(labels, scores)
  const one = b.band(r, 400, 5), two = b.band(r, 400, 5), other = b.band(r, 400, 6)
  assert.deepEqual(one, two)
  assert.notEqual(one.low, other.low)
  const a = s.auc(r), q1 = a / (2 - a), q2 = 2 * a * a / (1 + a) // Hanley and McNeil
  const error = Math.sqrt((a * (1 - a) + (r.positives - 1) * (q1 - a * a) + (r.negatives - 1) * (q2 - a * a)) / r.positives / r.negatives)
  assert.ok(one.low < a && a < one.high)
  assert.ok(Math.abs((one.high - one.low) / (2 * 1.96 * error) - 1) < 0.2, `${one.high - one.low} for ${2 * 1.96 * error}`)
  const curve = s.roc(r)
  for (let i = 0; i < one.x.length; i++) {
    const at = curve.x.findLastIndex((x) => x <= one.x[i])
    assert.ok(one.below[i] <= one.above[i])
    if (i > 2 && i < 98) assert.ok(one.below[i] <= curve.y[at] + 0.02 && curve.y[at] - 0.02 <= one.above[i])
  }
  assert.equal(one.above[100], 1)
})

test('a million rows are ranked and thinned to what can be seen', () => {
  const n = 1_000_000, random = b.numbers(1), up = new Float64Array(n / 2), down = new Float64Array(n / 2)
  for (let i = 0; i < n / 2; i++) {
    up[i] = Math.sqrt(random())
    down[i] = random()
  }
  const r = s.rank(up, down)
  near(s.auc(r), 2 / 3, 0.002)
  const all = s.roc(r), seen = s.thin(all)
  assert.ok(seen.x.length < 4000, String(seen.x.length))
  near(s.area(seen.x, seen.y), s.auc(r), 1e-3)
})

test('tables in CSV, JSON and JSON lines', () => {
  assert.deepEqual(p.parseTable('a,b\r\n1,"x, ""y"""\r\n,\n"two\nlines",3', ',', 10), [['a', 'b'], ['1', 'x, "y"'], ['', ''], ['two\nlines', '3']])
  assert.deepEqual(p.parseTable('a\tb\n1\t', '\t', 10), [['a', 'b'], ['1', '']])
  assert.deepEqual(p.parseTable('a\n1\n2\n3\n', ',', 2), [['a'], ['1']])
  assert.deepEqual(p.fromCSV('y,s\n1,0.5\n0,0.25\n', ',', 1), { names: ['y', 's'], columns: [['1'], ['0.5']], rows: 1, cut: true })
  const want = { names: ['y', 's'], columns: [[1, 0], [0.5, null]], rows: 2, cut: false }
  assert.deepEqual(p.fromJSON({ columns: ['y', 's'], data: [[1, 0.5], [0, null]] }, 9), want)
  assert.deepEqual(p.fromJSON([{ y: 1, s: 0.5 }, { y: 0 }], 9), want)
  assert.deepEqual(p.fromJSON({ y: [1, 0], s: [0.5, null] }, 9), want)
  assert.deepEqual(p.fromJSON({ y: { 0: 1, 1: 0 }, s: { 0: 0.5, 1: null } }, 9), want)
  assert.deepEqual(p.fromLines('{"y":1,"s":0.5}\n\n{"y":0}\n{"y":', 9), want)
  for (const no of [null, 3, 'x', [], [1], {}, { a: 1 }, { a: [1], b: [1, 2] }, { columns: 3 }]) assert.equal(p.fromJSON(no, 9), undefined)
})

test('labels, scores and classes are guessed', () => {
  const col = (name, numeric, classes, min = 0, max = 1) => ({ name, numeric, classes, min, max })
  const y = col('y_true', true, ['0', '1']), other = col('age', true, [], 20, 80)
  assert.deepEqual(d.guess([other, y, col('y_score', true, [])]), { kind: 'scores', label: 'y_true', score: 'y_score', positive: '1' })
  assert.deepEqual(d.guess([col('Label', false, ['case', 'control']), col('model prob', true, [])]), { kind: 'scores', label: 'Label', score: 'model prob', positive: 'case' })
  const three = col('target', false, ['a', 'b', 'c']), proba = ['a', 'b', 'c'].map((n) => col('prob_' + n, true, []))
  assert.equal(d.guess([three, ...proba]).score, 'prob_a')
  assert.equal(d.guess([three, ...proba], { positive: 'c' }).score, 'prob_c')
  assert.equal(d.guess([y, col('proba[0]', true, []), col('proba[1]', true, [])]).score, 'proba[1]')
  assert.equal(d.guess([y, other], { score: 'age' }).score, 'age')
  assert.equal(d.guess([y, other]).kind, 'none')
  assert.equal(d.guess([col('fpr', true, []), col('tpr', true, [])]).kind, 'roc')
  assert.equal(d.guess([col('recall', true, []), col('precision', true, [])]).kind, 'pr')
  assert.ok(d.likelihood('predictions.json') > d.likelihood('eval/table.csv'))
  assert.equal(d.likelihood('model/input_example.json'), 0)
  assert.ok(d.isCurvePicture('training_roc_curve.png') && d.isCurvePicture('confusion_matrix.png') && !d.isCurvePicture('images/heroic.png'))
})

test('steps in names of files', () => {
  const id = '3de5047b-13bd-4dc7-8ff0-5b44d5a95dfb'
  assert.deepEqual(f.steppedName(`images/val~fake+step+20+timestamp+1795442937847+${id}.png`), { series: 'images/val/fake.png', step: 20, time: 1795442937847 })
  assert.deepEqual(f.steppedName(`images/dogs%step%3%timestamp%1795442937847%${id}.png`), { series: 'images/dogs.png', step: 3, time: 1795442937847 })
  assert.ok(f.isTwin(`images/dogs+step+3+timestamp+1795442937847+${id}+compressed.webp`))
  assert.deepEqual(f.steppedName('masks/step_010.png'), { series: 'masks/step_*.png', step: 10, time: 0 })
  assert.deepEqual(f.steppedName('epoch=7-val.ckpt'), { series: 'epoch=*-val.ckpt', step: 7, time: 0 })
  for (const no of ['footstep.png', 'a/steps.txt', 'plot.png', 'model2.bin']) assert.equal(f.steppedName(no), undefined)
  const found = f.items([
    { path: 'step_2.png', is_dir: false }, { path: 'step_10.png', is_dir: false }, { path: 'a.txt', is_dir: false },
  ])
  assert.deepEqual([...found.keys()], ['a.txt', 'step_*.png'])
  assert.deepEqual(found.get('step_*.png').steps.map((x) => x.step), [2, 10])
  assert.equal(f.pathAt(found.get('step_*.png'), 9).path, 'step_2.png')
  assert.equal(f.pathAt(found.get('step_*.png'), 1), undefined)
})
