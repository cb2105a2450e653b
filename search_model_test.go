package runstone

import (
	"cmp"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// keptRun is what a test knows of a run.
type keptRun struct {
	id, name, user, uri string
	exp                 *keptExperiment
	status              RunStatus
	start, end          int64
	deleted, withExp    bool
	purged              bool
	params, tags        map[string]string
	inputs              []keptInput
	reads, makes        []string // ids of logged models
	points              map[string][]keptPoint
}

type keptExperiment struct {
	id, name string
	deleted  bool
}

type keptInput struct{ name, digest, context string }

type keptPoint struct {
	step, time             int64
	value                  float64
	dataset, digest, model string
}

type keptVersion struct {
	name              string
	number            int
	stage, run, model string
	aliases           []string
}

// naive answers queries over what a test keeps beside the database: row by row,
// node by node, from the points.
type naive struct {
	now      int64
	runs     []*keptRun // in the order of their creation
	versions []*keptVersion
	view     ViewType
	within   []string // ids of experiments; nil is all
}

func (n *naive) sees(r *keptRun) bool {
	return !r.purged && n.view.sees(r.deleted) && (n.within == nil || slices.Contains(n.within, r.exp.id))
}

func (r *keptRun) parent() string { return r.tags[TagParent] }

// values are those of an expression, each a string, a float64 or an int64; none
// is missing.
func (n *naive) values(x tree.Expr, r *keptRun) []any {
	switch x := x.(type) {
	case *tree.Literal:
		switch x.Kind {
		case tree.String:
			return []any{x.Str}
		case tree.Int:
			return []any{x.Int}
		}
		return []any{x.Float}
	case *tree.Now:
		return []any{n.now - x.Back}
	case *tree.Field:
		return n.field(x, r)
	case *tree.Series:
		if x.Fn != tree.Plateau {
			return n.function(x, r)
		}
	case *tree.ToNumber:
		var out []any
		for _, v := range n.values(x.X, r) {
			if f, ok := index.ParseNumber(v.(string)); ok {
				out = append(out, f)
			}
		}
		return out
	case *tree.Neg:
		return eachFloat(n.values(x.X, r), func(f float64) float64 { return -f })
	case *tree.Scalar:
		return eachFloat(n.values(x.X, r), map[string]func(float64) float64{
			"abs": math.Abs, "sqrt": math.Sqrt, "exp": math.Exp, "log": math.Log,
			"floor": math.Floor, "ceil": math.Ceil, "round": math.Round,
		}[x.Fn])
	case *tree.Arithmetic:
		var out []any
		for _, a := range n.values(x.L, r) {
			out = append(out, eachFloat(n.values(x.R, r), func(b float64) float64 { return calculate(x.Op, toFloat(a), b) })...)
		}
		return out
	}
	if n.holds(x, r) {
		return []any{int64(1)}
	}
	return []any{int64(0)}
}

func calculate(op byte, a, b float64) float64 {
	return map[byte]float64{'+': a + b, '-': a - b, '*': a * b, '/': a / b, '%': math.Mod(a, b)}[op]
}

func toFloat(v any) float64 {
	if i, ok := v.(int64); ok {
		return float64(i)
	}
	return v.(float64)
}

func eachFloat(list []any, fn func(float64) float64) (out []any) {
	for _, v := range list {
		out = append(out, fn(toFloat(v)))
	}
	return out
}

func one[T any](v T, ok bool) []any {
	if !ok {
		return nil
	}
	return []any{v}
}

func (n *naive) field(f *tree.Field, r *keptRun) []any {
	switch f.Entity {
	case tree.Param:
		v, ok := r.params[f.Key]
		return one(v, ok)
	case tree.Tag:
		v, ok := r.tags[f.Key]
		return one(v, ok)
	case tree.Metric:
		return n.function(&tree.Series{Fn: tree.Last, Field: f}, r)
	case tree.Dataset:
		var out []any
		for _, in := range r.inputs {
			v := map[string]string{"name": in.name, "digest": in.digest, "context": in.context}[f.Key]
			if v != "" {
				out = append(out, v)
			}
		}
		return out
	case tree.Model:
		return n.modelField(f.Key, r)
	}
	switch f.Key {
	case "run_id":
		return []any{r.id}
	case "run_name":
		return []any{r.name}
	case "status":
		return []any{r.status.String()}
	case "artifact_uri":
		return []any{r.uri}
	case "user_id":
		return []any{r.user}
	case "lifecycle_stage":
		if r.deleted {
			return []any{"deleted"}
		}
		return []any{"active"}
	case "experiment_id":
		return []any{r.exp.id}
	case "experiment_name":
		return []any{r.exp.name}
	case "parent_id":
		v, ok := r.tags[TagParent]
		return one(v, ok)
	case "start_time":
		return []any{r.start}
	case "end_time":
		return one(r.end, r.end != 0)
	case "duration":
		if r.end != 0 {
			return []any{r.end - r.start}
		}
		return []any{n.now - r.start}
	}
	panic(f.Key)
}

func (n *naive) modelField(key string, r *keptRun) (out []any) {
	for _, v := range n.versions {
		switch {
		case v.run != r.id:
		case key == "name":
			out = append(out, v.name)
		case key == "stage":
			out = append(out, v.stage)
		case key == "version":
			out = append(out, int64(v.number))
		case key == "alias":
			for _, a := range v.aliases {
				out = append(out, a)
			}
		}
	}
	return out
}

// pointsOf are the points that a function or a condition sees, in order; there
// tells whether the metric has any outside the window.
func (n *naive) pointsOf(f *tree.Field, w *tree.Window, r *keptRun) (list []keptPoint, there bool) {
	for _, p := range r.points[f.Key] {
		about := !slices.ContainsFunc(f.Select, func(s tree.Selector) bool { return !p.about(s, r) })
		if about {
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, comparePoints)
	if len(list) == 0 || w == nil {
		return list, len(list) > 0
	}
	first, last, latest := list[0].step, list[len(list)-1].step, int64(math.MinInt64)
	for _, p := range list {
		latest = max(latest, p.time)
	}
	return slices.DeleteFunc(list, func(p keptPoint) bool {
		switch w.Kind {
		case tree.Steps:
			return p.step < w.From || p.step > w.To
		case tree.FirstSteps:
			return float64(p.step-first) >= w.N
		case tree.LastSteps:
			return float64(last-p.step) >= w.N
		case tree.LastPart:
			return float64(last-p.step) > float64(last-first)*w.N/100
		}
		return float64(latest-p.time) > w.N
	}), true
}

func comparePoints(a, b keptPoint) int {
	zero := func(v float64) float64 {
		if v != v {
			return 0
		}
		return v
	}
	switch {
	case a.step != b.step:
		return int(max(-1, min(1, a.step-b.step)))
	case a.time != b.time:
		return int(max(-1, min(1, a.time-b.time)))
	case zero(a.value) < zero(b.value):
		return -1
	case zero(a.value) > zero(b.value):
		return 1
	}
	return 0
}

func (p *keptPoint) about(s tree.Selector, r *keptRun) bool {
	switch s.Key {
	case "dataset":
		return p.dataset == s.Value
	case "digest":
		return p.digest == s.Value
	case "model":
		return p.model == s.Value
	}
	return slices.ContainsFunc(r.inputs, func(in keptInput) bool {
		return in.context == s.Value && in.name == p.dataset && (p.digest == "" || p.digest == in.digest)
	})
}

func (n *naive) function(x *tree.Series, r *keptRun) []any {
	points, there := n.pointsOf(x.Field, x.Window, r)
	var low, high *keptPoint
	numbers, nans, sum := 0, 0, 0.0
	var finite []keptPoint
	for i, p := range points {
		if p.value != p.value {
			nans++
			continue
		}
		numbers++
		sum += p.value
		if !math.IsInf(p.value, 0) {
			finite = append(finite, p)
		}
		if low == nil || p.value < low.value {
			low = &points[i]
		}
		if high == nil || p.value > high.value {
			high = &points[i]
		}
	}
	switch x.Fn {
	case tree.Count:
		return one(int64(len(points)), there)
	case tree.NaNCount:
		return one(int64(nans), there)
	case tree.Std:
		v := spreadOf(finite)
		return one(v, v == v)
	case tree.Slope:
		v := slopeOf(finite)
		return one(v, v == v)
	case tree.At:
		points = slices.DeleteFunc(points, func(p keptPoint) bool { return p.step != x.Step })
	}
	if len(points) == 0 {
		return nil
	}
	first, last := points[0], points[len(points)-1]
	switch x.Fn {
	case tree.Last, tree.At:
		return []any{last.value}
	case tree.First:
		return []any{first.value}
	case tree.Delta:
		return []any{last.value - first.value}
	}
	if numbers == 0 {
		return nil
	}
	switch x.Fn {
	case tree.Min:
		return []any{low.value}
	case tree.Max:
		return []any{high.value}
	case tree.ArgMin:
		return []any{low.step}
	case tree.ArgMax:
		return []any{high.step}
	case tree.Sum:
		return []any{sum}
	}
	return []any{sum / float64(numbers)} // the mean
}

func spreadOf(points []keptPoint) float64 {
	mean, sum := 0.0, 0.0
	for _, p := range points {
		mean += p.value / float64(len(points))
	}
	for _, p := range points {
		sum += (p.value - mean) * (p.value - mean)
	}
	if len(points) < 2 {
		return math.NaN()
	}
	return math.Sqrt(sum / float64(len(points)-1))
}

// slopeOf counts from the first point, so that a level curve has slope 0.
func slopeOf(points []keptPoint) float64 {
	x, y, xx, xy := 0.0, 0.0, 0.0, 0.0
	at := func(p keptPoint) (float64, float64) {
		return float64(p.step - points[0].step), p.value - points[0].value
	}
	for _, p := range points {
		dx, dy := at(p)
		x += dx / float64(len(points))
		y += dy / float64(len(points))
	}
	for _, p := range points {
		dx, dy := at(p)
		xx += (dx - x) * (dx - x)
		xy += (dx - x) * (dy - y)
	}
	if xx < 1e-9 {
		return math.NaN()
	}
	return xy / xx
}

// plateau holds if there are points before the last steps and none of these is
// below all before by more than the tolerance.
func (n *naive) plateau(x *tree.Series, r *keptRun) bool {
	points, _ := n.pointsOf(x.Field, x.Window, r)
	before, after := math.Inf(1), math.Inf(1)
	some := false
	for _, p := range points {
		switch {
		case p.value != p.value:
		case points[len(points)-1].step-p.step < x.Patience:
			after = min(after, p.value)
		default:
			before, some = min(before, p.value), true
		}
	}
	return some && !(after < before-x.Tol)
}

func (n *naive) quantified(x *tree.Quantified, r *keptRun) bool {
	points, there := n.pointsOf(x.Field, x.Window, r)
	satisfies := func(v float64) bool {
		if !x.Special {
			return holdsFor(x.Op, v, x.X)
		}
		return (x.What == tree.NaN && v != v || x.What == tree.Inf && math.IsInf(v, 0)) != x.Not
	}
	ever, every := false, len(points) > 0
	var since *int64
	for _, p := range points {
		at := p.step
		if x.ForTime {
			at = p.time
		}
		if !satisfies(p.value) {
			every, since = false, nil
			continue
		}
		if since == nil || at < *since {
			since = &at
		}
		ever = ever || at-*since >= x.For
	}
	switch x.How {
	case tree.Ever:
		return ever
	case tree.Always:
		return every && ever
	}
	return there && !ever
}

// exact is a number that is no NaN.
func exact(v any) *big.Float {
	f := new(big.Float).SetPrec(64)
	if i, ok := v.(int64); ok {
		return f.SetInt64(i)
	}
	return f.SetFloat64(v.(float64))
}

func isNaNValue(v any) bool {
	f, ok := v.(float64)
	return ok && f != f
}

// holdsFor compares two values of one sort; nil is missing.
func holdsFor(op tree.Op, a, b any) bool {
	switch {
	case op == tree.Distinct:
		return !holdsFor(tree.NotDistinct, a, b)
	case op == tree.NotDistinct:
		return a == nil && b == nil || isNaNValue(a) && isNaNValue(b) || holdsFor(tree.Eq, a, b)
	case a == nil || b == nil:
		return false
	case isNaNValue(a) || isNaNValue(b):
		return op == tree.Ne
	}
	c := compareKept(a, b)
	return map[tree.Op]bool{tree.Eq: c == 0, tree.Ne: c != 0, tree.Lt: c < 0, tree.Le: c <= 0, tree.Gt: c > 0, tree.Ge: c >= 0}[op]
}

func compareKept(a, b any) int {
	if s, ok := a.(string); ok {
		return strings.Compare(s, b.(string))
	}
	return exact(a).Cmp(exact(b))
}

func orNil(list []any) []any {
	if len(list) == 0 {
		return []any{nil}
	}
	return list
}

func (n *naive) holds(x tree.Expr, r *keptRun) bool {
	any2 := func(l, r []any, fn func(a, b any) bool) bool {
		return slices.ContainsFunc(l, func(a any) bool {
			return slices.ContainsFunc(r, func(b any) bool { return fn(a, b) })
		})
	}
	switch x := x.(type) {
	case *tree.And:
		return !slices.ContainsFunc(x.Kids, func(k tree.Expr) bool { return !n.holds(k, r) })
	case *tree.Or:
		return slices.ContainsFunc(x.Kids, func(k tree.Expr) bool { return n.holds(k, r) })
	case *tree.Not:
		return !n.holds(x.X, r)
	case *tree.Compare:
		return any2(orNil(n.values(x.L, r)), orNil(n.values(x.R, r)), func(a, b any) bool { return holdsFor(x.Op, a, b) })
	case *tree.In:
		return slices.ContainsFunc(n.values(x.X, r), func(v any) bool {
			return x.Not != slices.ContainsFunc(x.Values, func(l *tree.Literal) bool { return holdsFor(tree.Eq, v, n.values(l, r)[0]) })
		})
	case *tree.Between:
		return slices.ContainsFunc(n.values(x.X, r), func(v any) bool {
			return any2(n.values(x.Lo, r), n.values(x.Hi, r), func(lo, hi any) bool {
				ordered := !isNaNValue(v) && !isNaNValue(lo) && !isNaNValue(hi)
				return ordered && (holdsFor(tree.Ge, v, lo) && holdsFor(tree.Le, v, hi)) != x.Not
			})
		})
	case *tree.Match:
		return slices.ContainsFunc(n.values(x.X, r), func(v any) bool { return fits(x, v.(string)) != x.Not })
	case *tree.Is:
		list := n.values(x.X, r)
		if x.What == tree.Null {
			return (len(list) == 0) != x.Not
		}
		return slices.ContainsFunc(list, func(v any) bool {
			f, _ := v.(float64)
			return (x.What == tree.NaN && f != f || x.What == tree.Inf && math.IsInf(f, 0)) != x.Not
		})
	case *tree.Series:
		return n.plateau(x, r)
	case *tree.Quantified:
		return n.quantified(x, r)
	case *tree.Lineage:
		return n.lineage(x, r)
	case *tree.Relative:
		return n.related(x, r)
	}
	panic(x)
}

// fits turns patterns into regular expressions.
func fits(m *tree.Match, s string) bool {
	text := m.Pattern
	if m.Kind == tree.ILike {
		text, s = strings.ToLower(text), strings.ToLower(s)
	}
	if m.Kind == tree.Like || m.Kind == tree.ILike {
		text = "(?s)^" + strings.NewReplacer("%", ".*", "_", ".").Replace(regexp.QuoteMeta(text)) + "$"
	}
	if m.Kind == tree.IRegex {
		text = "(?i)" + text
	}
	return regexp.MustCompile(text).MatchString(s)
}

func (n *naive) related(x *tree.Relative, r *keptRun) bool {
	some, every := false, true
	for _, o := range n.runs {
		from, to := o.parent(), r.id // o is a child
		if x.Kin == tree.Parent {
			from, to = o.id, r.parent()
		}
		if !n.sees(o) || from != to || to == "" {
			continue
		}
		is := n.holds(x.X, o)
		some, every = some || is, every && is
	}
	return some && (every || x.Kin != tree.AllChild)
}

// lineage follows the edges from things to what was made of them.
func (n *naive) lineage(x *tree.Lineage, r *keptRun) bool {
	next := map[string][]string{}
	edge := func(from, to string) { next[from] = append(next[from], to) }
	for _, o := range n.runs {
		if o.purged {
			continue
		}
		for _, in := range o.inputs {
			edge("dataset "+in.name+" "+in.digest, "run "+o.id)
		}
		for _, m := range o.reads {
			edge("model "+m, "run "+o.id)
		}
		for _, m := range o.makes {
			edge("run "+o.id, "model "+m)
		}
	}
	var things []string
	switch x.Kind {
	case "dataset":
		for from := range next {
			if name, ok := strings.CutPrefix(from, "dataset "); ok {
				name, digest, _ := strings.Cut(name, " ")
				if name == x.Args[0] && (len(x.Args) == 1 || digest == x.Args[1]) {
					things = append(things, from)
				}
			}
		}
	case "run":
		things = []string{"run " + x.Args[0]}
	case "model":
		for _, v := range n.versions {
			if v.name != x.Args[0] || len(x.Args) > 1 && strconv.Itoa(v.number) != x.Args[1] {
				continue
			}
			thing := "version " + v.name + " " + strconv.Itoa(v.number)
			edge("run "+v.run, thing)
			if v.model != "" { // the same thing
				edge("model "+v.model, thing)
				next[thing] = append(next[thing], next["model "+v.model]...)
			}
			things = append(things, thing)
		}
	}
	me := "run " + r.id
	far := func(from, to string) bool {
		seen := map[string]bool{}
		for todo := slices.Clone(next[from]); len(todo) > 0; todo = todo[1:] {
			if todo[0] == to {
				return true
			}
			if !seen[todo[0]] {
				seen[todo[0]] = true
				todo = append(todo, next[todo[0]]...)
			}
		}
		return false
	}
	return slices.ContainsFunc(things, func(thing string) bool {
		switch x.Verb {
		case tree.Used:
			if x.Kind != "run" {
				return slices.Contains(next[thing], me)
			}
			return slices.ContainsFunc(next[thing], func(m string) bool { return slices.Contains(next[m], me) })
		case tree.Produced:
			return slices.Contains(next[me], thing) || slices.ContainsFunc(next[me], func(m string) bool {
				return strings.HasPrefix(m, "model ") && x.Kind == "model" && slices.Contains(next[m], thing)
			})
		case tree.UpstreamOf:
			return far(me, thing)
		}
		return far(thing, me)
	})
}

// find returns the runs that a query without groups finds, in order.
func (n *naive) find(q *tree.Query) []*keptRun {
	out := []*keptRun{}
	for _, r := range n.runs {
		if n.sees(r) && (q.Filter == nil || n.holds(q.Filter, r)) {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b *keptRun) int {
		for i := range q.OrderBy {
			s := &q.OrderBy[i]
			if c := compareSorted(s, n.sorted(q, s, a), n.sorted(q, s, b)); c != 0 {
				return c
			}
		}
		return 0
	})
	return out
}

func (n *naive) sorted(q *tree.Query, s *tree.Sort, r *keptRun) any {
	x := s.X
	if ref, ok := x.(*tree.Ref); ok {
		x = q.Select[ref.Item].X
	}
	return orNil(n.values(x, r))[0]
}

// compareSorted puts NaN and what is missing last, or first.
func compareSorted(s *tree.Sort, a, b any) int {
	rank := func(v any) int {
		switch {
		case v == nil:
			return 2
		case isNaNValue(v):
			return 1
		}
		return 0
	}
	switch x, y := rank(a), rank(b); {
	case x != y && s.NullsFirst:
		return y - x
	case x != y:
		return x - y
	case x > 0:
		return 0
	}
	c := compareKept(a, b)
	if i, err := strconv.ParseUint(str(a), 10, 64); s.Decimal && err == nil {
		j, _ := strconv.ParseUint(str(b), 10, 64)
		c = cmp.Compare(i, j)
	}
	if s.Desc {
		return -c
	}
	return c
}

func str(v any) string {
	s, _ := v.(string)
	return s
}
