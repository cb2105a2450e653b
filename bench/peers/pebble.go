package main

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/runstonedb/runstone/bench/load"
)

// openPebble keeps a pair for each point, with Pebble's default options and its
// newest format.
func openPebble(durability *pebble.WriteOptions) load.OpenFunc {
	return func(dir string) (load.Engine, error) {
		db, err := pebble.Open(dir, &pebble.Options{FormatMajorVersion: pebble.FormatNewest, Logger: silent{}})
		if err != nil {
			return nil, err
		}
		return openKV(pebbleKV{db, durability})
	}
}

// silent is a logger that nobody hears; Pebble also returns what it reports.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) { panic("pebble gave up") }

type pebbleKV struct {
	db         *pebble.DB
	durability *pebble.WriteOptions
}

func (p pebbleKV) put(pairs [][2][]byte) error {
	b := p.db.NewBatch()
	for _, pair := range pairs {
		if err := b.Set(pair[0], pair[1], nil); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	return errors.Join(b.Commit(p.durability), b.Close())
}

func (p pebbleKV) scan(prefix []byte, fn func(key, value []byte) error) (err error) {
	it, err := p.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.First(); it.Valid(); it.Next() {
		if err := fn(it.Key(), it.Value()); err != nil {
			return err
		}
	}
	return it.Error()
}

// after returns the first key behind all that have the prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

func (p pebbleKV) close() error {
	err := p.db.Flush()
	if err == nil {
		err = p.db.Compact(context.Background(), []byte{0}, []byte{0xff}, false)
	}
	return errors.Join(err, p.db.Close())
}
