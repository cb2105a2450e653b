// Reads tables of runs beside the page, so that a large one, or a bad one, does not
// stop it. Tables that were opened stay here; the page gets what it draws.

import { band, type Band } from './bootstrap'
import { isCell, type Column } from './detect'
import { fetchFile } from './fetchfile'
import { separatorOf, kindOf } from './kinds'
import { cellText, fromCSV, fromJSON, fromLines, type Columns } from './preview'
import { area, rank, type Points, type Ranked } from './scores'
import { tableWords as words } from './tablewords'

export interface Opened { columns: Column[], rows: number, cut: boolean }
export interface Scored { ranked: Ranked, left: number }
export interface Preview { names: string[], types: string[], rows: string[][], total: number, columns: number, by: string }
export interface Drawn { roc?: Points, pr?: Points, rocArea: number, prArea: number }
export interface ClassCounts { positive: string, tp: number, fp: number, fn: number, tn: number }

/** Rows by actual class, columns by the class they were taken for. */
export interface ClassMatrix { classes: string[], rows: number[][] }

export interface Job {
  preview: [url: string, size: number, rows: number]
  open: [key: string, url: string, path: string, size: number]
  score: [key: string, label: string, score: string, positive: string]
  band: [ranked: Ranked]
  drawn: [key: string]
  counts: [key: string]
  classes: [key: string, label: string, classes: string[], prediction: string, scores: string[]]
  matrix: [key: string]
}
export interface Answer { preview: Preview, open: Opened, score: Scored, band: Band, drawn: Drawn, counts: ClassCounts[], classes: ClassMatrix, matrix: ClassMatrix }
export interface Asked<K extends keyof Job = keyof Job> { id: number, what: K, args: Job[K] }

const mostRows = 2_000_000, mostValues = 20_000_000, mostClasses = 50, mostParts = 50, mostLooked = 1000, previewBytes = 64 << 20, tableBytes = 256 << 20
const tables = new Map<string, Columns>()

const whole = async (url: string) => (await fetchFile(url)).text()

async function read(url: string, path: string, size: number): Promise<Columns> {
  if (size > tableBytes) throw new Error(words.tooLarge)
  let table: Columns | undefined
  switch (kindOf(path)) {
    case 'csv':
      table = fromCSV(await whole(url), separatorOf(path), mostRows)
      break
    case 'json':
      table = fromJSON(inner(parse(await whole(url))), mostRows)
      break
    case 'lines':
      table = fromLines(await whole(url), mostRows)
      break
    case 'parquet':
      table = await (await import('./parquet')).readParquet(url, size, mostRows, tableBytes, likely)
  }
  if (!table?.rows) throw new Error(words.noTable)
  return spread(table)
}

/** Of a wide and long table only what may be labels and scores is read. */
function likely(names: string[], rows: number): string[] {
  if (names.length * rows <= mostValues) return names
  return names.filter((n) => /label|target|true|truth|actual|class|outcome|score|prob|pred|conf|^[yp]([^a-z]|$)/i.test(n)).slice(0, mostParts)
}

/** Python writes numbers into JSON that it does not have; they are missing then. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (e) {
    if (!/\b(NaN|Infinity)\b/.test(text)) throw e
    return JSON.parse(text.replace(/([[,:]\s*)(-?Infinity|NaN)(?=\s*[\],}])/g, '$1null'))
  }
}

/** A curve may be one level down: {"roc": {"fpr": […], …}}; a matrix may be all there is: [[5, 1], [2, 7]]. */
function inner(value: unknown): unknown {
  if (Array.isArray(value) && value.length > 1 && value.every((r) => Array.isArray(r) && r.length === value.length && r.every((x) => typeof x === 'number'))) return { matrix: value }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const keys = Object.keys(value), only = (value as Record<string, unknown>)[keys[0]]
  return keys.length === 1 && typeof only === 'object' && only !== null && !Array.isArray(only) && Object.values(only).every(Array.isArray) ? only : value
}

