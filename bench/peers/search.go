package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runstonedb/runstone/bench/load"
)

// asked is a question as a table asks it.
type asked struct {
	name  string
	q     question
	whole bool // the runs with all that belongs to them, and not just their ids
	deep  int  // ask for the page behind so many runs, by cursor in Runstone and by offset in SQLite
	sweep string
	x     float64 // where it stands in its sweep
}

// answered is what a question took. Medians are of all times that were taken
// with the columns in memory.
type answered struct {
	Name                   string
	Found                  int
	Cold                   time.Duration // Runstone's first search after opening
	Empty                  time.Duration // with a cache that keeps nothing
	Warm, Median           time.Duration // Runstone's
	SQLite, SQLiteMedian   time.Duration
	SQLiteCached           time.Duration // with a cache of 1 GB
	Sweep                  string        `json:",omitempty"`
	X                      float64       `json:",omitempty"`
	WarmTimes, SQLiteTimes int
}

// searched is the outcome of a contender that searches.
type searched struct {
	Loaded  loaded
	Open    time.Duration // of Runstone, the best of all openings
	Answers []answered
}

// standard is the question that all others are compared with: 20 % of the runs
// pass its first clause, 10 % the second, 2 % both.
func standard() question {
	return question{
		clauses: []clause{{"metrics", "auc", ">", 0.9}, {"params", "lr", "=", "0.01"}},
		order:   []sortKey{{"metrics", "loss", false}},
		limit:   100,
	}
}

// newest asks for the newest runs.
func newest() question {
	return question{order: []sortKey{{"attributes", "start_time", true}}, limit: 100}
}

// deepest is where the deep page begins, if there are as many runs.
const deepest = 50_000

func searchContenders(s spec) (list []contender) {
	for _, n := range slices.Compact([]int{max(1, s.runs/10), s.runs}) {
		list = append(list, contender{count(n) + "-runs", "with 10 params, 8 metrics and 5 tags each, in both databases", func(ctx context.Context, dir string, s spec) (*outcome, error) {
			deep := min(deepest, n/2)
			return measureSearch(ctx, dir, s, load.Runs{Runs: n}, []asked{
				{name: "filter", q: standard()},
				{name: "filter, whole", q: standard(), whole: true},
				{name: "newest", q: newest()},
				{name: "newest, whole", q: newest(), whole: true},
				{name: fmt.Sprintf("page at %d", deep), q: newest(), deep: deep},
			})
		}})
	}
	return list
}

// manyNames is how many names of metrics there are where they are many.
const manyNames = 10_000

func namesContenders(s spec) (list []contender) {
	for _, names := range []int{20, manyNames} {
		list = append(list, contender{count(names) + "-names", fmt.Sprintf("of metrics in all, 20 of them on each of %s runs", count(max(1, s.runs/10))), func(ctx context.Context, dir string, s spec) (*outcome, error) {
			common := question{
				clauses: []clause{{"metrics", "auc", ">", 0.9}, {"metrics", "loss", "<", 1.0}},
				order:   []sortKey{{"metrics", "loss", false}}, limit: 100,
			}
			rare := question{
				clauses: []clause{{"metrics", load.OtherMetric(7), ">", 0.5}, {"metrics", load.OtherMetric(8), ">", 0.5}},
				order:   []sortKey{{"metrics", load.OtherMetric(8), false}}, limit: 100,
			}
			return measureSearch(ctx, dir, s, load.Runs{Runs: max(1, s.runs/10), Names: names}, []asked{
				{name: "two on all", q: common}, {name: "two on some", q: rare},
			})
		}})
	}
	return list
}

// measureSearch puts questions to both databases and compares their answers.
func measureSearch(ctx context.Context, dir string, s spec, w load.Runs, questions []asked) (_ *outcome, err error) {
	b, err := openBoth(ctx, dir, s, w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	r := &searched{Loaded: b.loaded}
	for _, a := range questions {
		x, err := b.measure(ctx, a, s.writing, &r.Open)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.name, err)
		}
		r.Answers = append(r.Answers, *x)
	}
	return &outcome{Search: r}, nil
}

// colds is how often a question is asked of a database just opened.
const colds = 5

