import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig, type Plugin } from 'vite'

const dist = new URL('./dist/', import.meta.url)

// The binary holds each file as it is and packed. What an earlier build left goes
// first; the placeholder that Git holds stays.
function packed(): Plugin {
  return {
    name: 'packed',
    buildStart() {
      rmSync(new URL('assets', dist), { recursive: true, force: true })
      rmSync(new URL('index.html', dist), { force: true })
    },
    closeBundle() {
      const assets = new URL('assets/', dist)
      for (const name of readdirSync(assets)) {
        const file = new URL(name, assets)
        writeFileSync(new URL(name + '.gz', assets), gzipSync(readFileSync(file), { level: 9 }))
      }
    },
  }
}

export default defineConfig({
  base: './', // the server may have a prefix
  plugins: [svelte(), packed()],
  worker: {
    format: 'es', // it loads the reader of Parquet when it meets the first
    // A decompressor that is not used would compile WebAssembly, which the policy of
    // the pages forbids: it is left out as what has no effects.
    rolldownOptions: { treeshake: { moduleSideEffects: [{ test: /hysnappy|hyparquet-compressors/, sideEffects: false }] } },
  },
  build: {
    emptyOutDir: false,
    target: 'es2022',
    assetsInlineLimit: 0, // no data: URLs, the policy of the pages wants files
    modulePreload: { polyfill: false },
    rolldownOptions: { checks: { pluginTimings: false } }, // the sources are small, the machines are not the same
  },
})
