package runstone

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	costRuns  = 300
	costSteps = 5000
	costBlock = 128 // points of a block, see small
)

// peak is where the loss of a run jumps: nowhere in the first 100 runs, far
// inside the steps 1000..2999 in the next 60, far outside in 20, and in the
// blocks at both ends, inside or outside, in 20. The rest has a NaN.
func peak(i int) int {
	switch {
	case i < 100 || i >= 200:
		return -1
	case i < 160:
		return 1100 + 20*(i-100)
	case i < 180:
		return 10 * (i - 160)
	}
	return []int{900, 1010, 2950, 3010}[i%4]
}

// held is whether the memory of a run is high for sixty steps.
func held(i int) bool { return i%30 == 7 }

func costDB(t *testing.T) *DB {
	dir := t.TempDir()
	db := openDB(t, dir, small())
	steps := make([]int64, costSteps)
	for i := range steps {
		steps[i] = int64(i)
	}
	for i := range costRuns {
		run, err := db.StartRun(ctx, "cost", &RunOptions{Name: fmt.Sprintf("r%03d", i)})
		require.NoError(t, err)
		loss, mem := make([]float64, costSteps), make([]float64, costSteps)
		for k := range loss {
			loss[k] = 1 + 1/float64(k+1)
			mem[k] = 0.5 + float64(k%3)/8
			switch {
			case k == peak(i):
				loss[k] = 128
			case i >= 200 && k == 3000:
				loss[k] = math.NaN()
			}
			if held(i) && k >= 10*costBlock-30 && k <= 10*costBlock+30 || i%30 == 8 && k%100 == 0 {
				mem[k] = 0.99
			}
		}
		require.NoError(t, run.Append(ctx, Columns{Names: []string{"loss", "mem"}, Steps: steps, Values: [][]float64{loss, mem}}))
		require.NoError(t, run.End(ctx, Finished))
	}
	require.NoError(t, db.Fold(ctx))
	require.NoError(t, db.Close()) // so that no points are in memory, which cost nothing
	return openDB(t, dir, small())
}

// TestSearchCost asks for the points of 300 curves of 40 blocks each: only what
// neither the index nor the zones of blocks can decide is decoded.
func TestSearchCost(t *testing.T) {
	db := costDB(t)
	peaks := func(from, to int) (n int) {
		for i := range costRuns {
			if p := peak(i); p >= from && p <= to {
				n++
			}
		}
		return n
	}
	const edges = 20 // runs whose peak is in a block at an end of 1000..2999
	for _, c := range []struct {
		text                   string
		found, curves, decoded int
	}{
		// The columns of the index tell.
		{"EVER(metrics.loss > 100)", 100, 0, 0},
		{"NEVER(metrics.loss > 100)", 200, 0, 0},
		{"ALWAYS(metrics.loss <= 100)", 100, 0, 0},
		{"EVER(metrics.loss IS NAN)", 100, 0, 0},
		{"NOT EVER(metrics.loss IS NAN) AND min(metrics.loss) < 1.5 AND argmax(metrics.loss) = 900", 5, 0, 0},
		{"EVER(metrics.loss > 1000) OVER STEPS 1000..2999", 0, 0, 0},
		{"EVER(metrics.loss > 1000 FOR 50 STEPS)", 0, 0, 0},
		{"EVER(metrics.none > 0) OVER LAST 20%", 0, 0, 0},
		// The zones tell, but for blocks that are partly in the window and have
		// a peak; the index, that 200 curves have none.
		{"EVER(metrics.loss > 100) OVER STEPS 1000..2999", peaks(1000, 2999), 100, edges},
		{"NEVER(metrics.loss > 100) OVER STEPS 1000..2999", costRuns - peaks(1000, 2999), 100, edges},
		{"EVER(metrics.loss > 100) OVER STEPS 1024..2943", 60, 100, 0},
		{"EVER(metrics.loss > 100) OVER STEPS 1000..2999 AND run_name LIKE 'r10_'", 10, 10, 0},
		{"EVER(metrics.loss IS NAN) OVER STEPS 2944..3071", 100, 100, 0},
		{"EVER(metrics.loss IS NAN) OVER STEPS 2944..3001", 100, 100, 100},
		{"EVER(metrics.loss IS NAN) OVER LAST 1000 STEPS", 0, 100, 0},
		{"ALWAYS(metrics.loss < 100) OVER LAST 20%", costRuns, costRuns, 0},
		// A step is in one block, and no block has steps behind the last.
		{"at(metrics.loss, 3000) IS NOT NULL", costRuns, costRuns, costRuns},
		{"at(metrics.loss, 5000) IS NOT NULL", 0, costRuns, 0},
		{"count(metrics.loss) OVER STEPS 128..383 = 256", costRuns, costRuns, 0},
		{"max(metrics.loss) OVER STEPS 1024..2943 > 100", 60, costRuns, 0},
		// Ten curves have a stretch over two blocks. Ten more have a high value
		// in each block but the last, which may be many.
		{"EVER(metrics.mem > 0.95 FOR 61 STEPS)", 0, 20, 10*2 + 10*39},
		{"EVER(metrics.mem > 0.95 FOR 60 STEPS) AND NEVER(metrics.mem > 0.95) OVER STEPS ..1151", 10, 30, 10*2 + 10*39},
		{"EVER(metrics.mem > 0.95 FOR 200 STEPS)", 0, 20, 10 * 39}, // two blocks have not so many
	} {
		p, err := db.SearchRunIDs(ctx, c.text, &SearchOptions{Explain: true})
		require.NoError(t, err, c.text)
		s := p.Explain.Stats
		require.Len(t, p.Items, c.found, c.text)
		require.EqualValues(t, c.curves, s.Curves, c.text)
		require.EqualValues(t, c.decoded, s.Decoded, c.text)
		require.LessOrEqual(t, s.Decoded+s.Decided, s.Blocks, c.text)
	}
}
