package runstone

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/plan"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/runstonedb/runstone/store"
)

// ViewType says whether a search sees active or deleted things.
type ViewType int

// What a search sees.
const (
	ActiveOnly ViewType = iota
	DeletedOnly
	All
)

func (v ViewType) sees(deleted bool) bool {
	return v == All || deleted == (v == DeletedOnly)
}

// SearchOptions are for [DB.Search] and its kin; nil is none of them.
type SearchOptions struct {
	// Experiments limits the search to these ids; nil is all.
	Experiments []string
	View        ViewType
	// OrderBy are clauses such as "metrics.loss ASC" or "max(metrics.auc) DESC";
	// none is that of the query or, without one, the newest first.
	OrderBy []string
	Offset  int
	Limit   int // 0 is that of the query, or none
	// After goes on behind the page whose Next this is.
	After string
	// Time and Bytes bound what the search may cost: how long it takes to find the
	// page, and how much of columns and points it reads and holds. 0 is no bound;
	// what the items of the page take to read comes on top. See [PartialError].
	Time  time.Duration
	Bytes int64
	// Total asks for Page.Total, Explain for Page.Explain.
	Total, Explain bool
}

// PartialError says that a search ended at a bound of its options. What it found
// till then comes with it.
type PartialError = plan.PartialError

// Explain says how a search was answered: Explain.String for people, JSON for
// programs.
type Explain = plan.Explain

// Page is what a search found: Items, but for a query with GROUP BY, and for one
// with SELECT or GROUP BY a table.
type Page[T any] struct {
	Items []T // in order
	// Table has a row of cells for each item or group: nil, string, float64,
	// int64 or bool, as many as there are Columns. Behind those of SELECT come
	// columns that name the row that a best or worst value is of, and the row
	// of a group that LIMIT n PER GROUP shows.
	Columns []string
	Table   [][]any
	// Total is how many runs or groups match, on whatever page; -1 if it was
	// not asked for.
	Total int
	// Next goes on behind this page, see SearchOptions.After; "" is the end.
	Next    string
	Explain *Explain
	// Hints say what may be wrong with a query that found nothing: names that
	// no run has, and which they may have been meant for.
	Hints []string
}

