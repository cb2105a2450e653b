// The query as chips, filters from cells, and what else is done with the cells and
// columns of the table.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lab, soon } from './harness.mjs'

let lab, exp
const runs = []

before(async () => {
  lab = await Lab.open()
  exp = await lab.experiment('chips')
  for (let i = 1; i <= 8; i++) {
    runs.push(await lab.run(exp, `try-${i}`, {
      params: { lr: 0.1 * i, model: ['xgb', "o'brien", 'a "b"'][i % 3] }, tags: { owner: i % 2 ? 'ada' : 'grace' }, metrics: { loss: [1 / i], ...(i === 4 ? { odd: [NaN] } : { odd: [i] }) }, start: Date.now() - 1000 * (100 - i),
    }))
  }
})
after(() => lab?.close())

const shown = (page, n) => page.waitForFunction((n) => document.querySelectorAll('.body .row .name a').length === n, n)
const names = (page) => page.locator('.body .row .name a').allTextContents()
const query = (page) => page.getByRole('combobox', { name: 'Query' })
const chips = (page) => page.getByRole('list', { name: 'Conditions' }).getByRole('listitem')
const at = async (page, column) => { // the cell of the first row, by keyboard
  await page.keyboard.press('Home')
  for (let i = 0; i < 12; i++) await page.keyboard.press('h')
  const heads = await page.getByRole('columnheader').evaluateAll((all) => all.map((h) => h.title))
  for (let i = 0; i < heads.indexOf(column); i++) await page.keyboard.press('l')
}

test('chips are the text, and the text is chips', async () => {
  const page = await lab.page(`#/experiments/${exp}`)
  await shown(page, 8)
  await soon(async () => assert.equal(await chips(page).count(), 0))
  await query(page).fill("metrics.loss < 0.9 AND (tags.owner = 'ada' OR tags.owner = 'grace') AND metrics.odd BETWEEN 2 AND 7 ORDER BY metrics.loss")
  await query(page).press('Enter')
  await shown(page, 5)
  await chips(page).nth(2).waitFor() // the server says where conditions are, after it has answered the query
  await soon(async () => assert.deepEqual(await chips(page).locator('.edit').allTextContents(), ['metrics.loss < 0.9', "(tags.owner = 'ada' OR tags.owner = 'grace')", 'metrics.odd BETWEEN 2 AND 7']))

  // Out of the middle, and the text follows.
  await page.getByRole('button', { name: "Take out (tags.owner = 'ada' OR tags.owner = 'grace')" }).click()
  await page.waitForFunction(() => document.querySelector('.field input').value === 'metrics.loss < 0.9 AND metrics.odd BETWEEN 2 AND 7 ORDER BY metrics.loss')
  // Off: not in the text, but kept, in the address too.
  const flip = page.getByRole('switch', { name: 'Condition metrics.odd BETWEEN 2 AND 7' })
  await flip.click()
  await shown(page, 7)
  await soon(async () => assert.equal(await query(page).inputValue(), 'metrics.loss < 0.9 ORDER BY metrics.loss'))
  await page.reload()
  await shown(page, 7)
  await soon(async () => assert.equal(await flip.getAttribute('aria-checked'), 'false'))
  await flip.focus()
  await page.keyboard.press('Space')
  await shown(page, 5)
  await soon(async () => assert.equal(await query(page).inputValue(), 'metrics.loss < 0.9 AND metrics.odd BETWEEN 2 AND 7 ORDER BY metrics.loss'))

  // Edited in place: a mistake is told there, OR gets its parentheses.
  await chips(page).first().locator('.edit').click()
  const edit = page.getByLabel('Edit this condition')
  await edit.fill('metrics.loss <')
  await edit.press('Enter')
  await chips(page).getByRole('alert').waitFor()
  await edit.fill('metrics.loss < 0.2 OR metrics.loss > 0.4')
  await edit.press('Enter')
  await shown(page, 3)
  await soon(async () => assert.equal(await query(page).inputValue(), '(metrics.loss < 0.2 OR metrics.loss > 0.4) AND metrics.odd BETWEEN 2 AND 7 ORDER BY metrics.loss'))
  await chips(page).first().locator('.edit').click()
  await edit.press('Escape')
  await soon(async () => assert.equal(await chips(page).count(), 2))
  // What is typed becomes chips.
  await query(page).fill("params.model = 'xgb'")
  await query(page).press('Enter')
  await chips(page).filter({ hasText: "params.model = 'xgb'" }).waitFor()
  await page.getByRole('button', { name: /^Take out/ }).click()
  await shown(page, 8)
  await soon(async () => assert.equal(await query(page).inputValue(), ''))
  await page.goBack()
  await shown(page, 2)
  await lab.done(page)
})

