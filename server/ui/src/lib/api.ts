// Requests to the server. Paths are below the page, so that a prefix needs no
// setting. What cannot be answered is an ApiError with the server's own words.

import { connection } from './connection.svelte'
import { text as words } from './strings'

export class ApiError extends Error {
  constructor(readonly status: number, readonly code: string, message: string) {
    super(message)
  }
  /** Nothing was answered: a page may keep what it has, and is made anew when the server is back. */
  get unreachable() {
    return this.status === 0
  }
}

async function ask(path: string, init: RequestInit, changes = false): Promise<Response> {
  let answer: Response
  try {
    answer = await fetch(path, { credentials: 'same-origin', ...init })
  } catch (e) {
    if ((e as Error).name === 'AbortError') throw e
    return unreachable(changes)
  }
  if (answer.ok) return answer
  if (answer.status === 502 || answer.status === 504) return unreachable(changes) // a proxy without its server
  if (answer.status === 401) throw new ApiError(401, 'UNAUTHENTICATED', words.error.signedOut)
  if (answer.status === 403) throw new ApiError(403, 'PERMISSION_DENIED', changes ? words.error.mayNotChange : words.error.mayNotSee)
  const text = await answer.text()
  try {
    const e = JSON.parse(text)
    throw new ApiError(answer.status, e.error_code ?? '', e.message ?? text)
  } catch (e) {
    if (e instanceof ApiError) throw e
    throw new ApiError(answer.status, '', words.error.status(answer.status))
  }
}

function unreachable(changes: boolean): never {
  connection.fail(!changes)
  throw new ApiError(0, 'UNREACHABLE', words.error.unreachable)
}

const post = (body: unknown, signal?: AbortSignal): RequestInit => ({
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body), signal,
})

type Args = Record<string, string | number | string[] | undefined>

const query = (args: Args) => {
  const q = new URLSearchParams()
  for (const [k, v] of Object.entries(args)) {
    if (Array.isArray(v)) for (const x of v) q.append(k, x)
    else if (v !== undefined) q.set(k, String(v))
  }
  return q.size ? '?' + q : ''
}

/** Runstone's own API. */
export async function own<T>(name: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return (await ask('ajax-api/runstone/' + name, post(body, signal))).json()
}

export async function ownGet<T>(name: string, args: Args, signal?: AbortSignal): Promise<T> {
  return (await ask('ajax-api/runstone/' + name + query(args), { signal })).json()
}

export async function ownBytes(name: string, body: unknown, signal?: AbortSignal): Promise<ArrayBuffer> {
  return (await ask('ajax-api/runstone/' + name, post(body, signal))).arrayBuffer()
}

/** MLflow's API; send is for what changes something. */
export async function get<T>(name: string, args: Record<string, string | number | undefined> = {}, signal?: AbortSignal): Promise<T> {
  return (await ask('ajax-api/2.0/mlflow/' + name + query(args), { signal })).json()
}

export async function send<T>(name: string, body: unknown): Promise<T> {
  return (await ask('ajax-api/2.0/mlflow/' + name, post(body), !/\/search/.test(name))).json()
}

/** MLflow's API where it wants another method. */
export async function change<T>(method: 'PATCH' | 'DELETE', name: string, body: unknown): Promise<T> {
  return (await ask('ajax-api/2.0/mlflow/' + name, { ...post(body), method })).json()
}

/** The first bytes of a file of a model version. */
export async function versionFile(name: string, version: string, path: string, bytes: number, signal?: AbortSignal): Promise<string> {
  const answer = await ask('model-versions/get-artifact' + query({ name, version, path }), { signal, headers: { Range: `bytes=0-${bytes - 1}` } })
  return new TextDecoder().decode(await answer.arrayBuffer())
}

/** The address of a file of a run, or, where the path is models:/ID/…, of a logged model. */
export function fileURL(run: string, path: string): string {
  const [model, name] = ofModel(path)
  return model ? `ajax-api/2.0/mlflow/logged-models/${encodeURIComponent(model)}/artifacts/files` + query({ artifact_file_path: name }) : 'get-artifact' + query({ run_id: run, path })
}

/** The logged model whose file a path is, and the path in it; '' where it is a file of the run. */
export function ofModel(path: string): [model: string, name: string] {
  const found = /^models:\/([^/]+)\/?(.*)$/s.exec(path)
  return found ? [found[1], found[2]] : ['', path]
}

/** The first bytes of a file of a run. */
export async function fileText(run: string, path: string, bytes: number, signal?: AbortSignal): Promise<string> {
  const answer = await ask(fileURL(run, path), { signal, headers: { Range: `bytes=0-${bytes - 1}` } })
  return new TextDecoder().decode(await answer.arrayBuffer())
}

/** The last bytes of a file of a run, from the first whole line. */
export async function fileEnd(run: string, path: string, bytes: number, signal?: AbortSignal): Promise<string> {
  const answer = await ask(fileURL(run, path), { signal, headers: { Range: `bytes=-${bytes}` } })
  const text = await answer.text()
  return answer.status === 206 ? text.slice(text.indexOf('\n') + 1) : text
}

export const eventsURL = (experiments: string[], runs: string[]) => {
  const q = new URLSearchParams()
  for (const e of experiments) q.append('experiment_ids', e)
  for (const r of runs) q.append('run_ids', r)
  return 'ajax-api/runstone/live?' + q
}
