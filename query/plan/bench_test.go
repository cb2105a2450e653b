package plan

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
)

// flatSource is a million rows whose columns are decoded already.
type flatSource struct{ batches []flatBatch }

type flatBatch struct {
	groupBatch
	n       int
	first   uint32
	columns map[Ref]*index.Column
	zones   map[Ref]index.Zone
}

func (s *flatSource) Batches(context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for i := range s.batches {
			if !yield(&s.batches[i], nil) {
				return
			}
		}
	}
}

func (b *flatBatch) Len() int                        { return b.n }
func (b *flatBatch) Row(i int) uint32                { return b.first + uint32(i) }
func (b *flatBatch) Zone(ref Ref) (index.Zone, bool) { z, ok := b.zones[ref]; return z, ok }
func (b *flatBatch) Column(_ context.Context, ref Ref) (*index.Column, error) {
	return b.columns[ref], nil
}

func newFlat(rows int) *flatSource {
	const size = 4096
	rnd := rand.New(rand.NewPCG(1, 2))
	rates := []string{"0.1", "0.01", "0.001", "0.0001", "1e-5", "0.3", "0.03", "0.003"}
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprintf("run-%05d-%x-sepsis", i, rnd.Uint64())
	}
	s := &flatSource{}
	for first := 0; first < rows; first += size {
		b := flatBatch{n: min(size, rows-first), first: uint32(first), columns: map[Ref]*index.Column{}, zones: map[Ref]index.Zone{}}
		for _, key := range []string{"auc", "loss"} {
			c := &index.Column{Type: index.Floats, Floats: make([]float64, b.n)}
			for i := range c.Floats {
				c.Floats[i] = rnd.Float64()
			}
			ref := Ref{Entity: tree.Metric, Key: key}
			b.columns[ref] = c
			b.zones[ref] = index.Zone{Rows: b.n, Max: 1}
		}
		start := &index.Column{Type: index.Ints, Ints: make([]int64, b.n)}
		for i := range b.n {
			start.Ints[i] = int64(first + i)
		}
		b.columns[Ref{Key: "start_time"}] = start
		b.zones[Ref{Key: "start_time"}] = index.Zone{Rows: b.n, Min: float64(first), Max: float64(first + b.n - 1)}
		lr := &index.Column{Type: index.Strings, Dict: rates, Codes: make([]uint32, b.n)}
		name := &index.Column{Type: index.Strings, Dict: names, Codes: make([]uint32, b.n)}
		for i := range b.n {
			lr.Codes[i], name.Codes[i] = uint32(rnd.IntN(len(rates))), uint32(rnd.IntN(len(names)))
		}
		b.columns[Ref{Entity: tree.Param, Key: "lr"}] = lr
		b.columns[Ref{Key: "run_name"}] = name
		s.batches = append(s.batches, b)
	}
	return s
}

func BenchmarkRun(b *testing.B) {
	src := newFlat(1_000_000)
	good := and2(cmp2(tree.Gt, metric("auc"), num(0.9)), cmp2(tree.Eq, param("lr"), str("0.01")))
	byLoss := []tree.Sort{{X: metric("loss")}}
	for _, bench := range []struct {
		name string
		q    *tree.Query
		deep bool
	}{
		{"filter order limit", &tree.Query{Filter: good, OrderBy: byLoss, Limit: 100}, false},
		{"order limit", &tree.Query{OrderBy: byLoss, Limit: 100}, false},
		{"newest first", &tree.Query{OrderBy: []tree.Sort{{X: attr("start_time"), Desc: true}}, Limit: 100}, false},
		{"deep page", &tree.Query{OrderBy: byLoss, Limit: 100}, true},
		{"like", &tree.Query{Filter: &tree.Match{X: attr("run_name"), Pattern: "%ab_sep%"}, Limit: 100, OrderBy: byLoss}, false},
		{"arithmetic", &tree.Query{Filter: cmp2(tree.Gt, &tree.Arithmetic{Op: '-', L: metric("auc"), R: metric("loss")}, num(0.9)), Limit: 100, OrderBy: byLoss}, false},
		{"param as number", &tree.Query{Filter: cmp2(tree.Lt, &tree.ToNumber{X: param("lr")}, num(0.001)), OrderBy: byLoss, Limit: 100}, false},
		{"group", &tree.Query{
			GroupBy: []tree.Expr{param("lr")}, Select: items(param("lr"), agg(tree.CountRows, nil), agg(tree.MeanOf, metric("auc")), agg(tree.CI95, metric("auc"))),
		}, false},
		{"group by two", &tree.Query{
			GroupBy: []tree.Expr{param("lr"), attr("run_name")}, Select: items(agg(tree.Best, metric("auc"))), Limit: 10,
		}, false},
	} {
		b.Run(bench.name, func(b *testing.B) {
			p, err := New(bench.q, testNow)
			require.NoError(b, err)
			opt := &Options{}
			if bench.deep {
				half := newTop(p.order, 1, new(int64))
				half.add([]*index.Column{{Type: index.Floats, Floats: []float64{0.5}}}, 0, 0)
				opt.Cursor = encodeCursor(p.hash, cursor{0, half.values})
			}
			b.ReportAllocs()
			for b.Loop() {
				res, err := p.Run(context.Background(), src, opt)
				require.NoError(b, err)
				require.True(b, len(res.Hits) == 100 || res.Table != nil)
			}
		})
	}
}
