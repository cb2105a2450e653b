// Reads the first rows of a table in text.

/** CSV with quotes as RFC 4180 has them; what is cut off at the end is left out. */
export function parseTable(text: string, separator: string, rows: number): string[][] {
  const out: string[][] = []
  let row: string[] = [], field = '', quoted = false
  for (let i = 0; i < text.length && out.length < rows; i++) {
    const c = text[i]
    if (quoted) {
      if (c !== '"') field += c
      else if (text[i + 1] === '"') {
        field += c
        i++
      } else quoted = false
    } else if (c === '"' && field === '') quoted = true
    else if (c === separator) {
      row.push(field)
      field = ''
    } else if (c === '\n') {
      row.push(field.endsWith('\r') ? field.slice(0, -1) : field)
      out.push(row)
      row = []
      field = ''
    } else field += c
  }
  if (out.length < rows && (field !== '' || row.length)) out.push([...row, field])
  return out
}