// measure asks one question of each database for up to so long, and some times
// at least. open becomes the least time that opening took.
func (b *both) measure(ctx context.Context, a asked, long time.Duration, open *time.Duration) (*answered, error) {
	x := &answered{Name: a.name, Sweep: a.sweep, X: a.x}
	after, err := b.cursor(ctx, &a.q, a.deep)
	if err != nil {
		return nil, err
	}
	var ids []string
	ask := func() (err error) {
		if !a.whole {
			ids, _, err = b.page(ctx, &a.q, after)
			return err
		}
		runs, err := b.whole(ctx, &a.q)
		ids = ids[:0]
		for _, r := range runs {
			ids = append(ids, r.ID)
		}
		return err
	}
	for range colds {
		if err := b.closeRunstone(); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := b.openRunstone(); err != nil {
			return nil, err
		}
		leastNonZero(open, time.Since(began))
		began = time.Now()
		if err := ask(); err != nil {
			return nil, err
		}
		leastNonZero(&x.Cold, time.Since(began))
	}
	if x.Warm, x.Median, x.WarmTimes, err = repeated(10, 200, long/3, ask); err != nil {
		return nil, err
	}
	x.Found = len(ids)
	if x.Empty, err = b.uncached(long/6, ask); err != nil {
		return nil, err
	}

	q := a.q
	q.offset = a.deep
	var found []*sqlRun
	for _, s := range []*sqlRuns{b.sql, b.cached} {
		if s == b.cached && a.sweep != "" {
			continue // sweeps are long enough
		}
		if late, err := b.late(ctx, s, &q, 10*long); late || err != nil {
			if err != nil {
				return nil, err
			}
			continue
		}
		best, median, times, err := repeated(3, 10, long, func() (err error) {
			found, err = s.search(ctx, &q, a.whole)
			return err
		})
		if err != nil {
			return nil, err
		}
		if s == b.cached {
			x.SQLiteCached = best
		} else {
			x.SQLite, x.SQLiteMedian, x.SQLiteTimes = best, median, times
		}
		if err := sameRuns(ids, found[:min(len(found), q.limit)]); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// late asks SQLite and says whether it takes longer than long: where a plan
// compares each run with each other one, hours.
func (b *both) late(ctx context.Context, s *sqlRuns, q *question, long time.Duration) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	if _, err := s.search(limited, q, false); err == nil || limited.Err() == nil {
		return false, err
	}
	return true, ctx.Err()
}

// cursor walks to where a page behind so many runs begins.
func (b *both) cursor(ctx context.Context, q *question, deep int) (after string, err error) {
	for left := deep; left > 0; {
		piece := *q
		piece.limit = min(left, 1000)
		var ids []string
		if ids, after, err = b.page(ctx, &piece, after); err != nil {
			return "", err
		}
		if len(ids) < piece.limit || after == "" {
			return "", fmt.Errorf("there are not more than %d runs", deep)
		}
		left -= len(ids)
	}
	return after, nil
}

// sameRuns compares answers in order.
func sameRuns(ids []string, runs []*sqlRun) error {
	if len(ids) != len(runs) {
		return fmt.Errorf("%d runs found by Runstone, %d by SQLite", len(ids), len(runs))
	}
	for i, r := range runs {
		if ids[i] != r.id {
			return fmt.Errorf("run %d of the answer is %s in Runstone and %s in SQLite", i, ids[i], r.id)
		}
	}
	return nil
}

// repeated times fn at least least times, and up to most times while it has not
// taken as long as long. A first time that is not counted goes before. What takes
// very long is counted fewer times: five times long is the end, and who takes so
// long at first is not asked again.
func repeated(least, most int, long time.Duration, fn func() error) (best, median time.Duration, times int, err error) {
	var all []time.Duration
	var spent time.Duration
	for first := true; first || len(all) < most && spent < 5*long && (len(all) < least || spent < long); first = false {
		began := time.Now()
		if err := fn(); err != nil {
			return 0, 0, 0, err
		}
		took := max(1, time.Since(began))
		if spent += took; !first || spent >= 5*long {
			all = append(all, took)
		}
	}
	slices.Sort(all)
	return all[0], all[len(all)/2], len(all), nil
}

// leastNonZero is least for figures that begin as zero.
func leastNonZero(a *time.Duration, b time.Duration) {
	if *a == 0 || b < *a {
		*a = max(1, b)
	}
}
