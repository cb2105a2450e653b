// Tables as files for other programs.

/** Rows as CSV. A text that a spreadsheet would take for a formula gets an apostrophe. */
export function csv(rows: (string | number | undefined)[][]): string {
  return rows.map((r) => r.map((v) => {
    let s = String(v ?? '')
    if (typeof v === 'string' && /^[=+\-@\t\r]/.test(s)) s = "'" + s
    return /[",\n\r]/.test(s) ? '"' + s.replaceAll('"', '""') + '"' : s
  }).join(',')).join('\r\n') + '\r\n'
}

/** Gives the browser's user a file. */
export function download(name: string, text: string, type = 'text/csv;charset=utf-8') {
  const url = URL.createObjectURL(new Blob([text], { type }))
  const a = document.createElement('a')
  a.href = url
  a.download = name
  a.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
