// Registered models, as the pages of the registry need them.

import { ApiError, change, get, ownGet, send } from './api'
import type { FileEntry, KV, ModelVersion, RegisteredModel } from './types'

export const stages = ['None', 'Staging', 'Production', 'Archived'] as const
export type Stage = (typeof stages)[number]

const shownFirst = ['Production', 'Staging', 'Archived']

/** The highest version of each stage but None, Production first. */
export const staged = (m: RegisteredModel | undefined) => (m?.latest_versions ?? []).filter((v) => shownFirst.includes(v.current_stage ?? ''))
  .sort((a, b) => shownFirst.indexOf(a.current_stage!) - shownFirst.indexOf(b.current_stage!))

/** Stages in which others may be archived when a version comes. */
export const active = (stage: string) => stage === 'Staging' || stage === 'Production'

export interface SourceRun { run_id: string, run_name: string, experiment_id: string, status: string, start_time: number, deleted: boolean }

export interface Version extends ModelVersion {
  current_stage: Stage
  source: string
  user_id?: string
  status_message?: string
  model_id?: string
  source_run?: SourceRun
  metrics: Record<string, number | 'NaN'>
}

export interface VersionPage { versions: Version[], next: number, total: number, metric_keys: string[] }

export interface Change {
  number: number, time: number, user: string, reason: string, action: string, version: number, key: string, old: string, new: string
}

export interface VersionFiles { location: string, files: FileEntry[], count: number, bytes: number, partial: boolean, problem?: string }

export interface RunModel { path: string, model_id: string, name: string, source: string }
export interface RunModels { models: RunModel[], versions: ModelVersion[], partial: boolean, problem?: string }

export const model = (name: string) => get<{ registered_model: RegisteredModel }>('registered-models/get', { name }).then((a) => a.registered_model)

export async function versions(name: string, metrics: string[] = [], before = 0, most = 50): Promise<VersionPage> {
  return ownGet<VersionPage>('model-versions', { name, before: before || undefined, max_results: most, metrics })
}

/** One version, undefined when there is none of this number. */
export async function version(name: string, number: string): Promise<Version | undefined> {
  const n = Number(number)
  if (!Number.isSafeInteger(n) || n < 1) return undefined
  const found = (await versions(name, [], n + 1, 1)).versions[0]
  return found?.version === String(n) ? found : undefined
}

export const filesOf = (v: ModelVersion, signal?: AbortSignal) => ownGet<VersionFiles>('model-files', { name: v.name, version: v.version }, signal)

export const history = (name: string, before = 0, version = 0) =>
  ownGet<{ changes: Change[], next: number }>('model-history', { name, before: before || undefined, version: version || undefined, max_results: 30 })

export const move = (v: ModelVersion, stage: string, archive: boolean, comment: string) =>
  send('model-versions/transition-stage', { name: v.name, version: v.version, stage, archive_existing_versions: archive, comment: comment || undefined })

export const setAlias = (v: ModelVersion, alias: string, comment = '') =>
  send('registered-models/alias', { name: v.name, version: v.version, alias, comment: comment || undefined })

export const dropAlias = (name: string, alias: string) => change('DELETE', 'registered-models/alias', { name, alias })

/** Makes a version, and the model too if it is not there. */
export async function register(name: string, from: RunModel, run: string): Promise<ModelVersion> {
  const there = await get<{ registered_models?: RegisteredModel[] }>('registered-models/search', { filter: `name = x'${hex(name)}'`, max_results: 1 })
  try {
    if (!there.registered_models?.length) await send('registered-models/create', { name })
  } catch (e) { // one that this user may not see, or that was made meanwhile
    if (!(e instanceof ApiError) || e.code !== 'RESOURCE_ALREADY_EXISTS') throw e
  }
  const made = await send<{ model_version: ModelVersion }>('model-versions/create', {
    name, source: from.source, run_id: run, model_id: from.model_id || undefined,
  })
  return made.model_version
}

// A field, an operator and a value at the beginning: tags.team = 'imaging'.
const filter = /^[\s(]*(not\s+)?[\w.]+([`"'][^`"']+[`"'])?\s*(!?=|<>|[<>]=?|!?~\*?|(not\s+)?(i?like|in)\b|is\b)\s*(x?['"(\d]|not\b|null\b)/i

/** What a search for models asks: words are looked for in names, and what reads as a filter is one. */
export function filterOf(text: string): string {
  const words = text.trim()
  if (!words) return ''
  if (filter.test(words)) return words
  const pattern = words.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return `name ~* x'${hex(pattern)}'`
}

const hex = (s: string) => Array.from(new TextEncoder().encode(s), (b) => b.toString(16).padStart(2, '0')).join('')

/** Names of MLflow's form; '' when it is one, else what is wrong. */
export const badName = (name: string) => /[/:]/.test(name)

/** A name for a model that a run made, when nobody said another. */
export function defaultName(found: RunModel | undefined, experiment: string): string {
  const plain = (s: string) => s.replace(/[/:]+/g, '-').trim()
  if (found?.name && !['model', 'models', 'artifacts'].includes(found.name)) return plain(found.name)
  return plain(experiment) || 'model'
}

export const plainTags = (tags?: KV[]) => (tags ?? []).filter((t) => !t.key.startsWith('mlflow.'))

/** What is shown of a metric that may be NaN. */
export const value = (x: number | 'NaN' | undefined) => (x === undefined ? undefined : Number(x))
