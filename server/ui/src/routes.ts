// Every page and its address. A new page is a file in pages/, a line here, and its
// words in lib/strings.ts. What is in `nav` stands in the bar on the left.
//
// Pages are loaded when they are first seen, but for those of runs.

import type { Component } from 'svelte'
import Experiments from './pages/Experiments.svelte'
import Runs from './pages/Runs.svelte'
import { text } from './lib/strings'

export interface Route {
  path: string
  page: () => Promise<Component> | Component
  nav: 'experiments' | 'models' | 'benchmarks' | 'lineage' | 'storage' | ''
}

const lazy = (load: () => Promise<{ default: Component }>) => () => load().then((m) => m.default)

export const routes: Route[] = [
  { path: '/', page: () => Experiments, nav: 'experiments' },
  { path: '/experiments', page: () => Experiments, nav: 'experiments' },
  { path: '/experiments/:ids', page: () => Runs, nav: 'experiments' },
  { path: '/experiments/:ids/runs/:run/*rest', page: lazy(() => import('./pages/Run.svelte')), nav: 'experiments' },
  { path: '/compare-runs', page: lazy(() => import('./pages/Compare.svelte')), nav: 'experiments' },
  { path: '/curves', page: lazy(() => import('./pages/Curves.svelte')), nav: 'experiments' },
  { path: '/models', page: lazy(() => import('./pages/Models.svelte')), nav: 'models' },
  { path: '/models/:name', page: lazy(() => import('./pages/Model.svelte')), nav: 'models' },
  { path: '/models/:name/versions/:version', page: lazy(() => import('./pages/ModelVersion.svelte')), nav: 'models' },
  { path: '/benchmarks', page: lazy(() => import('./pages/Benchmarks.svelte')), nav: 'benchmarks' },
  { path: '/lineage', page: lazy(() => import('./pages/Lineage.svelte')), nav: 'lineage' },
  { path: '/lineage/dataset/:ids/:dataset/:digest', page: lazy(() => import('./pages/Lineage.svelte')), nav: 'lineage' },
  { path: '/lineage/run/:run', page: lazy(() => import('./pages/Lineage.svelte')), nav: 'lineage' },
  { path: '/lineage/model/:logged', page: lazy(() => import('./pages/Lineage.svelte')), nav: 'lineage' },
  { path: '/lineage/version/:name/:version', page: lazy(() => import('./pages/Lineage.svelte')), nav: 'lineage' },
  { path: '/lineage/stage/:name/:stage', page: lazy(() => import('./pages/Lineage.svelte')), nav: 'lineage' },
  { path: '/lineage/alias/:name/:alias', page: lazy(() => import('./pages/Lineage.svelte')), nav: 'lineage' },
  { path: '/storage', page: lazy(() => import('./pages/Storage.svelte')), nav: 'storage' },
]

export const navigation = [
  { id: 'experiments', href: '#/experiments', label: text.nav.experiments, key: 'e' },
  { id: 'models', href: '#/models', label: text.nav.models, key: 'm' },
  { id: 'benchmarks', href: '#/benchmarks', label: text.nav.benchmarks, key: 'b' },
  { id: 'lineage', href: '#/lineage', label: text.nav.lineage, key: 'l' },
  { id: 'storage', href: '#/storage', label: text.nav.storage, key: 's' },
] as const
