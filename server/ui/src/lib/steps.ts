// Files by what people call them, and the steps in their names.

import { kindOf, type Kind } from './kinds'
import type { FileEntry } from './types'

/** A file whose name holds a step, and the name without it. */
export interface Stepped { series: string, step: number, time: number }

/**
 * The step in a name: as MLflow's log_image writes them
 * (images/key+step+3+timestamp+1700000000000+uuid.png, older ones with % for +), or
 * a number after "step", "epoch", "iter" or "iteration". Undefined when there is none;
 * the small twin that MLflow writes of each picture is left out by isTwin.
 */
export function steppedName(path: string): Stepped | undefined {
  const logged = /^(.*?)([+%])step\2(-?\d+)\2timestamp\2(\d+)\2[0-9a-f-]+(?:\2compressed)?(\.\w+)$/.exec(path)
  if (logged) return { series: logged[1].replaceAll('~', '/').replaceAll('#', '/') + logged[5], step: Number(logged[3]), time: Number(logged[4]) }
  const named = /^(.*?)((?:^|[^a-z])(?:step|epoch|iteration|iter)s?)([ _=-]?)(\d{1,12})(?!.*(?:step|epoch|iter)[ _=-]?\d)(.*)$/i.exec(path)
  return named ? { series: named[1] + named[2] + named[3] + '*' + named[5], step: Number(named[4]), time: 0 } : undefined
}

export const isTwin = (path: string) => /[+%]compressed\.webp$/.test(path)

/** Pictures of cells, which MLflow's log_table puts beside its tables. */
const ofTable = (path: string) => path.startsWith('table_images/')

/** Files by what people call them: a path, or a series with its steps. */
export interface Item { name: string, kind: Kind, steps: { step: number, path: string, size: number }[] | undefined, path: string, size: number }

export function items(files: FileEntry[]): Map<string, Item> {
  const out = new Map<string, Item>(), series = new Map<string, { file: FileEntry, at: Stepped }[]>()
  for (const file of files) {
    if (isTwin(file.path) || ofTable(file.path)) continue
    const at = steppedName(file.path)
    if (!at) {
      out.set(file.path, { name: file.path, kind: kindOf(file.path), steps: undefined, path: file.path, size: file.file_size ?? 0 })
      continue
    }
    const list = series.get(at.series)
    if (list) list.push({ file, at })
    else series.set(at.series, [{ file, at }])
  }
  for (const [name, list] of series) {
    list.sort((a, b) => a.at.step - b.at.step || a.at.time - b.at.time)
    const steps = new Map(list.map((l) => [l.at.step, l.file])) // of several at a step the newest
    out.set(name, { name, kind: kindOf(list[0].file.path), steps: [...steps].map(([step, f]) => ({ step, path: f.path, size: f.file_size ?? 0 })), path: list[0].file.path, size: 0 })
  }
  return new Map([...out].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}

/** The file of an item at a step, or the last one before it. */
export function pathAt(item: Item, step: number): { path: string, step: number | undefined, size: number } | undefined {
  if (!item.steps) return { path: item.path, step: undefined, size: item.size }
  return item.steps.findLast((s) => s.step <= step)
}
