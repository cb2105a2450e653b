package badgerkv

import (
	"errors"
	"io/fs"
	"os"
)

// Sync returns once everything committed before the call survives power loss.
//
// Badger's own Sync covers the log of the active memtable only. Rows of full
// memtables that wait for their flush have their sole copy in older logs, so
// all of them are synced here. A commit writes to its log before it returns,
// hence every row in question is in a log that exists now, or in a table:
// Badger removes a log only after its table is synced and named in a synced
// MANIFEST. A log that vanishes meanwhile is therefore no loss. The directory
// is synced for the names of logs and tables.
func (d *DB) Sync() error {
	f, err := listFiles(d.dir)
	if err != nil {
		return err
	}
	for _, id := range f.mems {
		if err := syncFile(f.path(memName(id))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := syncFile(f.path(manifestName)); err != nil {
		return err
	}
	return syncFile(d.dir)
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
