// Only the rows that are seen are in the page.

import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core'
import { untrack } from 'svelte'

export interface Rows { count: number, element: HTMLElement | undefined, size: number }

/** Called while a component is made; `get` is read again whenever it changes. */
export function virtualRows(get: () => Rows) {
  let version = $state(0)
  const touch = () => untrack(() => { version++ })
  const v = new Virtualizer<HTMLElement, HTMLElement>({
    count: 0,
    getScrollElement: () => null,
    estimateSize: () => 28,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: touch,
    overscan: 8,
  })
  $effect(() => v._didMount())
  $effect(() => {
    const { count, element, size } = get()
    v.setOptions({ ...v.options, count, getScrollElement: () => element ?? null, estimateSize: () => size })
    v._willUpdate()
    v.measure()
    touch()
  })
  return {
    get items() {
      void version
      return v.getVirtualItems()
    },
    get total() {
      void version
      return v.getTotalSize()
    },
    show: (index: number) => v.scrollToIndex(index, { align: 'auto' }),
  }
}
