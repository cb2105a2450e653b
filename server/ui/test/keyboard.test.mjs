// Every page with keys alone: what can be used is reached with Tab, in sight and
// with a mark around it, and left again; windows give the focus back.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lab, soon } from './harness.mjs'
import { fill, patterns, views } from './views.mjs'

let lab, world
before(async () => {
  lab = await Lab.open()
  world = await fill(lab)
})
after(() => lab?.close())

// In the page. Rows of grids, options and the like are walked with the arrows.
const inPage = () => {
  const usable = 'a[href], button, input, select, textarea, summary, [tabindex]'
  const roving = '[role="grid"] [role="rowgroup"] *, [role="listbox"] *, [role="menu"] *, [role="tree"] *, [role="tablist"] *, [role="radiogroup"] *, .map *, main'
  const seen = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0 && !e.disabled && !e.closest('[inert], [aria-hidden="true"], [hidden]')
  const name = (e) => `${e.tagName.toLowerCase()} ${e.getAttribute('aria-label') ?? e.innerText?.trim().slice(0, 40) ?? ''} ${e.className}`.replace(/\s+/g, ' ')
  globalThis.keys = {
    /** What must be reached, as far as it is in the page now. */
    wanted: () => [...document.querySelectorAll(usable)].filter((e) => seen(e) && e.tabIndex >= 0 && !(e.type === 'radio' && !e.checked)),
    /** What a mouse reaches and Tab does not, without arrows that lead there. */
    lost: () => [...document.querySelectorAll(usable)].filter((e) => seen(e) && e.tabIndex < 0 && !e.matches(roving) && !e.closest('dialog, .uplot')).map(name),
    visited: new Set(),
    visit() {
      const e = document.activeElement
      if (!e || e === document.body) return { end: true }
      const again = this.visited.has(e)
      this.visited.add(e)
      const box = e.getBoundingClientRect(), style = getComputedStyle(e)
      const mark = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1 || style.boxShadow !== 'none'
      const inside = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth && box.width > 0
      return { again, name: name(e), fault: !inside ? 'out of sight' : !mark && e.tagName !== 'MAIN' ? 'without a mark' : '' }
    },
    missed() { return this.wanted().filter((e) => !this.visited.has(e)).map(name) },
  }
}

async function open(hash = '#/nowhere') {
  const page = await lab.page('#/nowhere')
  await page.addInitScript(inPage)
  await page.reload()
  await lab.visit(page, hash)
  return page
}

test('Tab reaches all that can be used on every page, in sight, and leaves it', async () => {
  const page = await open()
  const faults = []
  for (const pattern of patterns) {
    const states = views(world).filter((v) => v.pattern === pattern)
    const some = [...new Set([states[0], states[states.length >> 1], states.at(-1)])]
    for (const { hash } of some) {
      await page.goto('about:blank')
      await page.goto(`${lab.base}/${hash}`)
      await lab.settle(page)
      // A page may begin in its middle, and have more when its end was seen: Tab comes round.
      let steps = 0
      for (let round = 0; round < 3 && (!round || (await page.evaluate(() => globalThis.keys.missed())).length); round++) {
        await lab.settle(page)
        for (steps = 0; steps < 400; steps++) {
          await page.keyboard.press('Tab')
          const at = await page.evaluate(() => globalThis.keys.visit())
          if (at.fault) faults.push(`${hash}: ${at.name} is ${at.fault}`)
          if (at.end) break
        }
        if (steps === 400) faults.push(`${hash}: no end of Tab`)
      }
      faults.push(...(await page.evaluate(() => globalThis.keys.missed())).map((m) => `${hash}: Tab does not reach ${m}`))
      faults.push(...(await page.evaluate(() => globalThis.keys.lost())).map((m) => `${hash}: no key leads to ${m}`))
    }
  }
  assert.deepEqual([...new Set(faults)], [])
  await lab.done(page)
})

test('help lists the keys of every page, and gives the focus back', async () => {
  const page = await open()
  for (const { pattern, hash } of views(world).filter((v, i, all) => all.findIndex((x) => x.pattern === v.pattern) === i)) {
    await lab.visit(page, hash)
    const link = page.getByRole('navigation').getByRole('link').nth(1)
    await link.focus()
    await page.keyboard.press('?')
    await page.getByRole('dialog').waitFor()
    await soon(async () => assert.ok(await page.getByRole('dialog').locator('kbd').count() >= 7, pattern))
    for (let i = 0; i < 4; i++) { // Tab stays in the window
      await page.keyboard.press('Tab')
      await soon(async () => assert.ok(await page.evaluate(() => document.activeElement === document.body || !!document.activeElement.closest('dialog')), pattern))
    }
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await soon(async () => assert.ok(await link.evaluate((e) => e === document.activeElement), pattern))
  }
  await lab.done(page)
})