// Search iterates over the runs that match a query, see docs/QUERY.md; "" matches
// all. What cannot be read gives a *[query.ParseError], and a query with GROUP BY
// [ErrInvalid]: [DB.SearchRuns] answers it.
func (db *DB) Search(ctx context.Context, text string, opt *SearchOptions) iter.Seq2[*RunData, error] {
	if opt == nil {
		opt = &SearchOptions{}
	}
	return func(yield func(*RunData, error) bool) {
		s, done, err := db.reader()
		if err != nil {
			yield(nil, err)
			return
		}
		defer done()
		q, err := opt.parse(tree.Runs, text)
		if err == nil && q.GroupBy != nil {
			err = invalid("a query with GROUP BY has no runs to iterate over: see SearchRuns")
		}
		if err != nil {
			yield(nil, err)
			return
		}
		stopped := false
		err = s.View(ctx, func(tx *store.Tx) error {
			found, snap, err := db.findRuns(ctx, s, tx, q, opt)
			var partial *PartialError
			if err != nil && !errors.As(err, &partial) {
				return err
			}
			l := &runLoader{ctx: ctx, s: s, tx: tx, cache: db.pagesOf(s), snap: snap}
			few := firstLoaded
			for hits := found.Hits; len(hits) > 0; few = min(2*few, mostLoaded) {
				n := min(few, len(hits))
				data, lerr := l.loadAll(rowsOf(hits[:n]))
				if lerr != nil {
					return lerr
				}
				hits = hits[n:]
				for _, d := range data {
					if stopped = !yield(d, nil); stopped {
						return nil
					}
				}
			}
			return err
		})
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}

// Runs are loaded some at a time, first a few in case nobody wants more.
const (
	firstLoaded = 16
	mostLoaded  = 512
)

func rowsOf(hits []plan.Hit) []uint32 {
	rows := make([]uint32, len(hits))
	for i := range hits {
		rows[i] = hits[i].Row
	}
	return rows
}

// SearchRuns returns a page of the runs that match a query, or its table. With a
// [PartialError] the page holds what was found till then.
func (db *DB) SearchRuns(ctx context.Context, text string, opt *SearchOptions) (*Page[*RunData], error) {
	return searchRuns(ctx, db, text, opt, (*runLoader).loadAll)
}

// SearchRunIDs is SearchRuns for who needs the ids only, which are read much
// faster than runs.
func (db *DB) SearchRunIDs(ctx context.Context, text string, opt *SearchOptions) (*Page[string], error) {
	return searchRuns(ctx, db, text, opt, (*runLoader).loadIDs)
}

func searchRuns[T any](ctx context.Context, db *DB, text string, opt *SearchOptions, load func(*runLoader, []uint32) ([]T, error)) (p *Page[T], err error) {
	if opt == nil {
		opt = &SearchOptions{}
	}
	s, done, err := db.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	q, err := opt.parse(tree.Runs, text)
	if err != nil {
		return nil, err
	}
	err = s.View(ctx, func(tx *store.Tx) error {
		found, snap, err := db.findRuns(ctx, s, tx, q, opt)
		if found == nil {
			return err
		}
		var perr error
		p, perr = newPage[T](found, func(run uint32) (string, error) { return tx.Text(kindRun, run) })
		if perr != nil {
			return perr
		}
		if len(found.Hits) == 0 && q.GroupBy == nil {
			if p.Hints, perr = unknownNames(tx, q); perr != nil {
				return perr
			}
		}
		l := &runLoader{ctx: ctx, s: s, tx: tx, cache: db.pagesOf(s), snap: snap}
		l.keep = len(found.Hits) <= mostKept
		items, lerr := load(l, rowsOf(found.Hits))
		if lerr != nil {
			return lerr
		}
		p.Items = append(p.Items, items...)
		return err
	})
	return p, err
}

// newPage takes over a result but its items. id names the row that a best value
// is of, and the rows of groups.
func newPage[T any](r *plan.Result, id func(row uint32) (string, error)) (*Page[T], error) {
	p := &Page[T]{Total: r.Total, Next: r.Next, Explain: r.Explain}
	if r.Table == nil {
		return p, nil
	}
	var best []int // columns whose values are of a row
	for i, c := range r.Table.Columns {
		p.Columns = append(p.Columns, c.Name)
		if c.Best {
			best = append(best, i)
		}
	}
	shown := false
	for _, line := range r.Table.Lines {
		shown = shown || line.Hits != nil
	}
	for _, i := range best {
		p.Columns = append(p.Columns, "row of "+r.Table.Columns[i].Name)
	}
	if shown {
		p.Columns = append(p.Columns, "row")
	}
	for _, line := range r.Table.Lines {
		cells := slices.Clip(line.Cells)
		for _, i := range best {
			var cell any
			if line.Of[i] >= 0 {
				name, err := id(uint32(line.Of[i]))
				if err != nil {
					return nil, err
				}
				cell = name
			}
			cells = append(cells, cell)
		}
		if !shown {
			p.Table = append(p.Table, cells)
			continue
		}
		for k, hit := range line.Hits {
			row := slices.Clone(cells)
			for i, cell := range line.Shown[k] {
				if cell != nil {
					row[i] = cell
				}
			}
			name, err := id(hit.Row)
			if err != nil {
				return nil, err
			}
			p.Table = append(p.Table, append(row, name))
		}
	}
	return p, nil
}

// parse reads a query and puts the options over it.
func (opt *SearchOptions) parse(d tree.Domain, text string) (*tree.Query, error) {
	q, err := query.Parse(d, text)
	if err != nil {
		return nil, err
	}
	if len(opt.OrderBy) > 0 || len(q.OrderBy) == 0 && q.GroupBy == nil {
		if q.OrderBy, err = query.ParseOrderBy(d, opt.OrderBy); err != nil {
			return nil, err
		}
	}
	if opt.Offset < 0 || opt.Limit < 0 {
		return nil, invalid("offset %d and limit %d must not be negative", opt.Offset, opt.Limit)
	}
	if opt.Limit > 0 && (q.Limit == 0 || opt.Limit < q.Limit || q.PerGroup) {
		q.Limit, q.PerGroup = opt.Limit, false
	}
	if opt.Offset > 0 {
		q.Offset = opt.Offset
	}
	return q, nil
}

// run answers a parsed query from a source.
func (opt *SearchOptions) run(ctx context.Context, q *tree.Query, now int64, src plan.Source, stats *plan.Stats) (*plan.Result, error) {
	p, err := plan.New(q, time.UnixMilli(now))
	if err != nil {
		return nil, unanswerable(err)
	}
	found, err := p.Run(ctx, src, &plan.Options{
		Cursor: opt.After, Total: opt.Total, Explain: opt.Explain, Time: opt.Time, Bytes: opt.Bytes, Stats: stats,
	})
	return found, unanswerable(err)
}

// unanswerable makes the refusals of package plan our own.
func unanswerable(err error) error {
	switch {
	case errors.Is(err, plan.ErrCursor):
		return invalid("the page token is damaged, or of another search")
	case errors.Is(err, plan.ErrQuery), errors.Is(err, errors.ErrUnsupported):
		return invalid("%v", err)
	}
	return err
}

// findRuns answers a query over runs, from the snapshot of the index that it
// returns. With a [PartialError] there is a result too.
func (db *DB) findRuns(ctx context.Context, s *store.Store, tx *store.Tx, q *tree.Query, opt *SearchOptions) (*plan.Result, *index.Snapshot, error) {
	for {
		var found *plan.Result
		src, err := db.runSource(ctx, s, tx, opt)
		if err == nil {
			found, err = opt.run(ctx, q, src.now, src, src.stats)
		}
		if err == nil || !db.runs.Distrust(err) {
			if src == nil {
				return nil, nil, err
			}
			return found, src.snap, err
		}
		// The records say what the index should have: it is answered from them
		// and the index made anew.
		if db.opt.Logger != nil {
			db.opt.Logger.Warn("the run index is damaged and will be made anew", "error", err)
		}
		db.keeper.changed()
	}
}

func (db *DB) runSource(ctx context.Context, s *store.Store, tx *store.Tx, opt *SearchOptions) (*runSource, error) {
	last, err := tx.LastOrd(kindRun)
	if err != nil {
		return nil, err
	}
	snap, err := db.runs.Snapshot(tx, last)
	if err != nil {
		return nil, err
	}
	r := &runSource{s: s, tx: tx, snap: snap, pages: db.pagesOf(s), now: db.now(), view: opt.View, stats: &plan.Stats{}}
	if opt.Experiments == nil {
		return r, nil
	}
	last, err = tx.LastOrd(kindExperiment)
	if err != nil {
		return nil, err
	}
	r.within = make([]bool, last+1)
	for _, id := range opt.Experiments {
		exp, ok, err := tx.Ord(kindExperiment, id)
		if err != nil {
			return nil, err
		}
		if ok {
			r.within[exp] = true
		}
	}
	return r, nil
}

// maxKnownNames bounds the names that a misspelt one is compared with.
const maxKnownNames = 10_000

// unknownNames says which metrics, params and tags of a filter no run ever had.
func unknownNames(tx *store.Tx, q *tree.Query) (hints []string, err error) {
	if q.Filter == nil {
		return nil, nil
	}
	kinds := map[tree.Entity]store.Kind{tree.Metric: store.KindSeries, tree.Param: kindParam, tree.Tag: kindTag}
	seen := map[string]bool{}
	tree.Walk(q.Filter, func(x tree.Expr) bool {
		if c, ok := x.(*tree.Compare); ok {
			hints = append(hints, noStatus(c)...)
		}
		f, ok := x.(*tree.Field)
		if !ok || kinds[f.Entity] == 0 || err != nil {
			return err == nil
		}
		kind, text := kinds[f.Entity], tree.Text(f)
		var known bool
		if _, known, err = tx.Ord(kind, f.Key); err != nil || known || seen[text] {
			return false
		}
		seen[text] = true
		var names []string
		if names, err = tx.Names(kind, maxKnownNames); err != nil {
			return false
		}
		hint := "no run has " + text
		if s := query.Suggest(f.Key, names); s != "" {
			hint += " (" + s + ")"
		}
		hints = append(hints, hint)
		return false
	})
	return hints, err
}

// noStatus says that a comparison asks for a status that no run can have.
func noStatus(c *tree.Compare) []string {
	f, ok := c.L.(*tree.Field)
	lit, isText := c.R.(*tree.Literal)
	if !ok || !isText || c.Op != tree.Eq || f.Entity != tree.Attribute || f.Key != "status" || slices.Contains(statusNames[1:], lit.Str) {
		return nil
	}
	hint := "no run has the status " + tree.Text(lit)
	if s := query.Suggest(lit.Str, statusNames[1:]); s != "" {
		hint += " (" + s + ")"
	}
	return []string{hint}
}
