// The curves of a chart as a table for other programs.

import type { ChartSettings } from './charts.svelte'
import { inOrder, smooth, type Curve } from './series'

type Row = (string | number | undefined)[]

/** What a chart shows: every point where it has them, or else the windows that it draws. */
export function sheet(curves: Curve[], names: Map<string, string>, settings: ChartSettings): Row[] {
  const over = settings.axis === 'metric', smoothed = settings.smoothing.weight > 0
  const grouped = curves.some((c) => c.group), raw = curves.every((c) => c.raw)
  const rows: Row[] = [[
    ...(grouped ? ['group'] : ['run', 'run_id']), ...(over ? [settings.metric] : []), 'step', 'time',
    ...(grouped ? ['elapsed_ms', 'runs', 'mean', 'deviation', 'min', 'max'] : raw ? ['value'] : ['value', 'min', 'max', 'points', 'nan']), ...(smoothed ? ['smoothed'] : []),
  ]]
  for (const curve of curves) {
    const c = inOrder(curve, settings.places(curve)), g = c.group, line = smoothed ? smooth(c.last, settings.smoothing) : undefined
    const who = g ? [names.get(c.run)] : [names.get(c.run), c.run]
    for (let i = 0; i < c.n; i++) {
      const value = g ? [g.elapsed[i], g.n[i], c.last[i], g.deviation[i], g.low[i], g.high[i]]
        : raw ? [c.last[i]] : [c.last[i], c.min[i], c.max[i], c.count?.[i] ?? 1, c.nans?.[i] ?? (Number.isNaN(c.last[i]) ? 1 : 0)]
      rows.push([...who, ...(over ? [c.over?.[i]] : []), c.step[i], time(c.time[i]), ...value, ...(line ? [line[i]] : [])])
    }
  }
  return rows
}

const time = (ms: number) => (Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : undefined)
