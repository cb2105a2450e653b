// What came out of what, as a graph: the answer of the server, where its nodes
// stand, and which of them lie before and behind one. A new kind of thing needs a
// name here, its words in strings.ts, a mark in LineageMark and its facts in
// LineageFacts; the rest goes by the edges.

import { Graph, layout } from '@dagrejs/dagre'

export type Kind = 'dataset' | 'run' | 'model' | 'version' | 'stage' | 'alias' | 'hidden'
export interface More { count: number, open: boolean }

export interface LineageNode {
  kind: Kind
  id: string[]
  label: string
  experiment_id?: string
  experiment_name?: string
  status?: string
  stage?: string
  aliases?: string[]
  digest?: string
  source_type?: string
  source?: string
  type?: string
  user?: string
  note?: string
  time?: number
  end?: number
  deleted?: boolean
  gone?: boolean
  hidden?: number
  forward: More
  back: More
}
export interface LineageEdge { from: number, to: number, role: string, context?: string }
export interface Lineage { nodes: LineageNode[], edges: LineageEdge[], full: boolean }
export type Way = 'forward' | 'back'

const e = encodeURIComponent
export const keyOf = (n: { kind: string, id: string[] }) => n.kind + '/' + n.id.map(e).join('/')

export function parseKey(key: string): { kind: Kind, id: string[] } {
  const [kind, ...id] = key.split('/').filter(Boolean)
  return { kind: kind as Kind, id: id.map(decode) }
}

function decode(s: string): string {
  try {
    return decodeURIComponent(s)
  } catch {
    return s // typed by hand
  }
}

/** Nodes that are shown more of, in the address: f50:run/abc,b20:… */
export interface Expansion { key: string, way: Way, fan: number }
export const printExpansions = (list: Expansion[]) => list.map((x) => `${x.way[0]}${x.fan}:${x.key}`).join(',')

export function parseExpansions(text: string | null): Expansion[] {
  return (text ?? '').split(',').flatMap((part) => {
    const m = /^([fb])(\d+):(.+)$/.exec(part)
    return m ? [{ way: m[1] === 'f' ? 'forward' as const : 'back' as const, fan: Math.min(200, Math.max(1, Number(m[2]))), key: m[3] }] : []
  })
}

/** The nodes that one leads to, or comes from, without itself. */
export function closure(graph: Lineage, start: number, way: Way): Set<number> {
  const next = new Map<number, number[]>()
  for (const x of graph.edges) {
    const [a, b] = way === 'forward' ? [x.from, x.to] : [x.to, x.from]
    if (!next.has(a)) next.set(a, [])
    next.get(a)!.push(b)
  }
  const seen = new Set<number>([start])
  const queue = [start]
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    for (const n of next.get(at) ?? []) {
      if (!seen.has(n)) {
        seen.add(n)
        queue.push(n)
      }
    }
  }
  seen.delete(start)
  return seen
}

export const nodeWidth = 186
export const nodeHeight = 50
const margin = 40

export interface Spot { x: number, y: number } // of the middle
export interface Layout {
  spots: Spot[]
  paths: string[] // of edges
  width: number
  height: number
  layers: { x: number, kinds: Kind[], nodes: number[] }[] // from left to right, nodes from above
}

/** Places nodes from left to right. A version that was registered from a run stands behind where a model would. */
export function place(graph: Lineage): Layout {
  const g = new Graph({ multigraph: false })
  g.setGraph({ rankdir: 'LR', nodesep: 16, ranksep: 56, marginx: margin, marginy: margin })
  g.setDefaultEdgeLabel(() => ({}))
  graph.nodes.forEach((_, i) => g.setNode(String(i), { width: nodeWidth, height: nodeHeight }))
  for (const x of graph.edges) {
    const far = x.role === 'registered' && graph.nodes[x.from].kind === 'run'
    g.setEdge(String(x.from), String(x.to), { minlen: far ? 2 : 1, weight: x.role === 'measured' || x.role === 'input' ? 1 : 3 })
  }
  layout(g)
  const spots = graph.nodes.map((_, i) => {
    const n = g.node(String(i)) as unknown as Spot
    return { x: n.x, y: n.y }
  })
  const paths = graph.edges.map((x) => curve((g.edge(String(x.from), String(x.to)) as unknown as { points: Spot[] }).points, spots[x.from], spots[x.to]))
  const layers: Layout['layers'] = []
  for (const i of [...spots.keys()].sort((a, b) => spots[a].x - spots[b].x || spots[a].y - spots[b].y)) {
    let layer = layers[layers.length - 1]
    if (!layer || Math.abs(layer.x - spots[i].x) > nodeWidth / 2) layers.push((layer = { x: spots[i].x, kinds: [], nodes: [] }))
    layer.nodes.push(i)
    if (!layer.kinds.includes(graph.nodes[i].kind)) layer.kinds.push(graph.nodes[i].kind)
  }
  for (const layer of layers) layer.nodes.sort((a, b) => spots[a].y - spots[b].y)
  const size = g.graph() as { width?: number, height?: number }
  return { spots, paths, width: Math.max(size.width ?? 0, nodeWidth + 2 * margin), height: Math.max(size.height ?? 0, nodeHeight + 2 * margin), layers }
}

// A smooth line through the points of an edge, from the right of one node to the
// left of the other.
function curve(points: Spot[], from: Spot, to: Spot): string {
  const p = to.x > from.x && to.x - from.x < 1.8 * nodeWidth ? [from, to] : [...points]
  if (to.x > from.x) {
    p[0] = { x: from.x + nodeWidth / 2, y: from.y }
    p[p.length - 1] = { x: to.x - nodeWidth / 2 - 5, y: to.y }
  }
  const f = (s: Spot) => `${s.x.toFixed(1)} ${s.y.toFixed(1)}`
  let d = `M${f(p[0])}`
  for (let i = 1; i < p.length; i++) {
    const a = p[i - 1], b = p[i], half = (a.x + b.x) / 2
    d += `C${half.toFixed(1)} ${a.y.toFixed(1)} ${half.toFixed(1)} ${b.y.toFixed(1)} ${f(b)}`
  }
  return d
}

/** The neighbour that an arrow key leads to: along an edge, the one whose height is nearest; or within the layer. */
export function step(graph: Lineage, map: Layout, at: number, key: string): number {
  if (key === 'ArrowLeft' || key === 'ArrowRight') {
    const ends = graph.edges.flatMap((x) => (key === 'ArrowRight' ? (x.from === at ? [x.to] : []) : x.to === at ? [x.from] : []))
    const off = (i: number) => Math.abs(map.spots[i].y - map.spots[at].y) + (graph.nodes[i].kind === 'hidden' ? 1e6 : 0)
    return ends.sort((a, b) => off(a) - off(b))[0] ?? at
  }
  const layer = map.layers.find((l) => l.nodes.includes(at))?.nodes ?? [at]
  return layer[layer.indexOf(at) + (key === 'ArrowDown' ? 1 : -1)] ?? at
}
