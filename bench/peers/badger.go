package main

import (
	"errors"

	"github.com/dgraph-io/badger/v4"

	"github.com/runstonedb/runstone/bench/load"
)

// openBadger keeps a pair for each point, with Badger's default options but the
// size of its value log: the default is a sparse file of 2 GiB.
func openBadger(sync bool) load.OpenFunc {
	return func(dir string) (load.Engine, error) {
		opt := badger.DefaultOptions(dir).WithLogger(nil).WithSyncWrites(sync).WithValueLogFileSize(64 << 20)
		db, err := badger.Open(opt)
		if err != nil {
			return nil, err
		}
		return openKV(badgerKV{db})
	}
}

type badgerKV struct{ db *badger.DB }

func (b badgerKV) put(pairs [][2][]byte) error {
	return b.db.Update(func(txn *badger.Txn) error {
		for _, p := range pairs {
			if err := txn.Set(p[0], p[1]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b badgerKV) scan(prefix []byte, fn func(key, value []byte) error) error {
	return b.db.View(func(txn *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.Prefix = prefix
		it := txn.NewIterator(opt)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			item := it.Item()
			if err := item.Value(func(value []byte) error { return fn(item.Key(), value) }); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b badgerKV) close() error { return errors.Join(b.db.Flatten(2), b.db.Close()) }
