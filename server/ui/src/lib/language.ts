// What may stand at a place of a query: fields, values and words, for completion.
// The server reads the query itself; this only looks at what is before the caret.

import { own } from './api'
import { literal } from './chips'
import { count } from './format'
import { cellOf } from './runlist.svelte'
import type { Fields, Table } from './types'

export interface Offer { text: string, kind: string, note: string, from: number, to: number }

const attributes = ['run_id', 'run_name', 'status', 'start_time', 'end_time', 'duration', 'user_id', 'experiment_name', 'parent_id',
  'dataset.name', 'dataset.digest', 'dataset.context', 'model.name', 'model.version', 'model.stage', 'model.alias']
const statuses = ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED']
const functions: [string, string][] = [
  ['min(', 'least value of a metric'], ['max(', 'greatest value'], ['first(', 'value at the first step'], ['last(', 'value at the last step'],
  ['mean(', 'mean of a metric'], ['std(', 'spread of a metric'], ['count(', 'how many points'], ['nan_count(', 'how many are NaN'],
  ['argmin(', 'step of the least value'], ['argmax(', 'step of the greatest'], ['slope(', 'slope per step'], ['delta(', 'last minus first'],
  ['at(', 'value at a step'], ['plateau(', 'no better for a while'], ['EVER(', 'some point satisfies'], ['ALWAYS(', 'all points do'],
  ['NEVER(', 'no point does'], ['ANY child(', 'a nested run satisfies'], ['ALL child(', 'all nested runs do'],
  ['USED dataset(', 'runs that read it'], ['DOWNSTREAM OF dataset(', 'all that was made of it'], ["ago('", 'so long ago'], ["date('", 'a moment'],
  ['abs(', ''], ['log(', ''], ['sqrt(', ''],
]
const words = ['AND', 'OR', 'NOT', 'IN (', 'LIKE', 'ILIKE', 'BETWEEN', 'IS NULL', 'IS NOT NULL', 'IS NAN', 'IS INF', 'OVER STEPS', 'OVER LAST', 'OVER FIRST',
  'ORDER BY', 'GROUP BY', 'SELECT', 'HAVING', 'LIMIT', 'DESC', 'ASC', 'NULLS FIRST', 'PER GROUP']

const value = /((?:params?|parameters?|tags?)\.(?:`[^`]+`|"[^"]+"|[\w.]+)|status|run_name|user_id|experiment_name|dataset\.\w+|model\.(?:name|stage|alias))\s*(?:=|!=|LIKE|ILIKE|~\*?|!~\*?|IN\s*\((?:\s*'[^']*'\s*,)*)\s*(?:'([^']*))?$/i
const field = /(^|[^\w.`])(metrics?|params?|parameters?|tags?)\.(`?)([^`'"()=<>,]*)$/
const word = /[A-Za-z_][\w./-]*$/

const entityOf = (s: string) => (s[0] === 'm' ? 'metrics' : s[0] === 'p' ? 'params' : 'tags')

/** What may stand at the caret, the likeliest first. */
export async function offers(experiments: string[], text: string, caret: number, signal: AbortSignal): Promise<Offer[]> {
  const before = text.slice(0, caret)
  const v = value.exec(before)
  if (v && (v[2] !== undefined || /[=~(,]\s*$|LIKE\s*$/i.test(before))) return values(experiments, v[1], v[2], text, caret, signal)
  if (((before.match(/'/g)?.length ?? 0) & 1) === 1) return [] // inside a text
  const f = field.exec(before)
  if (f) {
    const from = caret - f[3].length - f[4].length - f[2].length - 1
    const found = await own<Fields>('search-fields', { experiment_ids: experiments, entities: [entityOf(f[2])], match: f[4], max_results: 60 }, signal)
    return found.fields.map((x) => ({ text: x.text, kind: x.entity, note: runs(x.runs), from, to: caret }))
  }
  const w = word.exec(before)?.[0] ?? ''
  if (w.length < 1) return []
  const from = caret - w.length, low = w.toLowerCase()
  const offer = (text: string, kind: string, note = ''): Offer => ({ text, kind, note, from, to: caret })
  const out = [
    ...['metrics.', 'params.', 'tags.'].filter((t) => t.startsWith(low)).map((t) => offer(t, 'fields')),
    ...attributes.filter((t) => t.startsWith(low)).map((t) => offer(t, 'attribute')),
    ...functions.filter(([t]) => t.toLowerCase().startsWith(low)).map(([t, n]) => offer(t, 'function', n)),
    ...words.filter((t) => t.toLowerCase().startsWith(low) && t.toLowerCase() !== low).map((t) => offer(t, 'word')),
  ]
  if (w.length >= 2) {
    const found = await own<Fields>('search-fields', { experiment_ids: experiments, match: w, max_results: 20 }, signal)
    out.push(...found.fields.map((x) => offer(x.text, x.entity, runs(x.runs))))
  }
  return out.filter((o) => o.text !== w).slice(0, 60)
}

/** Those of the offers for a text that still fit when it has become another, until the new ones come. */
export function fitting(list: Offer[], was: string, text: string, caret: number): Offer[] {
  return list.flatMap((o) => {
    const typed = text.slice(o.from, caret).toLowerCase()
    const fits = caret >= o.from && text.startsWith(was.slice(0, o.from)) && o.text.toLowerCase().includes(typed)
    return fits ? [{ ...o, to: Math.max(caret, o.to + text.length - was.length) }] : []
  })
}

const runs = (n: number) => (n < 0 ? '' : n === 1 ? '1 run' : count(n) + ' runs')

async function values(experiments: string[], name: string, typed: string | undefined, text: string, caret: number, signal: AbortSignal): Promise<Offer[]> {
  const from = typed === undefined ? caret : caret - typed.length - 1
  const to = text[caret] === "'" ? caret + 1 : caret
  if (name === 'status') {
    return statuses.filter((s) => s.startsWith((typed ?? '').toUpperCase())).map((s) => ({ text: `'${s}'`, kind: 'value', note: '', from, to }))
  }
  const t = await own<Table>('search-values', { experiment_ids: experiments, field: name, match: typed ?? '', max_results: 40 }, signal)
  return Array.from({ length: t.rows }, (_, i) => {
    const v = String(cellOf(t.values[0][i]))
    return { text: literal(v), kind: 'value', note: runs(t.values[1][i] as number), from, to }
  })
}
