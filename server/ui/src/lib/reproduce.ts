// What to type to run a run again, as far as it recorded how it was run.

import type { KV } from './types'

const quote = (s: string) => (/^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`)

export function reproduce(tags: KV[], params: KV[]): string {
  const tag = (key: string) => tags.find((t) => t.key === key)?.value
  const lines: string[] = []
  const repo = tag('mlflow.source.git.repoURL') ?? tag('mlflow.gitRepoURL'), commit = tag('mlflow.source.git.commit')
  if (repo) lines.push(`git clone ${quote(repo)}`)
  if (commit) lines.push(`git checkout ${quote(commit)}${tag('runstone.git.dirty') === 'true' ? '   # with changes that were not committed' : ''}`)
  const command = tag('runstone.command')
  const source = tag('mlflow.source.name')
  if (command) lines.push(command)
  else if (tag('mlflow.source.type') === 'PROJECT' && source) {
    lines.push(['mlflow run', quote(source), ...(commit ? ['--version', commit] : []), ...params.flatMap((p) => ['-P', quote(`${p.key}=${p.value}`)])].join(' '))
  } else if (source) lines.push(source.endsWith('.py') ? `python ${quote(source)}` : quote(source))
  return lines.join('\n')
}
