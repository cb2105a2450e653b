// Hears from the server what changed, see server/uilive.go.

import { eventsURL } from './api'

export interface Change { runs: string[], list: boolean }

/** Listens until the returned function is called. A hidden page does not listen. */
export function listen(experiments: string[], runs: string[], heard: (c: Change) => void): () => void {
  let source: EventSource | undefined
  let missed = false
  const open = () => {
    if (document.hidden || source) return
    source = new EventSource(eventsURL(experiments, runs))
    source.addEventListener('change', (e) => heard(JSON.parse((e as MessageEvent).data)))
    if (missed) heard({ runs, list: true })
    missed = false
  }
  const close = () => {
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
