// What to type to run a run again, as far as it recorded how it was run.

import { get } from './api'
import type { FileEntry, KV } from './types'

const quote = (s: string) => (/^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`)

export function reproduce(run: string, tags: KV[], params: KV[], files: FileEntry[]): string {
  const tag = (key: string) => tags.find((t) => t.key === key)?.value
  const lines: string[] = []
  const repo = tag('mlflow.source.git.repoURL') ?? tag('mlflow.gitRepoURL'), commit = tag('mlflow.source.git.commit')
  const command = tag('runstone.command')
  const source = tag('mlflow.source.name')
  if (!command && !source && !commit) return ''
  if (repo) {
    lines.push(`git clone ${quote(repo)}`)
    const folder = /([^/:]+?)(\.git)?\/?$/.exec(repo)?.[1]
    if (folder && !folder.startsWith('-')) lines.push(`cd ${quote(folder)}`)
  }
  if (commit) lines.push(`git checkout ${quote(commit)}${tag('runstone.git.dirty') === 'true' ? '   # with changes that were not committed' : ''}`)
  const needs = files.find((f) => f.path.endsWith('requirements.txt')), conda = files.find((f) => /conda\.ya?ml$|environment\.ya?ml$/.test(f.path))
  const found = needs ?? conda
  if (found) {
    lines.push(`runstone artifacts get ${quote(run)} ${quote(found.path)} ${quote(name(found))}`)
    lines.push(needs ? `python -m pip install -r ${quote(name(found))}` : `conda env create -f ${quote(name(found))}`)
  }
  if (command) lines.push(command)
  else if (tag('mlflow.source.type') === 'PROJECT' && source) {
    lines.push(['mlflow run', quote(source), ...(commit ? ['--version', quote(commit)] : []), ...params.flatMap((p) => ['-P', quote(`${p.key}=${p.value}`)])].join(' '))
  } else if (source) lines.push(source.endsWith('.py') ? `python ${quote(source)}` : quote(source))
  return lines.join('\n')
}

const name = (f: FileEntry) => f.path.slice(f.path.lastIndexOf('/') + 1)

const wanted = /^(requirements\.txt|conda\.ya?ml|environment\.ya?ml|python_env\.ya?ml|pyproject\.toml|uv\.lock|poetry\.lock|MLproject|go\.mod|Dockerfile)$/

/** The files of a run that name what it needs, at the top or in the folder of a model. */
export async function environmentFiles(run: string, signal: AbortSignal): Promise<FileEntry[]> {
  const list = async (path?: string) => (await get<{ files?: FileEntry[] }>('artifacts/list', { run_id: run, path }, signal)).files ?? []
  const top = await list()
  const folders = top.filter((f) => f.is_dir).slice(0, 8)
  const inside = await Promise.all(folders.map((f) => list(f.path).catch(() => [])))
  const ofModels = inside.filter((files, i) => files.some((f) => name(f) === 'MLmodel') || /^(env|environment|code)$/.test(name(folders[i])))
  return [...top, ...ofModels.flat()].filter((f) => !f.is_dir && wanted.test(name(f)))
}
