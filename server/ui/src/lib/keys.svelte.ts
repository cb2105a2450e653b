// The keyboard. A page says what its keys do while it is shown; '?' lists them.

import { onDestroy } from 'svelte'

export interface Key { keys: string, what: string, run: () => void }

/** What has the focus has this key for itself: a button Enter, a slider the arrows, what scrolls too. */
function takes(at: HTMLElement, key: string): boolean {
  if (key === 'Enter' || key === ' ') return !!at.closest?.('a[href], button, summary, input, [role="button"], [role="tab"], [role="option"], [role="menu"]')
  if (!/^(Arrow|Page|Home|End)/.test(key)) return false
  if (at.matches?.('input:not([type="checkbox"]), [role="slider"], [role="tab"], [role^="menuitem"]')) return true
  return at.tabIndex >= 0 && !at.matches('[role="grid"]') && /auto|scroll/.test(getComputedStyle(at).overflowY) && (at.scrollHeight > at.clientHeight + 1 || at.scrollWidth > at.clientWidth + 1)
}

class Keyboard {
  active = $state.raw<Key[]>([]) // for the list that '?' shows
  // What counts: pages come and go in one change, in which reading what was just
  // written to state may give what was before.
  private all: Key[] = []
  private first = ''
  private timer = 0

  constructor() {
    addEventListener('keydown', (e) => this.press(e))
  }

  private press(e: KeyboardEvent) {
    const at = e.target as HTMLElement
    const typing = at.matches?.('input:not([type=checkbox]):not([type=range]), textarea, select, [contenteditable]')
    if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || typing || takes(at, e.key) || document.querySelector('dialog[open]')) return
    const name = this.first ? this.first + ' ' + e.key : e.key
    const found = this.all.findLast((k) => k.keys.split(' / ').includes(name))
    clearTimeout(this.timer)
    this.first = ''
    if (found) {
      e.preventDefault()
      found.run()
    } else if (this.all.some((k) => k.keys.startsWith(e.key + ' ') && !k.keys.startsWith(e.key + ' /'))) {
      this.first = e.key
      this.timer = window.setTimeout(() => { this.first = '' }, 1200)
    }
  }

  add(keys: Key[]) {
    this.active = this.all = [...this.all, ...keys]
    return () => { this.active = this.all = this.all.filter((k) => !keys.includes(k)) }
  }
}

export const keyboard = new Keyboard()

/** Keys of a component, while it is there. */
export function useKeys(keys: Key[]) {
  onDestroy(keyboard.add(keys))
}
