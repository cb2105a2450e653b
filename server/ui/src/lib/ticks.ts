// Where an axis has its ticks, and what stands beside them.

import { number } from './format'

/**
 * The ticks of a logarithmic axis from lo to hi, both above zero, no two nearer to
 * each other than a part of its length, such as 0.1. They are powers of ten, where there
 * is room with 2 and 5 or with 3 times these; of a decade or two, in which few of these
 * lie, they are multiples of a round number where these leave no gap as wide.
 */
export function logTicks(lo: number, hi: number, apart: number): number[] {
  const whole = Math.log(hi) - Math.log(lo) // of the quotient, which may be too great for a number
  let best: number[] = [], least = Infinity
  const take = (all: number[]) => {
    const ticks = all.filter((t) => t >= lo * (1 - 1e-12) && t <= hi * (1 + 1e-12))
    if (!ticks.length) return
    const logs = [lo, ...ticks, hi].map(Math.log), gaps = logs.slice(1).map((l, i) => l - logs[i])
    const widest = Math.max(...gaps), same = Math.abs(widest - least) < 1e-9 * whole
    if (gaps.slice(1, -1).every((g) => g >= apart * whole) && (same ? ticks.length > best.length : widest < least)) {
      best = ticks
      least = widest
    }
  }
  const from = Math.floor(Math.log10(lo)), to = Math.ceil(Math.log10(hi))
  const decades = (every: number, of: number[]) => {
    const first = Math.ceil(from / every), n = Math.max(0, Math.floor(to / every) - first + 1)
    return Array.from({ length: n }, (_, i) => of.map((m) => Number(`${m}e${(first + i) * every}`))).flat()
  }
  take(decades(1, [1, 2, 5]))
  take(decades(1, [1, 3]))
  for (let every = 1; every <= to - from && best.length < 2; every++) take(decades(every, [1]))
  if (hi / lo <= 100) {
    for (let e = Math.floor(Math.log10(hi - lo)); e >= Math.floor(Math.log10((hi - lo) * apart)) - 1; e--) {
      for (const m of [5, 2.5, 2, 1]) take(multiples(m, e, lo, hi))
    }
  }
  return best
}

// Multiples of m·10^e around a range, as their decimals say.
function multiples(m: number, e: number, lo: number, hi: number): number[] {
  const step = m * 10 ** e, first = Math.floor(lo / step), last = Math.ceil(hi / step)
  if (!(last - first <= 1000)) return [] // far too near to each other, and perhaps to their own rounding
  return Array.from({ length: last - first + 1 }, (_, i) => Number(`${(first + i) * m}e${e}`)).filter((t) => t > 0)
}

/** What stands beside ticks: with as many digits as tell them apart. */
export function tickLabels(ticks: number[]): string[] {
  const plain = ticks.map(number)
  if (new Set(plain).size === plain.length) return plain
  for (let digits = 5; digits <= 15; digits++) {
    const labels = ticks.map((t) => String(Number(t.toPrecision(digits))).replace('-', '−'))
    if (new Set(labels).size === labels.length) return labels
  }
  return plain
}
