package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/runstonedb/runstone/store/internal/journal"
)

// Inbox is the way in for a process that does not hold the database's lock: a
// journal of its own in the same directory, which the holder applies as it
// grows and the next holder when there is none. What it takes is as durable as
// in a Store; whether an op is accepted is decided when it is applied.
type Inbox struct {
	dir    string
	space  *governor
	writer *journal.Writer
	mu     sync.Mutex
	groups map[string]uint32 // by run id and names, NUL-separated
}

// inboxWait is how long OpenInbox waits for another process to finish making
// the database.
const inboxWait = 5 * time.Second

// OpenInbox opens the inbox of the database in dir, which must exist.
func OpenInbox(dir string) (*Inbox, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := checkLayout(dir); err != nil {
		return nil, err
	}
	id, err := readFormat(dir)
	for deadline := time.Now().Add(inboxWait); errors.Is(err, fs.ErrNotExist) && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
		id, err = readFormat(dir)
	}
	if err != nil {
		return nil, err
	}
	b := &Inbox{dir: dir, space: newGovernor(dir), groups: map[string]uint32{}}
	h := journal.Header{Database: id, Created: time.Now().UnixMilli()}
	_, _ = rand.Read(h.Writer[:])
	// The holder deletes the finished journal of a writer that is gone, which
	// it sees by the lock; so the file gets its name only once it is locked.
	path := filepath.Join(inboxPath(dir), fmt.Sprintf("%x.log", h.Writer))
	if b.writer, err = journal.Create(path+".new", h); err != nil {
		return nil, noSpace(err)
	}
	b.writer.Exact() // the holder tells by its size whether an inbox has grown
	if err = lockFile(b.writer.File()); err == nil {
		if err = os.Rename(path+".new", path); err == nil {
			err = journal.SyncDir(inboxPath(dir))
		}
	}
	if err != nil {
		_ = b.writer.Close()
		_ = os.Remove(path + ".new")
		return nil, err
	}
	return b, nil
}

// MaxOp is the length of an op in bytes.
const MaxOp = 32 << 20

// Op leaves an op for Options.Apply.
func (b *Inbox) Op(ctx context.Context, d Durability, op []byte) error {
	if len(op) > MaxOp {
		return fmt.Errorf("op of %d bytes, at most %d fit: %w", len(op), MaxOp, ErrInvalid)
	}
	return b.append(ctx, d, frameOp, append(make([]byte, journal.FrameHeader, journal.FrameHeader+len(op)), op...))
}

// InboxGroup is a group of series in an inbox.
type InboxGroup struct {
	b     *Inbox
	no    uint32
	width int
}

// Group returns the group for points of the named series, which are distinct,
// of the run with id run.
func (b *Inbox) Group(ctx context.Context, run string, names []SeriesName) (*InboxGroup, error) {
	if len(names) == 0 || len(names) > MaxGroup {
		return nil, fmt.Errorf("%d series in a group, at most %d fit: %w", len(names), MaxGroup, ErrInvalid)
	}
	for _, n := range names {
		if err := n.check(); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	no := uint32(len(b.groups))
	frame := appendSeries(make([]byte, journal.FrameHeader, 256), no, run, names)
	key := string(frame[journal.FrameHeader+4:])
	if known, ok := b.groups[key]; ok {
		return &InboxGroup{b, known, len(names)}, nil
	}
	if err := b.append(ctx, Appended, frameSeries, frame); err != nil {
		return nil, err
	}
	b.groups[key] = no
	return &InboxGroup{b, no, len(names)}, nil
}

// Width returns the number of series in the group.
func (x *InboxGroup) Width() int { return x.width }

// Append is [Group.Append] for an inbox.
func (x *InboxGroup) Append(ctx context.Context, d Durability, steps, times []int64, values [][]float64) error {
	c := columns{steps, times, values}
	if err := checkColumns(c, x.width); err != nil {
		return err
	}
	return c.pieces(func(c columns) error {
		buf := frames.Get().(*[]byte)
		defer frames.Put(buf)
		*buf = appendPoints((*buf)[:journal.FrameHeader], 0, x.no, c)
		return x.b.append(ctx, d, framePoints, *buf)
	})
}

func (b *Inbox) append(ctx context.Context, d Durability, kind byte, frame []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.space.check(int64(len(frame)), 0); err != nil {
		return err
	}
	end, err := b.writer.Append(kind, frame)
	if err == nil && d == Synced {
		err = b.writer.Commit(end)
	}
	if errors.Is(err, journal.ErrClosed) {
		return ErrClosed
	}
	return noSpace(err)
}

// Written returns how many bytes the inbox has taken: it grows with each change.
func (b *Inbox) Written() int64 { return b.writer.End() }

// Room returns ErrNoSpace when writing n bytes beside the database, to its
// artifacts, would come too near to a full disk.
func (b *Inbox) Room(n int64) error { return b.space.room(n, 0) }

// Sync makes everything left so far durable.
func (b *Inbox) Sync(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.writer.Commit(b.writer.End())
}

// Close makes everything durable and tells the holder that no more comes.
func (b *Inbox) Close() error {
	err := b.append(context.Background(), Synced, frameEnd, make([]byte, journal.FrameHeader))
	if errors.Is(err, ErrClosed) {
		return nil
	}
	return errors.Join(err, b.writer.Close())
}

// The payload of frameSeries: uint32 local number, then NUL-terminated run id,
// then for each series its dictionary text behind a uint16 length.

func appendSeries(dst []byte, no uint32, run string, names []SeriesName) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, no)
	dst = append(append(dst, run...), 0)
	for _, n := range names {
		text := n.text()
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(text)))
		dst = append(dst, text...)
	}
	return dst
}

func parseSeries(b []byte) (no uint32, run string, names []SeriesName, err error) {
	bad := fmt.Errorf("series of an inbox: bad length: %w", ErrCorrupt)
	if len(b) < 5 {
		return 0, "", nil, bad
	}
	no, b = binary.LittleEndian.Uint32(b), b[4:]
	end := 0
	for end < len(b) && b[end] != 0 {
		end++
	}
	if end == len(b) {
		return 0, "", nil, bad
	}
	run, b = string(b[:end]), b[end+1:]
	for len(b) > 0 {
		if len(b) < 2 || len(b)-2 < int(binary.LittleEndian.Uint16(b)) {
			return 0, "", nil, bad
		}
		n := int(binary.LittleEndian.Uint16(b))
		names = append(names, parseSeriesName(string(b[2:2+n])))
		b = b[2+n:]
	}
	if len(names) == 0 || len(names) > MaxGroup {
		return 0, "", nil, bad
	}
	return no, run, names, nil
}
