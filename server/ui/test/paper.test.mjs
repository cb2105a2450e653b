// What pages look like on paper: white, whole, without what only a screen can do.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { curve, Lab, soon } from './harness.mjs'

let lab, exp
const runs = []

before(async () => {
  lab = await Lab.open()
  exp = await lab.experiment('paper')
  for (let i = 1; i <= 60; i++) {
    const params = Object.fromEntries(Array.from({ length: 30 }, (_, k) => ['param.' + k, i * k]))
    runs.push(await lab.run(exp, `run-${i}`, { params, metrics: i < 4 ? { loss: curve(100, i), accuracy: curve(100, i + 1) } : { loss: [i] }, start: Date.now() - 1000 * (100 - i) }))
  }
})
after(() => lab?.close())

/** The page as it would be printed, from the dark theme. */
async function paper(hash, ready) {
  const page = await lab.page(hash, { colorScheme: 'dark', viewport: { width: 1400, height: 700 } })
  await ready(page)
  await page.emulateMedia({ media: 'print' })
  await page.setViewportSize({ width: 720, height: 1000 }) // A4 within its margins
  await page.waitForTimeout(300)
  return page
}

/** That nothing is cut off at an edge, nothing scrolls and nothing is dark. */
async function whole(page, name) {
  await soon(async () => assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(255, 255, 255)', name))
  await soon(async () => assert.equal(await page.evaluate(() => getComputedStyle(document.body).color), 'rgb(0, 0, 0)', name))
  await soon(async () => assert.equal(await page.locator('nav').isVisible(), false))
  await soon(async () => assert.equal(await page.locator('main button:visible:not([role="columnheader"] *)').count(), 0, name + ': a button on paper'))
  const cut = await page.evaluate(() => [...document.querySelectorAll('main *')].filter((e) => {
    const s = getComputedStyle(e)
    return (s.overflowY === 'auto' || s.overflowY === 'scroll') && e.scrollHeight > e.clientHeight + 1
  }).map((e) => e.className))
  assert.deepEqual(cut, [], name + ': cut off')
  const wide = await page.evaluate(() => document.documentElement.scrollWidth)
  assert.ok(wide <= 740, `${name}: ${wide} pixels wide`)
  const file = await page.pdf({ format: 'A4' })
  assert.equal(file.subarray(0, 5).toString(), '%PDF-')
  return (file.toString('latin1').match(/\/Type \/Page\b/g) ?? []).length
}

test('a run', async () => {
  const page = await paper(`#/experiments/${exp}/runs/${runs[0]}`, (p) => p.getByRole('region', { name: 'Parameters' }).getByText('param.29').waitFor())
  await whole(page, 'run')
  await soon(async () => assert.equal(await page.getByRole('region', { name: 'Parameters' }).getByRole('row').count(), 30))
  await lab.done(page)
})

test('the table of runs and charts beside it', async () => {
  const page = await paper(`#/experiments/${exp}?view=split&q=${encodeURIComponent('metrics.loss < 100')}&runs=${runs.slice(0, 3).join(',')}`, async (p) => {
    await p.getByRole('region', { name: 'loss', exact: true }).locator('.u-over').waitFor()
    await p.getByRole('link', { name: 'run-60', exact: true }).waitFor()
  })
  const pages = await whole(page, 'runs')
  assert.ok(pages >= 2, `${pages} pages`)
  await soon(async () => assert.equal(await page.locator('.body .row .name a').count(), 60, 'also those that were not seen'))
  await page.getByText(/^60 of 60 runs; \d+ more columns have no room on paper$/).waitFor()
  await page.locator('pre', { hasText: 'metrics.loss < 100' }).waitFor()
  await page.emulateMedia({ media: 'screen' })
  await page.waitForFunction(() => document.querySelectorAll('.body .row').length < 60)
  await lab.done(page)
})

test('runs compared, and charts with light colours', async () => {
  const page = await paper(`#/compare-runs?runs=${runs.slice(0, 3).join(',')}`, (p) => p.getByRole('region', { name: 'loss', exact: true }).locator('.u-over').waitFor())
  await whole(page, 'compare')
  const dark = await page.getByRole('region', { name: 'loss', exact: true }).locator('canvas').evaluate((c) => {
    const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, seen = new Map()
    for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255) seen.set(`${d[i]},${d[i + 1]},${d[i + 2]}`, (seen.get(`${d[i]},${d[i + 1]},${d[i + 2]}`) ?? 0) + 1)
    return [...seen.keys()]
  })
  for (const hue of ['242,244,247', '240,228,66', '31,191,146']) assert.ok(!dark.includes(hue), `${hue} is of the dark theme`)
  await lab.done(page)
})
