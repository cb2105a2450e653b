// What the user may do with what a page shows, so that what would only be refused is
// not offered. The server decides in any case; where it knows no users, and until it
// has answered, everything is offered.

import { ownGet } from './api'

export interface May { readonly edit: boolean, readonly manage: boolean }

/** Follows what it is about: experiments, or a registered model by its name. */
export function may(of: () => { experiment_ids?: string[], name?: string } | undefined): May {
  const everything = { edit: true, manage: true }
  let found = $state.raw<May>(everything)
  const about = $derived(JSON.stringify(of() ?? null)) // the same things in another object are no reason to ask again
  $effect(() => {
    const args = JSON.parse(about)
    found = everything
    if (!args) return
    const stop = new AbortController()
    ownGet<May>('may', args, stop.signal).then((answer) => { found = answer }, () => {})
    return () => stop.abort()
  })
  return {
    get edit() { return found.edit },
    get manage() { return found.manage },
  }
}
