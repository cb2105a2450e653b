package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/runstonedb/runstone"
	gobench "github.com/runstonedb/runstone/bench"
)

// Benchmarks for the web UI: which there are, the history of one, and two runs
// side by side. Package bench does all of it; what is added here are its texts,
// so that the pages and the command line say the same.
//
// Texts of benchmark runs may be many and large, so an answer is of the newest
// runs, within these limits, and says when that is not all. Few are worked on at
// once, and what was read stays for the next.

const (
	maxBenchWork   = 2         // requests at once
	maxBenchRuns   = 1000      // of an answer
	maxBenchSeries = 5000      // of a list, and rows of a comparison
	maxBenchPoints = 400_000   // runs times series
	maxBenchText   = 256 << 20 // bytes of texts that a request reads
	keptBenchText  = 48 << 20  // bytes of results that are kept
	maxBenchSpark  = 40        // values of a sparkline
	maxBenchSpec   = 500       // bytes of the name of results
)

// benchChanges are the change points that "runstone bench trend" shows.
var benchChanges = gobench.ChangePointOptions{Alpha: 0.01, MinChange: 0.01}

var errBenchEnough = errors.New("more than one answer reads")

// keptBench is what was read of a run. Its file tells whether that still holds.
type keptBench struct {
	size, changed int64
	*gobench.Results
}

// benchReader reads the results of runs within the limits of an answer.
type benchReader struct {
	s            *Server
	match        func(*gobench.ID) bool // nil is all
	text, points int
	partial      bool
	skipped      int
	heads        []benchHead
	seen         map[gobench.ID]bool
	withHeads    bool
}

// benchHead is a run in a list.
type benchHead struct {
	Run     string `json:"run_id"`
	Name    string `json:"name"`
	Commit  string `json:"commit"`
	Dirty   bool   `json:"dirty"`
	Branch  string `json:"branch"`
	Start   int64  `json:"start"`
	Machine string `json:"machine"`
	Series  int    `json:"series"`
	Failed  bool   `json:"failed"`
}

func (b *benchReader) load(ctx context.Context, db *runstone.DB, run string) (*gobench.Results, error) {
	if b.text > maxBenchText || b.points > maxBenchPoints {
		b.partial = true
		return nil, errBenchEnough
	}
	r, err := b.s.loadBench(ctx, run)
	if err != nil {
		return nil, err
	}
	b.text += len(r.Text())
	for _, series := range r.Series {
		if b.match == nil || b.match(&series.ID) {
			b.points++
		}
	}
	if b.withHeads {
		info, err := db.RunInfo(ctx, run)
		if err != nil {
			return nil, err
		}
		o := &r.Origin
		head := benchHead{run, info.Name, o.Commit, o.Dirty == "true", o.Branch, info.Start, r.Machine(), len(r.Series), len(r.Failures) > 0}
		b.heads = append(b.heads, head)
	}
	return r, nil
}

// accept lets only so many series into a list.
func (b *benchReader) accept(id *gobench.ID) bool {
	if b.seen[*id] {
		return true
	}
	if len(b.seen) >= maxBenchSeries {
		b.partial = true
		return false
	}
	b.seen[*id] = true
	return true
}

// loadBench returns the results of a run, which nobody may change.
func (s *Server) loadBench(ctx context.Context, run string) (*gobench.Results, error) {
	f, err := s.db.OpenArtifact(ctx, run, gobench.Artifact)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size, changed := info.Size(), info.ModTime().UnixNano()
	if k, ok := s.benches.Get(run); ok && k.size == size && k.changed == changed {
		return k.Results, nil
	}
	r, err := gobench.Parse(f)
	var io *fs.PathError
	switch {
	case errors.As(err, &io):
		return nil, err
	case err != nil: // of the text
		return nil, &runstone.Error{Kind: runstone.ErrInvalid, Msg: fmt.Sprintf("the results of run %s cannot be read: %v", run, err)}
	}
	const perByte = 3 // of text: itself and what was parsed from it
	s.benches.Put(run, keptBench{size, changed, r}, perByte*size)
	return r, nil
}

