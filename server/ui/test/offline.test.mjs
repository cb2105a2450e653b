// Behind a proxy with a path of its own, and without a server: what an address that
// is not there says, and a page while the server is gone and when it is back.

import assert from 'node:assert/strict'
import { createServer, request } from 'node:http'
import { after, before, test } from 'node:test'
import { Lab, soon } from './harness.mjs'
import { fill, views } from './views.mjs'

let lab, world, proxy
before(async () => {
  lab = await Lab.open('/team/tracking')
  world = await fill(lab)
  // As a proxy in front does: it has the only address that browsers know.
  proxy = createServer((req, res) => {
    const on = request(lab.origin + req.url, { method: req.method, headers: { ...req.headers, host: new URL(lab.origin).host } }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers)
      answer.pipe(res)
    })
    on.on('error', () => { if (!res.headersSent) res.writeHead(502).end('no server'); else res.destroy() })
    res.on('close', () => on.destroy())
    req.pipe(on)
  })
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  lab.direct = lab.origin
  lab.front = `http://127.0.0.1:${proxy.address().port}`
})
after(async () => {
  proxy?.closeAllConnections()
  proxy?.close()
  await lab?.close()
})

test('every view below a path, without a request above it', async () => {
  const page = await lab.page('#/nowhere')
  page.on('request', (r) => { if (!r.url().startsWith(lab.base + '/') && !r.url().startsWith('blob:')) page.complaints.push('above the path: ' + r.url()) })
  for (const { hash } of views(world)) {
    await lab.visit(page, hash)
    for (const link of await page.locator('a[href]').evaluateAll((all) => all.map((a) => a.href))) assert.ok(link.startsWith(lab.base + '/') || link.startsWith('https://'), link)
  }
  await lab.done(page)
})

test('the path without a slash, and addresses that are not there', async () => {
  const page = await lab.page()
  await page.goto(lab.base)
  assert.equal(new URL(page.url()).pathname, '/team/tracking/')
  await page.getByRole('link', { name: 'study', exact: true }).waitFor()
  for (const hash of ['#/nowhere', '#/experiments/1/2/3/4/5', '#nothing', '#/models/a/b/c/d', '#/%', '#/%E0%A4%A', '#//', '#/?a=%']) {
    await lab.visit(page, hash)
    await soon(async () => assert.ok((await page.locator('main').innerText()).trim().length > 10, hash))
  }
  await lab.done(page)
  for (const path of ['/', '/team', '/team/trackin', '/team/tracking/assets/none.js', '/team/tracking/assets/../index.html', '/team/tracking/nope', '/ajax-api/runstone/session']) {
    const answer = await fetch(lab.direct + path)
    assert.equal(answer.status, 404, path)
    assert.doesNotMatch(await answer.text(), /<script/, path)
  }
})

test('through a proxy: live, and every page while there is no server behind it', async () => {
  const id = await lab.run(world.experiment, 'through', { status: 'RUNNING', metrics: { proxied: [3, 2] } })
  const context = await lab.browser.newContext({ viewport: { width: 1400, height: 860 } })
  const page = await context.newPage()
  page.busy = new Set()
  await page.goto(`${lab.front}/team/tracking/#/experiments/${world.experiment}?view=charts&runs=${id}`)
  await page.getByLabel('Search panels').fill('proxied')
  const panel = page.getByRole('region', { name: 'proxied' })
  await panel.getByText('2 points').waitFor()
  await page.waitForTimeout(1000)
  await lab.api('POST', 'runs/log-metric', { run_id: id, key: 'proxied', value: 1, timestamp: Date.now(), step: 2 })
  await panel.getByText('3 points').waitFor()
  await lab.api('POST', 'runs/update', { run_id: id, status: 'FINISHED', end_time: Date.now() })

  const port = new URL(lab.origin).port
  await lab.stop()
  await page.getByText('The server does not answer').first().waitFor() // the listener noticed
  await panel.getByText('3 points').waitFor() // what was there stays
  await page.goto('about:blank')
  assert.equal((await page.goto(`${lab.front}/team/tracking/`)).status(), 502)
  await lab.start(port)
  await page.goto('about:blank')
  await page.goto(`${lab.front}/team/tracking/#/experiments`)
  await page.getByRole('link', { name: 'study', exact: true }).waitFor()
  await context.close()
})

test('a server that is stopped and started again: told, and gone on from there', async () => {
  const port = new URL(lab.origin).port
  const page = await lab.page('#/experiments')
  await page.getByRole('link', { name: 'study', exact: true }).waitFor()
  for (const { hash } of views(world).filter((v, i, all) => all.findIndex((x) => x.pattern === v.pattern) === i)) await lab.visit(page, hash) // all that is loaded late
  await lab.visit(page, '#/experiments')
  await lab.stop()
  page.complaints.length = 0
  for (const hash of [`#/experiments/${world.experiment}`, `#/experiments/${world.experiment}/runs/${world.runs[0]}`, `#/models/${world.model}`]) {
    await page.evaluate((h) => { location.hash = h }, hash)
    await page.getByRole('status').getByText('The server does not answer').waitFor()
    await page.getByRole('alert').getByText('The server does not answer').first().waitFor()
  }
  await lab.start(port)
  await page.getByRole('status').getByText('The server does not answer').waitFor({ state: 'detached' })
  await page.getByRole('heading', { name: world.model }).waitFor() // by itself
  await page.getByRole('alert').waitFor({ state: 'detached' })
  assert.ok(page.complaints.every((c) => /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|ERR_INCOMPLETE/.test(c)), page.complaints.join('\n'))

  // What is being typed is not lost, and can be sent when the server is back.
  await lab.visit(page, '#/experiments')
  await page.getByRole('button', { name: 'New experiment' }).click()
  await page.getByLabel('Name of the new experiment').fill('after the stop')
  await page.getByRole('button', { name: 'OK' }).click()
  await page.getByRole('link', { name: 'after the stop' }).waitFor()
  await page.context().close()
})
