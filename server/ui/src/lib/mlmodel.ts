// What an MLmodel file says of a model: flavors, signature. The file came from a
// run: whatever is in it is read as text.

import { versionFile } from './api'
import type { VersionFiles } from './registry'
import { text as words } from './strings'
import type { KV } from './types'

export interface Column { name: string, type: string, required: boolean, preset?: string }
export interface Signature { inputs: Column[], outputs: Column[], params: Column[] }
export interface Flavor { name: string, facts: KV[] }
export interface MLmodel { flavors: Flavor[], signature: Signature | undefined, facts: KV[] }

/** The most of a file that is read, in bytes. */
export const largest = 512 * 1024
const mostColumns = 5000

type Node = string | null | undefined | Node[] | { [key: string]: Node }

const isMap = (n: Node): n is { [key: string]: Node } => typeof n === 'object' && n !== null && !Array.isArray(n)
const own = (n: Node, key: string): Node => (isMap(n) && Object.hasOwn(n, key) ? n[key] : undefined)

/** Errors: what is not YAML. */
export async function parseMLmodel(text: string): Promise<MLmodel> {
  const { parse } = await import('yaml')
  const root = parse(text, { schema: 'failsafe', uniqueKeys: false, maxAliasCount: 50, logLevel: 'error' }) as Node
  if (!isMap(root)) throw new Error(words.registry.noMap)
  const flavors = own(root, 'flavors')
  const facts = ['model_uuid', 'model_id', 'mlflow_version', 'utc_time_created', 'model_size_bytes', 'run_id', 'artifact_path']
    .map((key) => ({ key, value: own(root, key) })).filter((f): f is KV => typeof f.value === 'string' && f.value !== '')
  return { flavors: isMap(flavors) ? Object.entries(flavors).map(([name, f]) => ({ name, facts: plain(f) })) : [], signature: signature(own(root, 'signature')), facts }
}

const plain = (n: Node): KV[] => (isMap(n) ? Object.entries(n).flatMap(([key, value]) => (typeof value === 'string' && value !== 'null' ? [{ key, value }] : [])) : [])

function signature(n: Node): Signature | undefined {
  if (!isMap(n)) return undefined
  return { inputs: columns(own(n, 'inputs')), outputs: columns(own(n, 'outputs')), params: columns(own(n, 'params')) }
}

// A list of columns is JSON in a string.
function columns(n: Node): Column[] {
  if (typeof n !== 'string') return []
  try {
    const list: unknown = JSON.parse(n)
    return Array.isArray(list) ? list.slice(0, mostColumns).map(column) : []
  } catch {
    return []
  }
}

interface Spec {
  name?: unknown, type?: unknown, required?: unknown, optional?: unknown, default?: unknown, shape?: unknown, items?: unknown, values?: unknown, properties?: unknown
  'tensor-spec'?: { dtype?: unknown, shape?: unknown }
}

function column(x: unknown, i: number): Column {
  const c = (typeof x === 'object' && x !== null ? x : {}) as Spec
  const out: Column = { name: typeof c.name === 'string' || typeof c.name === 'number' ? String(c.name) : `#${i}`, type: typeOf(c, 0), required: c.required !== false && c.optional !== true }
  if (Object.hasOwn(c, 'default')) {
    out.preset = JSON.stringify(c.default) ?? ''
    out.required = false
  }
  return out
}

function typeOf(x: unknown, depth: number): string {
  if (typeof x === 'string') return x
  if (typeof x !== 'object' || x === null || depth > 6) return '?'
  const c = x as Spec, t = c['tensor-spec']
  if (typeof t === 'object' && t !== null) return `${String(t.dtype ?? '?')}${shape(t.shape)}`
  switch (c.type) {
    case 'array': return `array<${typeOf(c.items, depth + 1)}>`
    case 'map': return `map<${typeOf(c.values, depth + 1)}>`
    case 'object': {
      const of = typeof c.properties === 'object' && c.properties !== null ? Object.entries(c.properties).slice(0, 50) : []
      return `{${of.map(([k, v]) => `${k}: ${typeOf(v, depth + 1)}`).join(', ')}}`
    }
  }
  return typeof c.type === 'string' ? c.type + shape(c.shape) : '?'
}

const shape = (s: unknown) => (Array.isArray(s) ? `[${s.map((n) => (n === -1 ? '?' : String(n))).join(' × ')}]` : '')

export interface Difference { part: 'inputs' | 'outputs' | 'params', name: string, ours: string, theirs: string }

/** What differs between two signatures; '' stands for a column that one lacks. */
export function differences(ours: Signature | undefined, theirs: Signature | undefined): Difference[] {
  const out: Difference[] = []
  for (const part of ['inputs', 'outputs', 'params'] as const) {
    const side = (s: Signature | undefined) => new Map((s?.[part] ?? []).map((c) => [c.name, c.type + (c.required ? '' : ', optional') + (c.preset ? ' = ' + c.preset : '')]))
    const a = side(ours), b = side(theirs)
    for (const name of new Set([...b.keys(), ...a.keys()])) {
      if (a.get(name) !== b.get(name)) out.push({ part, name, ours: a.get(name) ?? '', theirs: b.get(name) ?? '' })
    }
  }
  return out
}

/** Reads the MLmodel file of a version. Errors: NoMLmodel, ApiError, and what parseMLmodel has. */
export async function mlmodelOf(v: { name: string, version: string }, files: VersionFiles, signal?: AbortSignal): Promise<MLmodel> {
  if (!files.files.some((f) => f.path === 'MLmodel')) throw new NoMLmodel()
  return parseMLmodel(await versionFile(v.name, v.version, 'MLmodel', largest, signal))
}

export class NoMLmodel extends Error {}
