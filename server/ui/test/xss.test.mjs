// What others stored is text: sixty and more ways to make a page run it, in every
// place that takes a text, on every page.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lab } from './harness.mjs'
import { payloads } from './payloads.mjs'
import { fill, patterns, views } from './views.mjs'

let lab
const worlds = []

before(async () => {
  lab = await Lab.open()
  for (const [i, say] of payloads.entries()) {
    // Names of experiments and models are one's own; runs and keys may be equal.
    worlds.push(await fill(lab, (kind) => (/study|classifier/.test(kind) ? `${say} ${i}` : say), i === 0 ? 5 : 2))
  }
})
after(() => lab?.close())

async function open() {
  const page = await lab.page('#/nowhere')
  page.on('dialog', (d) => {
    page.complaints.push('dialog: ' + d.message())
    void d.dismiss()
  })
  await page.addInitScript(() => {
    globalThis.hits = []
    globalThis.owned = (n) => globalThis.hits.push(n)
  })
  await page.reload()
  return page
}

/** What a text has become part of the page as more than text. */
const traces = () => [
  ...globalThis.hits.map((n) => 'ran: ' + n),
  ...[...document.querySelectorAll('[data-owned], iframe, object, embed, base, meta[http-equiv], form[action], svg image, svg a, svg script, body style, body script, body link, template')].map((e) => e.outerHTML.slice(0, 200)),
  ...[...document.querySelectorAll('a[href], area[href], [formaction], [src], [srcset], [data]')].map((e) => e.href ?? e.formAction ?? e.src).filter((u) => typeof u === 'string' && u && !u.startsWith(location.origin + '/') && !/^(https:\/\/example\.org\/|blob:)/.test(u)).map((u) => 'address: ' + u),
  ...[...document.querySelectorAll('*')].flatMap((e) => [...e.attributes].filter((a) => /^on/.test(a.name)).map((a) => `attribute: ${a.name}=${a.value}`)),
  ...(document.title === 'owned' ? ['title'] : []),
]

test('there are sixty payloads, all different', () => {
  assert.ok(payloads.length >= 60)
  assert.equal(new Set(payloads).size, payloads.length)
})

test('every page with every payload', async () => {
  let seen = 0
  const queue = [...worlds.entries()]
  await Promise.all([1, 2].map(async () => {
    const page = await open()
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [i, world] = next
      const all = views(world)
      for (const pattern of patterns) {
        const states = all.filter((v) => v.pattern === pattern)
        // All states with the first payload; with the others some of them, in turn.
        const some = i === 0 ? states : pattern.includes('*') ? [i * 3, i * 3 + 5].map((k) => states[k % states.length]) : [states[i % states.length]]
        for (const { hash } of new Set(some)) {
          await lab.visit(page, hash, 40)
          seen++
          assert.deepEqual(await page.evaluate(traces), [], `${hash}: ${payloads[i]}`)
          assert.deepEqual(page.complaints.filter((c) => !/Failed to load resource/.test(c)), [], `${hash}: ${payloads[i]}`)
          assert.ok(!page.complaints.some((c) => /status of 5\d\d/.test(c)), `${hash}: ${page.complaints}`)
          assert.equal(page.url(), `${lab.base}/${await page.evaluate(() => location.hash)}`)
        }
      }
    }
    await page.context().close()
  }))
  assert.ok(seen > payloads.length * patterns.length, `${seen} views`)
})

test('payloads in addresses', async () => {
  const page = await open()
  for (const [i, say] of payloads.entries()) {
    const p = encodeURIComponent(say), raw = say.replace(/\s/g, '%20')
    const hashes = [
      '#/' + p, '#' + raw, `#/experiments/${p}`, `#/experiments/0?q=${p}`, `#/experiments/0?order=${p}`, `#/experiments/0?runs=${p}`, `#/experiments/0/runs/${p}`, `#/experiments/0/runs/${worlds[i].runs[0]}/artifacts/${p}`,
      `#/compare-runs?runs=${p},${p}`, `#/compare-runs?runs=${encodeURIComponent(JSON.stringify([say, say]))}`, `#/models/${p}`, `#/models/${p}/versions/${p}`, `#/${p}?${p}=${p}`, `#/curves?runs=${p}&file=${p}`, `#/lineage/run/${p}`, `#/benchmarks?experiment=${p}&q=${p}`,
    ]
    for (const k of [0, 1, 2]) { // some of them, in turn
      const hash = hashes[(i * 3 + k) % hashes.length]
      await lab.visit(page, hash)
      assert.deepEqual(await page.evaluate(traces), [], hash)
      assert.deepEqual(page.complaints.filter((c) => !/Failed to load resource: the server responded with a status of 4/.test(c)), [], hash)
      assert.ok(page.url().startsWith(lab.base + '/#'), page.url())
    }
  }
  await page.context().close()
})

