package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/bench/load"
)

// ordered is a key-value store with ordered keys.
type ordered interface {
	// put writes the pairs together. They may be changed when it has returned.
	put(pairs [][2][]byte) error
	// scan calls fn with the pairs whose keys have the prefix, in order of keys;
	// they are valid during the call.
	scan(prefix []byte, fn func(key, value []byte) error) error
	// close compacts and closes.
	close() error
}

// kv keeps each point as a pair of its own:
//
//	'n' name                              → number of the metric, 2 bytes
//	'p' run, metric number, time, step    → value, 8 bytes
//
// where run is 4 bytes and time and step are 8, big-endian. Two points of one
// series, time and step would be one.
type kv struct {
	db   ordered
	mu   sync.Mutex
	runs uint32
	// metrics are the names seen so far.
	metrics map[string]uint16
}

// openKV reads the names back.
func openKV(db ordered) (load.Engine, error) {
	e := &kv{db: db, metrics: map[string]uint16{}}
	err := db.scan([]byte{'n'}, func(key, value []byte) error {
		e.metrics[string(key[1:])] = binary.BigEndian.Uint16(value)
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, db.close())
	}
	return e, nil
}

func (e *kv) StartRun(context.Context, string) (load.Run, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.runs++
	return &kvRun{e: e, no: e.runs}, nil
}

type kvRun struct {
	e     *kv
	no    uint32
	bytes []byte
	pairs [][2][]byte
}

func (r *kvRun) ID() string                { return fmt.Sprint(r.no) }
func (r *kvRun) End(context.Context) error { return nil }

const kvKey, kvValue = 1 + 4 + 2 + 8 + 8, 8

func (r *kvRun) Append(_ context.Context, c runstone.Columns) error {
	n := len(c.Names) * len(c.Steps)
	if size := n * (kvKey + kvValue); cap(r.bytes) < size {
		r.bytes = make([]byte, 0, size)
	}
	b, pairs := r.bytes[:0], r.pairs[:0]
	for k, name := range c.Names {
		metric, err := r.e.metric(name)
		if err != nil {
			return err
		}
		for i := range c.Steps {
			at := len(b)
			b = kvPrefix(b, r.no, metric)
			b = binary.BigEndian.AppendUint64(b, uint64(c.Times[i]))
			b = binary.BigEndian.AppendUint64(b, uint64(c.Steps[i]))
			b = binary.BigEndian.AppendUint64(b, math.Float64bits(c.Values[k][i]))
			pairs = append(pairs, [2][]byte{b[at : at+kvKey : at+kvKey], b[at+kvKey : len(b) : len(b)]})
		}
	}
	r.bytes, r.pairs = b, pairs
	return r.e.db.put(pairs)
}

func kvPrefix(b []byte, run uint32, metric uint16) []byte {
	b = binary.BigEndian.AppendUint32(append(b, 'p'), run)
	return binary.BigEndian.AppendUint16(b, metric)
}

// metric returns the number of a name, which it writes when it is new.
func (e *kv) metric(name string) (uint16, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	no, ok := e.metrics[name]
	if ok {
		return no, nil
	}
	no = uint16(len(e.metrics))
	e.metrics[name] = no
	return no, e.db.put([][2][]byte{{append([]byte{'n'}, name...), binary.BigEndian.AppendUint16(nil, no)}})
}

func (e *kv) Points(_ context.Context, run, metric string, fn func(steps, times []int64, values []float64) error) error {
	r, err := strconv.ParseUint(run, 10, 32)
	if err != nil {
		return err
	}
	no, ok := e.metrics[metric]
	if !ok {
		return fmt.Errorf("no metric %q", metric)
	}
	const piece = 4096
	steps, times, values := make([]int64, 0, piece), make([]int64, 0, piece), make([]float64, 0, piece)
	prefix := kvPrefix(nil, uint32(r), no)
	err = e.db.scan(prefix, func(key, value []byte) error {
		key = key[len(prefix):]
		times = append(times, int64(binary.BigEndian.Uint64(key)))
		steps = append(steps, int64(binary.BigEndian.Uint64(key[8:])))
		values = append(values, math.Float64frombits(binary.BigEndian.Uint64(value)))
		if len(steps) < piece {
			return nil
		}
		err := fn(steps, times, values)
		steps, times, values = steps[:0], times[:0], values[:0]
		return err
	})
	if err != nil {
		return err
	}
	return fn(steps, times, values)
}

func (e *kv) Downsample(ctx context.Context, run, metric string, steps, buckets int) (int64, error) {
	return load.ClientDownsample(ctx, e, run, metric, steps, buckets)
}

func (e *kv) Close() error { return e.db.close() }
