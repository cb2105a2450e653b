package store

import (
	"cmp"
	"context"
	"slices"
)

// NamedSummary is a series and what is known of it.
type NamedSummary struct {
	SeriesName
	Summary
}

// Summaries returns the series of a run in order of their names.
func (s *Store) Summaries(ctx context.Context, run uint32) ([]NamedSummary, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, ErrClosed
	}
	sums := map[uint32]*Summary{}
	add := func(ord uint32, m Summary) {
		if m.Count == 0 {
			return
		}
		if sums[ord] == nil {
			sums[ord] = &Summary{}
		}
		sums[ord].merge(m)
	}
	// A run that is being logged is in memory; one that is not may come into
	// it at any time, but what was there before is in its rows.
	if s.series.inMemory(run) {
		x, err := s.series.acquire(run)
		if err != nil {
			return nil, err
		}
		defer s.series.release(x)
		x.mu.Lock()
		groups := x.groups
		x.mu.Unlock()
		for _, g := range groups {
			g.mu.Lock()
			for i, ord := range g.series {
				add(ord, g.sums[i])
			}
			g.mu.Unlock()
		}
	} else if err := s.storedSummaries(run, add); err != nil {
		return nil, err
	}
	out := make([]NamedSummary, 0, len(sums))
	err := s.view(func(tx *Tx) error {
		for ord, m := range sums {
			text, err := tx.Text(KindSeries, ord)
			if err != nil {
				return err
			}
			out = append(out, NamedSummary{parseSeriesName(text), *m})
		}
		return nil
	})
	slices.SortFunc(out, func(a, b NamedSummary) int {
		return cmp.Or(cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.text(), b.text()))
	})
	return out, err
}

func (s *Store) storedSummaries(run uint32, add func(uint32, Summary)) error {
	return s.view(func(tx *Tx) error {
		return eachGroup(tx, run, run, func(d *groupDef) error {
			series, err := d.series()
			if err != nil {
				return err
			}
			st, ok, err := loadState(tx, run, d.no, len(series))
			if err != nil || !ok {
				return err
			}
			for i, ord := range series {
				add(ord, st.Sums[i])
			}
			return nil
		})
	})
}