test('a filter from a cell, by key and by menu, with any value', async () => {
  const page = await lab.page(`#/experiments/${exp}?order=params.lr+ASC&q=${encodeURIComponent("tags.owner = 'ada' OR metrics.loss > 0")}`)
  await shown(page, 8)
  await at(page, 'params.model')
  await page.keyboard.press('f') // of try-1
  await shown(page, 3)
  await soon(async () => assert.equal(await query(page).inputValue(), `(tags.owner = 'ada' OR metrics.loss > 0) AND params.model = "o'brien"`))
  await query(page).fill('')
  await query(page).press('Enter')
  await shown(page, 8)
  await query(page).blur()
  for (let i = 0; i < 8; i++) await page.keyboard.press('j') // try-8: 'a "b"'
  await page.keyboard.press('f')
  await shown(page, 3)
  await soon(async () => assert.equal(await query(page).inputValue(), `params.model = 'a "b"'`))
  await page.getByRole('button', { name: 'Clear', exact: true }).click()
  await shown(page, 8)

  // NaN, with the mouse; the filter of a filter once only.
  await page.locator('.body .row', { hasText: 'try-4' }).getByRole('gridcell', { name: 'NaN' }).click({ button: 'right' })
  await page.getByRole('menuitem', { name: 'Only NaN' }).click()
  await shown(page, 1)
  await soon(async () => assert.equal(await query(page).inputValue(), 'metrics.odd IS NAN'))
  await page.getByRole('button', { name: 'Clear', exact: true }).click()
  await shown(page, 8)
  await page.locator('.body .row', { hasText: 'try-5' }).getByRole('gridcell', { name: '0.2', exact: true }).click({ button: 'right' })
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('ArrowDown')
  await page.getByRole('menuitem', { name: '0.2 or more' }).and(page.locator(':focus')).waitFor()
  await page.keyboard.press('Enter')
  await shown(page, 5)
  await soon(async () => assert.equal(await query(page).inputValue(), 'metrics.loss >= 0.2'))
  await lab.done(page)
})

test('columns by their menus; an order that is finished by hand; baseline in percent', async () => {
  const page = await lab.page(`#/experiments/${exp}`)
  await shown(page, 8)
  const heads = page.getByRole('columnheader')
  await heads.filter({ hasText: 'loss' }).hover()
  await page.getByRole('button', { name: 'Column loss' }).click()
  await page.getByRole('menuitem', { name: 'Sort by an expression…' }).click()
  const order = page.getByLabel('Sort by')
  await soon(async () => assert.equal(await order.inputValue(), 'abs(metrics.loss) DESC'))
  await soon(async () => assert.ok(await order.evaluate((o) => o === document.activeElement)))
  await order.fill('abs(metrics.loss - 0.25) ASC')
  await order.press('Enter')
  await page.waitForFunction(() => document.querySelector('.body .row .name a')?.textContent === 'try-4')
  await at(page, 'metrics.loss')
  await page.keyboard.press('m')
  await page.getByRole('menuitem', { name: 'Sort ascending' }).click()
  await page.waitForFunction(() => document.querySelector('.body .row .name a')?.textContent === 'try-8')
  await page.getByRole('button', { name: 'Column odd' }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('menuitem', { name: 'Hide column' }).click()
  await heads.filter({ hasText: 'odd' }).waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Column loss' }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('menuitem', { name: 'Move left' }).click()
  await page.reload()
  await shown(page, 8)
  const titles = await heads.evaluateAll((all) => all.map((h) => h.title))
  assert.ok(!titles.includes('metrics.odd') && titles.indexOf('metrics.loss') < titles.indexOf('params.model'), titles.join())

  await page.keyboard.press('j')
  await page.keyboard.press('b') // try-8: 0.125
  await page.locator('.body .row', { hasText: 'try-4' }).locator('.delta').getByText('+100 %').waitFor()
  await lab.done(page)
})

test('a tag is edited in its cell', async () => {
  const page = await lab.page(`#/experiments/${exp}?order=params.lr+ASC`)
  await shown(page, 8)
  await page.getByRole('button', { name: /^Columns/ }).click()
  await page.getByLabel('Search metrics, params and tags').fill('owner')
  await page.getByRole('checkbox', { name: 'owner' }).check()
  await page.getByRole('button', { name: 'Done' }).click()
  await at(page, 'tags.owner')
  await page.keyboard.press('e')
  await page.getByLabel('Edit tag: owner').fill('mary')
  await page.keyboard.press('Enter')
  await page.getByRole('gridcell', { name: 'mary' }).waitFor()
  const { run } = await lab.api('GET', 'runs/get?run_id=' + runs[0])
  assert.equal(run.data.tags.find((t) => t.key === 'owner').value, 'mary')
  await page.locator('.body .row', { hasText: 'try-2' }).getByRole('gridcell', { name: 'grace' }).dblclick()
  await page.getByLabel('Edit tag: owner').fill('nobody')
  await page.keyboard.press('Escape')
  await page.locator('.body .row', { hasText: 'try-2' }).getByRole('gridcell', { name: 'grace' }).waitFor()
  // What deletes for good is said where runs are deleted.
  await page.keyboard.press('x')
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await page.getByRole('dialog').getByText(/runstone gc/).waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
  await soon(async () => assert.equal((await names(page)).length, 8))
  await lab.done(page)
})
