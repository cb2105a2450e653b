// Reads tables that programs write as text: CSV, JSON in the orientations of pandas
// and MLflow, and JSON lines.

/** CSV with quotes as RFC 4180 has them; what is cut off at the end is left out. */
export function parseTable(text: string, separator: string, rows: number): string[][] {
  const out: string[][] = []
  const sep = separator.charCodeAt(0)
  let row: string[] = [], i = text.charCodeAt(0) === 0xfeff ? 1 : 0
  while (i < text.length && out.length < rows) {
    let field = '', plain = true
    if (text[i] === '"') {
      plain = false
      for (i++; ;) {
        const quote = text.indexOf('"', i)
        if (quote < 0) {
          field += text.slice(i)
          i = text.length
          break
        }
        field += text.slice(i, quote)
        i = quote + 1
        if (text[i] !== '"') break
        field += '"'
        i++
      }
    }
    const start = i
    let c = 0
    while (i < text.length && (c = text.charCodeAt(i)) !== sep && c !== 10) i++
    const end = c === 10 && i < text.length && i > start && text.charCodeAt(i - 1) === 13 ? i - 1 : i
    row.push(plain ? text.slice(start, end) : field + text.slice(start, end))
    if (i >= text.length) {
      if (row.length > 1 || row[0] !== '') out.push(row)
      return out
    }
    if (text.charCodeAt(i++) === 10) {
      out.push(row)
      row = []
    } else if (i >= text.length) row.push('')
  }
  if (row.length && out.length < rows) out.push(row)
  return out
}

/** Columns of values, as long as each other. */
export interface Columns { names: string[], columns: unknown[][], rows: number, cut: boolean }

const none = (): Columns => ({ names: [], columns: [], rows: 0, cut: false })

function ofRows(names: string[], data: unknown[], most: number): Columns {
  const out: Columns = { names, columns: names.map(() => []), rows: Math.min(data.length, most), cut: data.length > most }
  for (let r = 0; r < out.rows; r++) {
    const row = data[r]
    for (let c = 0; c < names.length; c++) out.columns[c].push(Array.isArray(row) ? row[c] ?? null : null)
  }
  return out
}

function ofObjects(list: Record<string, unknown>[], most: number): Columns {
  const names = new Map<string, number>(), out = none()
  out.rows = Math.min(list.length, most)
  out.cut = list.length > most
  for (let r = 0; r < out.rows; r++) {
    for (const key in list[r]) {
      let c = names.get(key)
      if (c === undefined) {
        if (names.size === mostColumns) continue
        names.set(key, c = names.size)
        out.columns.push(new Array(r).fill(null))
      }
      out.columns[c][r] = list[r][key]
    }
    for (const c of out.columns) if (c.length === r) c.push(null)
  }
  out.names = [...names.keys()]
  return out
}

const mostColumns = 2000, mostText = 2000
const isObject = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v)

/** A table in JSON: split ({columns, data}), a list of objects, or an object of columns. */
export function fromJSON(value: unknown, most: number): Columns | undefined {
  if (Array.isArray(value)) return value.length && value.every(isObject) ? ofObjects(value, most) : undefined
  if (!isObject(value)) return undefined
  const { columns, data } = value
  if (Array.isArray(columns) && Array.isArray(data) && columns.length <= mostColumns) return ofRows(columns.map(String), data, most)
  const names = Object.keys(value)
  if (!names.length || names.length > mostColumns) return undefined
  const lists = names.map((n) => value[n])
  if (lists.every((l): l is unknown[] => Array.isArray(l)) && lists.every((l) => l.length === lists[0].length && l.length)) {
    return { names, columns: lists.map((l) => l.slice(0, most)), rows: Math.min(lists[0].length, most), cut: lists[0].length > most }
  }
  if (lists.every(isObject)) {
    const keys = Object.keys(lists[0])
    if (keys.length && lists.every((l) => Object.keys(l).length === keys.length && Object.keys(l).every((k, i) => k === keys[i]))) {
      return { names, columns: lists.map((l) => keys.slice(0, most).map((k) => l[k])), rows: Math.min(keys.length, most), cut: keys.length > most }
    }
  }
  return undefined
}

export function fromCSV(text: string, separator: string, most: number): Columns {
  const rows = parseTable(text, separator, most + 2)
  if (!rows.length) return none()
  return { ...ofRows(rows[0].slice(0, mostColumns), rows.slice(1, most + 1), most), cut: rows.length > most + 1 }
}

/** JSON lines: an object each. A last line that is cut off is left out; others that are none, too. */
export function fromLines(text: string, most: number): Columns | undefined {
  const list: Record<string, unknown>[] = []
  for (const line of text.split('\n')) {
    if (!line.trim()) continue
    if (list.length > most) break
    try {
      const value: unknown = JSON.parse(line)
      if (isObject(value)) list.push(value)
    } catch {
      continue
    }
  }
  return list.length ? ofObjects(list, most) : undefined
}

/** A value in a cell, as text. */
export function cellText(v: unknown): string {
  if (v === null || v === undefined) return ''
  if (v instanceof Date) return Number.isNaN(v.getTime()) ? '' : v.toISOString().replace(/T00:00:00\.000Z$/, '').replace(/\.000Z$/, 'Z')
  if (v instanceof Uint8Array) return Array.from(v.subarray(0, 32), (b) => b.toString(16).padStart(2, '0')).join('') + (v.length > 32 ? '…' : '')
  if (typeof v === 'object') return JSON.stringify(v, (_, x: unknown) => (typeof x === 'bigint' ? String(x) : x instanceof Uint8Array ? cellText(x) : x)).slice(0, mostText)
  const s = String(v)
  return s.length > mostText ? s.slice(0, mostText) + '…' : s
}
