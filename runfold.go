package runstone

import (
	"cmp"
	"context"
	"slices"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/store"
)

// folder tells the run index what it keeps of runs, see [folder.cells]. It is
// asked for them in ascending order.
type folder struct {
	ctx     context.Context
	s       *store.Store
	metrics map[string]uint32
	series  map[uint32]foldSeries

	// What follows is of one transaction of the index.
	tx     *store.Tx
	parent uint32 // the tag TagParent; 0 is none
	known  bool   // parent
	asked  uint32 // the last run
	ahead  int    // how many runs are read together

	// Runs whose summaries were read, and from where to where theirs are.
	runs []uint32
	ends []int
	sums []seriesSummary
}

// foldSeries is a series and the ordinal of its metric.
type foldSeries struct {
	name   store.SeriesName
	metric uint32
}

type seriesSummary struct {
	foldSeries
	store.Summary
}

// mostAhead is how many runs are read together at most.
const mostAhead = 64

func newFolder(ctx context.Context, s *store.Store) *folder {
	return &folder{ctx: ctx, s: s, metrics: map[string]uint32{}, series: map[uint32]foldSeries{}}
}

// enter forgets what was read for another transaction: the index takes away the
// marks that it saw in this one, so what it is told must not be older.
func (f *folder) enter(tx *store.Tx) {
	if f.tx == tx {
		return
	}
	f.tx, f.known, f.asked, f.ahead = tx, false, 0, 1
	f.runs, f.ends, f.sums = f.runs[:0], f.ends[:0], f.sums[:0]
}

// parentTag returns the ordinal of the tag that names the parent of a run.
func (f *folder) parentTag(tx *store.Tx) (ord uint32, err error) {
	if !f.known {
		f.parent, _, err = tx.Ord(kindTag, TagParent)
		f.known = err == nil
	}
	return f.parent, err
}

// metricCells adds what is known of a run's metrics.
func (f *folder) metricCells(run uint32, add func(index.Cell)) error {
	sums, err := f.summaries(run)
	if err != nil {
		return err
	}
	for len(sums) > 0 {
		m, n := sums[0].Summary, 1
		for n < len(sums) && sums[n].metric == sums[0].metric {
			m.Merge(&sums[n].Summary)
			n++
		}
		addMetric(sums[0].metric, &m, add)
		sums = sums[n:]
	}
	return nil
}

// summaries returns those of a run, each once, with those of one metric together.
func (f *folder) summaries(run uint32) ([]seriesSummary, error) {
	at, ok := slices.BinarySearch(f.runs, run)
	if !ok {
		if f.ahead = min(2*f.ahead, mostAhead); run != f.asked+1 {
			f.ahead = 1
		}
		if err := f.read(run, f.ahead); err != nil {
			// It may be that of another run.
			f.ahead = 1
			if err := f.read(run, 1); err != nil {
				return nil, err
			}
		}
		at = 0
	}
	f.asked = run
	from := 0
	if at > 0 {
		from = f.ends[at-1]
	}
	sums := f.sums[from:f.ends[at]]
	slices.SortFunc(sums, func(a, b seriesSummary) int {
		return cmp.Or(cmp.Compare(a.metric, b.metric), a.name.Compare(&b.name))
	})
	return sums, nil
}

// read reads the summaries of a run and of some behind it. Of these only idle
// ones count: others may get points that their marks say nothing of before the
// index asks whether they are ready.
func (f *folder) read(run uint32, n int) error {
	f.runs, f.ends, f.sums = append(f.runs[:0], run), f.ends[:0], f.sums[:0]
	for next := run + 1; next < run+uint32(n); next++ {
		if f.s.Idle(next) {
			f.runs = append(f.runs, next)
		}
	}
	err := f.s.SummariesOf(f.ctx, f.runs, func(run, series uint32, m *store.Summary) error {
		for f.runs[len(f.ends)] != run {
			f.ends = append(f.ends, len(f.sums))
		}
		of, ok := f.series[series]
		if !ok {
			var err error
			if of.name, err = f.s.SeriesName(series); err != nil {
				return err
			}
			if of.metric, err = f.metric(of.name.Metric); err != nil {
				return err
			}
			f.series[series] = of
		}
		f.sums = append(f.sums, seriesSummary{of, *m})
		return nil
	})
	if err != nil {
		f.runs = f.runs[:0]
		return err
	}
	for len(f.ends) < len(f.runs) {
		f.ends = append(f.ends, len(f.sums))
	}
	return nil
}

// metric returns the ordinal of a metric's name, which has none if all its
// points were about a model or a dataset.
func (f *folder) metric(name string) (ord uint32, err error) {
	if ord, ok := f.metrics[name]; ok {
		return ord, nil
	}
	err = f.s.View(f.ctx, func(tx *store.Tx) error {
		ord, _, err = tx.Ord(store.KindSeries, name)
		return err
	})
	if err == nil && ord == 0 && !f.s.ReadOnly() {
		err = f.s.Update(f.ctx, Appended, func(tx *store.Tx) error {
			ord, err = tx.Intern(store.KindSeries, name)
			return err
		})
	}
	if err == nil && ord != 0 {
		f.metrics[name] = ord
	}
	return ord, err
}
