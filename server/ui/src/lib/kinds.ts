// What kind of file it is, by its name.

export type Kind = 'image' | 'csv' | 'json' | 'lines' | 'parquet' | 'mlmodel' | 'log' | 'text' | 'other'

const plain = new Set(['txt', 'md', 'yaml', 'yml', 'py', 'r', 'rst', 'cfg', 'conf', 'ini', 'toml', 'sh', 'sql', 'xml', 'html', 'htm', 'svg', 'js', 'ts', 'css', 'go', 'java', 'c', 'h', 'cpp', 'ipynb', 'diff', 'patch', 'env', 'lock', 'properties', 'fa', 'fasta', 'fastq', 'bed', 'vcf', 'gff', 'gtf', 'sam'])

/** How a file may be shown: what a browser could run (HTML, SVG) is text here. */
export function kindOf(path: string): Kind {
  const name = path.toLowerCase(), ext = /\.([a-z0-9]+)$/.exec(name)?.[1] ?? ''
  if (['png', 'jpg', 'jpeg', 'gif', 'webp'].includes(ext)) return 'image'
  if (ext === 'csv' || ext === 'tsv') return 'csv'
  if (ext === 'json') return 'json'
  if (ext === 'jsonl' || ext === 'ndjson') return 'lines'
  if (ext === 'parquet' || ext === 'pq') return 'parquet'
  if (ext === 'log' || ext === 'out' || ext === 'err') return 'log'
  if (/(^|\/)mlmodel$/.test(name)) return 'mlmodel'
  return plain.has(ext) || /(^|\/)(mlproject|dockerfile|makefile|readme|license|requirements)$/.test(name) ? 'text' : 'other'
}

export const separatorOf = (path: string) => (path.toLowerCase().endsWith('.tsv') ? '\t' : ',')
export const baseName = (path: string) => path.slice(path.lastIndexOf('/') + 1)
