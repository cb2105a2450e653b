// Every view that there is: the addresses of src/routes.ts with what a filled
// database puts into them. Suites that must hold for all pages go over them, so
// that a page is tested from the moment that it has a line in the table of routes.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { binary } from './harness.mjs'

/** The patterns of the table of routes. */
export const patterns = [...readFileSync(new URL('../src/routes.ts', import.meta.url), 'utf8').matchAll(/^\s*\{ path: '([^']*)'/gm)].map((m) => m[1])
assert.ok(patterns.length > 5)

const e = encodeURIComponent

// States of a page that its address alone does not lead to, by pattern: what
// follows the address. A page that is not here is visited as it is.
const states = {
  '/experiments/:ids': (w) => ['', '?view=charts', '?view=split', '?nest=1', '?deleted=1', '?q=' + e('metrics.loss < 0.5'), '?q=' + e('metrics. > AND'), '?q=' + e("params.lr = 'none'"),
    '?q=' + e('GROUP BY status SELECT status, count()'), `?view=split&runs=${w.runs.slice(0, 3).join(',')}&order=${e('metrics.loss DESC')}`,
    '?view=charts&group=status', '?view=charts&x=loss', '?q=' + e("metrics.loss < 100 AND (status = 'FINISHED' OR status = 'FAILED')") + '&off=' + e('["params.lr > 1"]')],
  '/lineage/run/:run': () => ['', '?view=table'],
  '/benchmarks': (w) => ['', `?experiment=${w.benchmarks}&table=1`, '?view=compare', '?view=compare&only=1&sort=up', '?view=compare&a=no-such-run', '?name=no&unit=none&machine=none'],
  '/compare-runs': (w) => ['', `?runs=${w.runs.slice(0, 3).join(',')}`, `?runs=${w.runs.slice(0, 2).join(',')}&all=1`,
    ...['predictions.csv', 'predictions.csv&shown=diff', 'dot.png', 'table.json'].map((f) => `?runs=${w.runs.slice(0, 2).join(',')}&file=${f}`)],
  '/curves': (w) => ['', `?runs=${w.runs.slice(0, 3).join(',')}`, `?runs=${w.runs[0]}&by=size&prevalence=10&at=0.3`, `?runs=${w.runs[0]}&file=table.json`],
}

// What stands for a part of a pattern.
const parts = {
  ':ids': (w) => [w.experiment],
  ':run': (w) => [w.runs[0]],
  ':name': (w) => [w.model],
  ':version': () => ['1'],
  ':dataset': (w) => [w.dataset.name],
  ':digest': (w) => [w.dataset.digest],
  ':logged': (w) => [w.logged],
  ':stage': () => ['Production'],
  ':alias': (w) => [w.alias],
  '*rest': (w) => ['', 'charts', 'artifacts', ...w.files.map((f) => 'artifacts/' + f.split('/').map(e).join('/'))],
}

/** The addresses of all views of a world: [{pattern, hash}]. */
export function views(world) {
  const out = []
  for (const pattern of patterns) {
    let found = ['#']
    const more = states[pattern]?.(world) ?? ['']
    for (const part of pattern.split('/').slice(1)) {
      const name = /^[:*]/.test(part) ? part : ''
      assert.ok(!name || parts[name], `views.mjs does not know what stands for ${name} in ${pattern}`)
      const values = name ? parts[name](world) : [part]
      found = found.flatMap((f) => values.map((v) => f + '/' + (name[0] === '*' ? v : e(v))))
    }
    out.push(...found.flatMap((f) => more.map((m) => ({ pattern, hash: f + m }))))
  }
  return out
}

const many = (n, of) => Object.fromEntries(Array.from({ length: n }, (_, k) => of(k)))

// The server takes these letters only in keys.
const key = (text) => text.replace(/[^\w. :-]/g, '_').trim()

const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')

/**
 * Fills a database with something of all that the pages show. Where a person
 * chooses a text, say(kind) does.
 */
export async function fill(lab, say = (kind) => kind, runs = 5) {
  const w = { runs: [], files: [] }
  w.experiment = await lab.experiment(say('study'))
  const [params, metrics] = runs < 5 ? [1, 1] : [40, 25]
  for (let i = 0; i < runs; i++) {
    w.runs.push(await lab.run(w.experiment, say('run') + ' ' + i, {
      params: { lr: 0.1 * i, model: i % 2 ? 'xgb' : 'forest', [key(say('param'))]: say('param value'), ...many(params, (k) => ['layer.' + k, k * i]) },
      tags: {
        [key(say('tag'))]: say('tag value'), 'mlflow.note.content': say('note'), 'mlflow.source.name': say('source'), 'mlflow.source.type': 'LOCAL', 'mlflow.user': say('user'),
        'mlflow.source.git.commit': say('commit'), 'mlflow.source.git.repoURL': say('https://example.org/repository'), 'runstone.command': say('python train.py'),
        ...(i === 4 ? { 'mlflow.parentRunId': w.runs[0] } : {}),
      },
      metrics: { loss: Array.from({ length: 300 }, (_, s) => (s === 20 ? NaN : 1 / (s + i + 1))), [key(say('metric'))]: [i, i + 1], ...many(metrics, (k) => ['eval/m' + k, [k + i]]) },
      status: ['FINISHED', 'FAILED', 'KILLED', 'RUNNING', 'FINISHED'][i], start: Date.now() - 60_000 * (5 - i),
    }))
  }
  const [first] = w.runs
  w.dataset = { name: say('dataset'), digest: say('d1').slice(0, 30) }
  await lab.api('POST', 'runs/log-inputs', { run_id: first, datasets: [{
    tags: [{ key: 'mlflow.data.context', value: say('train') }],
    dataset: { ...w.dataset, source_type: say('local'), source: say('file:data.csv'), schema: JSON.stringify({ mlflow_colspec: [{ type: 'double', name: say('column') }] }) },
  }] })
  const gone = await lab.run(w.experiment, say('deleted run'))
  await lab.api('POST', 'runs/delete', { run_id: gone })
  const scores = Array.from({ length: 60 }, (_, i) => `${i % 2},${(((i * 37) % 60) / 90 + (i % 2) / 3).toFixed(4)}`).join('\n')
  const files = {
    'notes.txt': 'plain ' + say('text'), 'table.csv': `id,${say('column')}\n1,"${say('cell')}"\n`, 'deep/page.html': `<h1>${say('html')}</h1>`, 'config.json': JSON.stringify({ key: say('json') }),
    'model/MLmodel': `artifact_path: model\nflavors:\n  python_function:\n    loader_module: mlflow.sklearn\nrun_id: ${first}\nmodel_uuid: 1\nnote: ${JSON.stringify(say('mlmodel'))}\n`,
    'drawing.svg': `<svg xmlns="http://www.w3.org/2000/svg"><text>${say('svg')}</text></svg>`, 'readme.md': '# ' + say('markdown'), 'dot.png': png, 'weights.bin': Buffer.alloc(2000, 7),
    'table.json': JSON.stringify({ columns: ['label', say('column'), 'p'], data: Array.from({ length: 9 }, (_, i) => [say('class') + i % 3, say('cell'), i / 9]) }), 'runs.parquet': lab.parquet(w.experiment),
    'conda.yaml': `name: ${JSON.stringify(say('yaml'))}\n`, 'predictions.csv': 'label,score\n' + scores + '\n',
  }
  for (const [name, body] of Object.entries(files)) {
    await lab.file(w.experiment, first, name, body)
    w.files.push(name)
  }
  await lab.file(w.experiment, w.runs[1], 'predictions.csv', files['predictions.csv'])

  const { model } = await lab.api('POST', 'logged-models', { experiment_id: w.experiment, name: say('logged').replace(/[/.:%"'\x00-\x1f]/g, '_').slice(0, 100), source_run_id: first, params: [{ key: 'depth', value: say('value') }] })
  w.logged = model.info.model_id
  await lab.api('POST', 'runs/outputs', { run_id: first, models: [{ model_id: w.logged, step: 1 }] })
  w.model = say('classifier').replace(/[/:%*]/g, '_')
  await lab.api('POST', 'registered-models/create', { name: w.model, description: say('description'), tags: [{ key: key(say('tag')), value: say('tag value') }] })
  for (const run of w.runs.slice(0, 2)) {
    await lab.api('POST', 'model-versions/create', { name: w.model, source: `runs:/${run}/model`, run_id: run, description: say('description'), tags: [{ key: key(say('tag')), value: say('tag value') }] })
  }
  await lab.api('POST', 'model-versions/transition-stage', { name: w.model, version: '1', stage: 'Production', archive_existing_versions: false })
  w.alias = say('champion').replace(/[^\w-]/g, '_').slice(0, 60)
  await lab.api('POST', 'registered-models/alias', { name: w.model, alias: w.alias, version: '2' })

  if (runs < 5) return w
  const lines = ['old', 'new'].map((name, k) => `goos: linux\ngoarch: amd64\npkg: example.org/${name}\ncpu: ${say('machine').replaceAll(/\s/g, ' ')}\n`
    + Array.from({ length: 6 }, (_, i) => `BenchmarkEncode/size=1k-2 \t 1000 \t ${1000 - 200 * k + i} ns/op \t 16 B/op\n`).join(''))
  for (const [i, text] of lines.entries()) {
    const done = spawnSync(binary, ['bench', 'log', '-', '-e', 'benchmarks', '--commit', 'abc' + i, '--time', `2026-0${i + 1}-01T10:00:00Z`, '-d', lab.data], { input: text })
    assert.equal(done.status, 0, String(done.stderr))
  }
  w.benchmarks = (await lab.named('benchmarks')).experiment_id
  return w
}