// trends reads the history of an experiment's benchmarks.
func (b *benchReader) trends(ctx context.Context, experiment, machine string, last int) ([]*gobench.Trend, error) {
	if err := b.s.benchWork.take(ctx, 1); err != nil {
		return nil, err
	}
	defer b.s.benchWork.leave(1)
	ctx, cancel := context.WithTimeout(ctx, b.s.uiTime)
	defer cancel()
	return gobench.Trends(ctx, b.s.db, &gobench.TrendOptions{
		Experiment: experiment, Match: b.match, Machine: machine, Last: last, Changes: benchChanges, Load: b.load,
		Skipped: func(_ string, err error) {
			if !errors.Is(err, errBenchEnough) {
				b.skipped++
			}
		},
	})
}

// benchExperiment reads which experiment a request is about.
func (s *Server) benchExperiment(ctx context.Context, a *args) (*runstone.Experiment, error) {
	id := a.experimentID()
	if err := a.done(); err != nil {
		return nil, err
	}
	return s.db.Experiment(ctx, id)
}

func (a *args) benchLast() int {
	last := int(a.int("last", 300))
	if last < 1 || last > maxBenchRuns {
		a.fail(badRequest("A history is of 1 to %d runs.", maxBenchRuns))
	}
	return last
}

// benchSeries is a benchmark in a list, in one unit and on one machine.
type benchSeries struct {
	gobench.ID
	Machine string           `json:"machine"`
	Better  int              `json:"better"`
	Runs    int              `json:"runs"`
	Latest  string           `json:"latest"`
	Spark   []float64        `json:"spark"`
	Changes int              `json:"changes"`
	Last    *benchChangeText `json:"last,omitempty"`
}

// benchChangeText is a change of level as people read it.
type benchChangeText struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Percent string `json:"percent"`
	Judged  int    `json:"judged"` // 1 better, -1 worse, 0 not known
	Up      bool   `json:"up"`
	Time    int64  `json:"time"`  // of the first run after it
	Since   int    `json:"since"` // runs after it
}

func benchChange(t *gobench.Trend, i int) benchChangeText {
	c := &t.Changes[i]
	return benchChangeText{
		gobench.Format(c.From, t.Unit), gobench.Format(c.To, t.Unit), gobench.Percent(c.Delta()), t.Judge(c), c.To > c.From,
		t.Points[c.Index].Time.UnixMilli(), len(t.Points) - c.Index,
	}
}

// uiBenchList answers which benchmarks an experiment has, and their runs.
func (s *Server) uiBenchList(ctx context.Context, a args) (any, error) {
	last := a.benchLast()
	e, err := s.benchExperiment(ctx, &a)
	if err != nil {
		return nil, err
	}
	b := &benchReader{s: s, seen: map[gobench.ID]bool{}, withHeads: true}
	b.match = b.accept
	trends, err := b.trends(ctx, e.Name, "", last)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Experiment string        `json:"experiment"`
		Runs       []benchHead   `json:"runs"` // the newest first
		Series     []benchSeries `json:"series"`
		Partial    bool          `json:"partial"`
		Skipped    int           `json:"skipped"` // runs that cannot be read
	}{e.Name, b.heads, make([]benchSeries, len(trends)), b.partial, b.skipped}
	if answer.Runs == nil {
		answer.Runs = []benchHead{}
	}
	for i, t := range trends {
		values := t.Values()
		one := benchSeries{
			ID: t.ID, Machine: t.Machine, Better: t.Better, Runs: len(values), Changes: len(t.Changes),
			Latest: gobench.Format(values[len(values)-1], t.Unit), Spark: values[max(0, len(values)-maxBenchSpark):],
		}
		if n := len(t.Changes); n > 0 {
			c := benchChange(t, n-1)
			one.Last = &c
		}
		answer.Series[i] = one
	}
	return answer, nil
}

