// Curves as the server sums them up, see server/uiseries.go.

import { ownBytes } from './api'

export interface Curve {
  run: string
  metric: string
  n: number
  points: number
  nan: number
  raw: boolean // every point is there; first, last, min and max are the value
  step: Float64Array
  time: Float64Array
  first: Float64Array
  last: Float64Array
  min: Float64Array
  max: Float64Array
  count: Float64Array | undefined
  nans: Float64Array | undefined
  over?: Float64Array // the values of the other metric that it is drawn over
  left: number // points that have no place over it
  windows: boolean // joined with it by windows of steps, not point by point
  group?: Group
}

/** What a curve of a group of runs has besides: the mean is its first and last. */
export interface Group {
  index: number
  runs: number
  elapsed: Float64Array // mean ms since the runs began
  n: Float64Array // runs that have a value at the step
  deviation: Float64Array
  low: Float64Array
  high: Float64Array
}

export interface CurveRequest {
  run_ids: string[]
  metric_keys: string[]
  buckets: number
  shared?: boolean
  from_step?: number
  to_step?: number
  from_time?: number
  to_time?: number
  x_metric?: string
  from_x?: number
  to_x?: number
  group_of?: number[]
}

interface Head {
  run: string, metric: string, n: number, points: number, nan: number, raw: boolean
  x?: boolean, left?: number, windows?: boolean, grouped?: boolean, group?: number, runs?: number
}

export async function curves(request: CurveRequest, signal?: AbortSignal): Promise<Curve[]> {
  return unpack(await ownBytes('search-series', request, signal))
}

export function unpack(bytes: ArrayBuffer): Curve[] {
  const length = new DataView(bytes).getUint32(0, true)
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)))
  let at = 4 + length
  const column = (n: number) => {
    const c = new Float64Array(bytes, at, n)
    at += 8 * n
    return c
  }
  return head.series.map((h: Head): Curve => {
    const over = h.x ? column(h.n) : undefined
    const step = column(h.n), time = column(h.n)
    const known = { run: h.run, metric: h.metric, n: h.n, points: h.points, nan: h.nan, raw: h.raw, over, step, time, left: h.left ?? 0, windows: !!h.windows }
    if (h.grouped) {
      const elapsed = column(h.n), n = column(h.n), mean = column(h.n), deviation = column(h.n), low = column(h.n), high = column(h.n)
      const group = { index: h.group ?? 0, runs: h.runs ?? 0, elapsed, n, deviation, low, high }
      return { ...known, run: groupKey(group.index), first: mean, last: mean, min: low, max: high, count: undefined, nans: column(h.n), group }
    }
    if (h.raw) {
      const value = column(h.n)
      return { ...known, first: value, last: value, min: value, max: value, count: undefined, nans: undefined }
    }
    return { ...known, first: column(h.n), last: column(h.n), min: column(h.n), max: column(h.n), count: column(h.n), nans: column(h.n) }
  })
}

/** What stands for a group where otherwise the id of a run does. */
export const groupKey = (index: number) => 'group ' + index

/** The curve with its points in order of some places, if they are not. */
export function inOrder(c: Curve, places: Float64Array): Curve {
  let sorted = true
  for (let i = 1; i < c.n && sorted; i++) sorted = !(places[i] < places[i - 1])
  if (sorted) return c
  const order = Array.from({ length: c.n }, (_, i) => i).sort((a, b) => places[a] - places[b] || a - b)
  const pick = (a: Float64Array) => Float64Array.from(order, (i) => a[i])
  const some = (a: Float64Array | undefined) => a && pick(a)
  const group = c.group && { ...c.group, elapsed: pick(c.group.elapsed), n: pick(c.group.n), deviation: pick(c.group.deviation), low: pick(c.group.low), high: pick(c.group.high) }
  return {
    ...c, group, step: pick(c.step), time: pick(c.time), first: pick(c.first), last: pick(c.last), min: pick(c.min), max: pick(c.max), count: some(c.count), nans: some(c.nans), over: some(c.over),
  }
}

export interface Smoothing { kind: 'ema' | 'window', weight: number } // 0 is none, to 0.99

/** Smooths the last values; NaN and infinities stay and count for nothing. */
export function smooth(values: Float64Array, s: Smoothing): Float64Array {
  if (s.weight === 0) return values
  const out = new Float64Array(values.length)
  if (s.kind === 'ema') {
    let mean = 0, mass = 0
    for (let i = 0; i < values.length; i++) {
      const v = values[i]
      if (!Number.isFinite(v)) {
        out[i] = v
        continue
      }
      mean = s.weight * mean + (1 - s.weight) * v
      mass = s.weight * mass + (1 - s.weight)
      out[i] = mean / mass
    }
    return out
  }
  const half = Math.round((s.weight * values.length) / 8)
  const sums = new Float64Array(values.length + 1), counts = new Int32Array(values.length + 1)
  for (let i = 0; i < values.length; i++) {
    const ok = Number.isFinite(values[i])
    sums[i + 1] = sums[i] + (ok ? values[i] : 0)
    counts[i + 1] = counts[i] + (ok ? 1 : 0)
  }
  for (let i = 0; i < values.length; i++) {
    const from = Math.max(0, i - half), to = Math.min(values.length, i + half + 1)
    out[i] = Number.isFinite(values[i]) ? (sums[to] - sums[from]) / (counts[to] - counts[from]) : values[i]
  }
  return out
}
