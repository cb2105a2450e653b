// Groups of runs, such as the seeds of a setting: which run is in which, and the band
// around a group's mean.

import { own } from './api'
import { cellOf, toRows } from './runlist.svelte'
import type { Curve } from './series'
import type { Cell, Problem, Table } from './types'

export type Band = 'ci' | 'deviation' | 'range'

export interface Grouping {
  names: string[] // of the groups, those with most runs first
  of: Map<string, number> // run id to the index of its name
  sizes: number[]
  problem?: Problem
}

export const mostGroups = 28 // there are as many looks

/** Groups runs by any value of the query language. */
export async function grouping(experiments: string[], runs: string[], by: string, signal?: AbortSignal): Promise<Grouping> {
  const query = `run_id IN (${runs.map((id) => `'${id}'`).join(', ')})`
  const t = await own<Table>('search-runs', { experiment_ids: experiments, query, columns: [by], max_results: runs.length }, signal)
  if (t.problem) return { names: [], of: new Map(), sizes: [], problem: t.problem }
  const found = toRows(t)
  const name = (v: Cell) => (v === null || v === undefined ? '–' : String(cellOf(v)))
  const counts = new Map<string, number>()
  for (const r of found) counts.set(name(r.cells[0]), (counts.get(name(r.cells[0])) ?? 0) + 1)
  const names = [...counts.keys()].sort((a, b) => counts.get(b)! - counts.get(a)! || collate.compare(a, b)).slice(0, mostGroups)
  const place = new Map(names.map((n, i) => [n, i]))
  const of = new Map<string, number>()
  for (const r of found) {
    const i = place.get(name(r.cells[0]))
    if (i !== undefined) of.set(r.id, i)
  }
  return { names, of, sizes: names.map((n) => counts.get(n)!) }
}

const collate = new Intl.Collator('en', { numeric: true })

/** The curve of a group with its band as least and greatest value. */
export function banded(c: Curve, band: Band): Curve {
  const g = c.group
  if (!g || band === 'range') return c
  const min = new Float64Array(c.n), max = new Float64Array(c.n)
  for (let i = 0; i < c.n; i++) {
    const d = half(g.n[i], g.deviation[i], band)
    min[i] = c.last[i] - d
    max[i] = c.last[i] + d
  }
  return { ...c, min, max }
}

/** Half the width of the band; NaN where one run alone says nothing of others. */
export function half(n: number, deviation: number, band: Band): number {
  if (n < 2) return NaN
  return band === 'ci' ? (student(n - 1) * deviation) / Math.sqrt(n) : deviation
}

// Of Student's t the 97.5 % quantile, to four digits, for 1 to 30 degrees of freedom.
const quantiles = [12.706, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281, 2.201, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.093, 2.086,
  2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423]

/** The same for any number of degrees of freedom: beyond the table by the first terms of the expansion around the normal quantile. */
function student(freedom: number): number {
  if (freedom <= quantiles.length) return quantiles[Math.max(1, Math.round(freedom)) - 1]
  const z = 1.959964
  return z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2)
}
