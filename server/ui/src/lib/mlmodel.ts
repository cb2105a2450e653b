// The main facts of an MLmodel file: its flavors, signature and origin. It is read as
// the YAML that MLflow writes, of nested keys and quoted texts, and not as any YAML.

import { bytes } from './format'

export interface Facts { flavors: string[], python: string, inputs: string[], outputs: string[], model: string, run: string, created: string, mlflow: string, size: string }

/** Values by their keys, joined by slashes. */
export function flat(yaml: string): Map<string, string> {
  const out = new Map<string, string>(), at: { indent: number, key: string }[] = []
  const lines = yaml.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const found = /^( *)([\w.\-/ ]+?):(?: (.*))?$/.exec(lines[i])
    if (!found) continue
    const indent = found[1].length
    let value = (found[3] ?? '').trim()
    const quote = value[0]
    if (quote === "'" || quote === '"') { // a quoted text may go on in the next lines
      const ended = (s: string) => (quote === "'" ? /^'(?:[^']|'')*'$/ : /^"(?:[^"\\]|\\.)*"$/).test(s)
      while (!ended(value) && i + 1 < lines.length && value.length < 1e6) value += ' ' + lines[++i].trim()
      value = value.slice(1, -1)
      value = quote === "'" ? value.replaceAll("''", "'") : value.replace(/\\(.)/g, '$1')
    }
    while (at.length && at[at.length - 1].indent >= indent) at.pop()
    at.push({ indent, key: found[2] })
    out.set(at.map((a) => a.key).join('/'), value)
  }
  return out
}

export function facts(yaml: string): Facts {
  const all = flat(yaml), of = (key: string) => (all.get(key) === 'null' ? '' : all.get(key) ?? '')
  const flavors = [...all.keys()].filter((k) => /^flavors\/[^/]+$/.test(k)).map((k) => {
    const name = k.slice(8), version = [...all].find(([key]) => key.startsWith(k + '/') && (key === `${k}/${name}_version` || (/_version$/.test(key) && !/python_version$/.test(key))))?.[1]
    return version && name !== 'python_function' ? `${name} ${version}` : name
  })
  return {
    flavors, python: of('flavors/python_function/python_version'), inputs: fields(of('signature/inputs')), outputs: fields(of('signature/outputs')),
    model: of('model_id') || of('model_uuid'), run: of('run_id'), created: of('utc_time_created').replace(/\.\d+$/, ''), mlflow: of('mlflow_version'),
    size: Number(of('model_size_bytes')) ? bytes(Number(of('model_size_bytes'))) : '',
  }
}

/** Columns of a signature, which is JSON within the YAML. */
function fields(json: string): string[] {
  try {
    const list: unknown = JSON.parse(json)
    if (!Array.isArray(list)) return []
    return list.slice(0, 200).map((f: { name?: string, type?: string, 'tensor-spec'?: { dtype?: string, shape?: number[] } }) => {
      const spec = f['tensor-spec'], type = spec ? `${spec.dtype ?? ''}[${(spec.shape ?? []).join(', ')}]` : String(f.type ?? '')
      return f.name ? `${f.name}: ${type}` : type
    })
  } catch {
    return []
  }
}
