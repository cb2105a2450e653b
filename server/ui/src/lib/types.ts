// What the server answers, see server/ui*.go and MLflow's REST API.

export type View = 'ACTIVE_ONLY' | 'DELETED_ONLY'
export type Cell = null | string | number | boolean

export interface Table {
  problem?: Problem // nothing else is there then
  columns: string[]
  values: (Cell | { f: string })[][]
  rows: number
  ids: boolean
  total: number
  partial: boolean
  next: string
  hints: string[]
  parents?: string[]
  explained?: string
}

export interface Check {
  problem?: Problem
  column: number
  text?: string
  table: boolean
  groups: boolean
  total: number
  partial: boolean
  hints?: string[]
  clauses?: Clause[]
}

/** Where a condition stands that AND joins with others; a loose one needs parentheses beside another. */
export interface Clause { pos: number, end: number, loose?: boolean }

export interface Problem { message: string, pos: number, end: number, hint?: string }

export interface Field { entity: 'metrics' | 'params' | 'tags', key: string, text: string, runs: number, varies: boolean }
export interface Fields { fields: Field[], total: number, runs: number, partial: boolean }

export interface KV { key: string, value: string }

export interface Experiment {
  experiment_id: string
  name: string
  lifecycle_stage: string
  creation_time: number
  last_update_time: number
  artifact_location: string
  tags?: KV[]
}

export interface RunInfo {
  run_id: string
  run_name: string
  experiment_id: string
  status: string
  start_time: number
  end_time?: number
  user_id: string
  artifact_uri: string
  lifecycle_stage: string
}

export interface Run {
  info: RunInfo
  data: { params?: KV[], tags?: KV[], metrics?: { key: string, value: number | string, step: number }[] }
  inputs?: {
    dataset_inputs?: { tags?: KV[], dataset: { name: string, digest: string, source_type: string, source: string, schema?: string, profile?: string } }[]
    model_inputs?: { model_id: string }[]
  }
  outputs?: { model_outputs?: { model_id: string, step?: number }[] }
}

export interface FileEntry { path: string, is_dir: boolean, file_size?: number }

export interface ModelVersion {
  name: string
  version: string
  current_stage?: string
  status?: string
  run_id?: string
  description?: string
  creation_timestamp?: number
  aliases?: string[]
  tags?: KV[]
}

export interface RegisteredModel {
  name: string
  creation_timestamp?: number
  description?: string
  last_updated_timestamp?: number
  latest_versions?: ModelVersion[]
  aliases?: { alias: string, version: string }[]
  tags?: KV[]
}

// Benchmarks, see server/uibench.go.

export interface BenchID { package?: string, name: string, config?: string, unit: string }

export interface BenchHead {
  run_id: string
  name: string
  commit: string
  dirty: boolean
  branch: string
  start: number
  machine: string
  series: number
  failed: boolean
}

export interface BenchChange { from: string, to: string, percent: string, judged: number, up: boolean, time: number, since: number }

export interface BenchSeries extends BenchID {
  machine: string
  better: number
  runs: number
  latest: string
  spark: number[]
  changes: number
  last?: BenchChange
}

export interface BenchList { experiment: string, runs: BenchHead[], series: BenchSeries[], partial: boolean, skipped: number }

export interface BenchPoint {
  run_id: string
  commit: string
  dirty: boolean
  time: number
  start: number
  median: number
  lo?: number
  hi?: number
  min: number
  max: number
  n: number
}

export interface BenchTrend {
  trend: BenchID & {
    machine: string
    better: number
    points: BenchPoint[]
    changes: { index: number, from: number, to: number, delta: number | string, p: number, run: string, run_before: string, commit: string, commit_before: string }[]
  }
  factor: number
  axis: string
  latest: string
  texts: string[]
  names: string[]
  changes: BenchChange[]
  partial: boolean
  skipped: number
}

export interface BenchRow extends BenchID { a: object | null, b: object | null, delta: number, p: number, differs: boolean }

export interface BenchTable { unit: string, better: number, tidy: string, rows: BenchRow[], cells: string[][], judged: number[], geomean: string[] | null }

export interface BenchComparison {
  problem?: string // nothing else is there then
  a: BenchHead & { source: string, go?: string }
  b: BenchHead & { source: string, go?: string }
  alpha: number
  units: BenchTable[]
  differing_keys?: { key: string, a: string, b: string }[] | null
  partial: boolean
  text: string
}