// uiBenchTrend answers the history of one benchmark in one unit on one machine.
func (s *Server) uiBenchTrend(ctx context.Context, a args) (any, error) {
	last := a.benchLast()
	id := gobench.ID{Package: a.str("package"), Name: a.need("name"), Config: a.str("config"), Unit: a.need("unit")}
	machine := a.need("machine")
	e, err := s.benchExperiment(ctx, &a)
	if err != nil {
		return nil, err
	}
	b := &benchReader{s: s, match: func(x *gobench.ID) bool { return *x == id }, withHeads: true}
	trends, err := b.trends(ctx, e.Name, machine, last)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(trends, func(t *gobench.Trend) bool { return t.Machine == machine })
	if i < 0 {
		return nil, missingThing("No run of experiment '%s' has the benchmark '%s' in %s on this machine.", cutEcho(e.Name), cutEcho(id.Name), cutEcho(id.Unit))
	}
	t := trends[i]
	factor, unit := gobench.Scale(t.Unit, t.Values()...)
	answer := struct {
		Trend   *gobench.Trend    `json:"trend"`
		Factor  float64           `json:"factor"` // from values to those of the axis,
		Unit    string            `json:"axis"`   // which has this unit
		Latest  string            `json:"latest"`
		Texts   []string          `json:"texts"`   // of the points
		Names   []string          `json:"names"`   // of their runs
		Changes []benchChangeText `json:"changes"` // as those of the trend
		Alpha   float64           `json:"alpha"`
		Partial bool              `json:"partial"`
		Skipped int               `json:"skipped"`
	}{Trend: t, Factor: factor, Unit: unit, Alpha: benchChanges.Alpha, Partial: b.partial, Skipped: b.skipped, Changes: []benchChangeText{}}
	names := map[string]string{}
	for _, h := range b.heads {
		names[h.Run] = h.Name
	}
	for i := range t.Points {
		answer.Latest = gobench.Format(t.Points[i].Median, t.Unit)
		answer.Texts = append(answer.Texts, answer.Latest)
		answer.Names = append(answer.Names, names[t.Points[i].Run])
	}
	for i := range t.Changes {
		answer.Changes = append(answer.Changes, benchChange(t, i))
	}
	return answer, nil
}

// benchSide is one side of a comparison.
type benchSide struct {
	benchHead
	Spec string `json:"source"`
	Go   string `json:"go,omitempty"`
}

func (s *Server) benchSide(ctx context.Context, e *runstone.Experiment, spec string) (side benchSide, r *gobench.Results, err error) {
	id, err := gobench.Find(ctx, s.db, e.Name, spec)
	if err != nil {
		return side, nil, err
	}
	b := &benchReader{s: s, withHeads: true}
	r, err = b.load(ctx, s.db, id)
	if err != nil {
		return side, nil, err
	}
	return benchSide{b.heads[0], spec, r.Origin.Go}, r, nil
}

// benchTable is a unit of a comparison with its texts.
type benchTable struct {
	gobench.Unit
	Tidy    string      `json:"tidy"`    // the unit of the texts
	Cells   [][4]string `json:"cells"`   // A, B, change, and p with the numbers of values
	Judged  []int       `json:"judged"`  // 1 better, -1 worse, 0 no difference or not known
	Geomean []string    `json:"geomean"` // A, B, change; null where there are none
}

