package load

import (
	"bufio"
	"cmp"
	"encoding/binary"
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
// The run is logged as its training loop would have done it: series that have
// the same steps and times from beginning to end are values of the same calls,
// other series have calls of their own. Each call is a batch of one step, and
// the calls come in order of time, then step. A name that a metric cannot have
// is replaced.
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
func calls(series []*realCurve) (out []runstone.Columns) {
	var clocks [][]*realCurve // series that share their steps and times
	index := map[string]int{}
	for _, s := range series {
		var clock []byte
		for _, p := range s.points {
			clock = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(clock, uint64(p.step)), uint64(p.time))
		}
		i, ok := index[string(clock)]
		if !ok {
			i = len(clocks)
			index[string(clock)] = i
			clocks = append(clocks, nil)
		}
		clocks[i] = append(clocks[i], s)
	}
	for _, together := range clocks {
		var names []string
		for _, s := range together {
			names = append(names, s.name)
		}
		for i, p := range together[0].points {
			c := runstone.Columns{Names: names, Steps: []int64{p.step}, Times: []int64{p.time}}
			for _, s := range together {
				c.Values = append(c.Values, []float64{s.points[i].value})
			}
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b runstone.Columns) int {
		return cmp.Or(cmp.Compare(a.Times[0], b.Times[0]), cmp.Compare(a.Steps[0], b.Steps[0]))
	})
	return out
}
