// The columns of the table of runs: values of the query language, and sparklines
// as "spark:" with the key of a metric.

import { own } from './api'
import { recall, remember } from './prefs.svelte'
import type { Field, Fields } from './types'

export const attributes = ['start_time', 'duration', 'end_time', 'user_id', 'run_id', 'experiment_name', 'dataset.name', 'model.name', 'model.stage']

export const isSpark = (c: string) => c.startsWith('spark:')
export const sparkMetric = (c: string) => c.slice(6)

const wide: Record<string, number> = { start_time: 110, end_time: 110, duration: 92, user_id: 100, run_id: 130 }

export const widthOf = (c: string) => (isSpark(c) ? 132 : wide[c] ?? Math.min(220, Math.max(104, 26 + 7.2 * title(c).length)))

/** The key of the tag that a column shows, "" when it shows something else. */
export function tagKey(c: string): string {
  const m = /^tags\.(?:`([^`]+)`|([\w.]+))$/.exec(c)
  return m?.[1] ?? m?.[2] ?? ''
}

/** The words above a column. */
export function title(c: string): string {
  if (isSpark(c)) return sparkMetric(c)
  const m = /^(metrics|params|tags)\.(?:`([^`]+)`|([\w.]+))$/.exec(c)
  if (m) return m[2] ?? m[3]
  return { start_time: 'Started', duration: 'Duration', end_time: 'Ended', user_id: 'User', run_id: 'Run id', experiment_name: 'Experiment' }[c] ?? c
}

/** What a column belongs to: "params", "metrics", "tags" or "". */
export function groupOf(c: string): string {
  if (isSpark(c)) return 'metrics'
  return /^(metrics|params|tags)\./.exec(c)?.[1] ?? (/\bmetrics\./.test(c) ? 'metrics' : '')
}

const most = { params: 12, metrics: 8 }

/** The columns of some experiments: what was chosen last, or else metrics and params that vary. */
export async function columnsOf(experiments: string[]): Promise<string[]> {
  const chosen = recall<string[] | null>('columns:' + experiments.join(), null)
  if (chosen) return chosen
  const list = (entity: string, n: number) =>
    own<Fields>('search-fields', { experiment_ids: experiments, entities: [entity], varying: true, max_results: n })
  const [params, metrics] = await Promise.all([list('params', most.params), list('metrics', most.metrics)])
  const own_ = (f: Field) => !f.key.startsWith('system/')
  return ['start_time', 'duration', ...metrics.fields.filter(own_).map((f) => f.text), ...params.fields.map((f) => f.text)]
}

export function keepColumns(experiments: string[], columns: string[] | undefined) {
  remember('columns:' + experiments.join(), columns)
}