/** Lists of numbers, as predict_proba gives them, become columns: name[0], name[1]; maps too: name.key. */
function spread(t: Columns): Columns {
  const out: Columns = { ...t, names: [], columns: [] }
  const add = (name: string, values: unknown[]) => {
    out.names.push(name)
    out.columns.push(values)
  }
  for (let c = 0; c < t.names.length; c++) {
    const name = t.names[c], values = t.columns[c], first = values.find((v) => v !== null && v !== undefined)
    if (Array.isArray(first) && first.length <= mostParts && first.every((v) => typeof v === 'number')) {
      for (let i = 0; i < first.length; i++) add(`${name}[${i}]`, values.map((v) => (Array.isArray(v) ? (v[i] as unknown) ?? null : null)))
    } else if (isMap(first)) {
      const keys = new Set<string>()
      for (const v of values.slice(0, mostLooked)) if (isMap(v)) for (const k in v) if (keys.size < mostParts) keys.add(k)
      for (const k of keys) add(`${name}.${k}`, values.map((v) => (isMap(v) ? v[k] ?? null : null)))
    } else add(name, values)
  }
  return out
}

const isMap = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && Object.getPrototypeOf(v) === Object.prototype

function numberOf(v: unknown): number {
  if (typeof v === 'number') return v
  if (typeof v === 'string') return v.trim() === '' ? NaN : Number(v)
  return typeof v === 'bigint' ? Number(v) : typeof v === 'boolean' ? Number(v) : NaN
}

const missing = (v: unknown) => v === null || v === undefined || v === '' || (typeof v === 'number' && Number.isNaN(v))

/** The class of a label: 1, 1.0 and "1" are the same. */
function className(v: unknown): string {
  if (typeof v === 'number' || typeof v === 'bigint') return String(v)
  const s = cellText(v)
  return /^-?\d+\.0+$/.test(s) ? String(Number(s)) : s
}

function describe(t: Columns): Column[] {
  return t.names.map((name, c) => {
    const values = t.columns[c], classes = new Set<string>()
    let numeric = true, min = Infinity, max = -Infinity, any = false
    for (let i = 0; i < t.rows && (numeric || classes.size <= mostClasses); i++) {
      const v = values[i]
      if (missing(v)) continue
      any = true
      if (classes.size <= mostClasses) classes.add(className(v))
      if (!numeric) continue
      const x = typeof v === 'boolean' ? NaN : numberOf(v)
      if (Number.isNaN(x)) numeric = false
      else {
        if (x < min) min = x
        if (x > max) max = x
      }
    }
    numeric &&= any
    const order = numeric ? (a: string, b: string) => Number(a) - Number(b) : (a: string, b: string) => (a < b ? -1 : 1)
    return { name, numeric, classes: classes.size <= mostClasses ? [...classes].sort(order) : [], min, max }
  })
}

function table(key: string): Columns {
  const t = tables.get(key)
  if (!t) throw new Error(words.notOpen)
  return t
}

function column(t: Columns, name: string): unknown[] {
  const c = t.names.indexOf(name)
  if (c < 0) throw new Error(words.noColumn(name))
  return t.columns[c]
}

function scored(t: Columns, label: string, score: string, positive: string): Scored {
  const labels = column(t, label), values = column(t, score)
  const numeric = values.every((v) => missing(v) || typeof v === 'boolean' || !Number.isNaN(numberOf(v)))
  const up = new Float64Array(t.rows), down = new Float64Array(t.rows)
  let ups = 0, downs = 0
  for (let i = 0; i < t.rows; i++) {
    if (missing(labels[i]) || missing(values[i])) continue
    const x = numeric ? numberOf(values[i]) : Number(className(values[i]) === positive) // a predicted class is a score of two values
    if (Number.isNaN(x)) continue
    if (className(labels[i]) === positive) up[ups++] = x
    else down[downs++] = x
  }
  if (!ups || !downs) throw new Error(ups ? words.allPositive : words.nonePositive)
  return { ranked: rank(up.slice(0, ups), down.slice(0, downs)), left: t.rows - ups - downs }
}

