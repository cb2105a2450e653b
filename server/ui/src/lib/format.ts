// Numbers, times and sizes as people read them.

import type { Cell } from './types'

const grouped = new Intl.NumberFormat('en-US')

export const count = (n: number) => grouped.format(n)

export function plural(n: number, one: string, many = one + 's') {
  return `${count(n)} ${n === 1 ? one : many}`
}

/** Four significant digits, more of whole numbers. */
export function number(x: number): string {
  if (Number.isNaN(x)) return 'NaN'
  if (!Number.isFinite(x)) return x > 0 ? '∞' : '−∞'
  if (Number.isInteger(x) && Math.abs(x) < 1e9) return minus(grouped.format(x))
  const a = Math.abs(x)
  if (a >= 1e6 || a < 1e-3) return minus(x.toExponential(3).replace(/\.?0+e/, 'e').replace('e+', 'e'))
  return minus(String(Number(x.toPrecision(4))))
}

const minus = (s: string) => s.replace('-', '−')

export function duration(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return ''
  if (ms < 1000) return `${Math.round(ms)} ms`
  const s = ms / 1000
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`
  const m = Math.floor(s / 60)
  if (m < 60) return `${m} m ${Math.round(s % 60)} s`
  const h = Math.floor(m / 60)
  if (h < 48) return `${h} h ${m % 60} m`
  return `${Math.floor(h / 24)} d ${h % 24} h`
}

const day = new Intl.DateTimeFormat('en-GB', { year: 'numeric', month: 'short', day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })

export const date = (ms: number) => (ms ? day.format(ms) : '')

export function ago(ms: number, now = Date.now()): string {
  const s = (now - ms) / 1000
  if (s < 5) return 'just now'
  if (s < 60) return `${Math.floor(s)} s ago`
  if (s < 3600) return `${Math.floor(s / 60)} min ago`
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`
  if (s < 30 * 86400) return `${Math.floor(s / 86400)} d ago`
  return date(ms)
}

export function bytes(n: number): string {
  for (const unit of ['B', 'kB', 'MB', 'GB', 'TB']) {
    if (n < 1000 || unit === 'TB') return `${unit === 'B' ? n : n.toFixed(n < 10 ? 1 : 0)} ${unit}`
    n /= 1000
  }
  return ''
}

/** The value of a column of runs. */
export function cell(column: string, v: Cell): string {
  if (v === null || v === undefined) return ''
  if (typeof v === 'number') {
    if (column === 'start_time' || column === 'end_time') return ago(v)
    if (column === 'duration') return duration(v)
    return number(v)
  }
  return String(v)
}

/** A value in full, for the title of a cell. */
export function whole(column: string, v: Cell): string {
  if (v === null || v === undefined) return ''
  if (typeof v === 'number' && (column === 'start_time' || column === 'end_time')) return date(v)
  return String(v)
}

/** Difference to a baseline in percent. */
export function relative(x: number, base: number): string {
  if (!Number.isFinite(x) || !Number.isFinite(base) || base === 0) return ''
  const p = (100 * (x - base)) / Math.abs(base)
  if (p === 0) return ''
  const a = Math.abs(p)
  if (a >= 1000) return p > 0 ? '>+999 %' : '<−999 %'
  return `${p > 0 ? '+' : '−'}${a < 10 ? a.toFixed(1) : Math.round(a)} %`
}
