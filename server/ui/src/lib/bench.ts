// What pages say of benchmarks. All numbers come from the server, which has the
// statistics and the units; here are only names and marks.

import type { BenchChange, BenchHead, BenchID } from './types'
import { text } from './strings'

export const fullName = (id: BenchID) => (id.package ? id.package + '.' : '') + id.name + (id.config ? ' ' + id.config : '')

/** The last part of a package's path. */
export const shortPackage = (p: string | undefined) => p?.split('/').pop() ?? ''

export const shortCommit = (commit: string) => commit.slice(0, 7)

/** How a commit is named in a line. */
export function commitName(p: { commit: string, dirty: boolean, run_id: string }) {
  if (!p.commit) return 'run ' + p.run_id.slice(0, 8)
  return shortCommit(p.commit) + (p.dirty ? '+' : '')
}

export const verdict = (c: BenchChange) => (c.judged > 0 ? text.bench.better : c.judged < 0 ? text.bench.worse : c.up ? text.bench.up : text.bench.down)

export const mark = (c: BenchChange) => (c.up ? '▲' : '▼')

export const tone = (judged: number) => (judged > 0 ? 'good' : judged < 0 ? 'bad' : '')

/** What names a run in a comparison: its commit where no other run has it. */
export function specOf(run: BenchHead, all: BenchHead[]) {
  const same = all.filter((r) => r.commit === run.commit).length
  return run.commit && same === 1 ? run.commit.slice(0, 12) : run.run_id.slice(0, 12)
}

/** The ends of an axis from some values, and its lines at round numbers. */
export function scale(values: number[], zero: boolean, most = 6): { lo: number, hi: number, ticks: number[] } {
  let lo = Infinity, hi = -Infinity
  for (const v of values) {
    lo = Math.min(lo, v)
    hi = Math.max(hi, v)
  }
  if (lo > hi) [lo, hi] = [0, 1]
  if (zero) [lo, hi] = [Math.min(0, lo), Math.max(0, hi)]
  if (hi - lo < Math.max(Math.abs(hi), Math.abs(lo)) * 1e-9 || hi === lo) {
    const room = Math.abs(hi) * 0.05 || 0.5
    lo -= zero && lo === 0 ? 0 : room
    hi += room
  } else {
    const room = (hi - lo) * 0.08
    if (!zero || lo !== 0) lo -= room
    hi += room
  }
  const rough = (hi - lo) / most, unit = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map((m) => m * unit).find((s) => s >= rough) ?? unit * 10
  const ticks: number[] = []
  for (let i = Math.ceil(lo / step); i * step <= hi; i++) ticks.push(i * step)
  return { lo, hi, ticks }
}
