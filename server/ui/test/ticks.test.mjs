// Ticks of axes, in Node.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { lib } from './harness.mjs'

let ticks
before(async () => { ticks = await lib('ticks') })

test('a logarithmic axis of any range has ticks that can be read', () => {
  const of = (lo, hi) => ticks.logTicks(lo, hi, 0.125) // twenty of 160 pixels
  assert.deepEqual(of(0.9, 1.1), [0.9, 0.95, 1, 1.05, 1.1])
  assert.deepEqual(ticks.logTicks(2, 3, 0.1), [2, 2.2, 2.4, 2.6, 2.8, 3])
  assert.deepEqual(of(1, 1000), [1, 3, 10, 30, 100, 300, 1000])
  assert.deepEqual(of(1e-3, 2e3), [0.001, 0.01, 0.1, 1, 10, 100, 1000])
  assert.deepEqual(of(0.4, 12), [0.5, 1, 2, 5, 10])
  assert.deepEqual(of(1e-300, 1e300), [1e-228, 1e-152, 1e-76, 1, 1e76, 1e152, 1e228])
  for (let i = 0; i < 3000; i++) {
    const lo = 10 ** (((i * 7919) % 600) / 10 - 30), hi = lo * (1 + 10 ** (((i * 104729) % 400) / 20 - 6))
    const t = of(lo, hi)
    assert.ok(t.length >= 3 && t.length <= 8, `${lo} to ${hi}: ${t}`)
    assert.ok(t.every((x, k) => x >= lo * (1 - 1e-9) && x <= hi * (1 + 1e-9) && (!k || x > t[k - 1])), `${lo} to ${hi}: ${t}`)
    assert.equal(new Set(ticks.tickLabels(t)).size, t.length, `${t}: ${ticks.tickLabels(t)}`)
  }
})

test('labels tell ticks apart', () => {
  assert.deepEqual(ticks.tickLabels([0.1, 0.2]), ['0.1', '0.2'])
  assert.deepEqual(ticks.tickLabels([-0.693147, -0.693146]), ['−0.693147', '−0.693146'])
})
