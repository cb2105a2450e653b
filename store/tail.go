package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store/internal/journal"
)

// inboxRow is the 'w' row of a writer: how far its inbox is applied. It stays
// after the file is gone, so that a copy of the file adds nothing.
type inboxRow struct {
	Seq      uint64 // last frame applied
	Rejected uint64 // ops and point frames refused
	Reason   string // of the last refusal
}

func inboxKey(writer [16]byte) []byte { return append(tuple.Key('w'), writer[:]...) }

// tailer applies the inboxes of a directory.
type tailer struct {
	s     *Store
	files map[string]*inboxFile
	stuck map[string]stuckInbox
	waits map[string]time.Time // since when an inbox waits for what is not there
	quit  chan struct{}
	done  chan struct{}
}

// stuckInbox is an inbox that could not be applied: it is left alone until it
// grows, or for a while.
type stuckInbox struct {
	size  int64
	until time.Time
}

// stuckFor is how long a stuck inbox that does not grow is left alone.
const stuckFor = 30 * time.Second

// leave reports whether an inbox is left alone for now.
func (t *tailer) leave(path string) bool {
	was, ok := t.stuck[path]
	if !ok {
		return false
	}
	info, err := os.Lstat(path)
	return err == nil && info.Size() == was.size && time.Now().Before(was.until)
}

func (t *tailer) stick(path string) {
	if info, err := os.Lstat(path); err == nil {
		t.stuck[path] = stuckInbox{info.Size(), time.Now().Add(stuckFor)}
	}
}

// inboxFile is one inbox being read.
type inboxFile struct {
	path   string
	r      *journal.Reader
	row    inboxRow
	series map[uint32]*inboxSeries
	ended  bool
	strict bool // what refers to something that is not there is rejected
}

// inboxSeries is a group named in an inbox. The groups are nil until its first
// new points.
type inboxSeries struct {
	run    string
	ord    uint32 // of the run, once there are groups
	names  []SeriesName
	handle *Series
	groups []*Group
	reject error
}

func (t *tailer) start() {
	if t.s.opt.inboxInterval() < 0 {
		return
	}
	t.quit, t.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(t.done)
		tick := time.NewTicker(t.s.opt.inboxInterval())
		defer tick.Stop()
		for {
			select {
			case <-t.quit:
				return
			case <-tick.C:
			}
			if err := t.drain(context.Background()); err != nil && !errors.Is(err, ErrClosed) {
				t.s.log.Error("inbox", "err", err)
			}
		}
	}()
}

func (t *tailer) stop() {
	if t.quit != nil {
		close(t.quit)
		<-t.done
	}
	for _, f := range t.files {
		t.forget(f)
	}
}

func (t *tailer) forget(f *inboxFile) {
	for _, x := range f.series {
		if x.handle != nil {
			x.handle.Close()
		}
	}
	_ = f.r.Close()
	delete(t.files, f.path)
}

// drain applies what is in the inboxes now and deletes those that are done.
func (t *tailer) drain(ctx context.Context) error {
	entries, err := os.ReadDir(inboxPath(t.s.dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if t.files == nil {
		t.files, t.stuck = map[string]*inboxFile{}, map[string]stuckInbox{}
		t.waits = map[string]time.Time{}
	}
	for patient, previous := true, -1; ; {
		var failed error
		waiting := 0
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".log") {
				continue
			}
			path := filepath.Join(inboxPath(t.s.dir), e.Name())
			if t.leave(path) {
				continue
			}
			err := t.drainFile(ctx, path, patient)
			switch {
			case errors.Is(err, fs.ErrNotExist): // done in an earlier round
			case isNotFound(err):
				waiting++
				if _, ok := t.waits[path]; !ok {
					t.waits[path] = time.Now()
					t.s.log.Info("inbox waits", "file", e.Name(), "err", err)
				}
			case err != nil:
				t.stick(path)
				failed = errors.Join(failed, fmt.Errorf("inbox %s (move the file away to do without it): %w", e.Name(), err))
			}
		}
		if waiting == 0 || !patient {
			return failed
		}
		patient = waiting != previous // once a round has helped nobody, one is strict
		previous = waiting
	}
}

