// The files of a run.

import { fileURL, get } from './api'
import type { FileEntry } from './types'

/** The address of a file, for who is not in the page: a worker. */
export const fullURL = (run: string, path: string) => new URL(fileURL(run, path), document.baseURI).href

const mostFiles = 2000

/** All files of a run in order, of folders and files so many as a page can take. */
export async function allFiles(run: string, mostFolders = 60, signal?: AbortSignal): Promise<{ files: FileEntry[], cut: boolean }> {
  const files: FileEntry[] = []
  let folders = [''], asked = 0
  while (folders.length && asked < mostFolders && files.length < mostFiles) {
    const some = folders.slice(0, Math.min(6, mostFolders - asked))
    asked += some.length
    folders = folders.slice(some.length)
    const answers = await Promise.all(some.map((path) => get<{ files?: FileEntry[] }>('artifacts/list', { run_id: run, path: path || undefined }, signal)))
    for (const f of answers.flatMap((a) => a.files ?? [])) {
      if (f.is_dir) folders.push(f.path)
      else files.push(f)
    }
  }
  files.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  return { files: files.slice(0, mostFiles), cut: folders.length > 0 || files.length > mostFiles }
}
