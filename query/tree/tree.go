package tree

// Type is the type of an expression's values.
type Type uint8

// The types. Int is a Number that compares exactly; arithmetic makes it a
// Number.
const (
	Bool Type = iota
	Number
	Int
	String
)

// Span is where a node stands in the text: bytes Pos ≤ i < End.
type Span struct{ Pos, End int }

// At returns the span itself, for nodes that embed it.
func (s Span) At() Span { return s }

// Expr is a node of a tree, one of the types of this package.
type Expr interface {
	At() Span
	Type() Type
	expr()
}

// And is true if all of its two or more parts are. No part is an And.
type And struct {
	Span
	Kids []Expr
}

// Or is true if any of its two or more parts is. No part is an Or.
type Or struct {
	Span
	Kids []Expr
}

// Not is true if X is false.
type Not struct {
	Span
	X Expr
}

// Op is a comparison.
type Op uint8

// The comparisons. Distinct and NotDistinct, written IS [NOT] DISTINCT FROM,
// take a missing value for a value of its own, and NaN for equal to NaN.
const (
	Eq Op = iota
	Ne
	Lt
	Le
	Gt
	Ge
	Distinct
	NotDistinct
)

// Compare compares two numbers (Number or Int) or two strings; strings by their
// bytes. With a NaN only Ne holds. Where a side has several values, see
// [Field.Many], it is true if it is for any of them.
type Compare struct {
	Span
	Op   Op
	L, R Expr
}

// In is true if X has a value and that is one of Values, or for Not is none of
// them. Values are literals of X's kind, at least one.
type In struct {
	Span
	X      Expr
	Not    bool
	Values []*Literal
}

// Between is true if Lo ≤ X ≤ Hi or, for Not, if all three have an order and it
// is another.
type Between struct {
	Span
	X, Lo, Hi Expr
	Not       bool
}

// Pattern is how a [Match] reads its pattern.
type Pattern uint8

// The patterns: Like knows % and _, a regular expression is RE2's and may match
// anywhere; I… ignores case.
const (
	Like Pattern = iota
	ILike
	Regex
	IRegex
)

// Match is true if the string X has a value that the pattern fits or, for Not,
// does not fit.
type Match struct {
	Span
	X       Expr
	Kind    Pattern
	Not     bool
	Pattern string
}

// Special is what an [Is] looks for.
type Special uint8

// What a value can be.
const (
	Null Special = iota
	NaN
	Inf // either infinity
)

// Is tells if X is missing, NaN or infinite; with Not, Null is true of what is
// there, and NaN and Inf of what is there and is not so.
type Is struct {
	Span
	X    Expr
	What Special
	Not  bool
}

// Literal is a value that stands in the text. Its type is String, Int (then
// Float is it too, rounded) or Number.
type Literal struct {
	Span
	Kind  Type
	Str   string
	Int   int64
	Float float64 // ±Inf if the text was too large
	// Quote is the quote around a string; Unit what was behind a number,
	// such as ms, which Int and Float have taken into account.
	Quote byte
	Unit  string
}

// Entity is the part of a row that a field belongs to.
type Entity uint8

// The entities.
const (
	Attribute Entity = iota
	Metric
	Param
	Tag
	Dataset // inputs of a run: name, digest, context, version
	Model   // versions that were made of a run: name, version, stage, alias
)

// Field is a field of the row. Key is an attribute's canonical spelling. The
// value of a metric is its latest one.
type Field struct {
	Span
	Entity Entity
	Key    string
	Kind   Type // of the values
	// Select narrows a metric to points about a dataset or a model.
	Select []Selector
	// Default stands in for a missing value in Eq and Ne: MLflow has the tag
	// of prompts so.
	Default string
	// Many says that a row may have several values.
	Many  bool
	Quote byte // around the key as it was written, or 0
}

// Selector is one condition inside the braces of metrics.auc{context='test'}.
// Key is dataset, digest, context or model.
type Selector struct{ Key, Value string }

// ToNumber is the number that the string X spells, and missing if it spells
// none. It is put in where a string is compared with a number.
type ToNumber struct{ X Expr }

// Neg is -X.
type Neg struct {
	Span
	X Expr
}

// Arithmetic is L Op R, where Op is one of + - * / %. The result of x / 0 and of x
// % 0 is that of floating point: an infinity or NaN.
type Arithmetic struct {
	Span
	Op   byte
	L, R Expr
}

// Now is the time of the search less Back, in Unix ms: now() and ago('7d').
type Now struct {
	Span
	Back int64  // ms
	Text string // as in ago('7d')
}

// Scalar is a function of numbers, one of abs, sqrt, exp, log, floor, ceil,
// round.
type Scalar struct {
	Span
	Fn string
	X  Expr
}

// SeriesFn is a function of a metric's points.
type SeriesFn uint8

// The functions. Those of values do not see NaN. Last, First and Latest are by
// step; Slope is per step, by least squares; Delta is last - first; Plateau is
// a truth.
const (
	Last SeriesFn = iota
	First
	Min
	Max
	Mean
	Sum
	Count
	NaNCount
	ArgMin // the step of the minimum
	ArgMax
	Std
	Slope
	Delta
	At      // the value at a step
	Plateau // see Series
)

