package rest

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/migrate/internal/curves"
)

const (
	// concurrency is how many requests are under way at once.
	concurrency = 4
	historyPage = 25_000
	// keep is how many points of a run are held to be yielded together.
	keep = 2_000_000
)

// history returns a page of the history of a metric.
func (c *client) history(ctx context.Context, run, key, token string) (page []metric, next string, err error) {
	var out struct {
		Metrics []metric `json:"metrics"`
		Next    string   `json:"next_page_token"`
	}
	q := url.Values{"run_id": {run}, "metric_key": {key}, "max_results": {fmt.Sprint(historyPage)}}
	if token != "" {
		q.Set("page_token", token)
	}
	err = c.get(ctx, api+"/metrics/get-history", q, &out)
	return out.Metrics, out.Next, err
}

// first is the first page of a history, which was asked for ahead.
type first struct {
	page []metric
	next string
	err  error
}

// ahead asks for the first pages of several histories, a few at once.
func (c *client) ahead(ctx context.Context, run string, keys []string) iter.Seq2[string, first] {
	return func(yield func(string, first) bool) {
		ctx, stop := context.WithCancel(ctx)
		results := make([]chan first, len(keys))
		begin := func(i int) {
			results[i] = make(chan first, 1)
			go func() {
				var f first
				f.page, f.next, f.err = c.history(ctx, run, keys[i], "")
				results[i] <- f
			}()
		}
		begun, taken := 0, 0
		defer func() { // none outlives the call
			stop()
			for ; taken < begun; taken++ {
				<-results[taken]
			}
		}()
		for taken < len(keys) {
			for ; begun < len(keys) && begun < taken+concurrency; begun++ {
				begin(begun)
			}
			f := <-results[taken]
			taken++
			if !yield(keys[taken-1], f) {
				return
			}
		}
	}
}

func (s *Source) Points(ctx context.Context, run *runstone.ImportedRun) iter.Seq2[[]runstone.SeriesColumns, error] {
	return func(yield func([]runstone.SeriesColumns, error) bool) {
		if s.within != run.ExperimentID {
			if err := s.findAbout(ctx, run.ExperimentID); err != nil {
				yield(nil, err)
				return
			}
		}
		keys := slices.Sorted(slices.Values(s.metrics[run.ID]))
		out := curves.Sorter{Yield: yield}
		held := 0
		for key, f := range s.c.ahead(ctx, run.ID, keys) {
			token := ""
			err := f.err
			if err == nil {
				token = f.next
				held += len(f.page)
				if !s.add(&out, run.ID, key, f.page) {
					return
				}
			}
			if err == nil && token != "" {
				err = pages(ctx, func(t string) (string, error) {
					if t == "" {
						t = token
					}
					page, next, err := s.c.history(ctx, run.ID, key, t)
					if err != nil {
						return "", err
					}
					held += len(page)
					if !s.add(&out, run.ID, key, page) {
						return "", errStop
					}
					if held > keep { // a metric of its own does not share its steps
						held = 0
						if !out.Flush() {
							return "", errStop
						}
					}
					return next, nil
				})
			}
			if out.Stopped {
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("metric %q: %w", key, err))
				return
			}
			if held > keep {
				held = 0
				if !out.Flush() {
					return
				}
			}
		}
		out.Flush()
	}
}

// add sorts a page of a history into series: a point about logged models goes to
// theirs.
func (s *Source) add(out *curves.Sorter, run, key string, page []metric) bool {
	about := s.about[run]
	for _, m := range page {
		p := runstone.Point{Step: int64(m.Step), Time: int64(m.Time), Value: float64(m.Value)}
		n := runstone.SeriesName{Metric: key, Model: m.Model, Dataset: m.Dataset, DatasetDigest: m.DatasetDigest}
		if n.Model == "" {
			for _, to := range about[aboutPoint{key, p.Step, p.Time, m.Value}] {
				n.Model, n.Dataset, n.DatasetDigest = to.model, to.dataset, to.digest
				break
			}
		}
		if !out.Add(n, p) {
			return false
		}
	}
	return true
}
