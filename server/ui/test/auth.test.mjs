// The pages where there are users, in a browser that knows a name and a password.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { binary, Lab, soon } from './harness.mjs'
import { fill, views } from './views.mjs'

const password = 'zebra-quartz-19'
const signed = (username) => ({ httpCredentials: { username, password } })

let lab, world, secret
const users = (dir, ...args) => {
  const done = spawnSync(binary, ['users', ...args, '-d', dir], { input: password + '\n' })
  assert.equal(done.status, 0, String(done.stderr))
}

before(async () => {
  lab = await Lab.open('', { admin: password, reader: password, writer: password, editor: password, stranger: password })
  users(lab.data, 'default', 'NO_PERMISSIONS')
  world = await fill(lab)
  secret = await lab.experiment('secret study')
  await lab.run(secret, 'secret run', { metrics: { loss: [1] } })
  for (const [name, level] of [['reader', 'READ'], ['writer', 'EDIT'], ['editor', 'MANAGE']]) {
    users(lab.data, 'grant', name, level, '-e', world.experiment)
    users(lab.data, 'grant', name, level, '-m', world.model)
  }
})
after(() => lab?.close())

const refused = /Failed to load resource: the server responded with a status of 403/

test('without a name there is nothing, and the browser asks for one', async () => {
  const context = await lab.browser.newContext()
  const page = await context.newPage()
  await assert.rejects(page.goto(lab.base + '/'), /ERR_INVALID_AUTH_CREDENTIALS/)
  const answer = await fetch(lab.base + '/')
  assert.equal(answer.status, 401)
  assert.match(answer.headers.get('www-authenticate'), /^Basic /)
  assert.doesNotMatch(await answer.text(), /script|study/)
  for (const path of ['ajax-api/runstone/session', 'ajax-api/runstone/live?experiment_ids=0', 'get-artifact?run_id=' + world.runs[0] + '&path=notes.txt', 'no/such/page']) {
    assert.equal((await fetch(`${lab.base}/${path}`)).status, 401, path)
  }
  const wrong = await lab.browser.newContext({ httpCredentials: { username: 'reader', password: 'not-this-one-12' } })
  assert.equal((await (await wrong.newPage()).goto(lab.base + '/')).status(), 401)
  await wrong.close()
  await context.close()
})

test('every view of what one may read is there, with one’s name', async () => {
  const page = await lab.page('', signed('reader'))
  await page.getByText('reader', { exact: true }).waitFor()
  await soon(async () => assert.equal(await page.getByTitle('Signed in as reader', { exact: true }).count(), 1))
  await page.getByRole('link', { name: 'study', exact: true }).waitFor()
  assert.equal(await page.getByRole('link', { name: 'secret study' }).count(), 0)
  for (const { hash } of views({ ...world, benchmarks: world.experiment })) {
    await lab.visit(page, hash)
    // What is of everybody's files a reader may be told not to see.
    if (!/storage/.test(hash)) assert.deepEqual(page.complaints, [], hash)
  }
  assert.deepEqual(page.complaints.filter((c) => !refused.test(c)), [])
  await page.context().close()
})

test('what is not granted has a state of its own, on every page of it', async () => {
  const page = await lab.page('', signed('stranger'))
  for (const { pattern, hash } of views(world)) {
    if (!/:(ids|run|name|kind)/.test(pattern)) continue
    await page.reload()
    await lab.visit(page, hash)
    await page.getByText('You have no permission to see this').first().waitFor()
    for (const word of ['study', 'sweep', 'classifier v', 'champion', 'notes.txt']) {
      assert.ok(!(await page.locator('main').innerText()).replace(decodeURIComponent(hash), '').includes(word + ' '), `${hash} tells of ${word}`)
    }
  }
  assert.deepEqual(page.complaints.filter((c) => !refused.test(c)), [])
  await page.context().close()
})

