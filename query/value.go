package query

import "math"

// Kind tells what a [Value] holds.
type Kind uint8

// The kinds of a Value. Missing is the zero Value.
const (
	KindMissing Kind = iota
	KindString
	KindNumber
	KindInt
)

// Value is one field of a row: missing, a string, a float64 or an exact int64.
// The zero Value is missing.
type Value struct {
	kind Kind
	bits uint64
	str  string
}

// Str is the Value of a string. The empty string is a value, not a missing one.
func Str(s string) Value { return Value{kind: KindString, str: s} }

// Num is the Value of a float64, NaN and infinities included.
func Num(f float64) Value { return Value{kind: KindNumber, bits: math.Float64bits(f)} }

// Int is the Value of an int64; comparisons with it never round.
func Int(i int64) Value { return Value{kind: KindInt, bits: uint64(i)} }

// Missing is the Value of a field that the row does not have.
func Missing() Value { return Value{} }

// Kind reports what v holds.
func (v Value) Kind() Kind { return v.kind }

func (v Value) float() float64 { return math.Float64frombits(v.bits) }
func (v Value) int() int64     { return int64(v.bits) }

// Dataset is what a filter may ask about one dataset input of a run. An empty
// Context means that the input has none.
type Dataset struct{ Name, Digest, Context string }

// Row is one run, experiment, model or version as a filter sees it.
//
// Field is asked only for what [Filter.Needs] and [Order.Needs] name, with the
// canonical spelling of an attribute: a run's start_time, never Created. For
// [Metric] it answers the latest value, for attributes that are numbers an Int.
// Datasets is asked only when Needs says so, and only for runs; it may return a
// slice that the row keeps. Neither may call back into the filter.
type Row interface {
	Field(e Entity, key string) Value
	Datasets() []Dataset
}

// MetricRow is a Row of [LoggedModels] whose metrics have several values, one
// per dataset, step and run. A comparison then asks whether any of them matches,
// as MLflow does; a plain Row is asked for the one value of Field.
type MetricRow interface {
	Row
	MetricValues(key string) []float64
	// DatasetMetric is the latest value logged against a dataset, for order_by.
	// An empty name or digest means any.
	DatasetMetric(key, name, digest string) Value
}

// compare orders a row's number and a literal. ok is false when they have no
// order: a NaN, or a row that answered a string for a number.
func compareNumber(v Value, l *Literal) (c int, ok bool) {
	switch v.kind {
	case KindNumber:
		return compareFloat(v.float(), l.Float)
	case KindInt:
		if l.Kind == LitInt {
			return compareInt(v.int(), l.Int), true
		}
		return compareIntFloat(v.int(), l.Float)
	}
	return 0, false
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func compareFloat(a, b float64) (c int, ok bool) {
	switch {
	case a < b:
		return -1, true
	case a > b:
		return 1, true
	case a == b:
		return 0, true
	}
	return 0, false
}

// compareIntFloat is exact: above 2^53 a conversion of i would round.
func compareIntFloat(i int64, f float64) (c int, ok bool) {
	switch {
	case f != f:
		return 0, false
	case f >= 1<<63:
		return -1, true
	case f < -(1 << 63):
		return 1, true
	}
	whole := math.Trunc(f)
	if c := compareInt(i, int64(whole)); c != 0 {
		return c, true
	}
	c, _ = compareFloat(whole, f)
	return c, true
}