/** A curve that is in the table as it is. */
function drawn(t: Columns): Drawn {
  const find = (...names: string[]) => t.names.findIndex((n) => names.includes(n.toLowerCase().replace(/[\s.-]+/g, '_')))
  const points = (cx: number, cy: number): Points | undefined => {
    if (cx < 0 || cy < 0) return undefined
    const ct = find('thresholds', 'threshold', 'cutoff'), rows = Array.from({ length: t.rows }, (_, i) => [numberOf(t.columns[cx][i]), numberOf(t.columns[cy][i]), ct < 0 ? NaN : numberOf(t.columns[ct][i])])
      .filter((r) => Number.isFinite(r[0]) && Number.isFinite(r[1]))
    if (rows.length > 1 && rows[0][0] > rows[rows.length - 1][0]) rows.reverse()
    return { x: Float64Array.from(rows, (r) => r[0]), y: Float64Array.from(rows, (r) => r[1]), at: Float64Array.from(rows, (r) => r[2]) }
  }
  const roc = points(find('fpr', 'false_positive_rate'), find('tpr', 'true_positive_rate')), pr = points(find('recall'), find('precision'))
  return { roc, pr, rocArea: roc ? area(roc.x, roc.y) : NaN, prArea: pr ? area(pr.x, pr.y) : NaN }
}

/** Counts by class, as mlflow.evaluate writes them to per_class_metrics.csv. */
function counted(t: Columns): ClassCounts[] {
  const of = (name: string) => column(t, name).map(numberOf)
  const tp = of('true_positives'), fp = of('false_positives'), fn = of('false_negatives'), tn = of('true_negatives')
  const names = t.names.includes('positive_class') ? column(t, 'positive_class') : []
  return tp.map((_, i) => ({ positive: className(names[i] ?? i), tp: tp[i], fp: fp[i], fn: fn[i], tn: tn[i] }))
}

/** Of each row the class that was predicted, or that has the greatest score. */
function taken(t: Columns, label: string, classes: string[], prediction: string, scores: string[]): ClassMatrix {
  const at = new Map(classes.map((c, i) => [c, i])), rows = classes.map(() => classes.map(() => 0))
  const labels = column(t, label), said = prediction ? column(t, prediction) : undefined, columns = scores.map((s) => column(t, s))
  for (let i = 0; i < t.rows; i++) {
    const row = rows[at.get(className(labels[i])) ?? -1]
    let to = said && !missing(said[i]) ? at.get(className(said[i])) ?? -1 : -1
    for (let k = 0, best = -Infinity; k < columns.length; k++) {
      const x = missing(columns[k][i]) ? NaN : numberOf(columns[k][i])
      if (x > best) {
        best = x
        to = k
      }
    }
    if (row && !missing(labels[i]) && to >= 0) row[to]++
  }
  return { classes, rows }
}

/** A confusion matrix that is in the table as it is. */
function logged(t: Columns): ClassMatrix {
  const cells = t.columns.filter((_, c) => isCell(t.names[c])), names = t.columns[t.names.findIndex((n) => /^(labels?|classes|names|index)$/i.test(n))]
  if (cells.length !== t.rows) throw new Error(words.notSquare)
  return { classes: cells.map((_, k) => className(names?.[k] ?? k)), rows: cells.map((_, r) => cells.map((c) => numberOf(c[r]))) }
}

const work: { [K in keyof Job]: (...args: Job[K]) => Promise<Answer[K]> | Answer[K] } = {
  async preview(url, size, rows) {
    const p = await (await import('./parquet')).readParquet(url, size, rows, previewBytes)
    return { names: p.names, types: p.types, rows: Array.from({ length: p.rows }, (_, i) => p.columns.map((c) => cellText(c[i]))), total: p.total, columns: p.allColumns, by: p.by }
  },
  async open(key, url, path, size) {
    let t = tables.get(key)
    if (!t) tables.set(key, t = await read(url, path, size))
    return { columns: describe(t), rows: t.rows, cut: t.cut }
  },
  score: (key, label, score, positive) => scored(table(key), label, score, positive),
  band: (ranked) => band(ranked),
  drawn: (key) => drawn(table(key)),
  counts: (key) => counted(table(key)),
  classes: (key, label, classes, prediction, scores) => taken(table(key), label, classes, prediction, scores),
  matrix: (key) => logged(table(key)),
}

addEventListener('message', async (e: MessageEvent<Asked>) => {
  const { id, what, args } = e.data
  try {
    postMessage({ id, answer: await (work[what] as (...a: unknown[]) => unknown)(...args) })
  } catch (failure) {
    postMessage({ id, failure: (failure as Error).message })
  }
})
