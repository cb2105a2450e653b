// What scrolls is reached with Tab, so that the arrows scroll it: while there is
// more in it than is seen.

/** For `use:`; the element has its name in aria-label, or is in a section that has one. */
export function scrolls(node: HTMLElement) {
  const look = () => {
    const more = node.scrollHeight > node.clientHeight + 1 || node.scrollWidth > node.clientWidth + 1
    if (more) node.tabIndex = 0
    else node.removeAttribute('tabindex')
  }
  const sizes = new ResizeObserver(look)
  const parts = new MutationObserver(() => {
    for (const child of node.children) sizes.observe(child)
    look()
  })
  sizes.observe(node)
  for (const child of node.children) sizes.observe(child)
  parts.observe(node, { childList: true })
  return {
    destroy: () => {
      sizes.disconnect()
      parts.disconnect()
    },
  }
}
