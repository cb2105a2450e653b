// The address of a view is behind '#', in the form of MLflow's own pages: so what
// its clients print ("View run at …") leads here, and a prefix does not matter.

import type { Component } from 'svelte'
import { routes, type Route } from '../routes'

export interface Place {
  path: string
  args: Record<string, string>
  query: URLSearchParams
  route: Route | undefined
  page?: Component // of the route
  failed?: Error // why there is none
}

function parse(): Place {
  const hash = location.hash.replace(/^#/, '') || '/'
  const at = hash.indexOf('?')
  const path = at < 0 ? hash : hash.slice(0, at)
  const query = new URLSearchParams(at < 0 ? '' : hash.slice(at + 1))
  for (const route of routes) {
    const args = match(route.path, path)
    if (args) return { path, args, query, route }
  }
  return { path, args: {}, query, route: undefined }
}

function match(pattern: string, path: string): Record<string, string> | undefined {
  const want = pattern.split('/').filter(Boolean), have = path.split('/').filter(Boolean)
  const args: Record<string, string> = {}
  for (let i = 0; i < want.length; i++) {
    const w = want[i]
    if (w.startsWith('*')) {
      args[w.slice(1)] = have.slice(i).map(decode).join('/')
      return args
    }
    if (have[i] === undefined) return undefined
    if (w.startsWith(':')) args[w.slice(1)] = decode(have[i])
    else if (w !== have[i]) return undefined
  }
  return want.length === have.length ? args : undefined
}

export function decode(s: string): string {
  try {
    return decodeURIComponent(s)
  } catch {
    return s
  }
}

class Router {
  place = $state.raw<Place>({ path: '', args: {}, query: new URLSearchParams(), route: undefined })
  private turn = 0
  private pages = new Map<Route, Component>()

  constructor() {
    addEventListener('hashchange', () => { void this.move() })
    queueMicrotask(() => { void this.move() }) // the table of routes is there when all modules are
  }

  // The place changes when its page is there, so that no page sees the address of another.
  private async move() {
    const next = parse(), turn = ++this.turn
    if (next.route) {
      try {
        const page = this.pages.get(next.route) ?? next.route.page()
        next.page = page instanceof Promise ? await page : page
        this.pages.set(next.route, next.page)
      } catch (e) {
        next.failed = e as Error
      }
      if (turn !== this.turn) return
    }
    this.place = next
  }

  go(href: string) {
    location.hash = href.replace(/^#/, '')
  }

  /** Changes the query of the address; empty values leave it. */
  set(change: Record<string, string | undefined>, push = false) {
    const q = new URLSearchParams(this.place.query)
    for (const [k, v] of Object.entries(change)) {
      if (v) q.set(k, v)
      else q.delete(k)
    }
    const href = '#' + this.place.path + (q.size ? '?' + q : '')
    if (href === location.hash) return
    if (push) history.pushState(null, '', href)
    else history.replaceState(null, '', href)
    void this.move()
  }
}

export const router = new Router()

const e = encodeURIComponent
export const href = {
  experiments: () => '#/experiments',
  experiment: (id: string, query = '') => `#/experiments/${e(id)}${query ? '?' + query : ''}`,
  run: (experiment: string, id: string, tab = '') => `#/experiments/${e(experiment)}/runs/${e(id)}${tab ? '/' + tab : ''}`,
  compare: (runs: string[]) => `#/compare-runs?runs=${runs.map(e).join(',')}`,
  curves: (runs: string[]) => `#/curves?runs=${runs.map(e).join(',')}`,
  models: () => '#/models',
  benchmarks: (query: Record<string, string> = {}) => '#/benchmarks' + (Object.keys(query).length ? '?' + new URLSearchParams(query) : ''),
  model: (name: string) => `#/models/${e(name)}`,
  version: (name: string, version: string | number) => `#/models/${e(name)}/versions/${version}`,
  lineage: (kind = '', ...id: string[]) => '#/lineage' + [kind, ...id].filter(Boolean).map((x) => '/' + e(x)).join(''),
}

/** Ids in a query: joined by commas, or as MLflow's pages have them, in JSON. */
export function ids(text: string | null): string[] {
  if (!text) return []
  if (text.startsWith('[')) {
    try {
      return (JSON.parse(text) as unknown[]).map(String)
    } catch {
      return []
    }
  }
  return text.split(',').filter(Boolean)
}

/** A list of texts in a query, in JSON. */
export function listOf(text: string | null): string[] {
  if (!text) return []
  try {
    const list: unknown = JSON.parse(text)
    return Array.isArray(list) ? list.map(String).slice(0, 50) : []
  } catch {
    return []
  }
}