// SeriesFnNames are the functions as they are written.
var SeriesFnNames = [...]string{"last", "first", "min", "max", "mean", "sum", "count", "nan_count", "argmin", "argmax",
	"std", "slope", "delta", "at", "plateau"}

func (f SeriesFn) String() string { return SeriesFnNames[f] }

// Series is a function of the points of a metric in a window.
type Series struct {
	Span
	Fn     SeriesFn
	Field  *Field  // a metric
	Window *Window // nil is all points
	Step   int64   // of At
	// Patience and Tol are of Plateau: it is true if no point of the last
	// Patience steps is below the minimum before them by more than Tol, and
	// there is one.
	Patience int64
	Tol      float64
}

// WindowKind says how a [Window] is bounded.
type WindowKind uint8

// The windows. Steps are From…To, both included; FirstSteps and LastSteps those
// less than N steps from the first or the last step of the metric; LastPart is
// the last N percent of the way from its first to its last step; LastTime what
// is at most N milliseconds older than its latest point.
const (
	Steps WindowKind = iota
	FirstSteps
	LastSteps
	LastPart
	LastTime
)

// Window is a part of a metric's points.
type Window struct {
	Span
	Kind     WindowKind
	From, To int64 // of Steps; open ends are the least and the greatest int64
	N        float64
}

// Quantifier says how many points must satisfy.
type Quantifier uint8

// The quantifiers. Always needs a point to be true; Never is true without one if
// the metric is there.
const (
	Ever Quantifier = iota
	Always
	Never
)

// Quantified is true if one, all or none of the points of a metric in a window
// satisfy a condition: comparison with X, or, if Special is set, IS [NOT] NAN or
// INF.
type Quantified struct {
	Span
	How     Quantifier
	Field   *Field // a metric
	Op      Op     // Eq … Ge
	X       float64
	Special bool
	What    Special // NaN or Inf
	Not     bool    // of IS NOT NAN
	Window  *Window
	// For asks that the points that satisfy follow each other for that long:
	// from the first to the last of them at least so many steps, or
	// milliseconds if ForTime. 0 asks for one point. Always asks it of all.
	For     int64
	ForTime bool
}

// Kin is a relation between runs.
type Kin uint8

// The relations.
const (
	Parent   Kin = iota // X is true of the run's parent
	AnyChild            // of one of its children
	AllChild            // of each of its children, and it has one
)

// Relative is true if X is of the related runs.
type Relative struct {
	Span
	Kin Kin
	X   Expr
}

// Verb is a relation between the row and a thing that lineage knows.
type Verb uint8

// The verbs.
const (
	Used Verb = iota // read it
	Produced
	DerivedFrom  // was made, by any number of steps, of it
	UpstreamOf   // it was made, by any number of steps, of the row
	DownstreamOf // the same as DerivedFrom
)

// Lineage is true if the row stands in the relation to the thing that Kind and
// Args name: dataset('name', 'digest'), run('id'), model('name', '3'), batch('B17').
type Lineage struct {
	Span
	Verb Verb
	Kind string
	Args []string
}

// AggregateFn is a function of the rows of a group.
type AggregateFn uint8

// The functions. CI95 is half the width of the 95 % confidence interval of the
// mean, by Student's t; Best is the maximum, Worst the minimum, and both say which
// row has it. Values that are missing or NaN are not seen; CountRows has no X.
const (
	CountRows AggregateFn = iota
	CountOf
	MinOf
	MaxOf
	MeanOf
	SumOf
	StdOf
	CI95
	Median
	FirstOf // in the order of the rows: the newest
	Best
	Worst
)

// Aggregate is a function of a group. It stands only in the SELECT, HAVING and
// ORDER BY of a query with GROUP BY.
type Aggregate struct {
	Span
	Fn AggregateFn
	X  Expr // nil for CountRows
}

// Ref is the n-th item of SELECT, from 0: ORDER BY 3 or by a name given with AS.
type Ref struct {
	Span
	Item int
	Kind Type
}

// Domain is the kind of rows that a query is about; it decides which fields
// there are.
type Domain uint8

// The domains.
const (
	Runs Domain = iota
	Experiments
	RegisteredModels
	ModelVersions
	LoggedModels
	Datasets
)

// Query is a whole query.
type Query struct {
	Domain  Domain
	Filter  Expr // of type Bool; nil is every row
	Select  []Item
	GroupBy []Expr
	Having  Expr // of type Bool, over aggregates and group keys
	OrderBy []Sort
	Limit   int // 0 is none
	Offset  int
	// PerGroup makes Limit that of the rows shown of each group. Without it
	// Limit counts groups.
	PerGroup bool
}

// Item is a column of a result. Name is that of AS, or the text of X.
type Item struct {
	X    Expr
	Name string
}

// Sort is one clause of an order. Missing values come last, NaN just before them,
// unless NullsFirst.
type Sort struct {
	X          Expr
	Desc       bool
	NullsFirst bool
	// Decimal sorts strings of digits as numbers, which ids are.
	Decimal bool
	// Dataset and Digest choose the points of a logged model's metric; "" is any.
	Dataset, Digest string
}
