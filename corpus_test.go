package runstone

import (
	"bufio"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// curves are series by name, as a file of curves or a generator has them.
type curves map[string][]Point

// TestGeneratedCurves replays curves of the kinds that training makes.
func TestGeneratedCurves(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const n = 10_000
	kinds := map[string]func(i int) float64{
		"printed decimals": func(i int) float64 { return math.Round((2.5+8*math.Exp(-float64(i)/800))*1e4) / 1e4 },
		"float32 origin":   func(i int) float64 { return float64(float32(1/(1+float64(i)) + rng.NormFloat64()/100)) },
		"ratios":           func(i int) float64 { return float64(rng.IntN(512)) / 512 },
		"counters":         func(i int) float64 { return float64(i) * 512 },
		"float64 noise":    func(int) float64 { return rng.NormFloat64() },
		"odd values": func(i int) float64 {
			return []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0, 5e-324, 1e308}[i%7]
		},
	}
	c := curves{}
	for name, f := range kinds {
		at, step := int64(1_700_000_000_000), int64(-100)
		for i := range n {
			at += int64(rng.IntN(400))
			step += int64(1 + rng.IntN(1+i%50)) // irregular
			c[name] = append(c[name], Point{Step: step, Time: at, Value: f(i)})
		}
	}
	for i := range 3000 { // steps that repeat and go back
		c["unruly steps"] = append(c["unruly steps"], Point{Step: int64(i % 100), Time: int64(i), Value: float64(i)})
	}
	replay(t, map[string]curves{"generated": c})
}

// TestCorpus replays real curves, in the folder that RUNSTONE_CORPUS names.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("RUNSTONE_CORPUS")
	if dir == "" {
		t.Skip("RUNSTONE_CORPUS names no folder of curves; TestGeneratedCurves replays their kinds")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "RUNSTONE_CORPUS is set, but there are no curves in %s", dir)
	all := map[string]curves{}
	for _, file := range files {
		all[strings.TrimSuffix(filepath.Base(file), ".csv")] = readCurves(t, file)
	}
	replay(t, all)
}

// readCurves reads lines of series,step,timestamp_ms,value.
func readCurves(t *testing.T, file string) curves {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	c := curves{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		part := strings.Split(lines.Text(), ",")
		if len(part) != 4 || part[0] == "series" {
			continue
		}
		var p Point
		p.Step, err = strconv.ParseInt(part[1], 10, 64)
		require.NoError(t, err)
		if part[2] != "" {
			p.Time, err = strconv.ParseInt(part[2], 10, 64)
			require.NoError(t, err)
		}
		p.Value, err = strconv.ParseFloat(part[3], 64)
		require.NoError(t, err)
		c[part[0]] = append(c[part[0]], p)
	}
	require.NoError(t, lines.Err())
	return c
}

// replay logs every curve three ways, reopens, and reads it back to the bit: as
// columns, point by point in order, and point by point in a shuffled order.
func replay(t *testing.T, files map[string]curves) {
	dir := t.TempDir()
	db := openDB(t, dir, &Options{NoSystemInfo: true})
	rng := rand.New(rand.NewPCG(5, 6))
	runs := map[string]curves{}
	points := 0
	for file, c := range files {
		names := map[string]string{} // by series: names that keys may have
		for series := range c {
			names[series] = fmt.Sprintf("s%d", len(names))
			points += len(c[series])
		}
		for _, way := range []string{"columns", "points", "shuffled"} {
			run, err := db.StartRun(ctx, "corpus", &RunOptions{Name: file + " " + way})
			require.NoError(t, err)
			logged := curves{}
			for series, pts := range c {
				logged[names[series]] = pts
				logCurve(t, run, names[series], pts, way, rng)
			}
			require.NoError(t, run.End(ctx, Finished))
			runs[run.ID()] = logged
		}
	}
	check := func(db *DB) {
		for id, logged := range runs {
			for name, pts := range logged {
				requirePoints(t, db, id, name, pts)
			}
		}
	}
	check(db)
	require.NoError(t, db.Close())
	check(openDB(t, dir, nil))
	t.Logf("%d points, logged three ways", points)
}

func logCurve(t *testing.T, run *Run, name string, pts []Point, way string, rng *rand.Rand) {
	t.Helper()
	if way == "columns" {
		c := Columns{Names: []string{name}, Values: make([][]float64, 1)}
		for _, p := range pts {
			c.Steps, c.Times, c.Values[0] = append(c.Steps, p.Step), append(c.Times, p.Time), append(c.Values[0], p.Value)
		}
		require.NoError(t, run.Append(ctx, c))
		return
	}
	order := make([]int, len(pts))
	for i := range order {
		order[i] = i
	}
	if way == "shuffled" {
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	m := Metrics{}
	for _, i := range order {
		m[name] = pts[i].Value
		require.NoError(t, run.LogAt(ctx, pts[i].Step, pts[i].Time, m))
	}
}

// requirePoints compares a metric with what was logged, in history order; ties
// of time, step and value may come in any order of their bits.
func requirePoints(t *testing.T, db *DB, run, name string, logged []Point) {
	t.Helper()
	type exact struct {
		time, step int64
		bits       uint64
	}
	var want, got []exact
	for _, p := range logged {
		want = append(want, exact{p.Time, p.Step, math.Float64bits(p.Value)})
	}
	last := Point{Time: math.MinInt64}
	for c, err := range db.Points(ctx, run, name) {
		require.NoError(t, err)
		for i := range c.Steps {
			p := Point{Step: c.Steps[i], Time: c.Times[i], Value: c.Values[i]}
			if p.Time < last.Time || p.Time == last.Time && p.Step < last.Step {
				t.Fatalf("%s: %v comes after %v", name, p, last)
			}
			last = p
			got = append(got, exact{p.Time, p.Step, math.Float64bits(p.Value)})
		}
	}
	order := func(a, b exact) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.step, b.step), cmp.Compare(a.bits, b.bits))
	}
	slices.SortFunc(want, order)
	slices.SortFunc(got, order)
	if !slices.Equal(want, got) {
		t.Fatalf("run %s, %s: %d points logged, %d read, or not the same", run, name, len(want), len(got))
	}
}
