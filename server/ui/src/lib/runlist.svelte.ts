// The runs of a search, in pages that are fetched when they are seen.

import { own } from './api'
import type { Cell, Problem, Table, View } from './types'

export interface RunRow {
  id: string
  name: string
  status: string
  start: number
  end: number | null
  user: string
  experiment: string
  parent: string | null
  parents: boolean // others are nested in it
  cells: Cell[]
}

export interface Search {
  experiments: string[]
  view: View
  query: string
  order: string[]
  columns: string[]
  nested: boolean
}

export interface Slot { row: RunRow | undefined, depth: number, index: number }

const pageSize = 100
const mostPages = 60 // that are kept, besides the first: those far from what is seen go
const fixed = 9

export const cellOf = (v: Cell | { f: string }): Cell => (v !== null && typeof v === 'object' ? Number(v.f) : v)

export function toRows(t: Table): RunRow[] {
  const parents = new Set(t.parents)
  return Array.from({ length: t.rows }, (_, i) => {
    const at = (c: number) => cellOf(t.values[c][i])
    const cells: Cell[] = []
    for (let c = fixed; c < t.columns.length; c++) cells.push(at(c))
    return {
      id: at(0) as string, name: at(1) as string, status: at(2) as string, start: at(3) as number, end: at(4) as number | null,
      user: (at(5) as string) ?? '', experiment: at(6) as string, parent: at(7) as string | null, parents: parents.has(at(0) as string), cells,
    }
  })
}

const bodyOf = (s: Search) => ({ experiment_ids: s.experiments, view: s.view, query: s.query, order_by: s.order, columns: s.columns })

export class RunList {
  total = $state(-1)
  table = $state.raw<Table | undefined>() // of a query that says itself what it shows
  hints = $state.raw<string[]>([])
  explained = $state('')
  partial = $state(false)
  error = $state.raw<Error | undefined>()
  problem = $state.raw<Problem | undefined>() // with the query, the order or a column
  loading = $state(false)

  private search: Search | undefined
  private pages = $state.raw<Map<number, RunRow[]>>(new Map())
  private open = $state.raw<{ at: number, id: string, kids: RunRow[] }[]>([]) // expanded, by place
  private nexts = new Map<number, string>() // where the page behind a page goes on, which is faster than counting
  private asked = new Map<number, AbortController>()
  private turn = 0
  private seen = 0 // the page that was seen last

  /** How many lines there are, those of expanded runs too. */
  get lines() {
    return Math.max(this.total, 0) + this.open.reduce((n, o) => n + o.kids.length, 0)
  }

  /** The first runs. */
  get head(): RunRow[] {
    return this.pages.get(0) ?? []
  }

  find(id: string): RunRow | undefined {
    for (const rows of this.pages.values()) for (const r of rows) if (r.id === id) return r
    for (const o of this.open) for (const r of o.kids) if (r.id === id) return r
    return undefined
  }

  start(s: Search) {
    const kept = this.search && same(this.search, s) // only the columns are others
    this.search = s
    this.forget()
    if (!kept) {
      this.pages = new Map()
      this.open = []
      this.total = -1
    }
    this.table = undefined
    void this.fetch(0, true)
  }

  /** Asks again for what is here. */
  refresh() {
    if (!this.search) return
    const pages = [...this.pages.keys()]
    this.forget()
    for (const p of pages.length ? pages.slice(-4) : [0]) void this.fetch(p, p === 0 || !pages.includes(0))
  }

  private forget() {
    for (const c of this.asked.values()) c.abort()
    this.asked.clear()
    this.nexts.clear()
    this.turn++
  }

  line(index: number): Slot {
    let top = index
    for (const o of this.open) { // `at` is the line that the run itself is on
      if (index <= o.at) break
      if (index <= o.at + o.kids.length) return { row: o.kids[index - o.at - 1], depth: 1, index }
      top -= o.kids.length
    }
    return { row: this.pages.get(Math.floor(top / pageSize))?.[top % pageSize], depth: 0, index }
  }

