// What scores of a classifier say about labels: curves, areas, counts at a threshold,
// calibration. All of it is read from one ranking, which is sorted once; scores that
// are equal are one step of it, so that ties count as they should.
//
// A row is called positive at a threshold when its score is the threshold or more.

/** Rows by falling score. Step i has all rows whose score is cut[i] or more. */
export interface Ranked {
  positives: number
  negatives: number
  cut: Float64Array // distinct scores, falling
  tp: Uint32Array // positive rows at cut[i] or above
  fp: Uint32Array // negative rows there
}

/** Ranks the scores of positive and of negative rows; sorts both in place. */
export function rank(positive: Float64Array, negative: Float64Array): Ranked {
  positive.sort()
  negative.sort()
  const cut = new Float64Array(positive.length + negative.length), tp = new Uint32Array(cut.length), fp = new Uint32Array(cut.length)
  let steps = 0
  for (let p = positive.length - 1, n = negative.length - 1; p >= 0 || n >= 0; steps++) {
    const score = Math.max(p >= 0 ? positive[p] : -Infinity, n >= 0 ? negative[n] : -Infinity)
    while (p >= 0 && positive[p] === score) p--
    while (n >= 0 && negative[n] === score) n--
    cut[steps] = score
    tp[steps] = positive.length - 1 - p
    fp[steps] = negative.length - 1 - n
  }
  return { positives: positive.length, negatives: negative.length, cut: cut.slice(0, steps), tp: tp.slice(0, steps), fp: fp.slice(0, steps) }
}

/** Points of a curve. `at` is the threshold of each; the first of a ROC curve has none. */
export interface Points { x: Float64Array, y: Float64Array, at: Float64Array }

/** False positive rate and true positive rate, from (0, 0) to (1, 1). */
export function roc(r: Ranked): Points {
  const n = r.cut.length, out = { x: new Float64Array(n + 1), y: new Float64Array(n + 1), at: new Float64Array(n + 1) }
  out.at[0] = Infinity
  for (let i = 0; i < n; i++) {
    out.x[i + 1] = r.fp[i] / r.negatives
    out.y[i + 1] = r.tp[i] / r.positives
    out.at[i + 1] = r.cut[i]
  }
  return out
}

/** The area below the ROC curve: how often a positive row is above a negative one, ties half. */
export function auc(r: Ranked): number {
  let area = 0, tp = 0, fp = 0
  for (let i = 0; i < r.cut.length; i++) {
    area += (r.fp[i] - fp) * (r.tp[i] + tp)
    tp = r.tp[i]
    fp = r.fp[i]
  }
  return area / 2 / r.positives / r.negatives
}

/** Recall and precision, by falling threshold. */
export function precisionRecall(r: Ranked): Points {
  const n = r.cut.length, out = { x: new Float64Array(n), y: new Float64Array(n), at: r.cut.slice() }
  for (let i = 0; i < n; i++) {
    out.x[i] = r.tp[i] / r.positives
    out.y[i] = r.tp[i] / (r.tp[i] + r.fp[i])
  }
  return out
}

/** Precision, averaged over the gains in recall: no line is drawn between points. */
export function averagePrecision(r: Ranked): number {
  let sum = 0, tp = 0
  for (let i = 0; i < r.cut.length; i++) {
    sum += (r.tp[i] - tp) * (r.tp[i] / (r.tp[i] + r.fp[i]))
    tp = r.tp[i]
  }
  return sum / r.positives
}

/** The area below a line through points whose x rises or falls. */
export function area(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let sum = 0
  for (let i = 1; i < x.length; i++) sum += (x[i] - x[i - 1]) * (y[i] + y[i - 1]) / 2
  return Math.abs(sum)
}

export interface Counts { tp: number, fp: number, fn: number, tn: number }

/** How many steps have a score of `threshold` or more. */
export function stepsAt(cut: ArrayLike<number>, threshold: number): number {
  let lo = 0, hi = cut.length
  while (lo < hi) {
    const mid = (lo + hi) >> 1
    if (cut[mid] >= threshold) lo = mid + 1
    else hi = mid
  }
  return lo
}

export function countsAt(r: Ranked, threshold: number): Counts {
  const i = stepsAt(r.cut, threshold) - 1
  const tp = i < 0 ? 0 : r.tp[i], fp = i < 0 ? 0 : r.fp[i]
  return { tp, fp, fn: r.positives - tp, tn: r.negatives - fp }
}

/** Shares of counts; NaN where there is nothing to divide by. */
export interface Rates { sensitivity: number, specificity: number, ppv: number, npv: number, f1: number, accuracy: number }

