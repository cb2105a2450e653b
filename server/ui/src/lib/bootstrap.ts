// How far a ROC curve would move with other rows: rows are drawn again with
// replacement, positive and negative ones apart, so that their numbers stay.

import type { Ranked } from './scores'

export interface Band {
  low: number // of the area, 95 % are between
  high: number
  x: Float64Array // false positive rates
  below: Float64Array // of the true positive rate at x, 95 % are between
  above: Float64Array
  draws: number
}

/** More draws of fewer rows: some 20 million rows in all, 200 draws at least. */
const drawsFor = (rows: number) => Math.max(200, Math.min(1000, Math.floor(2e7 / rows)))

/** The same seed gives the same band. */
export function band(r: Ranked, draws = drawsFor(r.positives + r.negatives), seed = 1, places = 101): Band {
  const random = numbers(seed)
  const positive = new Uint32Array(r.positives), negative = new Uint32Array(r.negatives) // how often each row was drawn
  const areas = new Float64Array(draws), tpr = Array.from({ length: places }, () => new Float64Array(draws))
  for (let d = 0; d < draws; d++) {
    draw(positive, random)
    draw(negative, random)
    let tp = 0, fp = 0, sum = 0, place = 0, p = 0, n = 0
    for (let i = 0; i < r.cut.length; i++) {
      let up = 0, right = 0
      for (; p < r.tp[i]; p++) up += positive[p]
      for (; n < r.fp[i]; n++) right += negative[n]
      if (!up && !right) continue
      sum += right * (2 * tp + up)
      // At places between this step and the one before the line is straight; where it
      // goes straight up, its upper end counts.
      for (; place < places; place++) {
        const x = place / (places - 1) * r.negatives
        if (x > fp + right || (x === fp + right && i < r.cut.length - 1)) break
        tpr[place][d] = (right ? tp + up * (x - fp) / right : tp + up) / r.positives
      }
      tp += up
      fp += right
    }
    for (; place < places; place++) tpr[place][d] = 1
    areas[d] = sum / 2 / r.positives / r.negatives
  }
  areas.sort()
  for (const t of tpr) t.sort()
  return {
    low: between(areas, 0.025), high: between(areas, 0.975), draws,
    x: Float64Array.from(tpr, (_, i) => i / (places - 1)), below: Float64Array.from(tpr, (t) => between(t, 0.025)), above: Float64Array.from(tpr, (t) => between(t, 0.975)),
  }
}

function draw(times: Uint32Array, random: () => number) {
  times.fill(0)
  for (let i = 0; i < times.length; i++) times[Math.floor(random() * times.length)]++
}

function between(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1), i = Math.floor(at)
  return sorted[i] + (sorted[Math.min(i + 1, sorted.length - 1)] - sorted[i]) * (at - i)
}

/** Numbers of [0, 1) by a seed: 32 bits of a Weyl sequence, mixed as MurmurHash3 ends. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let h = state
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
    return ((h ^ (h >>> 16)) >>> 0) / 4294967296
  }
}
