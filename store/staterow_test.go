package store

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/internal/record"
)

// stateShape is a stateRow as reflection sees it: what the rows are is what
// this encodes to.
type stateShape struct {
	Through                  uint64
	Blocks, Tail, TailNumber uint32
	Sums                     []summaryShape
}

type summaryShape struct {
	Count, NaN, PosInf, NegInf int64
	Latest, First              pointShape
	Min, Max                   uint64
	MinStep, MaxStep           int64
	MinTime, MaxTime           int64
	Sum                        uint64
}

type pointShape struct {
	Step, Time int64
	Value      uint64
}

func shapeOf(st *stateRow) stateShape {
	point := func(p Point) pointShape { return pointShape{p.Step, p.Time, math.Float64bits(p.Value)} }
	out := stateShape{st.Through, st.Blocks, st.Tail, st.TailNumber, make([]summaryShape, len(st.Sums))}
	for i, m := range st.Sums {
		out.Sums[i] = summaryShape{
			m.Count, m.NaN, m.PosInf, m.NegInf, point(m.Latest), point(m.First),
			math.Float64bits(m.Min), math.Float64bits(m.Max), m.MinStep, m.MaxStep, m.MinTime, m.MaxTime, math.Float64bits(m.Sum),
		}
	}
	return out
}

// randomState returns a state with numbers of all lengths.
func randomState(rng *rand.Rand, series int) stateRow {
	number := func() int64 {
		n := int64(rng.Uint64() >> rng.IntN(64))
		if rng.IntN(3) == 0 {
			n = -n
		}
		return n
	}
	point := func() Point { return Point{number(), number(), math.Float64frombits(uint64(number()))} }
	st := stateRow{uint64(number()), uint32(number()), uint32(number()), uint32(number()), make([]Summary, series)}
	for i := range st.Sums {
		st.Sums[i] = Summary{
			Count: number(), NaN: number(), PosInf: number(), NegInf: number(), Latest: point(), First: point(),
			Min: point().Value, Max: point().Value, MinStep: number(), MaxStep: number(), MinTime: number(), MaxTime: number(),
			Sum: point().Value,
		}
	}
	return st
}

func TestStateRowIsMsgpack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		st := randomState(rng, []int{0, 1, 8, 15, 16, 17, 500}[i%7])
		body := appendState(nil, &st)
		want, err := record.Encode(shapeOf(&st))
		require.NoError(t, err)
		require.Equal(t, want, body)
		got := stateRow{Sums: make([]Summary, i%20)}
		require.NoError(t, got.decode(body))
		require.Equal(t, shapeOf(&st), shapeOf(&got))

		members := make([]uint32, 1+i%40)
		for k := range members {
			members[k] = uint32(rng.Uint64() >> (32 + rng.IntN(32)))
		}
		body, err = record.Encode(groupRow{members})
		require.NoError(t, err)
		read, err := appendMembers(nil, body)
		require.NoError(t, err)
		require.Equal(t, members, read)
	}
}

// FuzzStateRow: what the decoder takes, a msgpack decoder reads in the same
// way; nothing makes it panic or allocate beyond what is there.
func FuzzStateRow(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 3, 20} {
		st := randomState(rng, n)
		f.Add(appendState(nil, &st))
	}
	for _, bad := range []string{"", "\x95", "\x95\x00\x00\x00\x00\xdc\xff\xff", "\x95\x00\x00\x00\x00\xdd\xff\xff\xff\xff", "\x91\xdc\xff\xff", "\x91\x92\x01\xcd\x01\x02"} {
		f.Add([]byte(bad))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var st stateRow
		if err := st.decode(body); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
		} else {
			var want stateShape
			require.NoError(t, record.Decode(body, &want))
			require.Equal(t, want, shapeOf(&st))
		}
		require.LessOrEqual(t, minSummary*cap(st.Sums), len(body))
		if members, err := appendMembers(nil, body); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
		} else {
			var want groupRow
			require.NoError(t, record.Decode(body, &want))
			require.Len(t, members, len(want.Series))
			if len(members) > 0 {
				require.Equal(t, want.Series, members)
			}
		}
	})
}
