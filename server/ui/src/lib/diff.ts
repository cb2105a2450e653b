// Which lines differ between two texts: the shortest script of removals and additions,
// as E. W. Myers finds it ("An O(ND) Difference Algorithm", 1986). Texts that differ in
// more than can be looked at are told apart by their common start and end only.

export interface DiffLine { kind: 'same' | 'gone' | 'new', text: string, a: number, b: number } // numbers of lines, from 1; 0 where it is not

export const mostDiffLines = 20_000
const mostEdits = 1500

export function diff(before: string[], after: string[]): DiffLine[] {
  const out: DiffLine[] = []
  let start = 0, a1 = before.length, b1 = after.length
  while (start < a1 && start < b1 && before[start] === after[start]) start++
  while (a1 > start && b1 > start && before[a1 - 1] === after[b1 - 1]) {
    a1--
    b1--
  }
  const same = (a: number, b: number) => out.push({ kind: 'same', text: before[a], a: a + 1, b: b + 1 })
  const gone = (a: number) => out.push({ kind: 'gone', text: before[a], a: a + 1, b: 0 })
  const added = (b: number) => out.push({ kind: 'new', text: after[b], a: 0, b: b + 1 })
  for (let i = 0; i < start; i++) same(i, i)
  const path = shortest(before, after, start, a1, b1)
  let a = start, b = start
  for (const [x, y] of path) { // stretches of equal lines are between these places
    while (a < x) gone(a++)
    while (b < y) added(b++)
    while (a < a1 && b < b1 && before[a] === after[b]) same(a++, b++)
  }
  while (a < a1) gone(a++)
  while (b < b1) added(b++)
  for (; a < before.length; a++, b++) same(a, b)
  return out
}

/** Where stretches of equal lines begin on the shortest way; none if it is too long. */
function shortest(before: string[], after: string[], start: number, a1: number, b1: number): [number, number][] {
  const n = a1 - start, m = b1 - start
  if (!n || !m) return []
  const most = Math.min(n + m, mostEdits), traces: Int32Array[] = []
  let far = new Int32Array(2 * most + 3) // by diagonal, how far the best way came
  const middle = most + 1
  for (let d = 0; d <= most; d++) {
    traces.push(far.slice(middle - d - 1, middle + d + 2))
    const next = far.slice()
    for (let k = -d; k <= d; k += 2) {
      let x = k === -d || (k !== d && far[middle + k - 1] < far[middle + k + 1]) ? far[middle + k + 1] : far[middle + k - 1] + 1
      while (x < n && x - k < m && before[start + x] === after[start + x - k]) x++
      next[middle + k] = x
      if (x >= n && x - k >= m) return back(traces, d, n, m, start)
    }
    far = next
  }
  return []
}

function back(traces: Int32Array[], edits: number, n: number, m: number, start: number): [number, number][] {
  const out: [number, number][] = []
  let x = n, y = m
  for (let d = edits; d > 0; d--) {
    const far = traces[d], at = (k: number) => far[k + d + 1], k = x - y
    const up = k === -d || (k !== d && at(k - 1) < at(k + 1))
    const from = up ? k + 1 : k - 1, px = at(from), py = px - from
    out.push([start + (up ? px : px + 1), start + (up ? py + 1 : py)])
    x = px
    y = py
  }
  return out.reverse()
}

/** Leaves out what is the same but for some lines around differences. */
export function folded(lines: DiffLine[], around = 3): (DiffLine | { kind: 'fold', n: number })[] {
  const near = new Uint8Array(lines.length)
  lines.forEach((l, i) => { if (l.kind !== 'same') near.fill(1, Math.max(0, i - around), i + around + 1) })
  const out: (DiffLine | { kind: 'fold', n: number })[] = []
  for (let i = 0; i < lines.length;) {
    if (near[i]) {
      out.push(lines[i++])
      continue
    }
    let n = 0
    while (i + n < lines.length && !near[i + n]) n++
    if (n === 1) out.push(lines[i])
    else out.push({ kind: 'fold', n })
    i += n
  }
  return out
}
