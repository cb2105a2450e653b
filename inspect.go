package runstone

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// Tables returns all tables of the key space in key order: what the first byte
// of a row's key means. Each package names its own.
func Tables() []store.Table {
	all := append(tablesAbove(), store.Tables()...)
	slices.SortStableFunc(all, func(a, b store.Table) int { return cmp.Compare(a.Byte, b.Byte) })
	return all
}

// tablesAbove are the tables that are not the store's.
func tablesAbove() []store.Table {
	own := []store.Table{
		{Byte: 'A', Name: "artifacts"},
		{Byte: 'E', Name: "experiment names"},
		{Byte: 'I', Name: "imports of runs", Run: true},
		{Byte: 'a', Name: "tags", Run: true},
		{Byte: 'e', Name: "experiments"},
		{Byte: 'f', Name: "experiment tags"},
		{Byte: 'p', Name: "params", Run: true},
		{Byte: 'r', Name: "runs", Run: true},
	}
	return slices.Concat(own, index.Tables(), lineage.Tables())
}

// TableNames returns the names of the tables by byte; clocks and values of
// blocks and tails count as one.
func TableNames() map[byte]string {
	names := map[byte]string{}
	for _, t := range Tables() {
		switch before, ok := names[t.Byte]; {
		case !ok:
			names[t.Byte] = t.Name
		default:
			_, kind, _ := strings.Cut(t.Name, " ")
			names[t.Byte] = strings.TrimSuffix(before, kind) + "and " + t.Name
		}
	}
	return names
}

// TableGroup says in one word what the rows of a table are for: "metrics", "runs",
// "index", "lineage", "names" or "other".
func TableGroup(b byte) string {
	has := func(tables []store.Table) bool {
		return slices.ContainsFunc(tables, func(t store.Table) bool { return t.Byte == b })
	}
	switch {
	case b == 'N' || b == 'n':
		return "names"
	case b == 'B' || b == 'C' || b == 'w':
		return "other"
	case has(store.Tables()):
		return "metrics"
	case has(index.Tables()):
		return "index"
	case has(lineage.Tables()):
		return "lineage"
	case has(tablesAbove()):
		return "runs"
	}
	return "other"
}

// SpaceOptions are for [DB.Space]; nil is none of them.
type SpaceOptions struct {
	TopRuns    int // name so many runs that take most
	TopMetrics int // name so many metrics that take most
	// Progress hears of the bytes read so far and of all that are to be read,
	// which is an estimate.
	Progress func(done, total int64)
}

// Space says what a database takes, in bytes: its rows by kind, as a reader
// sees them, and its files.
type Space struct {
	store.Space
	Files []store.FileSpace
	// Dead is what the tables of the key space take beyond the rows that are
	// alive: rows that were replaced or deleted and not compacted away yet,
	// the engine's indexes and checksums. It is 0 while most rows are in logs.
	Dead int64
	Runs []RunSpace // as many as TopRuns, most bytes first
}

// RunSpace is what the rows of a run take.
type RunSpace struct {
	store.RunSpace
	ID, Name string
}

// Space reads all rows and adds up what they take, in the time of a [DB.Verify]
// without artifacts. Artifacts elsewhere than in the directory are not counted.
func (db *DB) Space(ctx context.Context, opt *SpaceOptions) (*Space, error) {
	if opt == nil {
		opt = &SpaceOptions{}
	}
	s, done, err := db.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	rows, err := s.Space(ctx, &store.SpaceOptions{
		Tables: tablesAbove(), TopRuns: opt.TopRuns, TopMetrics: opt.TopMetrics, Progress: opt.Progress,
	})
	if err != nil {
		return nil, err
	}
	sp := &Space{Space: *rows}
	private := "" // a copy that exists because of this call is not of the database
	if s.ReadOnly() {
		private = s.Dir()
	}
	if sp.Files, err = store.Files(ctx, db.dir, private); err != nil {
		return nil, err
	}
	for _, f := range sp.Files {
		if f.Kind == store.KeySpaceTables {
			sp.Dead = max(0, f.Bytes-sp.Stored)
		}
	}
	err = s.View(ctx, func(tx *store.Tx) error {
		for _, r := range rows.Runs {
			named := RunSpace{RunSpace: r}
			if named.ID, err = tx.Text(kindRun, r.Run); err != nil {
				return err
			}
			var row runRow
			if err := tx.Load(runKey(r.Run), 1, &row); err != nil {
				return present(err, "run", named.ID)
			}
			named.Name = row.Name
			sp.Runs = append(sp.Runs, named)
		}
		return nil
	})
	return sp, err
}

// Blocks iterates over the blocks that hold a metric of a run, those of all
// models and datasets it is about, with their bytes. Damage of one is in its
// Err and does not end the iteration. [ErrNotFound] for the run; a metric that
// was never logged has no blocks.
func (db *DB) Blocks(ctx context.Context, run, metric string) iter.Seq2[*store.SeriesBlock, error] {
	return func(yield func(*store.SeriesBlock, error) bool) {
		s, done, err := db.reader()
		if err != nil {
			yield(nil, err)
			return
		}
		defer done()
		ord, err := existingRun(ctx, s, run)
		if err != nil {
			yield(nil, err)
			return
		}
		for b, err := range s.Blocks(ctx, ord, metric) {
			if !yield(b, err) {
				return
			}
		}
	}
}

// OpName says what an op of an inbox asks for, such as "create run".
func OpName(op []byte) string {
	if len(op) < 2 {
		return "cut short"
	}
	o := newOp(opKind(op[1]))
	if o == nil {
		return fmt.Sprintf("kind %d", op[1])
	}
	var b strings.Builder
	for _, r := range reflect.TypeOf(o).Elem().Name() {
		if unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
