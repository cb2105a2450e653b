// The markers of curves as paths; the same four shapes as charts of metrics have.

import type { Look } from './palette'

/** A marker of radius r around a place. */
export function markPath(look: Look, x: number, y: number, r: number): string {
  switch (look.marker) {
    case 0: return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`
    case 1: return `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`
    case 2: return `M${x} ${y - 1.3 * r}L${x + 1.3 * r} ${y + r}H${x - 1.3 * r}z`
    default: return `M${x} ${y - 1.5 * r}L${x + 1.5 * r} ${y}L${x} ${y + 1.5 * r}L${x - 1.5 * r} ${y}z`
  }
}
