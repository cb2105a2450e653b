package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

// writers is how many goroutines write at once.
const writers = 64

func writersContenders(spec) []contender {
	return []contender{
		{"runstone", "Synced, a run for each writer", measureWriters(load.Open(runstone.Synced), writers)},
		{"limit-group", "one goroutine appends what all have handed in and calls fdatasync for all; as many bytes a point as the journal takes", groupCommit},
		{"runstone-one", "one writer alone", measureWriters(load.Open(runstone.Synced), 1)},
		{"limit-one", "one goroutine appends as many bytes and calls fdatasync", oneCommit},
		{"sqlite-wal", "MLflow's schema, WAL + FULL, one connection behind a lock", measureWriters(openSQLite("WAL", "FULL"), writers)},
		{"badger", "a key for each point, SyncWrites", measureWriters(openBadger(true), writers)},
		{"pebble", "a key for each point, Sync", measureWriters(openPebble(pebble.Sync), writers)},
	}
}

func measureWriters(open load.OpenFunc, writers int) func(context.Context, string, spec) (*outcome, error) {
	return func(ctx context.Context, dir string, s spec) (*outcome, error) {
		e, err := open(inside(dir))
		if err != nil {
			return nil, err
		}
		r, err := load.MeasureWriters(ctx, e, load.Writers{Writers: writers, Time: s.writing})
		return &outcome{Writers: r}, errors.Join(err, e.Close())
	}
}

// committer is the fastest durable log that shares syncs: while one sync runs,
// the next group gathers.
type committer struct {
	file     *os.File
	requests chan request
	buf      []byte
	group    []request
}

type request struct {
	bytes []byte
	done  chan error
}

// run commits groups until requests is closed.
func (c *committer) run() {
	for r := range c.requests {
		c.group, c.buf = append(c.group[:0], r), append(c.buf[:0], r.bytes...)
		for waiting := true; waiting; {
			select {
			case r, ok := <-c.requests:
				if waiting = ok; ok {
					c.group, c.buf = append(c.group, r), append(c.buf, r.bytes...)
				}
			default:
				waiting = false
			}
		}
		_, err := c.file.Write(c.buf)
		if err == nil {
			err = fdatasync(c.file)
		}
		for _, r := range c.group {
			r.done <- err
		}
	}
}

func groupCommit(ctx context.Context, dir string, s spec) (o *outcome, err error) {
	f, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	c := &committer{file: f, requests: make(chan request, writers)}
	var wg sync.WaitGroup
	wg.Go(c.run)
	writes := make([]load.WriteFunc, writers)
	for i := range writes {
		r := request{bytes: make([]byte, s.batchBytes), done: make(chan error, 1)}
		writes[i] = func(context.Context, int64, int64, float64) error {
			c.requests <- r
			return <-r.done
		}
	}
	r, _, err := load.Writers{Time: s.writing}.Run(ctx, writes)
	close(c.requests)
	wg.Wait()
	return &outcome{Writers: r}, err
}

// oneCommit is the same without sharing: a writer alone has nobody to share with.
func oneCommit(ctx context.Context, dir string, s spec) (o *outcome, err error) {
	f, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b := make([]byte, s.batchBytes)
	r, _, err := load.Writers{Time: s.writing}.Run(ctx, []load.WriteFunc{func(context.Context, int64, int64, float64) error {
		if _, err := f.Write(b); err != nil {
			return err
		}
		return fdatasync(f)
	}})
	return &outcome{Writers: r}, err
}