for (const [user, edit, manage] of [['reader', false, false], ['writer', true, false], ['editor', true, true]]) {
  test(`${user}: what would be refused is not offered`, async () => {
    const page = await lab.page(`#/experiments/${world.experiment}/runs/${world.runs[0]}`, signed(user))
    const button = (name, where = page) => where.getByRole('button', { name, exact: true })
    /** Until the server has told what one may do, everything is offered. */
    const offered = (what, want, name) => soon(async () => assert.equal(await what.count() > 0 && await what.isEnabled(), want, `${page.url()}: ${name}`))
    const tags = page.getByRole('region', { name: 'Tags' })
    await tags.waitFor()
    await offered(button('Rename'), edit, 'rename')
    await offered(tags.getByLabel('Key', { exact: true }), edit, 'add a tag')
    if (!edit) assert.match(await button('Rename').getAttribute('title'), /needs the permission EDIT/)
    // A model of one's own may be made of what one reads, a version of another's needs EDIT there.
    await button('Register model').click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('As a version of').fill('all ' + user)
    if (await dialog.getByLabel('Folder').count()) await dialog.getByLabel('Folder').fill('model')
    await offered(button('Register', dialog), true, 'register a new model')
    await dialog.getByLabel('As a version of').fill(world.model)
    await offered(button('Register', dialog), edit, 'register a version')
    assert.equal(await dialog.getByText('You may read this model and not add versions').count(), edit ? 0 : 1)
    await page.keyboard.press('Escape')

    await lab.visit(page, `#/experiments/${world.experiment}?runs=${world.runs[0]}`)
    await offered(button('Tag'), edit, 'tag')
    await offered(button('Delete'), manage, 'delete runs')
    assert.ok(await button('Pin').isEnabled(), 'what is the browser’s own')
    await lab.visit(page, `#/experiments/${world.experiment}?runs=${world.runs[0]}&deleted=1`)
    await offered(button('Restore'), manage, 'restore runs')

    await lab.visit(page, '#/experiments')
    assert.ok(await button('New experiment').isEnabled())
    await page.getByLabel('Select study', { exact: true }).check()
    await offered(button('Rename'), edit, 'rename an experiment')
    await offered(button('Delete'), manage, 'delete an experiment')

    await lab.visit(page, `#/models/${world.model}`)
    await offered(button('Rename'), edit, 'rename a model')
    await offered(button('Delete'), manage, 'delete a model')
    await offered(button('Edit: Description'), edit, 'describe a model')
    await offered(tags.getByLabel('Key', { exact: true }), edit, 'tag a model')

    await lab.visit(page, `#/models/${world.model}/versions/1`)
    await offered(button('Change stage…'), edit, 'change the stage')
    await offered(button('Delete'), manage, 'delete a version')
    await offered(button('Edit: Description'), edit, 'describe a version')
    await offered(page.getByRole('region', { name: 'Aliases' }).getByLabel('Alias', { exact: true }), edit, 'set an alias')
    await offered(tags.getByLabel('Key', { exact: true }), edit, 'tag a version')
    // Nor by keys.
    await page.evaluate(() => document.activeElement.blur())
    await page.keyboard.press('s')
    assert.equal(await page.getByRole('dialog').count(), edit ? 1 : 0)
    await page.keyboard.press('Escape')
    await lab.visit(page, `#/models/${world.model}/versions/2`)
    await offered(button(`Remove alias ${world.alias}`), manage, 'remove an alias')
    await lab.done(page)
  })
}

test('who changes something that they may not any more hears why it stays', async () => {
  users(lab.data, 'add', 'former', '--password-stdin')
  users(lab.data, 'grant', 'former', 'MANAGE', '-e', world.experiment)
  const page = await lab.page(`#/experiments/${world.experiment}/runs/${world.runs[0]}`, signed('former'))
  const tags = page.getByRole('region', { name: 'Tags' })
  await tags.waitFor()
  await lab.settle(page)
  users(lab.data, 'grant', 'former', 'READ', '-e', world.experiment)
  await tags.getByLabel('Key', { exact: true }).fill('owner')
  await tags.getByRole('button', { name: 'Add' }).click()
  await page.getByRole('alert').getByText('You have no permission to change this').waitFor()
  await soon(async () => assert.equal(await tags.getByLabel('Key', { exact: true }).inputValue(), 'owner', 'what was refused stays in its field'))
  users(lab.data, 'grant', 'former', 'MANAGE', '-e', world.experiment)
  await lab.visit(page, `#/experiments/${world.experiment}?runs=${world.runs[0]}`)
  users(lab.data, 'grant', 'former', 'READ', '-e', world.experiment)
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('alert').getByText('You have no permission to change this').waitFor()
  await page.getByRole('link', { name: 'run 0', exact: true }).waitFor()
  assert.deepEqual(page.complaints.filter((c) => !refused.test(c)), [])
  await page.context().close()

  const editor = await lab.page(`#/experiments/${world.experiment}/runs/${world.runs[0]}`, signed('editor'))
  const own = editor.getByRole('region', { name: 'Tags' })
  await own.getByLabel('Key', { exact: true }).fill('owner')
  await own.getByLabel('Value', { exact: true }).fill('ada')
  await own.getByRole('button', { name: 'Add' }).click()
  await own.getByRole('row', { name: /owner/ }).getByText('ada').waitFor()
  await lab.done(editor)
})

test('live, curves and files come with the name', async () => {
  const id = await lab.run(world.experiment, 'running', { status: 'RUNNING', metrics: { 'live loss': [3, 2] } })
  const page = await lab.page(`#/experiments/${world.experiment}?view=charts&runs=${id}`, signed('reader'))
  const panel = page.getByRole('region', { name: 'live loss' })
  await page.getByLabel('Search panels').fill('live loss')
  await panel.getByText('2 points').waitFor()
  await page.waitForTimeout(1000)
  await lab.api('POST', 'runs/log-metric', { run_id: id, key: 'live loss', value: 1, timestamp: Date.now(), step: 2 })
  await panel.getByText('3 points').waitFor()
  await lab.visit(page, `#/experiments/${world.experiment}/runs/${world.runs[0]}/artifacts/dot.png`)
  await page.waitForFunction(() => document.querySelector('main img')?.naturalWidth === 1)
  await lab.api('POST', 'runs/update', { run_id: id, status: 'FINISHED', end_time: Date.now() })
  await lab.done(page)
})

