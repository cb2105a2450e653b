// Which columns of a table are labels and scores, and which class is the positive
// one, guessed by their names and by what is in them. People can choose others.

/** What is known of a column without its rows. */
export interface Column {
  name: string
  numeric: boolean
  classes: string[] // distinct values, in order, when there are at most 50
  min: number
  max: number
}

export interface Guess {
  kind: 'scores' | 'roc' | 'pr' | 'counts' | 'matrix' | 'none'
  label: string
  score: string
  positive: string
}

const labels = ['y_true', 'label', 'labels', 'target', 'targets', 'actual', 'truth', 'ground_truth', 'y', 'y_test', 'class', 'outcome', 'event']
const scores = ['y_score', 'score', 'y_prob', 'y_proba', 'probability', 'proba', 'prob', 'prediction_score', 'pred_proba', 'predict_proba', 'y_pred_proba', 'p', 'scores', 'probabilities', 'confidence']
const predictions = ['prediction', 'predictions', 'y_pred', 'predicted', 'pred', 'outputs', 'predicted_label']
const positives = ['1', 'true', 'yes', 'positive', 'pos', 'case', 'event', 'disease', 'malignant']

const fold = (s: string) => s.toLowerCase().replace(/[\s.-]+/g, '_')

/** Names of columns that hold the score of one class: prob_setosa, setosa, predict_proba[2]. */
function scoreOf(columns: Column[], name: string, index: number): Column | undefined {
  const n = fold(name)
  return columns.find((c) => c.numeric && new RegExp(`^(y_)?(p|prob|proba|probability|score|y_score|pred_proba|predict_proba|prediction_score)_?${escape(n)}$`).test(fold(c.name)))
    ?? columns.find((c) => c.numeric && (fold(c.name) === n || fold(c.name) === n + '_score' || fold(c.name) === n + '_prob'))
    ?? columns.find((c) => c.numeric && c.name.endsWith(`[${index}]`))
}
const escape = (s: string) => s.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Values of a label column that can be the positive class. */
export const classesOf = (columns: Column[], label: string) => columns.find((c) => c.name === label)?.classes ?? []

export function guess(columns: Column[], chosen: { label?: string, score?: string, positive?: string } = {}): Guess {
  const by = (name: string) => columns.find((c) => fold(c.name) === name)
  const numeric = (...names: string[]) => names.map(by).find((c) => c?.numeric)
  const nothing: Guess = { kind: 'none', label: '', score: '', positive: '' }
  if (!chosen.label && !chosen.score) {
    if (numeric('fpr', 'false_positive_rate') && numeric('tpr', 'true_positive_rate')) return { ...nothing, kind: 'roc' }
    if (numeric('precision') && numeric('recall') && !labels.some(by)) return { ...nothing, kind: 'pr' }
    if (['true_positives', 'false_positives', 'false_negatives', 'true_negatives'].every((n) => numeric(n))) {
      const classes = by('positive_class')?.classes ?? []
      return { ...nothing, kind: 'counts', label: by('positive_class')?.name ?? '', positive: classes.includes(chosen.positive ?? '') ? chosen.positive! : positiveOf(classes) }
    }
  }
  if (!chosen.label && columns.filter((c) => c.numeric && isCell(c.name)).length > 1) return { ...nothing, kind: 'matrix' }
  const two = (c: Column) => c.classes.length > 1
  const label = columns.find((c) => c.name === chosen.label && two(c)) ?? labels.map(by).find((c) => c && two(c)) ?? columns.find((c) => two(c) && /(^|_)(label|target|truth|true|actual)(_|$)/.test(fold(c.name)))
  if (!label) return nothing
  const positive = chosen.positive !== undefined && label.classes.includes(chosen.positive) ? chosen.positive : positiveOf(label.classes)
  const others = columns.filter((c) => c !== label)
  const score = others.find((c) => c.name === chosen.score)
    ?? scoreOf(others, positive, label.classes.indexOf(positive))
    ?? scores.map((n) => others.find((c) => c.numeric && fold(c.name) === n)).find(Boolean)
    ?? others.find((c) => c.numeric && c.max > c.min && /(^|_)(scores?|prob(a|ability|abilities)?)(_|$)/.test(fold(c.name)))
    ?? predictions.map((n) => others.find((c) => fold(c.name) === n && (c.numeric || c.classes.length))).find(Boolean)
  return score ? { kind: 'scores', label: label.name, score: score.name, positive } : { ...nothing, label: label.name, positive }
}

/** Columns of a confusion matrix that was logged as such. */
export const isCell = (name: string) => /^(confusion_?matrix|matrix|cm|counts)\[\d+\]$/i.test(name)

/** What says which class a row was taken for: a column of predictions, or a column of scores for each class. */
export function calls(columns: Column[], label: string): { prediction: string, scores: string[] } | undefined {
  const classes = classesOf(columns, label), others = columns.filter((c) => c.name !== label)
  const found = predictions.map((n) => others.find((c) => fold(c.name) === n && c.classes.length > 0 && c.classes.every((x) => classes.includes(x)))).find(Boolean)
  if (found) return { prediction: found.name, scores: [] }
  const each = classes.map((name, i) => scoreOf(others, name, i))
  return each.every((c) => c !== undefined) ? { prediction: '', scores: each.map((c) => c.name) } : undefined
}

function positiveOf(classes: string[]): string {
  return classes.find((c) => positives.includes(c.toLowerCase())) ?? (classes.length === 2 ? classes[1] : classes[0] ?? '')
}

/** How likely a file holds what curves are drawn of, by its name: higher is likelier, 0 is no. */
export function likelihood(path: string): number {
  const name = path.toLowerCase()
  if (!/\.(json|jsonl|csv|tsv|parquet)$/.test(name) || /(^|\/)(metric_info|estimator|mlmodel|conda|requirements|input_example|serving_input_example|registered_model_meta|feature_importance\w*|cv_results|params?|config|schema)\b/.test(name)) return 0
  if (/(^|\/)(images|table_images|model|metadata|traces)\//.test(name)) return 0
  const base = name.slice(name.lastIndexOf('/') + 1)
  if (/pred|y_true|scores?\b|proba/.test(base)) return 5
  if (/eval_results_table|holdout|oof|(^|[^a-z])(test|valid|validation|val)([^a-z]|$)/.test(base)) return 4
  if (/roc|precision[_-]?recall|(^|[^a-z])pr([^a-z]|$)/.test(base)) return 3
  if (/per_class_metrics|calibration|confusion|curve/.test(base)) return 2
  return 1
}

/** Pictures of curves, which autologging makes where it makes no table. */
export const isCurvePicture = (path: string) => /\.(png|jpe?g|webp|gif)$/i.test(path) && /(^|[^a-z])(roc|auc|precision[_-]recall|pr[_-]curve|confusion[_-]matrix|calibration|lift)([^a-z]|$)/i.test(path)
