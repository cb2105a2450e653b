package store

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStretchCosts: blocks that hold as a whole are not decoded, and others
// only where a stretch could be long enough.
func TestStretchCosts(t *testing.T) {
	opt := testOptions()
	opt.BlockPoints = 1000
	s := open(t, t.TempDir(), opt)
	logSteps(t, s, 1, 0, 10_500, linear, "m")
	require.NoError(t, s.sealer.wait(s.sealer.mark()))
	m := []Curve{{Run: 1, Metric: "m"}, {Run: 1, Metric: "absent"}, {Run: 2, Metric: "m"}}
	all := AllPoints()
	for _, tail := range []int{0, 1} { // in memory, then in the key space
		for _, c := range []struct {
			name    string
			r       Range
			op      Op
			x       float64
			span    int64
			holds   bool
			decoded int
			free    bool // no row is read
		}{
			{"the summary has none", all, Less, 0, 0, false, 0, true},
			{"the summary has all", all, GreaterEqual, 0, 10_000, true, 0, true},
			{"longer than the curve", all, GreaterEqual, 0, 10_500, false, 0, true},
			{"longer than the range", all.Steps(100, 200), GreaterEqual, 0, 101, false, 0, true},
			{"whole blocks do", all, Greater, 5000, 4000, true, 0, false},
			{"with the end of one before", all, Greater, 5000, 5400, true, 1, false},
			{"just long enough", all, Greater, 5000, 5498, true, 1, false},
			{"one step too long", all, Greater, 5000, 5499, false, 1, false},
			{"two blocks are too short for it", all, Greater, 5000, 5500, false, 0, false},
			{"up to one value", all, NotEqual, 5500, 5400, true, 1, false},
			{"between two values", all, NotEqual, 5500, 5500, false, 1, false},
			{"the range cuts a block that holds", all.Steps(500, 9_000), Less, 8000, 7499, true, 1, false},
			{"beyond", all.Steps(500, 9_000), Less, 8000, 7500, false, 0, false},
			{"an empty stretch of the range", all.Steps(20_000, 30_000), GreaterEqual, 0, 0, false, 0, true},
		} {
			for _, unit := range []int64{1, 10} { // by step, and by time
				got, err := s.EverFor(ctx, m, []Range{c.r}, c.op, c.x, c.span*unit, unit == 10)
				require.NoError(t, err)
				require.Equal(t, make([]Answer, 2), got[1:], "nothing is there")
				require.Equal(t, c.holds, got[0].Holds, "%s %d", c.name, unit)
				if unit == 1 || c.r == all { // bounds in ms know nothing of a range of steps
					require.Equal(t, c.decoded, got[0].Cost.Decoded, "%s %d", c.name, unit)
					require.Equal(t, c.free, got[0].Cost.Bytes == 0, c.name)
				}
				require.Equal(t, 10+tail, got[0].Cost.Decided+got[0].Cost.Decoded)
			}
		}
		require.NoError(t, s.Checkpoint(ctx))
	}
	_, err := s.EverFor(ctx, m, []Range{all}, Less, 0, -1, false)
	require.ErrorIs(t, err, ErrInvalid)
	_, err = s.EverFor(ctx, m, []Range{all}, 0, 0, 1, false)
	require.ErrorIs(t, err, ErrInvalid)
	_, err = s.EverFor(ctx, m, []Range{all, all}, Less, 0, 1, false)
	require.ErrorIs(t, err, ErrInvalid)
}

// TestStretchDisorder: what is logged to two groups in turns, and steps logged
// later than others, are one curve.
func TestStretchDisorder(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	high := func(string, int64) float64 { return 1 }
	low := func(string, int64) float64 { return math.NaN() }
	logSteps(t, s, 1, 0, 50, high, "m")
	logSteps(t, s, 1, 60, 50, high, "m")
	logSteps(t, s, 1, 50, 10, high, "m", "n")
	logSteps(t, s, 2, 100, 100, high, "m")
	logSteps(t, s, 2, 0, 100, high, "m")
	logSteps(t, s, 2, 150, 1, low, "m") // at a step that has a point
	ever := func(run uint32, span int64) bool {
		got, err := s.EverFor(ctx, []Curve{{Run: run, Metric: "m"}}, []Range{AllPoints()}, Greater, 0, span, false)
		require.NoError(t, err)
		return got[0].Holds
	}
	for range 2 {
		require.True(t, ever(1, 109))
		require.False(t, ever(1, 110))
		require.True(t, ever(2, 149))
		require.False(t, ever(2, 151))
		require.NoError(t, s.Checkpoint(ctx))
	}
}
