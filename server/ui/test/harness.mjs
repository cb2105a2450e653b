// Starts the built binary over a database of its own, fills it through the doors
// that users have, and opens pages in Chromium. Every page is watched: an error on
// its console or a request to another origin fails the test.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import { chromium } from 'playwright-core'
import { build } from 'vite'

export const binary = process.env.RUNSTONE ?? new URL('../../../bin/runstone', import.meta.url).pathname
const latency = Number(process.env.LATENCY ?? 0)
const chrome = process.env.CHROMIUM ?? '/usr/bin/chromium'

export class Lab {
  /** Starts a server; with users, {name: password}, it asks for them. The first of these is an administrator, whom the lab asks as. */
  static async open(prefix = '', users = {}) {
    const lab = new Lab()
    lab.dir = mkdtempSync(join(tmpdir(), 'runstone-ui-'))
    lab.data = join(lab.dir, 'data')
    lab.flags = prefix ? ['--static-prefix', prefix] : []
    lab.headers = {}
    for (const [i, [name, password]] of Object.entries(users).entries()) {
      const added = spawnSync(binary, ['users', 'add', name, '--password-stdin', ...(i ? [] : ['--admin']), '-d', lab.data], { input: password + '\n' })
      assert.equal(added.status, 0, String(added.stderr))
      if (!i) lab.headers.Authorization = 'Basic ' + Buffer.from(name + ':' + password).toString('base64')
    }
    lab.origin = await lab.start(0)
    lab.base = lab.origin + prefix
    lab.browser = await chromium.launch({ executablePath: chrome, args: ['--no-sandbox'] })
    return lab
  }

  /** Starts the server at a port, 0 for any that is free, and returns where it is. */
  start(port) {
    this.server = spawn(binary, ['server', '--port', String(port), '-d', this.data, ...this.flags], { stdio: ['ignore', 'pipe', 'pipe'] })
    return new Promise((resolve, reject) => {
      let said = ''
      const hear = (chunk) => {
        said += chunk
        const at = /https?:\/\/127\.0\.0\.1:\d+/.exec(said)
        if (at) resolve(at[0])
      }
      this.server.stdout.on('data', hear)
      this.server.stderr.on('data', hear)
      this.server.on('exit', () => reject(new Error('the server ended: ' + said)))
    })
  }

  async stop() {
    const ended = new Promise((resolve) => this.server.once('exit', resolve))
    this.server.kill()
    await ended
  }