// uiBenchCompare compares B to A, which are named as "runstone bench compare"
// takes them. A name that names nothing is no error of the page: the answer is
// {"problem": …} then.
func (s *Server) uiBenchCompare(ctx context.Context, a args) (any, error) {
	specs := [2]string{a.need("a"), a.need("b")}
	alpha := 0.05
	if a.has("alpha") {
		alpha = a.needFloat("alpha")
	}
	switch {
	case !(alpha > 0 && alpha < 1):
		a.fail(badRequest("alpha is between 0 and 1."))
	case len(specs[0]) > maxBenchSpec || len(specs[1]) > maxBenchSpec:
		a.fail(badRequest("The name of results has at most %d bytes.", maxBenchSpec))
	}
	e, err := s.benchExperiment(ctx, &a)
	if err != nil {
		return nil, err
	}
	if err := s.benchWork.take(ctx, 1); err != nil {
		return nil, err
	}
	defer s.benchWork.leave(1)
	var sides [2]benchSide
	var results [2]*gobench.Results
	for i, spec := range specs {
		sides[i], results[i], err = s.benchSide(ctx, e, spec)
		var refusal *runstone.Error
		if errors.As(err, &refusal) {
			return struct {
				Problem string `json:"problem"`
			}{cutEcho(refusal.Msg)}, nil
		}
		if err != nil {
			return nil, err
		}
	}
	counting, cancel := context.WithTimeout(ctx, s.uiTime)
	defer cancel()
	c, err := gobench.CompareContext(counting, results[0], results[1], &gobench.CompareOptions{Alpha: alpha})
	if err != nil {
		return nil, err
	}
	partial := cutRows(c, maxBenchSeries)
	var text bytes.Buffer
	for i, side := range sides {
		fmt.Fprintf(&text, "%c  %s\n", 'A'+i, side.title())
	}
	text.WriteByte('\n')
	if err := c.WriteText(&text, "A "+side(sides[0].Run), "B "+side(sides[1].Run)); err != nil {
		return nil, err
	}
	answer := struct {
		A     benchSide         `json:"a"`
		B     benchSide         `json:"b"`
		Alpha float64           `json:"alpha"`
		Units []benchTable      `json:"units"`
		Keys  []gobench.KeyDiff `json:"differing_keys"`
		Text  string            `json:"text"` // the whole as text
		Part  bool              `json:"partial"`
	}{sides[0], sides[1], c.Alpha, make([]benchTable, len(c.Units)), c.Keys, text.String(), partial}
	for i := range c.Units {
		answer.Units[i] = newBenchTable(&c.Units[i])
	}
	return answer, nil
}

// cutRows leaves a comparison at most so many rows, and reports whether there were
// more. Geometric means stay those of all.
func cutRows(c *gobench.Comparison, most int) (partial bool) {
	for i := range c.Units {
		u := &c.Units[i]
		if len(u.Rows) > most {
			u.Rows, partial = u.Rows[:most], true
		}
		most -= len(u.Rows)
	}
	c.Units = slices.DeleteFunc(c.Units, func(u gobench.Unit) bool { return len(u.Rows) == 0 })
	return partial
}

func newBenchTable(u *gobench.Unit) benchTable {
	t := benchTable{Unit: *u, Tidy: gobench.Tidy(u.Unit), Geomean: u.GeomeanCells()}
	for k := range u.Rows {
		r := &u.Rows[k]
		judged := 0
		switch {
		case r.A == nil || r.B == nil:
		case r.Regressed(u.Better, 0):
			judged = -1
		case r.Regressed(-u.Better, 0):
			judged = 1
		}
		t.Cells, t.Judged = append(t.Cells, r.Cells()), append(t.Judged, judged)
	}
	return t
}

// side is the head of a column.
func side(run string) string { return run[:min(len(run), 8)] }

// title says more of a side in a line.
func (b *benchSide) title() string {
	parts := []string{side(b.Run)}
	if b.Commit != "" {
		commit := b.Commit[:min(len(b.Commit), 12)]
		if b.Dirty {
			commit += " with changes"
		}
		parts = append(parts, commit)
	}
	if b.Branch != "" {
		parts = append(parts, b.Branch)
	}
	parts = append(parts, time.UnixMilli(b.Start).UTC().Format("2006-01-02 15:04 MST"), b.Machine)
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.Join(parts, ", "))
}
