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
  return head.series.map((h: { run: string, metric: string, n: number, points: number, nan: number, raw: boolean }): Curve => {
    const step = column(h.n), time = column(h.n)
    if (h.raw) {
      const value = column(h.n)
      return { ...h, step, time, first: value, last: value, min: value, max: value, count: undefined, nans: undefined }
    }
    return {
      ...h, step, time, first: column(h.n), last: column(h.n), min: column(h.n), max: column(h.n), count: column(h.n), nans: column(h.n),
    }
  })
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
