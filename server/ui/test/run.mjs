// Runs the suites, those that are named or all, two at a time. Some time what they
// see, which depends on what else the machine does: a suite that fails is run once
// more, by itself, and has failed when it fails again. Both runs are printed.

import { readdirSync } from 'node:fs'
import { run } from 'node:test'
import { tap } from 'node:test/reporters'

const here = import.meta.dirname

/** Runs suites, and returns those that failed. */
async function failing(files, concurrency) {
  const failed = new Set()
  const events = run({ files, concurrency }).on('test:fail', (e) => { failed.add(e.file ?? e.name) })
  for await (const line of events.compose(tap)) process.stdout.write(line)
  return [...failed]
}

const named = process.argv.slice(2)
const all = readdirSync(here).filter((f) => f.endsWith('.test.mjs')).sort().map((f) => `${here}/${f}`)
const first = await failing(named.length ? named : all, 2)
const again = first.length ? await failing(first, 1) : []
for (const file of first) console.log(`# ${file} failed${again.includes(file) ? ' twice' : ', and passed when run by itself: unsteady'}`)
process.exitCode = again.length ? 1 : 0
