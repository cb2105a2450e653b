// Asks the worker that reads tables. It is there from the first question to the end of
// the page that asked.

import type { Answer, Asked, Job } from './tables.worker'
import { tableWords as words } from './tablewords'

interface Waiting { resolve: (answer: never) => void, reject: (e: Error) => void }

export class Tables {
  private worker: Worker | undefined
  private waiting = new Map<number, Waiting>()
  private last = 0

  ask<K extends keyof Job>(what: K, ...args: Job[K]): Promise<Answer[K]> {
    if (!this.worker) {
      this.worker = new Worker(new URL('./tables.worker.ts', import.meta.url), { type: 'module' })
      this.worker.addEventListener('message', (e: MessageEvent<{ id: number, answer: never, failure?: string }>) => {
        const w = this.waiting.get(e.data.id)
        this.waiting.delete(e.data.id)
        if (e.data.failure === undefined) w?.resolve(e.data.answer)
        else w?.reject(new Error(e.data.failure))
      })
      this.worker.addEventListener('error', () => this.close(words.unreadable))
    }
    const id = ++this.last
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      this.worker?.postMessage({ id, what, args } satisfies Asked<K>)
    })
  }

  /** Ends the worker: what it has not answered fails, and it forgets its tables. */
  close(why = words.closed) {
    this.worker?.terminate()
    this.worker = undefined
    for (const w of this.waiting.values()) w.reject(new Error(why))
    this.waiting.clear()
  }
}
