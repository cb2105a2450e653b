// How charts are drawn, the same for all of a page.

import { banded, type Band } from './groups'
import { recall, remember } from './prefs.svelte'
import type { Curve, CurveRequest, Smoothing } from './series'

export type Axis = 'step' | 'time' | 'relative' | 'metric'

interface Kept { axis: Exclude<Axis, 'metric'>, logX: boolean, logY: boolean, band: boolean, smoothing: Smoothing, around: Band }

export class ChartSettings {
  plain = $state<Exclude<Axis, 'metric'>>('step') // when it is no metric
  metric = $state('') // of the x axis
  logX = $state(false)
  logY = $state(false)
  band = $state(true)
  around = $state<Band>('ci') // the mean of a group
  smoothing = $state.raw<Smoothing>({ kind: 'ema', weight: 0 })
  starts = $state.raw<Map<string, number>>(new Map()) // of runs, in Unix ms, for the time elapsed
  axis = $derived<Axis>(this.metric ? 'metric' : this.plain)

  constructor() {
    const kept = recall<Partial<Kept>>('charts', {})
    this.plain = kept.axis ?? 'step'
    this.logX = kept.logX ?? false
    this.logY = kept.logY ?? false
    this.band = kept.band ?? true
    this.around = kept.around ?? 'ci'
    this.smoothing = kept.smoothing ?? { kind: 'ema', weight: 0 }
  }

  keep() {
    const { plain, logX, logY, band, smoothing, around } = this
    remember('charts', { axis: plain, logX, logY, band, smoothing, around })
  }

  /** Narrows a request to what a zoom shows: steps, Unix ms, ms elapsed or values. */
  narrow(request: CurveRequest, zoom: [number, number], runs: string[]) {
    const from = Math.floor(zoom[0]), to = Math.ceil(zoom[1])
    if (this.axis === 'step') Object.assign(request, { from_step: from, to_step: to })
    else if (this.axis === 'time') Object.assign(request, { from_time: from, to_time: to })
    else if (this.axis === 'metric') Object.assign(request, { from_x: zoom[0], to_x: zoom[1] })
    else { // of all runs' beginnings, from the first to the last
      const starts = runs.map((r) => this.starts.get(r)).filter((t) => t !== undefined)
      if (starts.length) Object.assign(request, { from_time: Math.floor(Math.min(...starts) + zoom[0]), to_time: Math.ceil(Math.max(...starts) + zoom[1]) })
    }
  }

  /** Where the points of a curve stand: steps, seconds since 1970, ms elapsed or values. */
  places(c: Curve): Float64Array {
    if (this.axis === 'step') return c.step
    if (this.axis === 'time') return c.time.map((t) => t / 1000)
    if (this.axis === 'metric') return c.over ?? c.step
    if (c.group) return c.group.elapsed
    const start = this.starts.get(c.run) ?? c.time[0]
    return c.time.map((t) => t - start)
  }

  /** The curve with the band that is asked for. */
  banded(c: Curve): Curve {
    return banded(c, this.around)
  }

  /** How many of a curve's points or windows a logarithmic axis has no place for. */
  offLog(c: Curve): number {
    if (!this.logX && !this.logY) return 0
    const xs = this.logX ? this.places(c) : undefined
    let n = 0
    for (let i = 0; i < c.n; i++) if ((xs && xs[i] <= 0) || (this.logY && c.last[i] <= 0)) n++
    return n
  }
}
