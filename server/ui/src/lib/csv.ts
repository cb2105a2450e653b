// Tables, and what else is shown, as files for other programs.

/** Rows as CSV. A text that a spreadsheet would take for a formula gets an apostrophe. */
export function csv(rows: (string | number | undefined)[][]): string {
  return rows.map((r) => r.map((v) => {
    let s = String(v ?? '')
    if (typeof v === 'string' && /^[=+\-@\t\r\n＝＋－＠]/.test(s)) s = "'" + s
    return /[",;\n\r]/.test(s) ? '"' + s.replaceAll('"', '""') + '"' : s
  }).join(',')).join('\r\n') + '\r\n'
}

/** Gives the browser's user a file. */
export function download(name: string, content: string | Blob, type = 'text/csv;charset=utf-8') {
  const url = URL.createObjectURL(typeof content === 'string' ? new Blob([content], { type }) : content)
  const a = document.createElement('a')
  a.href = url
  a.download = name
  a.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

/** A name for a file about something. */
export const fileName = (about: string, end: string) => (about.replace(/[^\w.-]+/g, '_').replace(/^[._]+/, '').slice(0, 60) || 'chart') + end
