// What is in a file of a run, for showing: the first part of a text, or its end; the
// first rows of a table; nothing that could run.

import { fileEnd, fileText } from './api'
import { fullURL } from './files'
import { parseMLmodel, type MLmodel } from './mlmodel'
import { kindOf, separatorOf, type Kind } from './kinds'
import { fromCSV, fromJSON, fromLines } from './preview'
import { text } from './strings'
import type { Tables } from './tables'

export const cut = 512 * 1024
const cutJSON = 8 << 20, mostRows = 500, mostColumns = 100, mostCells = 15_000, mostTime = 30_000

export interface Rows { names: string[], types: string[], rows: unknown[][], total: number, columns: number, by: string }

export interface Content {
  kind: Kind
  path: string
  views: ('table' | 'tree' | 'text')[] // ways to show it, the usual one first
  whole: boolean
  text?: string // as it is, or JSON with indents
  rows?: Rows
  value?: unknown // of JSON
  model?: MLmodel // undefined where the file is not YAML
}

const across = (c: { names: string[], columns: unknown[][], rows: number }, total: number): Rows => fitting({
  names: c.names, types: [], rows: Array.from({ length: c.rows }, (_, r) => c.columns.map((x) => x[r])), total, columns: c.names.length, by: '',
})

/** So many columns and rows as a page can take. */
function fitting(t: Rows): Rows {
  const n = Math.min(t.names.length, mostColumns)
  const rows = t.rows.slice(0, Math.max(20, Math.floor(mostCells / Math.max(1, n)))).map((r) => (r.length > n ? r.slice(0, n) : r))
  return { ...t, names: t.names.slice(0, n), types: t.types.slice(0, n), rows }
}

/** Reads a file; `end` asks for the end of a long text. Pictures and files of unknown kinds have nothing to read. */
export async function contentOf(tables: Tables, run: string, path: string, size: number, end: boolean, signal?: AbortSignal): Promise<Content> {
  const kind = kindOf(path), most = kind === 'json' ? cutJSON : cut
  const out: Content = { kind, path, views: ['text'], whole: size <= most }
  if (kind === 'image' || kind === 'other') return out
  if (kind === 'parquet') {
    const timer = setTimeout(() => tables.close(text.files.slow), mostTime) // a bad file may keep its reader busy
    const p = await tables.ask('preview', fullURL(run, path), size, mostRows).finally(() => clearTimeout(timer))
    return { ...out, views: ['table'], whole: p.rows.length === p.total, rows: fitting(p) }
  }
  if (!size) return { ...out, text: '' }
  const read = end && !out.whole ? await fileEnd(run, path, most, signal) : await fileText(run, path, most, signal)
  out.text = read
  if (kind === 'csv') {
    const t = fromCSV(read, separatorOf(path), mostRows)
    return t.names.length ? { ...out, views: ['table', 'text'], rows: across(t, t.cut || !out.whole ? -1 : t.rows) } : out
  }
  if (kind === 'lines') {
    const t = fromLines(read, mostRows)
    return t ? { ...out, views: ['table', 'text'], rows: across(t, t.cut || !out.whole ? -1 : t.rows) } : out
  }
  if (kind === 'mlmodel') return { ...out, model: await parseMLmodel(read).catch(() => undefined) }
  if (kind !== 'json') return out
  let value: unknown, pretty: string
  try {
    value = JSON.parse(read)
    pretty = JSON.stringify(value, null, 2) // what is nested too deeply fails
  } catch {
    return { ...out, text: read.slice(0, cut), whole: read.length <= cut && out.whole }
  }
  const t = fromJSON(value, mostRows)
  const split = typeof value === 'object' && value !== null && 'columns' in value && 'data' in value
  return {
    ...out, value, text: pretty.slice(0, cut), whole: pretty.length <= cut, views: t ? (split ? ['table', 'text', 'tree'] : ['text', 'tree', 'table']) : ['text', 'tree'],
    rows: t && across(t, t.cut ? -1 : t.rows),
  }
}
