// How curves of runs are told apart: the hues of Okabe and Ito, which people with
// any colour vision tell apart, without the yellow that white swallows, and in the
// dark the blue; beyond them dashes and markers.

export interface Look { hue: number, dash: number[], marker: number }

const light = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000']
const dark = ['#56b4e9', '#e8743b', '#1fbf92', '#e39ac2', '#e69f00', '#f0e442', '#f2f4f7']
const dashes = [[], [6, 3], [2, 3], [9, 3, 2, 3]]

export const hues = light.length

export const color = (look: Look, isDark: boolean) => (isDark ? dark : light)[look.hue]

/** Gives each run a look of its own: by its id, so that it keeps it, unless another has it. */
export function looks(runs: string[]): Map<string, Look> {
  const out = new Map<string, Look>()
  const taken = new Set<number>()
  for (const id of runs) {
    if (taken.size === hues * dashes.length) taken.clear() // more runs than looks: they come again
    const first = hash(id) % hues
    let layer = 0, step = 0
    while (taken.has(layer * hues + ((first + step) % hues))) {
      if (++step === hues) {
        step = 0
        layer++
      }
    }
    const hue = (first + step) % hues
    taken.add(layer * hues + hue)
    out.set(id, { hue, dash: dashes[layer], marker: (hue + layer) % 4 })
  }
  return out
}

/** Gives each group the next look: few of them are told apart best. */
export const inTurn = (keys: string[]): Map<string, Look> => new Map(keys.map((k, i) => {
  const hue = i % hues, layer = Math.floor(i / hues) % dashes.length
  return [k, { hue, dash: dashes[layer], marker: (hue + layer) % 4 }]
}))

function hash(s: string): number {
  let h = 2166136261
  for (let i = 0; i < s.length; i++) h = Math.imul(h ^ s.charCodeAt(i), 16777619)
  return h >>> 0
}
