// All words of the pages.

export const text = {
  product: 'Runstone',
  nav: { experiments: 'Experiments', models: 'Models', help: 'Keyboard', theme: 'Light or dark' },
  loading: 'Loading…',
  retry: 'Try again',
  missing: { title: 'There is no such page', body: 'The address may be of another version, or mistyped.', link: 'Experiments' },
  error: { title: 'That did not work', unreachable: 'The server does not answer. It may have been stopped.' },
  experiments: {
    title: 'Experiments', name: 'Name', runs: 'Runs', last: 'Last run', created: 'Created', search: 'Search by name',
    none: 'No experiments', noneBody: 'Log a run from a program, and it appears here:',
    noMatch: 'No experiment has this in its name.', open: 'Show runs of the chosen',
    rename: 'Rename', remove: 'Delete', restore: 'Restore', active: 'Active', deleted: 'Deleted', create: 'New experiment', createLabel: 'Name of the new experiment',
    note: 'Runs of an experiment that is deleted go with it. It can be restored.',
  },
  runs: {
    name: 'Run', none: 'No runs yet', noneBody: 'Runs that are logged to this experiment appear here by themselves.',
    noMatch: 'No run matches', noMatchBody: 'Of the runs that are there, none satisfies the query.', clear: 'Clear the query',
    views: { table: 'Table', split: 'Both', charts: 'Charts' }, columns: 'Columns', nest: 'Nest', nestHint: 'Show runs below their parent',
    active: 'Active', deleted: 'Deleted', order: 'Sort by', orderHint: 'any value: min(metrics.loss) DESC',
    selected: (n: number) => `${n} selected`, compare: 'Compare', remove: 'Delete', restore: 'Restore', pin: 'Pin', unpin: 'Unpin', tag: 'Tag', clearSelection: 'Clear',
    baseline: 'Baseline', noBaseline: 'No baseline', confirmDelete: (n: number) => `Delete ${n === 1 ? 'this run' : `these ${n} runs`}? They can be restored, under Deleted, until an administrator deletes them for good with “runstone gc” on the command line; no page does that.`,
    groups: 'The query says which columns there are.', deletedNone: 'No deleted runs', partial: 'The search ran out of time: this is not all.',
    selectRun: (name: string) => `Select ${name}`, expand: 'Show nested runs', tagKey: 'Key', tagValue: 'Value', tagTitle: (n: number) => `Set a tag of ${n} ${n === 1 ? 'run' : 'runs'}`,
    chartsOf: (n: number, some: boolean) => some ? `Charts of ${n} selected ${n === 1 ? 'run' : 'runs'}` : `Charts of the first ${n} runs`, all: 'All runs',
  },
  query: {
    label: 'Query', placeholder: "metrics.loss < 0.3 AND params.model = 'xgb'", matches: (n: string) => `${n} ${n === '1' ? 'run matches' : 'runs match'}`, checking: '…', history: 'History', save: 'Save', saved: 'Saved',
    explain: 'Explain', run: 'Enter to search', nameLabel: 'Name of the saved query', remove: 'Remove', noHistory: 'Queries that were made stand here.', clear: 'Clear',
    unreadable: 'The search cannot be read',
    conditions: 'Conditions', editCondition: 'Edit this condition', switchOn: 'Switch this condition on', oneCondition: 'A chip is a condition only; the rest belongs into the query.',
    flip: (c: string) => `Condition ${c}`, takeOut: (c: string) => `Take out ${c}`,
  },
  menu: {
    is: (v: string) => `Only ${v}`, isNot: (v: string) => `Not ${v}`, atLeast: (v: string) => `${v} or more`, atMost: (v: string) => `${v} or less`, nothing: 'without a value', copy: 'Copy', editTag: 'Edit tag',
    descending: 'Sort descending', ascending: 'Sort ascending', byExpression: 'Sort by an expression…', group: (c: string) => `Group charts by ${c}`, left: 'Move left', right: 'Move right', hide: 'Hide column', of: (c: string) => `Column ${c}`,
  },
  groups: { params: 'Parameters', metrics: 'Metrics', tags: 'Tags' } as Record<string, string>,
  columns: {
    title: 'Columns', search: 'Search metrics, params and tags', reset: 'Default', shown: 'Shown', add: 'Add', more: (n: string) => `${n} more: narrow the search`, close: 'Done',
    expression: 'Add any value, such as max(metrics.auc)', remove: 'Remove', left: 'Move left', right: 'Move right', none: 'Nothing has this in its name.', spark: 'sparkline', limit: 'A table has at most 200 columns.',
    value: 'value',
  },
  charts: {
    search: 'Search panels: words or /regexp/', none: 'No metrics', noneBody: 'The runs have not logged any metrics.', noMatch: 'No metric has this in its name.', axis: 'X axis', step: 'Step', time: 'Time', relative: 'Elapsed',
    logX: 'log x', logY: 'log y', smooth: 'Smoothing', ema: 'Exponential', window: 'Window', band: 'Min–max', reset: 'Reset zoom', table: 'Table', chart: 'Chart',
    shown: (n: string, of: string) => `${n} of ${of} points`, allShown: (of: string) => `${of} points`, zoomHint: 'Drag to zoom, double-click to go back',
    summary: (metric: string, n: number) => `Chart of ${metric} of ${n} ${n === 1 ? 'run' : 'runs'}`, noPoints: 'No points in this range', nan: (n: string) => `${n} NaN`,
    more: (n: string) => `${n} more metrics: narrow the search, or`, showMore: 'show more', run: 'Run', points: 'Points', first: 'First', last: 'Last', min: 'Min', max: 'Max',
  },
  run: {
    overview: 'Overview', charts: 'Charts', artifacts: 'Artifacts', params: 'Parameters', metrics: 'Metrics', tags: 'Tags', system: 'Environment', datasets: 'Datasets', models: 'Models',
    reproduce: 'How to reproduce', noParams: 'No parameters', noMetrics: 'No metrics', noTags: 'No tags', noDatasets: 'No datasets', noModels: 'No models', noReproduce: 'The run recorded no command and no commit.',
    started: 'Started', ended: 'Ended', duration: 'Duration', user: 'User', id: 'Run id', parent: 'Parent', status: 'Status', experiment: 'Experiment', key: 'Key', value: 'Value', last: 'Last', min: 'Min', max: 'Max', count: 'Points',
    atStep: (s: string) => `at step ${s}`, filter: 'Filter', add: 'Add', remove: 'Remove', edit: 'Edit', copy: 'Copy', copied: 'Copied', used: 'used', made: 'made', deleted: 'This run is deleted.', restore: 'Restore', notes: 'Notes', name: 'Name', digest: 'Digest', source: 'Source', rename: 'Rename',
  },
  files: {
    none: 'No artifacts', noneBody: 'The run has logged no files.', choose: 'Choose a file to see it.', download: 'Download', tooLarge: (size: string) => `${size}: too large to show here.`,
    notShown: 'Files of this kind are not shown here: what is in them could be run by the browser.', cut: (size: string) => `The first ${size} are shown.`, rows: (n: string) => `The first ${n} rows are shown.`, text: 'Text', table: 'Table', folder: 'Folder', notJSON: 'This is not JSON; the text is shown.',
  },
  compare: {
    title: 'Compare runs', few: 'Choose two runs or more to compare', fewBody: 'Select runs in the table with x, then press c.', differing: 'Only what differs', params: 'Parameters', metrics: 'Metrics', info: 'Runs', same: 'No difference', best: 'greatest', worst: 'least', charts: 'Charts', tags: 'Tags',
  },
  models: { title: 'Models', none: 'No registered models', noneBody: 'A model that a program registers appears here.', name: 'Name', latest: 'Versions', updated: 'Updated', version: 'Version', stage: 'Stage', aliases: 'Aliases', run: 'Run', created: 'Created', description: 'Description' },
  help: { title: 'Keyboard', close: 'Close' },
  keys: {
    help: 'this list', query: 'go to the query', next: 'next run', previous: 'previous run', select: 'select the run', open: 'open the run', compare: 'compare the selected', pin: 'pin the run', baseline: 'make it the baseline',
    view: 'table, both, charts', columns: 'choose columns', clear: 'clear the selection', column: 'next column', columnBack: 'previous column', filter: 'filter by the cell', menu: 'what can be done with the cell', editTag: 'edit the tag of the cell', extend: 'select up to the run', first: 'first run', last: 'last run', experiments: 'experiments', models: 'models', theme: 'light or dark', charts: 'search panels', overview: 'overview', artifacts: 'artifacts', chartsTab: 'charts',
  },
  dialog: { ok: 'OK', cancel: 'Cancel' },
} as const