/** With a prevalence, what predictions are worth where that share of people is positive, and not the share of the table. */
export function rates(c: Counts, prevalence?: number): Rates {
  const sensitivity = c.tp / (c.tp + c.fn), specificity = c.tn / (c.tn + c.fp)
  const share = prevalence ?? (c.tp + c.fn) / (c.tp + c.fn + c.fp + c.tn)
  const tp = sensitivity * share, fp = (1 - specificity) * (1 - share), fn = (1 - sensitivity) * share, tn = specificity * (1 - share)
  if (prevalence === undefined) {
    return {
      sensitivity, specificity, ppv: c.tp / (c.tp + c.fp), npv: c.tn / (c.tn + c.fn),
      f1: 2 * c.tp / (2 * c.tp + c.fp + c.fn), accuracy: (c.tp + c.tn) / (c.tp + c.fp + c.fn + c.tn),
    }
  }
  return { sensitivity, specificity, ppv: tp / (tp + fp), npv: tn / (tn + fn), f1: 2 * tp / (2 * tp + fp + fn), accuracy: tp + tn }
}

export interface Bin { from: number, to: number, n: number, mean: number, rate: number, low: number, high: number }
export interface Calibration { bins: Bin[], brier: number, ece: number }

/**
 * How often rows of a score are positive, in bins of equal width or of equal size; a
 * score at a border belongs to the bin below. Bins without rows are left out. `low` and
 * `high` hold the rate with 95 % (Wilson). Undefined for scores that are no probabilities.
 */
export function calibration(r: Ranked, bins: number, by: 'width' | 'size'): Calibration | undefined {
  const steps = r.cut.length, n = r.positives + r.negatives
  if (!steps || r.cut[0] > 1 || r.cut[steps - 1] < 0) return undefined
  const upTo = (i: number) => (i < 0 ? 0 : r.tp[i] + r.fp[i])
  const edges: number[] = []
  for (let k = 0; k <= bins; k++) edges.push(by === 'width' ? k / bins : quantile(r, k / bins, upTo))
  const positive = new Float64Array(bins), rows = new Float64Array(bins), sum = new Float64Array(bins)
  let brier = 0, b = bins - 1
  for (let i = 0; i < steps; i++) {
    const s = r.cut[i], tp = r.tp[i] - (i ? r.tp[i - 1] : 0), all = upTo(i) - upTo(i - 1)
    while (b > 0 && s <= edges[b]) b--
    positive[b] += tp
    rows[b] += all
    sum[b] += all * s
    brier += tp * (1 - s) ** 2 + (all - tp) * s ** 2
  }
  const out: Bin[] = []
  let ece = 0
  for (let k = 0; k < bins; k++) {
    if (!rows[k]) continue
    const mean = sum[k] / rows[k], rate = positive[k] / rows[k]
    out.push({ from: edges[k], to: edges[k + 1], n: rows[k], mean, rate, ...wilson(positive[k], rows[k]) })
    ece += Math.abs(mean - rate) * rows[k] / n
  }
  return { bins: out, brier: brier / n, ece }
}

/** The score that the share q of rows is below, between two rows in proportion. */
function quantile(r: Ranked, q: number, upTo: (i: number) => number): number {
  const n = r.positives + r.negatives, place = q * (n - 1), below = Math.floor(place)
  const score = (rising: number) => { // of the row with so many below it
    const rank = n - 1 - rising
    let lo = 0, hi = r.cut.length - 1
    while (lo < hi) {
      const mid = (lo + hi) >> 1
      if (upTo(mid) > rank) hi = mid
      else lo = mid + 1
    }
    return r.cut[lo]
  }
  const a = score(below), b = below + 1 < n ? score(below + 1) : a
  return a + (b - a) * (place - below)
}

export function wilson(k: number, n: number): { low: number, high: number } {
  const z = 1.959963984540054, p = k / n, d = 1 + z * z / n, middle = p + z * z / (2 * n), half = z * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
  return { low: Math.min(p, Math.max(0, (middle - half) / d)), high: Math.max(p, Math.min(1, (middle + half) / d)) }
}

/** The threshold where sensitivity and specificity together are greatest (Youden's J), or F1 is. */
export function bestThreshold(r: Ranked, by: 'youden' | 'f1'): number {
  let best = -Infinity, at = NaN
  for (let i = 0; i < r.cut.length; i++) {
    const v = by === 'youden' ? r.tp[i] / r.positives - r.fp[i] / r.negatives : 2 * r.tp[i] / (r.tp[i] + r.fp[i] + r.positives)
    if (v > best) {
      best = v
      at = r.cut[i]
    }
  }
  return at
}

/**
 * The points that are seen when a curve is drawn in a square of `cells` by `cells`:
 * first, last, and each that is at least a cell away from the one before, or where the
 * curve turns after it stayed within one.
 */
export function thin(p: Points, cells = 800): Points {
  const keep: number[] = []
  let last = -1
  for (let i = 0; i < p.x.length; i++) {
    const far = last < 0 || Math.abs(p.x[i] - p.x[last]) * cells >= 1 || Math.abs(p.y[i] - p.y[last]) * cells >= 1
    if (!far && i < p.x.length - 1) continue
    if (last >= 0 && i - 1 > last) keep.push(i - 1)
    keep.push(i)
    last = i
  }
  const pick = (a: Float64Array) => Float64Array.from(keep, (i) => a[i])
  return { x: pick(p.x), y: pick(p.y), at: pick(p.at) }
}
