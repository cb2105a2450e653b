// What runs have side by side: texts by key, with JSON objects taken apart so that
// only the member that differs is a line, and metrics with the best and the worst.

import { recall, remember } from './prefs.svelte'

export interface Line { key: string, values: (string | undefined)[], differ: boolean }

const deepest = 6, mostLines = 2000

/** Takes the values that are JSON objects apart: "config" with {"aug": {"flip": true}} is "config.aug.flip". */
function spread(key: string, value: string, out: Map<string, string>) {
  if (value.startsWith('{')) {
    try {
      walk(key, JSON.parse(value), out, 0)
      return
    } catch {
      // It only looked like JSON.
    }
  }
  out.set(key, value)
}

function walk(key: string, v: unknown, out: Map<string, string>, depth: number) {
  if (v !== null && typeof v === 'object' && !Array.isArray(v) && depth < deepest && out.size < mostLines) {
    const members = Object.entries(v)
    for (const [k, x] of members) walk(key + '.' + k, x, out, depth + 1)
    if (members.length) return
  }
  out.set(key, typeof v === 'string' ? v : JSON.stringify(v))
}

/** The keys of all runs in order, each with the value of every run. */
export function lines(of: { key: string, value: string }[][]): Line[] {
  const apart = new Set<string>() // keys whose value is an object in some run
  for (const run of of) for (const x of run) if (x.value.startsWith('{')) apart.add(x.key)
  const maps = of.map((run) => {
    const m = new Map<string, string>()
    for (const x of run) {
      if (apart.has(x.key)) spread(x.key, x.value, m)
      else m.set(x.key, x.value)
    }
    return m
  })
  const keys = [...new Set(maps.flatMap((m) => [...m.keys()]))].sort(natural.compare)
  return keys.map((key) => {
    const values = maps.map((m) => m.get(key))
    return { key, values, differ: values.some((v) => v !== values[0]) }
  })
}

const natural = new Intl.Collator('en', { numeric: true })

/** Where the part of a key begins that the key before has not: "optimizer." of "optimizer.lr" is said once. */
export function shared(key: string, before: string | undefined): number {
  if (!before) return 0
  let at = 0
  for (let i = 0; i < Math.min(key.length, before.length) && key[i] === before[i]; i++) if (/[./]/.test(key[i])) at = i + 1
  return at
}

export interface MetricLine { key: string, values: (number | undefined)[], best: number, worst: number, lower: boolean }

const lowerNames = /(^|[^a-z])(loss|err|error|mse|rmse|mae|mape|perplexity|ppl|nll|cer|wer|fid|brier|ece|latency|duration|time|seconds|ms|bytes|memory|cost)([^a-z]|$)/i

/** Whether less of a metric is better: as somebody said, or by its name. */
function lowerIsBetter(key: string): boolean {
  return recall<Record<string, boolean>>('lower', {})[key] ?? lowerNames.test(key)
}

export function setLower(key: string, lower: boolean) {
  const kept = recall<Record<string, boolean>>('lower', {})
  if (lower === lowerNames.test(key)) delete kept[key]
  else kept[key] = lower
  remember('lower', kept)
}

export function metricLines(of: { key: string, value: number }[][]): MetricLine[] {
  const maps = of.map((run) => new Map(run.map((m) => [m.key, m.value])))
  return [...new Set(maps.flatMap((m) => [...m.keys()]))].sort(natural.compare).map((key) => {
    const values = maps.map((m) => m.get(key)), lower = lowerIsBetter(key)
    const fine = values.filter((v) => v !== undefined && !Number.isNaN(v)) as number[]
    const least = Math.min(...fine), greatest = Math.max(...fine)
    const same = fine.length < 2 || least === greatest
    return { key, values, lower, best: same ? NaN : lower ? least : greatest, worst: same ? NaN : lower ? greatest : least }
  })
}
