package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
)

const (
	batchRows  = 4096                   // rows of a batch at most
	batchSets  = 64                     // combinations of metrics at once
	batchDelay = 200 * time.Millisecond // how long a row may wait for others

	maxKnownNames = 100_000
)

// lineBatch collects rows with the same metrics.
type lineBatch struct {
	cols runstone.Columns
}

// lineLogger logs rows in batches as they come.
type lineLogger struct {
	a       *app
	run     *runstone.Run
	rows    chan logRow
	failed  chan error            // what ended the rows, once they are closed
	known   map[string]bool       // names of metrics that came; the reader's until rows is closed
	batches map[string]*lineBatch // by names
	key     []byte
	waiting int64     // rows in batches
	held    int64     // points in batches
	lines   int64     // logged
	points  int64     // logged
	shown   time.Time // when progress was
}

// start begins to read the rows of in.
func (l *lineLogger) start(ctx context.Context, in io.Reader, fl *logFlags) {
	l.rows, l.failed, l.known = make(chan logRow, 1024), make(chan error, 1), map[string]bool{}
	// A read of a pipe cannot be called off: after an interrupt this ends
	// with the process.
	go func() {
		defer close(l.rows)
		l.failed <- readRows(ctx, in, fl, l.known, l.rows)
	}()
}

// first waits for the first row with a value. Rows before it count as logged:
// there is nothing of them to log.
func (l *lineLogger) first(ctx context.Context, fl *logFlags) (logRow, error) {
	for {
		select {
		case row, ok := <-l.rows:
			if !ok {
				return row, noRows(<-l.failed, l.lines, fl)
			}
			if len(row.names) > 0 {
				return row, nil
			}
			l.lines++
		case <-ctx.Done():
			return logRow{}, ctx.Err()
		}
	}
}

// noRows says why there is nothing to log; err is what ended the input.
func noRows(err error, lines int64, fl *logFlags) error {
	const hint = "nothing was logged, and no run was started"
	var bad *lineError
	switch {
	case errors.As(err, &bad):
		return &fault{code: exitRefused, msg: bad.Error(), cause: err, hint: hint}
	case err != nil:
		return err
	case lines == 0:
		return refusedf(hint, "the input has no line of values")
	case len(fl.only) > 0:
		return refusedf(hint, "no line has a value of --only %s", clip(strings.Join(fl.only, ",")))
	}
	return refusedf(hint, "%s, but no value in the input", plural(lines, "line"))
}

// logAll logs the first row and those behind it until the end or a bad one.
func (l *lineLogger) logAll(ctx context.Context, first logRow) error {
	if err := l.add(ctx, first); err != nil {
		return err
	}
	tick := time.NewTicker(batchDelay)
	defer tick.Stop()
	for {
		select {
		case row, ok := <-l.rows:
			if !ok {
				err := <-l.failed
				if ferr := l.flush(ctx); ferr != nil {
					err = ferr
				}
				l.progress(true)
				return err
			}
			if err := l.add(ctx, row); err != nil {
				return err
			}
		case <-tick.C:
			if err := l.flush(ctx); err != nil {
				return err
			}
			l.progress(false)
		case <-ctx.Done():
			return errors.Join(l.flush(context.WithoutCancel(ctx)), ctx.Err())
		}
	}
}

var errEnd = io.EOF

func readRows(ctx context.Context, in io.Reader, fl *logFlags, known map[string]bool, rows chan<- logRow) error {
	r, err := newRowReader(in, fl.format, fl.only)
	if err != nil {
		return err
	}
	for {
		row, err := r.read()
		if errors.Is(err, errEnd) {
			return nil
		}
		if err == nil {
			err = checkNames(row, known)
		}
		if err != nil {
			return err
		}
		select {
		case rows <- row:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// checkNames refuses a metric's name with the number of its line. It looks at
// each name once.
func checkNames(row logRow, known map[string]bool) error {
	for _, name := range row.names {
		if known[name] {
			continue
		}
		if err := checkName(row.line, name); err != nil {
			return err
		}
		if len(known) < maxKnownNames {
			known[name] = true
		}
	}
	return nil
}

func checkName(line int, name string) error {
	if err := runstone.CheckKey(name, "Metric name", "name"); err != nil {
		return badLine(line, "%s", oneLine(asFault(err).msg))
	}
	return nil
}

func (l *lineLogger) add(ctx context.Context, row logRow) error {
	if row.time < 0 {
		row.time = time.Now().UnixMilli()
	}
	l.key = l.key[:0]
	for _, name := range row.names {
		l.key = append(append(l.key, name...), 0)
	}
	b := l.batches[string(l.key)]
	if b == nil {
		if len(l.batches) == batchSets {
			if err := l.flush(ctx); err != nil {
				return err
			}
			clear(l.batches)
		}
		b = &lineBatch{}
		b.cols.Names, b.cols.Values = row.names, make([][]float64, len(row.names))
		l.batches[string(l.key)] = b
	}
	b.cols.Steps, b.cols.Times = append(b.cols.Steps, row.step), append(b.cols.Times, row.time)
	for i, v := range row.values {
		b.cols.Values[i] = append(b.cols.Values[i], v)
	}
	l.waiting++
	l.held += int64(len(row.values))
	if l.waiting < batchRows {
		return nil
	}
	err := l.flush(ctx)
	l.progress(false)
	return err
}

// flush logs what waits.
func (l *lineLogger) flush(ctx context.Context) error {
	if l.waiting == 0 {
		return nil
	}
	for _, b := range l.batches {
		c := &b.cols
		if len(c.Steps) > 0 && len(c.Names) > 0 {
			if err := l.run.Append(ctx, *c); err != nil {
				return err
			}
		}
		c.Steps, c.Times = c.Steps[:0], c.Times[:0]
		for i := range c.Values {
			c.Values[i] = c.Values[i][:0]
		}
	}
	l.lines, l.points = l.lines+l.waiting, l.points+l.held
	l.waiting, l.held = 0, 0
	return nil
}

// progress shows a person how far it is.
func (l *lineLogger) progress(last bool) {
	now := time.Now()
	if !l.a.watched() || !last && now.Sub(l.shown) < batchDelay {
		return
	}
	l.shown = now
	end := ""
	if last {
		end = "\n"
	}
	fmt.Fprintf(l.a.err, "\r%s lines, %s points%s", grouped(l.lines), grouped(l.points), end)
}
