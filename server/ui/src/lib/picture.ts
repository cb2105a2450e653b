// Charts as pictures: with a title, and a legend that the page has beside them.

export interface Entry { name: string, color: string, dash: number[] }

export interface Ink { text: string, back: string, font: string }

/** The colours and the letters of the page. */
export function ink(): Ink {
  const css = getComputedStyle(document.documentElement)
  return { text: css.getPropertyValue('--text').trim(), back: css.getPropertyValue('--raised').trim(), font: css.getPropertyValue('--sans').trim() || 'sans-serif' }
}

const edge = 12, head = 28, line = 18, swatch = 22, between = 16

// Where the entries of a legend stand: beside each other as far as there is room.
function legend(entries: Entry[], width: number, measure: (text: string) => number) {
  let x = edge, y = 0
  const places = entries.map((e) => {
    const size = Math.min(swatch + 6 + measure(e.name), width - 2 * edge)
    if (x > edge && x + size > width - edge) {
      x = edge
      y += line
    }
    const at = { x, y }
    x += size + between
    return at
  })
  return { places, height: entries.length ? y + line + edge / 2 : 0 }
}

/** A canvas with a chart of another one, whose pixels are some for each of the page's. */
export function framed(chart: HTMLCanvasElement, title: string, entries: Entry[], { text, back, font }: Ink): HTMLCanvasElement {
  const out = document.createElement('canvas'), ratio = devicePixelRatio || 1
  const ctx = out.getContext('2d')!
  ctx.font = `12px ${font}`
  const width = chart.width / ratio, { places, height } = legend(entries, width, (t) => ctx.measureText(t).width)
  out.width = chart.width
  out.height = chart.height + Math.round((head + height) * ratio)
  ctx.scale(ratio, ratio)
  ctx.fillStyle = back
  ctx.fillRect(0, 0, out.width / ratio, out.height / ratio)
  ctx.drawImage(chart, 0, head, width, chart.height / ratio)
  ctx.fillStyle = text
  ctx.textBaseline = 'middle'
  ctx.font = `600 13px ${font}`
  ctx.fillText(title, edge, head / 2, width - 2 * edge)
  ctx.font = `12px ${font}`
  ctx.lineWidth = 2
  for (const [i, e] of entries.entries()) {
    const x = places[i].x, y = head + chart.height / ratio + places[i].y + line / 2
    ctx.strokeStyle = e.color
    ctx.setLineDash(e.dash)
    ctx.beginPath()
    ctx.moveTo(x, y)
    ctx.lineTo(x + swatch, y)
    ctx.stroke()
    ctx.fillText(e.name, x + swatch + 6, y, width - edge - x - swatch - 6)
  }
  return out
}

// What XML cannot hold; names of runs can.
const unprintable = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g
const svg = 'http://www.w3.org/2000/svg'
const looks = ['fill', 'fill-opacity', 'stroke', 'stroke-opacity', 'stroke-width', 'stroke-dasharray', 'stroke-linejoin', 'opacity', 'font-size', 'font-family', 'text-anchor']

/** A chart that is a drawing as a file of its own: how it looks stands in it. */
export function drawing(chart: SVGSVGElement, title: string, entries: Entry[], { text, back, font }: Ink): string {
  const make = (name: string, attributes: Record<string, string | number>, content = '') => {
    const e = document.createElementNS(svg, name)
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, String(v))
    e.textContent = content
    return e
  }
  const width = chart.width.baseVal.value, high = chart.height.baseVal.value
  const { places, height } = legend(entries, width, (t) => t.length * 6.8)
  const full = head + high + height
  const root = make('svg', { width, height: full, viewBox: `0 0 ${width} ${full}`, 'font-family': font })
  root.append(make('title', {}, title), make('rect', { width, height: full, fill: back }), make('text', { x: edge, y: 19, fill: text, 'font-size': 13, 'font-weight': 600 }, title))
  const inside = make('g', { transform: `translate(0 ${head})` })
  const copy = chart.cloneNode(true) as SVGSVGElement, to = copy.querySelectorAll('*')
  for (const [i, from] of [...chart.querySelectorAll('*')].entries()) {
    const style = getComputedStyle(from)
    for (const a of [...to[i].attributes]) if (a.name === 'class' || a.name.startsWith('data-')) to[i].removeAttribute(a.name)
    for (const l of looks) to[i].setAttribute(l, style.getPropertyValue(l))
  }
  inside.append(...copy.children)
  root.append(inside)
  for (const [i, e] of entries.entries()) {
    const { x } = places[i], y = head + high + places[i].y + line / 2
    root.append(make('path', { d: `M${x} ${y}h${swatch}`, stroke: e.color, 'stroke-width': 2, 'stroke-dasharray': e.dash.join(' ') || 'none' }), make('text', { x: x + swatch + 6, y: y + 4, fill: text, 'font-size': 12 }, e.name))
  }
  return new XMLSerializer().serializeToString(root).replace(unprintable, '\ufffd')
}
