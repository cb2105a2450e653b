// What the browser remembers: the look of pages, columns by experiment, pinned
// runs, queries. A browser without storage forgets it with the page.

const prefix = 'runstone:'

export function recall<T>(key: string, otherwise: T): T {
  try {
    const text = localStorage.getItem(prefix + key)
    return text === null ? otherwise : (JSON.parse(text) as T)
  } catch {
    return otherwise
  }
}

export function remember(key: string, value: unknown) {
  try {
    if (value === undefined) localStorage.removeItem(prefix + key)
    else localStorage.setItem(prefix + key, JSON.stringify(value))
  } catch {
    // A full or forbidden storage: the page goes on without.
  }
}

export type Theme = 'system' | 'light' | 'dark'

class Themes {
  chosen = $state<Theme>(recall<Theme>('theme', 'system'))
  private systemDark = $state(matchMedia('(prefers-color-scheme: dark)').matches)
  printing = $state(matchMedia('print').matches)
  dark = $derived(!this.printing && (this.chosen === 'dark' || (this.chosen === 'system' && this.systemDark))) // paper is white

  constructor() {
    matchMedia('print').addEventListener('change', (e) => { this.printing = e.matches })
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', (e) => { this.systemDark = e.matches })
  }

  next() {
    this.chosen = this.dark ? 'light' : 'dark'
    remember('theme', this.chosen)
  }
}

export const theme = new Themes()
