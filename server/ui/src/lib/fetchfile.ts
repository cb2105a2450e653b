// A file of a run as those read it who are beside the page.

import { tableWords as words } from './tablewords'

/** The file, or its bytes from one place to before another. */
export async function fetchFile(url: string, from?: number, to?: number): Promise<Response> {
  const headers: HeadersInit = from === undefined || to === undefined ? {} : { Range: `bytes=${from}-${to - 1}` }
  const answer = await fetch(url, { credentials: 'same-origin', headers })
  if (!answer.ok) throw new Error(words.answered(answer.status))
  return answer
}
