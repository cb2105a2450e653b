// The conditions of a query one by one, as chips. The text is the truth: the server
// says where in it the conditions stand (search-check), and what is done to a chip is
// done to the text.

import type { Cell, Clause } from './types'

/** The texts of the conditions. */
export const parts = (text: string, clauses: Clause[]) => clauses.map((c) => text.slice(c.pos, c.end))

/** The text without one condition and the AND beside it. */
export function without(text: string, clauses: Clause[], i: number): string {
  const c = clauses[i]
  if (i > 0) return text.slice(0, clauses[i - 1].end) + text.slice(c.end)
  if (clauses.length > 1) return text.slice(clauses[1].pos)
  return text.slice(c.end).replace(/^(\s*and\b)+/i, '').trim()
}

export const replaced = (text: string, clauses: Clause[], i: number, by: string) =>
  text.slice(0, clauses[i].pos) + by + text.slice(clauses[i].end)

/** The text with one more condition. */
export function added(text: string, clauses: Clause[], condition: string): string {
  const last = clauses.at(-1)
  if (!last) return (condition + ' ' + text.trim()).trim()
  const { pos, end } = last
  const before = last.loose ? text.slice(0, pos) + '(' + text.slice(pos, end) + ')' : text.slice(0, end)
  return before + ' AND ' + condition + text.slice(end)
}

export const wrapped = (condition: string) => `(${condition})`

/** A value as a query has it. */
export function literal(v: string | number): string {
  if (typeof v !== 'string') return String(v)
  if (!v.includes("'")) return `'${v}'`
  return v.includes('"') ? `x'${hex(v)}'` : `"${v}"`
}

const hex = (s: string) => [...new TextEncoder().encode(s)].map((b) => b.toString(16).padStart(2, '0')).join('')

export type Relation = '=' | '!=' | '>=' | '<='

/** The condition that a value of a row is, or is not, what it is there. */
export function condition(column: string, v: Cell, relation: Relation): string {
  if (v === null || v === undefined) return `${column} IS ${relation === '!=' ? 'NOT ' : ''}NULL`
  if (typeof v === 'boolean') return v === (relation !== '!=') ? column : `NOT (${column})`
  if (typeof v === 'number' && Number.isNaN(v)) return `${column} IS ${relation === '!=' ? 'NOT ' : ''}NAN`
  if (typeof v === 'number' && !Number.isFinite(v)) return `${column} IS ${relation === '!=' ? 'NOT ' : ''}INF`
  return `${column} ${relation} ${literal(v)}`
}
