// Every page, in its states, in both themes, as axe-core sees it: nothing of what
// it finds may be worse than minor.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { Lab } from './harness.mjs'
import { fill, views } from './views.mjs'

const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

let lab, world
before(async () => {
  lab = await Lab.open()
  world = await fill(lab)
})
after(() => lab?.close())

// The policy of the pages forbids script that is not theirs, and stays: what the
// browser's debugger brings in before a page is not subject to it.
async function open(hash, options) {
  const page = await lab.page('#/nowhere', options)
  await page.addInitScript({ content: axe })
  await page.reload()
  if (hash) await lab.visit(page, hash)
  return page
}

const found = new Map() // what was found, once, with where

/** Looks at a page in both themes. */
// axe takes the colours that pages ask for, which forced colours replace.
async function look(page, where, rules = {}) {
  for (const theme of ['light', 'dark']) {
    await page.evaluate((t) => { document.documentElement.dataset.theme = t }, theme)
    const { violations } = await page.evaluate((o) => globalThis.axe.run(document, o), { runOnly: tags, resultTypes: ['violations'], rules })
    for (const v of violations) {
      if (v.impact === 'minor') continue
      for (const n of v.nodes) {
        const key = `${v.impact} ${v.id}: ${n.html.slice(0, 160)} ${n.any.concat(n.all, n.none)[0]?.message ?? ''}`
        if (!found.has(key)) found.set(key, `${where} (${theme})`)
      }
    }
  }
}

function verdict() {
  const bad = [...found].map(([key, where]) => `${where}\n    ${key}`)
  found.clear()
  assert.deepEqual(bad, [])
}

test('every view', async () => {
  const page = await open()
  for (const { hash } of views(world)) {
    await lab.visit(page, hash)
    await look(page, hash)
  }
  verdict()
  await lab.done(page)
})

// What changes something of the world, or leaves the page.
const acts = /delete|remove|restore|rename|^ok$|cancel|^add$|clear|light or dark|create|register|promote|transition|save$|×/i

test('whatever a button opens', async () => {
  const page = await open()
  const pressed = new Set()
  let opened = 0
  for (const { pattern, hash } of views(world)) {
    await lab.visit(page, hash)
    const main = page.locator('main button:visible')
    for (let i = 0; i < await main.count(); i++) {
      const button = main.nth(i), name = (await button.innerText() || await button.getAttribute('aria-label') || '').trim()
      if (acts.test(name) && !(await button.getAttribute('aria-haspopup')) || pressed.has(pattern + name) || await button.isDisabled()) continue
      pressed.add(pattern + name)
      const before = await page.locator('[aria-expanded="true"], dialog[open], [aria-pressed="true"], form').count(), from = page.url()
      await button.click()
      await lab.settle(page)
      if (await page.locator('[aria-expanded="true"], dialog[open], [aria-pressed="true"], form').count() !== before) {
        opened++
        await look(page, `${hash} after ${name}`)
      }
      await page.keyboard.press('Escape')
      if (page.url() !== from || await page.locator('dialog[open]').count()) {
        await lab.visit(page, '#/nowhere')
        await lab.visit(page, from.slice(from.indexOf('#')))
      }
    }
  }
  assert.ok(opened > 8, `${opened}`)
  verdict()
  await page.context().close()
})

test('help, a selection, completion, the list of queries', async () => {
  const page = await open(`#/experiments/${world.experiment}?runs=${world.runs.slice(0, 2).join(',')}`)
  await page.keyboard.press('?')
  await page.getByRole('dialog').waitFor()
  await look(page, 'help')
  await page.keyboard.press('Escape')
  await page.keyboard.press('/')
  await page.keyboard.type('params.')
  await page.getByRole('option').first().waitFor()
  await page.keyboard.press('ArrowDown')
  await look(page, 'completion')
  for (const [button, dialog] of [['Delete', 'Delete'], ['Tag', 'Key']]) {
    await page.getByRole('main').getByRole('button', { name: button, exact: true }).click()
    await page.getByRole('dialog').getByText(dialog).first().waitFor()
    await look(page, button)
    await page.keyboard.press('Escape')
  }
  verdict()
  await lab.done(page)
})

test('while it loads, when it fails, and where nothing is', async () => {
  const waiting = await open()
  await waiting.route('**/*ajax-api/**', () => {}) // never answered
  await waiting.route('**/get-artifact?*', () => {})
  const failing = await open()
  await failing.route('**/*ajax-api/**', (r) => r.fulfill({ status: 500, contentType: 'application/json', body: '{"error_code": "INTERNAL_ERROR", "message": "The disk is full."}' }))
  for (const { hash } of views(world)) {
    for (const page of [waiting, failing]) {
      if (page === failing) await lab.visit(page, hash)
      else {
        await page.evaluate((h) => { location.hash = h }, hash)
        await page.waitForTimeout(150)
      }
      await look(page, `${hash} ${page === waiting ? 'while it loads' : 'when it fails'}`)
    }
  }
  await waiting.context().close()
  await failing.context().close()
  const empty = await Lab.open()
  try {
    const page = await empty.page()
    await page.addInitScript({ content: axe })
    await page.reload()
    for (const { hash } of views({ ...world, experiment: '0', runs: ['0'.repeat(32)] })) {
      await empty.visit(page, hash)
      await look(page, `${hash} where nothing is`)
    }
    await page.context().close()
  } finally {
    await empty.close()
  }
  verdict()
})

test('narrow, magnified, with forced colours, without motion', async () => {
  for (const [what, options] of [
    ['narrow', { viewport: { width: 320, height: 640 } }], ['forced colours', { forcedColors: 'active' }], ['without motion', { reducedMotion: 'reduce' }],
  ]) {
    const page = await open('', options)
    for (const { hash } of views(world)) {
      await lab.visit(page, hash)
      await look(page, `${hash} ${what}`, { 'color-contrast': { enabled: what !== 'forced colours' } })
      if (what === 'narrow') {
        const wide = await page.evaluate(() => document.documentElement.scrollWidth)
        assert.ok(wide <= 320, `${hash}: ${wide} px wide where there are 320`)
      } else if (what === 'without motion') {
        assert.equal(await page.evaluate(() => document.getAnimations().filter((a) => a.playState === 'running').length), 0, hash)
      }
    }
    await lab.done(page)
  }
  verdict()
})
