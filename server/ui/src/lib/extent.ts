// Ranges of axes.

const most = 1e300, least = 1e-300

/**
 * Makes a range one that an axis can be divided in: an axis with none, with one that
 * is too narrow for the numbers there are, or a logarithmic one that reaches zero
 * would be divided for ever.
 */
export function drawable(lo: number, hi: number, log: boolean): [number, number] {
  if (!(lo <= hi) || log && hi <= 0) return log ? [0.1, 1] : [0, 1]
  lo = Math.min(Math.max(lo, -most), most)
  hi = Math.min(Math.max(hi, -most), most)
  if (log) {
    hi = Math.max(hi, least)
    lo = lo <= 0 ? hi / 1000 : Math.max(lo, least)
    return hi / lo > 1 + 1e-9 ? [lo, hi] : [lo / 1.5, hi * 1.5]
  }
  const room = Math.max(Math.abs(lo), Math.abs(hi)) * 1e-12
  return hi - lo > room && hi > lo ? [lo, hi] : lo === 0 ? [-0.5, 0.5] : [lo - Math.max(0.5, 1000 * room), hi + Math.max(0.5, 1000 * room)]
}
