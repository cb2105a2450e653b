// How charts are drawn, the same for all of a page.

import { recall, remember } from './prefs.svelte'
import type { Smoothing } from './series'

export type Axis = 'step' | 'time' | 'relative'

export class ChartSettings {
  axis = $state<Axis>('step')
  logX = $state(false)
  logY = $state(false)
  band = $state(true)
  smoothing = $state.raw<Smoothing>({ kind: 'ema', weight: 0 })
  starts = $state.raw<Map<string, number>>(new Map()) // of runs, in Unix ms, for the time elapsed

  constructor() {
    const kept = recall<Partial<Pick<ChartSettings, 'axis' | 'logX' | 'logY' | 'band' | 'smoothing'>>>('charts', {})
    this.axis = kept.axis ?? 'step'
    this.logX = kept.logX ?? false
    this.logY = kept.logY ?? false
    this.band = kept.band ?? true
    this.smoothing = kept.smoothing ?? { kind: 'ema', weight: 0 }
  }

  keep() {
    const { axis, logX, logY, band, smoothing } = this
    remember('charts', { axis, logX, logY, band, smoothing })
  }
}