test('typed and taken: completion, columns, the list of queries, a tag', async () => {
  const page = await open()
  for (const i of [0, 7, 19, 33, 52]) {
    const world = worlds[i]
    await lab.visit(page, `#/experiments/${world.experiment}`)
    const query = page.getByRole('combobox', { name: 'Query' })
    for (const typed of ['tags.', "run_name = '", payloads[i]]) {
      await query.fill(typed)
      await lab.settle(page)
      assert.deepEqual(await page.evaluate(traces), [], payloads[i])
    }
    await query.press('Escape')
    await query.press('Enter')
    await lab.settle(page)
    await page.getByRole('button', { name: /^Columns/ }).click()
    await lab.settle(page)
    for (const box of await page.getByRole('dialog').getByRole('checkbox').all()) await box.check()
    await lab.settle(page)
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'History' }).click()
    assert.deepEqual(await page.evaluate(traces), [], payloads[i])
  }
  assert.deepEqual(page.complaints, [])
  await page.context().close()
})

test('a file that is opened by its address is stored, and runs nowhere', async () => {
  const world = worlds[0], [run] = world.runs
  const files = { ...Object.fromEntries(world.files.map((f) => [f, f])) }
  const evil = '<!doctype html><script>owned("file")</script><svg xmlns="http://www.w3.org/2000/svg" onload="owned(1)"/>'
  for (const name of ['fake.png', 'fake.jpg', 'fake.txt', 'fake.json', 'fake.pdf', 'fake.xml', 'fake.js', 'fake', 'fake.xhtml', 'fake.html.gz', 'fake.mhtml', 'fake.css', 'fake.svgz', 'fake.HTM']) {
    await lab.file(world.experiment, run, name, evil)
    files[name] = name
  }
  const e = encodeURIComponent
  const page = await open()
  const from = page.url()
  for (const name of Object.keys(files)) {
    const version = name.startsWith('model/') ? [`model-versions/get-artifact?name=${e(world.model)}&version=1&path=${e(name.slice(6))}`] : []
    for (const at of [`get-artifact?run_id=${run}&path=${e(name)}`, `get-artifact?run_uuid=${run}&path=${e(name)}`, ...version,
      `api/2.0/mlflow-artifacts/artifacts/${world.experiment}/${run}/artifacts/${name.split('/').map(e).join('/')}`, `ajax-api/2.0/mlflow-artifacts/artifacts/${world.experiment}/${run}/artifacts/${name.split('/').map(e).join('/')}`]) {
      const answer = await fetch(`${lab.base}/${at}`)
      await answer.arrayBuffer()
      assert.equal(answer.status, 200, at)
      assert.match(answer.headers.get('content-disposition'), /^attachment/, at)
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff', at)
      assert.match(answer.headers.get('content-security-policy'), /^sandbox; default-src 'none'/, at)
      assert.equal(answer.headers.get('cross-origin-resource-policy'), 'same-origin', at)
    }
    const stored = page.waitForEvent('download')
    await page.goto(`${lab.base}/get-artifact?run_id=${run}&path=${e(name)}`).catch((err) => assert.match(String(err), /Download is starting|ERR_ABORTED/))
    await (await stored).delete()
    assert.equal(page.url(), from)
  }
  // Put into a page as a script, a style or a frame, they are no more than that.
  const found = await page.evaluate(async ([run, names]) => {
    for (const name of names) {
      const at = `get-artifact?run_id=${run}&path=${encodeURIComponent(name)}`
      for (const [tag, attribute] of [['script', 'src'], ['iframe', 'src'], ['object', 'data'], ['embed', 'src'], ['link', 'href']]) {
        const el = document.createElement(tag)
        if (tag === 'link') el.rel = 'stylesheet'
        el.setAttribute(attribute, at)
        document.body.append(el)
      }
    }
    await new Promise((r) => setTimeout(r, 1500))
    return globalThis.hits
  }, [run, ['fake.js', 'fake.HTM', 'deep/page.html', 'drawing.svg', 'fake.css']])
  assert.deepEqual(found, [])
  await page.context().close()
})

test('a name of a file is text, also in the list and the address', async () => {
  const page = await open()
  let kept = 0
  for (const [i, say] of payloads.entries()) {
    const world = worlds[i], name = `${say.slice(0, 120).replaceAll('/', '∕')}.txt`
    const answer = await fetch(`${lab.origin}/api/2.0/mlflow-artifacts/artifacts/${world.experiment}/${world.runs[1]}/artifacts/${encodeURIComponent(name)}`, { method: 'PUT', body: say })
    assert.ok(answer.status === 200 || answer.status === 400, `${name}: ${answer.status}`)
    if (!answer.ok) continue
    kept++
    if (kept % 4) continue
    await lab.visit(page, `#/experiments/${world.experiment}/runs/${world.runs[1]}/artifacts/${encodeURIComponent(name)}`)
    await page.getByRole('region', { name: name.replace(/\s+/g, ' ').trim(), exact: true }).locator('pre').waitFor()
    assert.deepEqual(await page.evaluate(traces), [], name)
  }
  assert.ok(kept > 30, `${kept} names`)
  assert.deepEqual(page.complaints, [])
  await page.context().close()
})