// drainFile applies one inbox. patient lets it wait for what its ops refer to.
func (t *tailer) drainFile(ctx context.Context, path string, patient bool) error {
	f := t.files[path]
	if f == nil {
		var err error
		if f, err = t.open(path); err != nil {
			return err
		}
		t.files[path] = f
	}
	// Unlocked before the last look means that nothing can come after it.
	gone, err := t.writerGone(f)
	if err != nil {
		return err
	}
	since, waiting := t.waits[path]
	f.strict = !patient && (gone || t.s.opt.ReadOnly || waiting && time.Since(since) > waitForRun)
	if err := t.apply(ctx, f); err != nil {
		t.forget(f) // what was read but not applied is read again
		return err
	}
	delete(t.waits, path)
	if !gone && !f.ended || t.s.opt.ReadOnly {
		return nil
	}
	if err := t.s.syncNow(); err != nil {
		return err
	}
	rejected := f.row.Rejected
	t.forget(f)
	if rejected > 0 {
		return os.Rename(path, strings.TrimSuffix(path, ".log")+".rejected")
	}
	return os.Remove(path)
}

// waitForRun is how long ops of a living writer wait for a run that no inbox
// brings. What is refused then, or when the writer is gone, stays in the
// directory as a file .rejected.
const waitForRun = 10 * time.Second

