package runstone

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/runstonedb/runstone/store"
)

// Kinds of fields in the run index, and what their ordinals are. The numbers
// are durable.
const (
	fieldAttribute byte = 1 // attr…
	fieldParam     byte = 2 // of the key
	fieldTag       byte = 3 // of the key
	fieldMetric    byte = 4 // of the series of that name alone; the part is a tree.SeriesFn
	fieldDataset   byte = 5 // dataset…
)

const (
	attrExperiment uint32 = 1 + iota // its ordinal
	attrID
	attrName
	attrUser
	attrStatus // by name
	attrStart
	attrEnd
	attrDeleted // 1
	attrParent  // id
)

const (
	datasetName uint32 = 1 + iota
	datasetDigest
	datasetContext
)

func attribute(ord uint32) index.Field { return index.Field{Kind: fieldAttribute, Ord: ord} }

func metricField(metric uint32, fn tree.SeriesFn) index.Field {
	return index.Field{Kind: fieldMetric, Ord: metric, Part: byte(fn)}
}

// cells gives the index what it keeps of a run; nothing of one that was purged.
// Absent are what most runs have not: the end of a running one, and whatever of a
// metric follows from its latest value alone because it is its only point, see
// (*segmentBatch).metric.
func (f *folder) cells(tx *store.Tx, run uint32, add func(index.Cell)) error {
	var row runRow
	err := tx.Load(runKey(run), 1, &row)
	if errors.Is(err, ErrNotFound) || err == nil && row.Status == runPurged {
		return nil
	}
	if err != nil {
		return err
	}
	id, err := tx.Text(kindRun, run)
	if err != nil {
		return err
	}
	text := func(f index.Field, s string) { add(index.Cell{Field: f, Type: index.Strings, Text: s}) }
	number := func(f index.Field, i int64) { add(index.Cell{Field: f, Type: index.Ints, Int: i}) }
	number(attribute(attrExperiment), int64(row.Experiment))
	text(attribute(attrID), id)
	text(attribute(attrName), row.Name)
	text(attribute(attrUser), row.User)
	text(attribute(attrStatus), row.status().String())
	number(attribute(attrStart), row.Start)
	if row.End != 0 {
		number(attribute(attrEnd), row.End)
	}
	if row.Deleted {
		number(attribute(attrDeleted), 1)
	}
	f.enter(tx)
	parent, err := f.parentTag(tx)
	if err != nil {
		return err
	}
	err = eachValue(tx, paramKey(run, 0)[:5], func(key uint32, value string) error {
		text(index.Field{Kind: fieldParam, Ord: key}, value)
		return nil
	})
	if err != nil {
		return err
	}
	err = eachValue(tx, tagKey(run, 0)[:5], func(key uint32, value string) error {
		text(index.Field{Kind: fieldTag, Ord: key}, value)
		if key == parent {
			text(attribute(attrParent), value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	uses, err := lineage.InputUses(tx, run)
	if err != nil {
		return err
	}
	for _, u := range uses {
		text(index.Field{Kind: fieldDataset, Ord: datasetName}, u.Name)
		text(index.Field{Kind: fieldDataset, Ord: datasetDigest}, u.Digest)
		if u.Context != "" {
			text(index.Field{Kind: fieldDataset, Ord: datasetContext}, u.Context)
		}
	}
	return f.metricCells(run, add)
}

func addMetric(ord uint32, m *store.Summary, add func(index.Cell)) {
	float := func(fn tree.SeriesFn, v float64) {
		add(index.Cell{Field: metricField(ord, fn), Type: index.Floats, Float: v})
	}
	number := func(fn tree.SeriesFn, v int64) {
		add(index.Cell{Field: metricField(ord, fn), Type: index.Ints, Int: v})
	}
	float(tree.Last, m.Latest.Value)
	valued := m.Count > m.NaN
	if valued && m.MinStep != 0 {
		number(tree.ArgMin, m.MinStep)
	}
	if valued && m.MaxStep != 0 {
		number(tree.ArgMax, m.MaxStep)
	}
	if m.Count == 1 {
		return
	}
	number(tree.Count, m.Count)
	float(tree.First, m.First.Value)
	if m.NaN > 0 {
		number(tree.NaNCount, m.NaN)
	}
	if !valued {
		return
	}
	float(tree.Min, m.Min)
	float(tree.Max, m.Max)
	float(tree.Sum, total(m.Sum, m.PosInf, m.NegInf))
	float(tree.Mean, m.Mean())
}

// total is the sum of values of which finite is that of the finite ones.
func total(finite float64, posInf, negInf int64) float64 {
	switch {
	case posInf > 0 && negInf > 0:
		return math.NaN()
	case posInf > 0:
		return math.Inf(1)
	case negInf > 0:
		return math.Inf(-1)
	}
	return finite
}

// Runs that changed are read from their records until they are folded into the
// index: in the background once there are many, and when the database is closed.
// Ended ones are folded soon. Running ones are likely to change again, so they wait
// for a later pass; without it runs whose programs died would be read for ever.
const (
	foldMany   = 256
	foldClose  = 16
	foldDelay  = time.Second
	foldSettle = 5 * time.Second
)

// fold brings runs that changed into the index when there are at least so many:
// ended ones or, with all, whatever is not being logged just now.
func (db *DB) fold(ctx context.Context, atLeast int, all bool) error {
	f := newFolder(ctx, db.store)
	last, err := db.lastRun(ctx)
	if err != nil {
		return err
	}
	ended := map[uint32]bool{} // those of which it is known: each is asked about twice
	ready := func(tx *store.Tx, run uint32) bool {
		if !db.store.Idle(run) {
			return false
		}
		if !all && !ended[run] {
			ended[run] = runEnded(tx, run)
		}
		return all || ended[run]
	}
	_, err = db.runs.Fold(ctx, db.store, index.FoldOptions{Load: f.cells, Last: last, Min: atLeast, Ready: ready})
	return err
}

func (db *DB) lastRun(ctx context.Context) (last uint32, err error) {
	err = db.View(ctx, func(tx *store.Tx) error {
		last, err = tx.LastOrd(kindRun)
		return err
	})
	return last, err
}

func runEnded(tx *store.Tx, run uint32) bool {
	var row runRow
	err := tx.Load(runKey(run), 1, &row)
	return err != nil || row.Status == runPurged || row.status().ended()
}

// Fold brings what changed since into the run index, runs that are being logged
// excepted. It happens by itself, see docs/adr/0007-run-table.md; a program that
// has just logged many runs and is about to search them may call it. [ErrLocked]
// when the database is shared, [ErrReadOnly] of one that is read-only.
func (db *DB) Fold(ctx context.Context) error {
	if err := db.holds(); err != nil {
		return err
	}
	return db.fold(ctx, 1, true)
}

// Reindex makes the run index anew from the records. progress, which may be nil,
// is told of runs done. Errors as of [DB.Fold].
func (db *DB) Reindex(ctx context.Context, progress func(done, of int)) error {
	if err := db.holds(); err != nil {
		return err
	}
	f := newFolder(ctx, db.store)
	last, err := db.lastRun(ctx)
	if err != nil {
		return err
	}
	_, err = db.runs.Rebuild(ctx, db.store, index.FoldOptions{Load: f.cells, Last: last, Ready: idle(db.store), Progress: progress})
	return err
}

func idle(s *store.Store) func(*store.Tx, uint32) bool {
	return func(_ *store.Tx, run uint32) bool { return s.Idle(run) }
}

// holds tells why the database takes no changes that only its holder makes.
func (db *DB) holds() error {
	if db.opt.ReadOnly {
		return ErrReadOnly
	}
	if db.store == nil {
		return ErrLocked
	}
	return nil
}

// keeper folds in the background.
type keeper struct {
	wake chan struct{}
	stop context.CancelFunc
	done sync.WaitGroup
}

// changed tells the keeper that runs changed. It does not wait.
func (k *keeper) changed() {
	if k == nil {
		return
	}
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (db *DB) keep() {
	ctx, stop := context.WithCancel(context.Background())
	k := &keeper{wake: make(chan struct{}, 1), stop: stop}
	db.keeper = k
	k.done.Go(func() {
		pause, settle := time.NewTimer(math.MaxInt64), time.NewTimer(math.MaxInt64)
		defer pause.Stop()
		defer settle.Stop()
		settling := false
		for {
			select {
			case <-ctx.Done():
				return
			case <-settle.C:
				settling = false
				db.foldQuietly(ctx, foldMany, true)
				continue
			case <-k.wake:
				pause.Reset(foldDelay)
			}
			select {
			case <-ctx.Done():
				return
			case <-pause.C:
			}
			db.foldQuietly(ctx, foldMany, false)
			if !settling {
				settling = true
				settle.Reset(foldSettle)
			}
		}
	})
}

// foldQuietly is fold where nobody waits for it. The index is derived: what is not
// in it is read from the records.
func (db *DB) foldQuietly(ctx context.Context, atLeast int, all bool) {
	err := db.fold(ctx, atLeast, all)
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrClosed) && db.opt.Logger != nil {
		db.opt.Logger.Warn("the run index was not brought up to date", "error", err)
	}
}

// close stops the keeper and folds what is worth it.
func (k *keeper) close(db *DB) {
	if k == nil {
		return
	}
	k.stop()
	k.done.Wait()
	db.foldQuietly(context.Background(), foldClose, true)
}