  /** Fetches the pages of some lines. */
  need(from: number, to: number) {
    if (this.total <= 0) return
    const before = this.open.reduce((n, o) => n + (o.at < from ? o.kids.length : 0), 0)
    const first = Math.floor(Math.max(0, from - before) / pageSize), last = Math.floor(to / pageSize)
    this.seen = first
    for (const [p, stop] of this.asked) { // who scrolls on does not wait for what was passed
      if (p !== 0 && (p < first - 1 || p > last + 1)) {
        stop.abort()
        this.asked.delete(p)
      }
    }
    for (let p = first; p <= last && p * pageSize < this.total; p++) {
      if (!this.pages.has(p) && !this.asked.has(p)) void this.fetch(p, false)
    }
  }

  private async fetch(page: number, first: boolean) {
    const s = this.search!, turn = this.turn, after = this.nexts.get(page - 1)
    const stop = new AbortController()
    this.asked.set(page, stop)
    this.loading = true
    try {
      const t = await own<Table>('search-runs', {
        ...bodyOf(s), ...(after ? { after } : { offset: page * pageSize }), max_results: pageSize, total: first, explain: first, top_only: s.nested,
      }, stop.signal)
      if (turn !== this.turn) return
      if (t.problem) {
        this.problem = t.problem
        this.total = -1
        return
      }
      this.problem = undefined
      this.error = undefined
      if (first) {
        this.hints = t.hints
        this.explained = t.explained ?? ''
        this.partial = t.partial
      }
      if (!t.ids) {
        this.table = t
        this.total = t.total >= 0 ? t.total : t.rows
        return
      }
      const rows = toRows(t)
      this.nexts.set(page, t.next)
      const pages = new Map(this.pages).set(page, rows)
      if (pages.size > mostPages + 1) {
        const far = [...pages.keys()].filter((p) => p !== 0).sort((a, b) => Math.abs(b - this.seen) - Math.abs(a - this.seen))
        for (const p of far.slice(0, pages.size - mostPages - 1)) pages.delete(p)
      }
      this.pages = pages
      if (first) this.total = Math.max(t.total, rows.length)
    } catch (e) {
      if ((e as Error).name !== 'AbortError' && turn === this.turn) {
        this.error = e as Error
        if (first) this.total = -1
      }
    } finally {
      if (this.asked.get(page) === stop) this.asked.delete(page)
      this.loading = this.asked.size > 0
    }
  }

  isOpen(id: string) {
    return this.open.some((o) => o.id === id)
  }

  async toggle(index: number) {
    const { row } = this.line(index)
    if (!row || !this.search) return
    if (this.isOpen(row.id)) {
      const o = this.open.find((o) => o.id === row.id)!
      this.open = this.open.filter((x) => x !== o).map((x) => (x.at > o.at ? { ...x, at: x.at - o.kids.length } : x))
      return
    }
    const t = await own<Table>('search-runs', { ...bodyOf(this.search), max_results: 1000, parent_id: row.id })
    const kids = toRows(t)
    this.open = [...this.open.map((x) => (x.at > index ? { ...x, at: x.at + kids.length } : x)), { at: index, id: row.id, kids }]
      .sort((a, b) => a.at - b.at)
  }

  /** The ids of a stretch of lines, fetched when need be. */
  async stretch(a: number, b: number): Promise<string[]> {
    const from = Math.min(a, b), to = Math.min(Math.max(a, b), from + 999)
    const out: string[] = []
    for (let i = from; i <= to; i++) {
      if (!this.line(i).row) {
        const t = await own<Table>('search-runs', { ...bodyOf(this.search!), columns: [], offset: i, max_results: to - i + 1, top_only: this.search!.nested })
        return [...out, ...toRows(t).map((r) => r.id)]
      }
      out.push(this.line(i).row!.id)
    }
    return out
  }
}

function same(a: Search, b: Search) {
  const key = (s: Search) => JSON.stringify([s.experiments, s.view, s.query, s.order, s.nested])
  return key(a) === key(b)
}
