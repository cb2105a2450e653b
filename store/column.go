package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store/internal/block"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// columnKey is the key of one column of a block or tail. Blocks of a column lie
// side by side: a curve is read with one scan.
func columnKey(table byte, run, group uint32, column uint16, number uint32) []byte {
	return tuple.Uint32(tuple.Uint16(groupKey(table, run, group), column), number)
}

// columnRows reads rows of one column of a group, best in ascending order.
type columnRows struct {
	r          kv.Reader
	table      byte
	run, group uint32
	column     uint16
	limit      uint32 // rows from here on are not asked for
	few        bool   // a scan does not pay
	at         uint32 // row that the scan has reached
	next       func() (pair, bool)
	stop       func()
	err        error // of the scan
	bytes      int64 // of the rows read
}

type pair struct {
	number uint32
	value  []byte
}

// fewRows is how many rows are fetched one by one: beginning a scan costs as
// much as some fetches.
const fewRows = 4

// farRows is how many rows a scan passes over: a new one costs about as much.
const farRows = 32

// newColumnRows returns a reader of about n rows with numbers below limit.
// Close it.
func newColumnRows(r kv.Reader, table byte, run, group uint32, column uint16, limit uint32, n int) *columnRows {
	return &columnRows{r: r, table: table, run: run, group: group, column: column, limit: limit, few: n <= fewRows}
}

func (c *columnRows) close() {
	if c.stop != nil {
		c.stop()
		c.stop, c.next = nil, nil
	}
}

// body returns the body of the row with a number, valid until the next call. A
// missing row is [ErrCorrupt].
func (c *columnRows) body(number uint32) ([]byte, error) {
	key := columnKey(c.table, c.run, c.group, c.column, number)
	value, err := c.value(key, number)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, fmt.Errorf("run %d group %d: block %d column %d is missing: %w", c.run, c.group, number, c.column, ErrCorrupt)
	}
	if err != nil {
		return nil, err
	}
	c.bytes += int64(len(value))
	version, body, err := record.Open(key, value)
	if err != nil {
		return nil, c.fault(number, err)
	}
	if version > 1 {
		return nil, c.fault(number, fmt.Errorf("version %d: %w", version, ErrFuture))
	}
	return body, nil
}

// head returns the beginning of a row's body, with the zone and the pyramid of
// its block, valid until the next call.
func (c *columnRows) head(number uint32) ([]byte, error) { return c.body(number) }

// fault says which row an error is about.
func (c *columnRows) fault(number uint32, err error) error {
	return fmt.Errorf("run %d group %d block %d column %d: %w", c.run, c.group, number, c.column, err)
}

func (c *columnRows) value(key []byte, number uint32) ([]byte, error) {
	if c.few {
		return c.r.Get(key)
	}
	if c.next != nil && number > c.at+farRows {
		c.close()
	}
	if c.next == nil {
		c.next, c.stop = iter.Pull(c.scan(key))
	}
	for {
		row, ok := c.next()
		c.at = row.number
		switch {
		case c.err != nil:
			return nil, c.err
		case !ok || row.number > number:
			// The scan is beyond: what follows is fetched.
			c.close()
			c.few = true
			return c.r.Get(key)
		case row.number == number:
			return row.value, nil
		}
	}
}

// scan iterates over the rows of the column from key on.
func (c *columnRows) scan(key []byte) iter.Seq[pair] {
	return func(yield func(pair) bool) {
		end := columnKey(c.table, c.run, c.group, c.column, c.limit)
		c.err = c.r.Scan(key, end, false, func(key, value []byte) bool {
			return yield(pair{binary.BigEndian.Uint32(key[len(key)-4:]), value})
		})
	}
}

// clock appends the steps and times of a block or tail.
func (c *columnRows) clock(number uint32, steps, times []int64) ([]int64, []int64, error) {
	body, err := c.body(number)
	if err != nil {
		return steps, times, err
	}
	if steps, times, err = block.DecodeClock(steps, times, body); err != nil {
		err = c.fault(number, err)
	}
	return steps, times, err
}

// values appends the values of a block or tail of n points.
func (c *columnRows) values(number uint32, dst []float64, n int) ([]float64, error) {
	body, err := c.body(number)
	if err != nil {
		return dst, err
	}
	return c.decode(number, body, dst, n)
}

// decode appends the n values of a row's body.
func (c *columnRows) decode(number uint32, body []byte, dst []float64, n int) (_ []float64, err error) {
	at := len(dst)
	if dst, err = block.DecodeValues(dst, body); err != nil {
		return dst, c.fault(number, err)
	}
	if len(dst)-at != n {
		return dst[:at], c.fault(number, fmt.Errorf("%d values for %d steps: %w", len(dst)-at, n, ErrCorrupt))
	}
	return dst, nil
}

// groupRows reads whole blocks or tails of a group.
type groupRows struct{ columns []*columnRows }

// newGroupRows returns a reader of the blocks or tails of a group of width
// series with numbers below limit, about n of them. Close it.
func newGroupRows(r kv.Reader, table byte, run, group uint32, width int, limit uint32, n int) *groupRows {
	g := &groupRows{make([]*columnRows, width+1)}
	for i := range g.columns {
		g.columns[i] = newColumnRows(r, table, run, group, uint16(i), limit, n)
	}
	return g
}

func (g *groupRows) close() {
	for _, c := range g.columns {
		c.close()
	}
}

// load sets c to the points of a block or tail. It reuses c's memory. Check,
// if not nil, sees the body of each column that c has by then.
func (g *groupRows) load(number uint32, c *columns, check func(c *columns, column int, body []byte) error) error {
	for i, rows := range g.columns {
		body, err := rows.body(number)
		if err != nil {
			return err
		}
		if i > 0 {
			c.values[i-1], err = rows.decode(number, body, c.values[i-1][:0], c.len())
		} else if c.steps, c.times, err = block.DecodeClock(c.steps[:0], c.times[:0], body); err != nil {
			err = rows.fault(number, err)
		}
		if err != nil {
			return err
		}
		if check == nil {
			continue
		}
		if err := check(c, i, body); err != nil {
			return rows.fault(number, err)
		}
	}
	return nil
}

// readTail returns all columns of a tail.
func (s *Store) readTail(run, group, number uint32, width int) (c columns, err error) {
	c.values = make([][]float64, width)
	err = s.engine.View(func(r kv.Reader) error { // also while closing
		rows := newGroupRows(r, 't', run, group, width, number+1, 1)
		defer rows.close()
		return rows.load(number, &c, nil)
	})
	return c, err
}