  async close() {
    await this.browser?.close()
    await this.stop()
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** Asks MLflow's API. */
  async api(method, path, body) {
    const answer = await fetch(this.origin + '/api/2.0/mlflow/' + path, {
      method, headers: { 'Content-Type': 'application/json', ...this.headers }, body: body === undefined ? undefined : JSON.stringify(body),
    })
    const text = await answer.text()
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
    return JSON.parse(text)
  }

  async experiment(name) {
    return (await this.api('POST', 'experiments/create', { name })).experiment_id
  }

  /** Makes a run and logs metrics, {key: values by step}, to it. */
  async run(experiment, name, { params = {}, tags = {}, metrics = {}, status = 'FINISHED', start = Date.now() } = {}) {
    const { run } = await this.api('POST', 'runs/create', { experiment_id: experiment, run_name: name, start_time: start, tags: pairs(tags) })
    const id = run.info.run_id
    for (const some of chunks(pairs(params), 100)) await this.api('POST', 'runs/log-batch', { run_id: id, params: some })
    for (const [key, values] of Object.entries(metrics)) {
      const points = values.map((value, step) => ({ key, step, timestamp: start + step * 10, value: Number.isFinite(value) ? value : String(value) }))
      for (const some of chunks(points, 1000)) await this.api('POST', 'runs/log-batch', { run_id: id, metrics: some })
    }
    if (status !== 'RUNNING') await this.api('POST', 'runs/update', { run_id: id, status, end_time: start + 60_000 })
    return id
  }

  /** Makes very many runs, some at a time: r0 is the oldest. */
  async many(experiment, total, { tags = () => ({}) } = {}) {
    const agent = new Agent({ keepAlive: true, maxSockets: 24 }), start = Date.now() - total * 1000
    const make = (i) => new Promise((resolve, reject) => {
      const r = request(this.origin + '/api/2.0/mlflow/runs/create', { method: 'POST', agent, headers: { 'Content-Type': 'application/json' } }, (answer) => {
        answer.resume()
        answer.on('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error('run ' + i + ': ' + answer.statusCode))))
      })
      r.on('error', reject)
      r.end(JSON.stringify({ experiment_id: experiment, run_name: 'r' + i, start_time: start + i * 1000, tags: pairs(tags(i)) }))
    })
    let next = 0
    await Promise.all(Array.from({ length: 24 }, async () => { while (next < total) await make(next++) }))
    agent.destroy()
  }

  async file(experiment, run, path, body) {
    const answer = await fetch(`${this.origin}/api/2.0/mlflow-artifacts/artifacts/${experiment}/${run}/artifacts/${path}`, { method: 'PUT', body, headers: this.headers })
    assert.ok(answer.ok)
  }

  /** Logs points with the command line: to the inbox, as a program beside the server does. */
  log(lines, ...args) {
    const done = spawnSync(binary, ['runs', 'log', '-', '--format', 'jsonl', '-d', this.data, ...args], { input: lines.map((l) => JSON.stringify(l) + '\n').join('') })
    assert.equal(done.status, 0, String(done.stderr))
    return String(done.stdout).trim()
  }

  /** Runs the command line on the database, and returns what it prints. */
  cli(args, input = '') {
    const done = spawnSync(binary, [...args, '-d', this.data], { input, maxBuffer: 64 << 20 })
    assert.equal(done.status, 0, String(done.stderr))
    return String(done.stdout)
  }

  /** The runs of an experiment as Parquet, as the command line exports them. */
  parquet(experiment) {
    const done = spawnSync(binary, ['export', '-', '-d', this.data, '-e', experiment], { maxBuffer: 1 << 26 })
    assert.equal(done.status, 0, String(done.stderr))
    return done.stdout
  }

  /** An experiment that was logged beside the server, which hears of it soon. */
  async named(name) {
    for (let i = 0; ; i++) {
      const { experiments = [] } = await this.api('POST', 'experiments/search', { max_results: 100 })
      const found = experiments.find((e) => e.name === name)
      if (found) return found
      assert.ok(i < 100, `no experiment ${name}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** A page that fails the test, in done, when it complains. */
  async page(hash = '', options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1400, height: 860 }, ...options })
    // LATENCY=400: every answer comes up to so many milliseconds later, each by another time, so that tests that guess the order of things fail.
    if (latency) await late(context, '**/ajax-api/**', () => Math.random() * latency)
    const page = await context.newPage()
    page.complaints = []
    page.on('console', (m) => { if (m.type() === 'error' || m.type() === 'warning') page.complaints.push(`${m.text()} ${m.location().url}`) })
    page.on('pageerror', (e) => page.complaints.push(String(e)))
    page.busy = new Set() // requests that are under way, but for listeners, which stay
    page.on('request', (r) => {
      if (!r.url().includes('/ajax-api/runstone/live?')) page.busy.add(r)
      if (!r.url().startsWith(this.origin + '/') && !r.url().startsWith('blob:')) page.complaints.push('request to ' + r.url())
    })
    page.on('requestfinished', (r) => page.busy.delete(r))
    page.on('requestfailed', (r) => page.busy.delete(r))
    page.setDefaultTimeout(30_000)
    await page.goto(this.base + '/' + hash)
    return page
  }

  /** Opens a view in a page, and waits until it has all that it asks for. */
  async visit(page, hash, pause = 50) {
    await page.evaluate((h) => { location.hash = h }, hash)
    await this.settle(page, pause)
  }

  async settle(page, pause = 50) {
    for (let quiet = 0, i = 0; quiet < 3; i++) {
      assert.ok(i < 800, 'no end of requests: ' + [...page.busy].map((r) => r.url()).join(' '))
      await page.waitForTimeout(pause)
      // What a worker was asking for when it was closed is never told to have ended.
      if (i % 20 === 19 && !/Loading…|Reading tables…/.test(await page.locator('body').innerText())) {
        for (const r of page.busy) if (/\/assets\/|artifact/.test(r.url())) page.busy.delete(r)
      }
      quiet = page.busy.size ? 0 : quiet + 1
    }
    await page.evaluate(() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r))))
  }

  async done(page) {
    assert.deepEqual(page.complaints, [])
    await page.context().close()
  }
}

const pairs = (o) => Object.entries(o).map(([key, value]) => ({ key, value: String(value) }))

function* chunks(list, n) {
  for (let i = 0; i < list.length; i += n) yield list.slice(i, i + n)
}

/** Holds requests of a page back for so many milliseconds. */
export const late = (page, url, ms) => page.route(url, async (r) => {
  await new Promise((later) => setTimeout(later, ms()))
  await r.continue().catch(() => {}) // the page may be closed by then
})

/** Waits until what is checked holds: pages show what they fetch when it comes. */
export async function soon(check) {
  for (const end = Date.now() + 30_000; ;) {
    try {
      return await check()
    } catch (e) {
      if (Date.now() > end) throw e
    }
    await new Promise((later) => setTimeout(later, 20))
  }
}

/** What a chart gives as a file: the name, and the bytes. */
export async function download(page, region, form) {
  await region.getByRole('button', { name: /^Download/ }).click()
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: form }).click()])
  return { name: file.suggestedFilename(), body: readFileSync(await file.path()) }
}

/** A picture in PNG, all of one colour. */
export function png(width, height, rgb) {
  const row = Buffer.concat([Buffer.from([0]), ...Array.from({ length: width }, () => Buffer.from(rgb))])
  const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0])
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]), size = Buffer.alloc(4), sum = Buffer.alloc(4)
    size.writeUInt32BE(data.length)
    sum.writeUInt32BE(crc32(body))
    return Buffer.concat([size, body, sum])
  }
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), chunk('IDAT', deflateSync(Buffer.concat(Array(height).fill(row)))), chunk('IEND', Buffer.alloc(0))])
}

/** A noisy falling curve. */
export function curve(n, seed = 1) {
  let state = seed
  const random = () => {
    state = (state * 1103515245 + 12345) % 2147483648
    return state / 2147483648
  }
  return Array.from({ length: n }, (_, i) => 2 * Math.exp(-i / (n / (3 + seed))) + 0.1 * random() + 0.01 * seed)
}

/** Real curves, as lines to log, by the name of their file; generated ones where there is no corpus. */
export function realCurves(most) {
  const dir = process.env.RUNSTONE_CORPUS
  if (!dir) return new Map([['generated-a', lines('loss', curve(3000, 2))], ['generated-b', lines('loss', curve(3000, 5))]])
  const out = new Map()
  for (const f of readdirSync(dir).filter((f) => f.endsWith('.csv')).sort()) {
    const found = []
    for (const line of readFileSync(join(dir, f), 'utf8').split('\n').slice(1)) {
      const [series, step, time, value] = line.split(',')
      const v = Number(value)
      if (!series || !value || !/^[\w./: -]+$/.test(series) || !Number.isFinite(v)) continue
      found.push({ step: Math.round(Number(step || 0)), ...(time ? { time: Math.round(Number(time)) } : {}), [series]: v })
      if (found.length === 20_000) break
    }
    if (found.length > 50) out.set(f.replace('.csv', ''), found)
    if (out.size === most) break
  }
  return out
}

const lines = (key, values) => values.map((v, step) => ({ step, [key]: v }))

/** What a file of src/lib that needs no page exports, in Node. */
export async function lib(name) {
  const [{ output }] = await build({
    configFile: false, logLevel: 'error',
    build: { write: false, minify: false, lib: { entry: new URL(`../src/lib/${name}.ts`, import.meta.url).pathname, formats: ['es'] } },
  })
  return import('data:text/javascript;base64,' + Buffer.from(output[0].code).toString('base64'))
}