func (t *tailer) writerGone(f *inboxFile) (bool, error) {
	if t.s.opt.ReadOnly {
		return false, nil
	}
	file, err := os.OpenFile(f.path, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer file.Close()
	err = lockFile(file)
	if errors.Is(err, errWouldBlock) {
		return false, nil
	}
	return err == nil, err
}

func (t *tailer) open(path string) (*inboxFile, error) {
	r, err := journal.OpenReader(path)
	if err != nil {
		return nil, err
	}
	if r.Header.Database != t.s.id {
		_ = r.Close()
		return nil, fmt.Errorf("made for another database: %w", ErrCorrupt)
	}
	f := &inboxFile{path: path, r: r, series: map[uint32]*inboxSeries{}}
	err = t.s.view(func(tx *Tx) error {
		return tx.Load(inboxKey(r.Header.Writer), 1, &f.row)
	})
	if err != nil && !isNotFound(err) {
		_ = r.Close()
		return nil, err
	}
	return f, nil
}

// inboxBatch bounds the bytes that one transaction takes from an inbox.
const inboxBatch = 1 << 20

// apply reads an inbox to its present end, in transactions that also note how
// far it got.
func (t *tailer) apply(ctx context.Context, f *inboxFile) error {
	if err := f.r.Refresh(); err != nil {
		return err
	}
	for end := false; !end; {
		batch, err := []inboxFrame(nil), error(nil)
		if batch, end, err = t.read(f); err != nil {
			return err
		}
		// Groups are made in transactions of their own, before the one that
		// uses them; their run may come from an op that is not applied yet.
		for len(batch) > 0 {
			n := 0
			for n < len(batch) && (batch[n].kind != framePoints || batch[n].to.groups != nil || batch[n].to.reject != nil) {
				n++
			}
			if n > 0 {
				if err := t.commit(ctx, f, batch[:n]); err != nil {
					return err
				}
				batch = batch[n:]
				continue
			}
			err := t.resolve(ctx, batch[0].to)
			if isNotFound(err) && f.strict {
				batch[0].to.reject = err
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

// inboxFrame is a frame that is still to be applied.
type inboxFrame struct {
	seq    uint64
	kind   byte
	op     []byte
	to     *inboxSeries
	points columns
}

// read returns the next new frames of an inbox, and whether they reach its
// present end. There may be none before the end: all of a stretch may be
// applied already.
func (t *tailer) read(f *inboxFile) (batch []inboxFrame, end bool, err error) {
	for size := 0; size < inboxBatch; {
		fr, err := f.r.Next()
		if errors.Is(err, io.EOF) {
			return batch, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		size += len(fr.Payload)
		in := inboxFrame{seq: fr.Seq, kind: fr.Kind}
		switch fr.Kind {
		case frameSeries:
			no, run, names, err := parseSeries(fr.Payload)
			if err == nil {
				err = t.checkNames(names)
			}
			if err != nil {
				return nil, false, err
			}
			f.series[no] = &inboxSeries{run: run, names: names}
			continue
		case frameEnd:
			f.ended = true
			continue
		case frameOp:
			if len(fr.Payload) > MaxOp {
				return nil, false, fmt.Errorf("op of %d bytes: %w", len(fr.Payload), ErrCorrupt)
			}
			in.op = append([]byte(nil), fr.Payload...)
		case framePoints:
			var p pointsFrame
			if err := p.parse(fr.Payload); err != nil {
				return nil, false, err
			}
			in.points = p.columns
			no := p.group
			if in.to = f.series[no]; in.to == nil || len(in.to.names) != len(in.points.values) {
				return nil, false, fmt.Errorf("points for group %d, which is not as it was named: %w", no, ErrCorrupt)
			}
		default:
			return nil, false, fmt.Errorf("unknown frame kind %d: %w", fr.Kind, ErrFuture)
		}
		if in.seq > f.row.Seq {
			batch = append(batch, in)
		}
	}
	return batch, false, nil
}

// checkNames refuses series that the writer's own API would have refused.
func (t *tailer) checkNames(names []SeriesName) error {
	for _, n := range names {
		err := n.check()
		if err == nil && t.s.opt.Series != nil {
			err = t.s.opt.Series(n)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", err, ErrCorrupt)
		}
	}
	return nil
}

// resolve finds the groups that an inbox's series go to.
func (t *tailer) resolve(ctx context.Context, x *inboxSeries) error {
	var run uint32
	find := func(tx *Tx) (err error) {
		if run, err = t.s.opt.Run(tx, x.run); err != nil {
			err = fmt.Errorf("points of run %s: %w", x.run, err)
		}
		return err
	}
	err := t.s.view(find)
	if err != nil {
		return err
	}
	if x.handle == nil {
		if x.handle, err = t.s.OpenSeries(ctx, run); err != nil {
			return err
		}
	}
	if err := t.s.view(find); err != nil { // it may have been dropped before it was opened
		x.handle.Close()
		x.handle = nil
		return err
	}
	x.ord = run
	x.groups, err = x.handle.Groups(ctx, x.names)
	return err
}

// commit applies frames in one transaction.
func (t *tailer) commit(ctx context.Context, f *inboxFile, batch []inboxFrame) error {
	row := f.row
	if err := t.s.sealer.admit(ctx); err != nil {
		return err
	}
	_, _, err := t.s.update(func(tx *Tx) error {
		row = f.row
		var touched []uint32
		for _, in := range batch {
			undo := tx.savepoint()
			err := t.applyFrame(tx, in)
			if rejects(err) || f.strict && isNotFound(err) {
				undo()
				row.Rejected++
				row.Reason = err.Error()
				t.s.log.Warn("inbox: op rejected", "file", filepath.Base(f.path), "seq", in.seq, "err", err)
			} else if err != nil {
				return err
			} else if in.kind == framePoints && !slices.Contains(touched, in.to.ord) {
				touched = append(touched, in.to.ord)
			}
			row.Seq = in.seq
		}
		if err := t.touch(tx, touched); err != nil {
			return err
		}
		return tx.Save(inboxKey(f.r.Header.Writer), 1, row)
	}, Appended)
	if err == nil {
		f.row = row
	}
	return err
}

// touch tells of runs that get points in a transaction.
func (t *tailer) touch(tx *Tx, runs []uint32) error {
	if t.s.opt.Touch == nil {
		return nil
	}
	for _, run := range runs {
		if err := t.s.opt.Touch(tx, run); err != nil {
			return fmt.Errorf("run %d: %w", run, err)
		}
	}
	return nil
}

func (t *tailer) applyFrame(tx *Tx, in inboxFrame) error {
	if in.kind == frameOp {
		return t.s.opt.Apply(tx, in.op)
	}
	if in.to.reject != nil {
		return in.to.reject
	}
	values := in.points.values
	for _, g := range in.to.groups {
		n := len(g.g.series)
		if err := tx.Append(g, in.points.steps, in.points.times, values[:n]); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// rejects reports whether an op with this error can never be applied. What
// refers to something that is not there waits first: another inbox may bring
// it.
func rejects(err error) bool {
	return errors.Is(err, ErrInvalid) || errors.Is(err, ErrExists) || errors.Is(err, ErrConflict)
}
