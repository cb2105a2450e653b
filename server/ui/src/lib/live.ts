// Hears from the server what changed, see server/uilive.go.

import { eventsURL } from './api'
import { connection } from './connection.svelte'

export interface Change { runs: string[], list: boolean }

const again = 5000, latest = 60_000 // ms until a listener that was turned away comes again, each time later

/** Listens until the returned function is called. A hidden page does not listen. */
export function listen(experiments: string[], runs: string[], heard: (c: Change) => void): () => void {
  let source: EventSource | undefined
  let missed = false
  let timer = 0
  let wait = again
  const open = () => {
    clearTimeout(timer)
    if (document.hidden || source) return
    const s = new EventSource(eventsURL(experiments, runs))
    source = s
    s.addEventListener('change', (e) => heard(JSON.parse((e as MessageEvent).data)))
    s.addEventListener('open', () => {
      if (missed) heard({ runs, list: true })
      missed = false
      wait = again
    })
    s.addEventListener('error', () => {
      if (source !== s) return
      missed = true
      if (s.readyState === EventSource.CLOSED) { // turned away: the browser does not come again
        close()
        timer = window.setTimeout(open, wait)
        wait = Math.min(2 * wait, latest)
      }
      fetch('health', { cache: 'no-store' }).then((a) => a.ok, () => false).then((ok) => { if (!ok) connection.fail(false) })
    })
  }
  const close = () => {
    clearTimeout(timer)
    source?.close()
    source = undefined
  }
  const shown = () => {
    if (document.hidden) {
      missed = true
      close()
    } else open()
  }
  document.addEventListener('visibilitychange', shown)
  open()
  return () => {
    document.removeEventListener('visibilitychange', shown)
    close()
  }
}
