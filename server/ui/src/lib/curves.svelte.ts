// The tables of labels and scores of some runs: found, read and ranked.

import { get } from './api'
import type { Band } from './bootstrap'
import { calls, classesOf, guess, isCurvePicture, likelihood, type Guess } from './detect'
import { allFiles, fullURL } from './files'
import type { Ranked } from './scores'
import { text } from './strings'
import { Tables } from './tables'
import type { ClassCounts, ClassMatrix, Drawn, Opened } from './tables.worker'
import type { FileEntry, Run } from './types'

export interface Chosen { file: string, label: string, score: string, positive: string }

/** What is known of the curves of a run; a part that is not there is not known yet, or not at all. */
export interface CurveRun {
  run: Run
  files: FileEntry[]
  path: string // of its table
  ready: boolean
  opened?: Opened
  guess?: Guess
  ranked?: Ranked
  left: number // rows without a label or a score
  band?: Band
  drawn?: Drawn
  counts?: ClassCounts[]
  matrix?: ClassMatrix // of more than two classes, or as it was logged
  problem: string
}

const mostTried = 8, mostClasses = 20, mostGuessed = 64 << 20

export class Curves {
  runs = $state.raw<CurveRun[] | undefined>()
  failure = $state.raw<Error | undefined>()
  private tables = new Tables()
  private turn = 0

  /** Files that may hold tables, likeliest first, and of how many runs each is. */
  readonly candidates = $derived.by(() => {
    const found = new Map<string, { path: string, of: number, likely: number }>()
    for (const r of this.runs ?? []) {
      for (const f of r.files) {
        const likely = likelihood(f.path), one = found.get(f.path)
        if (one) one.of++
        else if (likely) found.set(f.path, { path: f.path, of: 1, likely })
      }
    }
    return [...found.values()].sort((a, b) => b.likely - a.likely || b.of - a.of || (a.path < b.path ? -1 : 1))
  })
  /** Pictures of curves: those that most runs have first. */
  readonly pictures = $derived.by(() => {
    const found = new Map<string, number>()
    for (const f of (this.runs ?? []).flatMap((r) => r.files)) if (isCurvePicture(f.path)) found.set(f.path, (found.get(f.path) ?? 0) + 1)
    return [...found].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([path]) => path)
  })

  async load(ids: string[], chosen: Chosen) {
    const turn = ++this.turn
    this.runs = undefined
    this.failure = undefined
    try {
      const found = await Promise.all(ids.map(async (id): Promise<CurveRun> => {
        const [{ run }, { files }] = await Promise.all([get<{ run: Run }>('runs/get', { run_id: id }), allFiles(id)])
        return { run, files, path: '', ready: false, left: 0, problem: '' }
      }))
      if (turn !== this.turn) return
      this.runs = found
      await this.choose(chosen)
    } catch (e) {
      if (turn === this.turn) this.failure = e as Error
    }
  }

  /** Reads the tables, of the chosen file and columns where there are such. */
  async choose(chosen: Chosen) {
    const turn = ++this.turn
    this.runs = this.runs?.map((r) => ({ ...r, ready: false }))
    for (const r of this.runs ?? []) { // one after the other: the worker is one
      const next = await this.read(r, chosen)
      if (turn !== this.turn) return
      this.runs = this.runs?.map((x) => (x.run.info.run_id === r.run.info.run_id ? next : x))
    }
  }

  /** Draws the bands that are not there yet. */
  async bands() {
    const turn = this.turn
    for (const r of this.runs ?? []) {
      if (!r.ranked || r.band) continue
      const band = await this.tables.ask('band', r.ranked)
      if (turn !== this.turn) return
      this.runs = this.runs?.map((x) => (x.ranked === r.ranked ? { ...x, band } : x))
    }
  }

  private async read(r: CurveRun, chosen: Chosen): Promise<CurveRun> {
    const id = r.run.info.run_id, out: CurveRun = { run: r.run, files: r.files, path: '', ready: true, left: 0, problem: '' }
    const own = r.files.filter((f) => likelihood(f.path) && (f.file_size ?? 0) <= mostGuessed)
      .sort((a, b) => likelihood(b.path) - likelihood(a.path) || (a.path < b.path ? -1 : 1)).slice(0, mostTried)
    const file = r.files.find((f) => f.path === chosen.file)
    const tried = file ? [file] : own
    let best: { file: FileEntry, opened: Opened, guess: Guess } | undefined, problem = ''
    for (const f of tried) {
      try {
        const opened = await this.tables.ask('open', id + '/' + f.path, fullURL(id, f.path), f.path, f.file_size ?? 0)
        const g = guess(opened.columns, given(chosen))
        if (!best || (best.guess.kind === 'none' && g.kind !== 'none') || g.kind === 'scores') best = { file: f, opened, guess: g }
        if (g.kind === 'scores') break
      } catch (e) {
        problem = (e as Error).message
      }
    }
    if (!best || (best.guess.kind === 'none' && !file)) return { ...out, ...(best && { opened: best.opened, path: best.file.path, guess: best.guess }), problem: best ? text.curves.chooseColumns : problem || text.curves.noTable }
    Object.assign(out, { path: best.file.path, opened: best.opened, guess: best.guess })
    const key = id + '/' + out.path, g = best.guess
    try {
      if (g.kind === 'scores') Object.assign(out, await this.tables.ask('score', key, g.label, g.score, g.positive))
      else if (g.kind === 'counts') out.counts = await this.tables.ask('counts', key)
      else if (g.kind === 'matrix') out.matrix = await this.tables.ask('matrix', key)
      else if (g.kind === 'none') out.problem = text.curves.chooseColumns
      else out.drawn = await this.tables.ask('drawn', key)
      const classes = classesOf(best.opened.columns, g.label), by = g.kind === 'scores' && classes.length > 2 && classes.length <= mostClasses ? calls(best.opened.columns, g.label) : undefined
      if (by) out.matrix = await this.tables.ask('classes', key, g.label, classes, by.prediction, by.scores)
    } catch (e) {
      out.problem = (e as Error).message
    }
    return out
  }

  close() {
    this.turn++
    this.tables.close()
  }
}

const given = (c: Chosen) => ({ label: c.label || undefined, score: c.score || undefined, positive: c.positive || undefined })