test('rights that are taken away are gone at once, a name that is gone is told', async () => {
  users(lab.data, 'add', 'guest', '--password-stdin')
  users(lab.data, 'grant', 'guest', 'READ', '-e', world.experiment)
  const page = await lab.page(`#/experiments/${world.experiment}/runs/${world.runs[0]}`, signed('guest'))
  await page.getByRole('heading', { name: 'run 0' }).waitFor()
  users(lab.data, 'grant', 'guest', 'DENY', '-e', world.experiment)
  await lab.visit(page, '#/experiments')
  await lab.visit(page, `#/experiments/${world.experiment}`)
  await page.getByText('You have no permission to see this').waitFor()
  await page.context().close()
})

test('a page of elsewhere changes nothing, though the browser knows a name', async () => {
  const elsewhere = createServer((_, res) => res.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>elsewhere</title>'))
  await new Promise((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
  const { port } = elsewhere.address()
  const context = await lab.browser.newContext(signed('admin'))
  const before = JSON.stringify(await lab.api('POST', 'experiments/search', { max_results: 100 }))
  for (const host of ['127.0.0.1', 'localhost']) { // the same site, and another
    const page = await context.newPage()
    await page.goto(lab.base + '/') // the browser knows the name now
    await page.goto(`http://${host}:${port}/`)
    const told = await page.evaluate(async ({ base, id, run, name }) => {
      const changes = [
        ['experiments/create', { name: 'from elsewhere' }], ['experiments/delete', { experiment_id: id }], ['runs/delete', { run_id: run }], ['runs/set-tag', { run_id: run, key: 'a', value: 'b' }],
        ['model-versions/transition-stage', { name, version: '1', stage: 'Archived' }], ['users/create', { username: 'mallory', password: 'zebra-quartz-19' }],
      ]
      const out = []
      for (const [path, body] of changes) {
        for (const prefix of ['/api/2.0/mlflow/', '/ajax-api/2.0/mlflow/']) {
          for (const [mode, type] of [['no-cors', 'text/plain'], ['no-cors', 'application/x-www-form-urlencoded'], ['cors', 'application/json']]) {
            const answer = await fetch(base + prefix + path, { method: 'POST', mode, credentials: 'include', headers: { 'Content-Type': type }, body: JSON.stringify(body) }).catch((e) => ({ type: 'refused', status: String(e) }))
            if (answer.type !== 'opaque' && answer.type !== 'refused') out.push(`${path} ${mode} ${type}: ${answer.status}`)
          }
        }
      }
      for (const path of ['/', '/ajax-api/runstone/session', '/ajax-api/2.0/mlflow/experiments/search?max_results=10', `/get-artifact?run_id=${run}&path=notes.txt`]) {
        const answer = await fetch(base + path, { credentials: 'include' }).then((a) => a.text(), () => '')
        if (answer) out.push('read: ' + path)
      }
      const events = new EventSource(`${base}/ajax-api/runstone/live?experiment_ids=${id}`, { withCredentials: true })
      if (await new Promise((resolve) => { events.onopen = () => resolve(true); events.onerror = () => resolve(false) })) out.push('listens')
      events.close()
      return out
    }, { base: lab.base, id: world.experiment, run: world.runs[0], name: world.model })
    assert.deepEqual(told, [], host)
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      await page.evaluate(({ base, type }) => {
        const form = document.createElement('form')
        Object.assign(form, { method: 'post', action: base + '/api/2.0/mlflow/experiments/create', enctype: type })
        const input = document.createElement('input')
        Object.assign(input, { name: '{"name": "posted", "x": "', value: '"}' })
        form.append(input)
        document.body.append(form)
        form.submit()
      }, { base: lab.base, type })
      await page.getByText('Cross-origin request blocked').waitFor()
      await page.goto(`http://${host}:${port}/`)
    }
    await page.evaluate((src) => {
      const frame = document.createElement('iframe')
      Object.assign(frame, { src })
      document.body.append(frame)
    }, lab.base + '/')
    await page.waitForTimeout(500)
    const inside = await page.frames()[1].evaluate(() => document.querySelector('#app')?.children.length ?? 0).catch(() => 0)
    assert.equal(inside, 0, 'in a frame of elsewhere')
    await page.close()
  }
  assert.equal(JSON.stringify(await lab.api('POST', 'experiments/search', { max_results: 100 })), before)
  const { run } = await lab.api('GET', 'runs/get?run_id=' + world.runs[0])
  assert.equal(run.info.lifecycle_stage, 'active')
  assert.ok(!run.data.tags.some((t) => t.key === 'a'))
  await context.close()
  await new Promise((resolve) => elsewhere.close(resolve))
})