test('the first Tab skips to the page', async () => {
  const page = await open(`#/experiments/${world.experiment}`)
  await page.goto('about:blank')
  await page.goto(`${lab.base}/#/experiments/${world.experiment}`)
  await page.getByRole('heading', { name: 'study' }).waitFor()
  await page.evaluate(() => document.activeElement.blur())
  for (let i = 0; i < 80 && !(await page.evaluate(() => document.activeElement.matches('.skip'))); i++) await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Enter')
  await soon(async () => assert.equal(await page.evaluate(() => document.activeElement.tagName), 'MAIN'))
  await page.keyboard.press('Tab')
  await soon(async () => assert.ok(await page.evaluate(() => !!document.activeElement.closest('main'))))
  await lab.done(page)
})

test('from the experiments to a comparison and a file, with keys alone', async () => {
  const page = await open('#/experiments')
  const press = async (...keys) => { for (const k of keys) await page.keyboard.press(k) }
  const tabTo = async (what) => {
    for (let i = 0; i < 150; i++) {
      if (await page.evaluate((w) => new RegExp(w).test(document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText ?? ''), what)) return
      await press('Tab')
    }
    assert.fail('Tab does not lead to ' + what)
  }
  await tabTo('^study$')
  await press('Enter')
  await page.waitForURL(new RegExp(`#/experiments/${world.experiment}$`))
  await page.getByRole('link', { name: 'run 0', exact: true }).waitFor()

  // A button that has the focus has Enter, whatever the table does with it.
  await tabTo('^Columns')
  await press('Enter')
  await page.getByRole('dialog', { name: 'Columns' }).waitFor()
  await page.keyboard.type('loss')
  await page.getByRole('dialog').getByRole('checkbox', { name: 'loss', exact: true }).waitFor()
  await press('Escape', 'Escape') // the first empties the search
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await soon(async () => assert.match(await page.evaluate(() => document.activeElement.innerText), /^Columns/))
  await soon(() => assert.match(page.url(), new RegExp(`#/experiments/${world.experiment}$`)))

  await press('j', 'x', 'j', 'x')
  await page.getByText('2 selected').waitFor()
  await press('c')
  await page.getByRole('heading', { name: 'Compare runs' }).waitFor()
  await tabTo('^run \\d$')
  await press('Enter')
  await page.getByRole('tab', { name: 'Overview' }).waitFor()
  await press('3')
  await page.waitForURL(/artifacts$/)
  await lab.visit(page, `#/experiments/${world.experiment}/runs/${world.runs[0]}/artifacts`)
  await tabTo('^notes.txt')
  await press('Enter')
  await page.locator('pre').getByText('plain text').waitFor()

  await press('2')
  const smoothing = page.getByRole('slider').first()
  await smoothing.focus()
  await press('ArrowRight', 'ArrowRight')
  await soon(async () => assert.equal(await smoothing.inputValue(), '0.02'))
  await press('g', 'm')
  await page.waitForURL(/#\/models$/)
  await tabTo('^classifier$')
  await press('Enter')
  await page.waitForURL(/#\/models\/classifier/)
  await lab.done(page)
})

test('every window has a way in and out with keys, and gives the focus back', async () => {
  const page = await open()
  let opened = 0
  const tried = new Set()
  for (const { pattern, hash } of views(world)) {
    await lab.visit(page, '#/nowhere')
    await lab.visit(page, hash)
    const buttons = page.locator('main button:visible')
    for (let i = 0; i < await buttons.count(); i++) {
      const button = buttons.nth(i), name = (await button.innerText().catch(() => '')).trim()
      if (!name || tried.has(pattern + name) || /^(delete|restore|ok|add|×|clear)$/i.test(name) || await button.isDisabled()) continue
      tried.add(pattern + name)
      await button.focus()
      await page.keyboard.press('Enter')
      await lab.settle(page, 30)
      if (await page.locator('dialog[open]').count()) {
        opened++
        await soon(async () => assert.ok(await page.evaluate(() => !!document.activeElement.closest('dialog')), `${hash} ${name}: the focus is in the window`))
        await page.keyboard.press('Escape')
        await page.locator('dialog[open]').waitFor({ state: 'detached' })
        await soon(async () => assert.ok(await page.evaluate(() => document.activeElement !== document.body), `${hash} ${name}: the focus is back`))
      }
      if (!page.url().endsWith(hash)) {
        await lab.visit(page, '#/nowhere')
        await lab.visit(page, hash)
      }
    }
  }
  assert.ok(opened >= 4, `${opened} windows`)
  await page.context().close()
})
