package load

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone"
)

// ErrCorpus is the error of a folder or a file that has no curves as
// [ReadCorpus] reads them.
var ErrCorpus = errors.New("not a corpus of curves")

const corpusHead = "series,step,timestamp_ms,value"

// ReadCorpus returns a workload of real curves: each CSV file in the folder is
// a run. Its first line is
//
//	series,step,timestamp_ms,value
//
// and each other line a point. A blank time is 0, as in sources that kept none.
//
// The run is logged as its training loop would have done it: points of one step
// and time are values of one call, each call is a batch, and the calls come in
// order of time, then step. A series with several points of one step and time
// takes that many calls. A name that a metric cannot have is replaced.
//
// Reading is timed on the longest series. Errors: [ErrCorpus] and those of the
// file system.
func ReadCorpus(dir string) (Workload, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	if err != nil {
		return Workload{}, err
	}
	if len(files) == 0 {
		return Workload{}, fmt.Errorf("%s has no *.csv: %w", dir, ErrCorpus)
	}
	var runs [][]runstone.Columns
	w := Workload{Runs: len(files)}
	for i, file := range files {
		series, err := readCurves(file)
		if err != nil {
			return Workload{}, err
		}
		for _, s := range series {
			w.Points += len(s.points)
			if len(s.points) > w.Probe.Points {
				last := slices.MaxFunc(s.points, func(a, b curvePoint) int { return cmp.Compare(a.step, b.step) })
				w.Probe = Series{Run: i, Metric: s.name, Points: len(s.points), Steps: int(last.step) + 1}
			}
		}
		runs = append(runs, calls(series))
	}
	w.Source = func(run int) Source { return &replay{runs[run]} }
	return w, nil
}

type replay struct{ left []runstone.Columns }

func (r *replay) Next() (runstone.Columns, bool) {
	if len(r.left) == 0 {
		return runstone.Columns{}, false
	}
	c := r.left[0]
	r.left = r.left[1:]
	return c, true
}

type curvePoint struct {
	step, time int64
	value      float64
}

// order is that of history: by time, then step, then value, where NaN is 0.
func (p curvePoint) order(q curvePoint) int {
	return cmp.Or(cmp.Compare(p.time, q.time), cmp.Compare(p.step, q.step), cmp.Compare(zeroNaN(p.value), zeroNaN(q.value)))
}

func zeroNaN(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

type realCurve struct {
	name   string
	points []curvePoint
}

// readCurves returns the series of a file in the order of their first lines,
// each in the order of history.
func readCurves(file string) ([]*realCurve, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	series, err := parseCurves(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return series, nil
}

func parseCurves(r io.Reader) ([]*realCurve, error) {
	var all []*realCurve
	index := map[string]*realCurve{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSuffix(lines.Text(), "\r")
		if n == 1 {
			if text != corpusHead {
				return nil, fmt.Errorf("the first line is not %q: %w", corpusHead, ErrCorpus)
			}
			continue
		}
		name, p, err := parseCurvePoint(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w: %w", n, err, ErrCorpus)
		}
		s := index[name]
		if s == nil {
			s = &realCurve{name: name}
			if runstone.CheckKey(name, "Metric name", "name") != nil {
				s.name = fmt.Sprintf("series %d", len(all))
			}
			index[name] = s
			all = append(all, s)
		}
		s.points = append(s.points, p)
	}
	for _, s := range all {
		slices.SortStableFunc(s.points, curvePoint.order)
	}
	return all, lines.Err()
}

func parseCurvePoint(text string) (name string, p curvePoint, err error) {
	part := strings.Split(text, ",")
	if len(part) != 4 || part[0] == "" {
		return "", p, errors.New("not a series, a step, a time and a value")
	}
	if p.step, err = strconv.ParseInt(part[1], 10, 64); err != nil {
		return "", p, err
	}
	if part[2] != "" {
		if p.time, err = strconv.ParseInt(part[2], 10, 64); err != nil {
			return "", p, err
		}
	}
	p.value, err = strconv.ParseFloat(part[3], 64)
	return part[0], p, err
}

// calls puts the points of a run into the calls that logged them.
func calls(series []*realCurve) []runstone.Columns {
	type call struct {
		time, step int64
		again      int // how many calls of this time and step come before it
	}
	values := map[call]*runstone.Columns{}
	var order []call
	for _, s := range series {
		var last call
		for i, p := range s.points {
			c := call{time: p.time, step: p.step}
			if i > 0 && c.time == last.time && c.step == last.step {
				c.again = last.again + 1
			}
			last = c
			cols := values[c]
			if cols == nil {
				cols = &runstone.Columns{Steps: []int64{c.step}, Times: []int64{c.time}}
				values[c] = cols
				order = append(order, c)
			}
			cols.Names = append(cols.Names, s.name)
			cols.Values = append(cols.Values, []float64{p.value})
		}
	}
	slices.SortFunc(order, func(a, b call) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.step, b.step), cmp.Compare(a.again, b.again))
	})
	out := make([]runstone.Columns, len(order))
	for i, c := range order {
		out[i] = *values[c]
	}
	return out
}
