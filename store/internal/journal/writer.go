package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
)

// Writer appends to one journal. Its methods may be called from any number of
// goroutines.
type Writer struct {
	Header Header

	mu      sync.Mutex // guards the fields below and the order of appends
	file    *os.File
	mark    Mark
	seq     uint64
	end     int64  // of the last frame, written or queued
	queue   []byte // frames that are not written yet
	slot    [markSize]byte
	exact   bool // keep no zeros in front of the frames
	syncs   int
	zeroed  int64 // end of the zeros in front of the frames
	failed  error // set when the file's end is no longer known
	closing bool

	syncMu  sync.Mutex
	synced  *sync.Cond
	syncing bool
	durable int64
	syncErr error
}

// Create makes the journal file, which must not exist, and syncs it and its
// folder.
func Create(path string, h Header) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	w := &Writer{Header: h, file: f, durable: pageSize, end: pageSize}
	w.synced = sync.NewCond(&w.syncMu)
	w.mark = Mark{Written: pageSize, Durable: pageSize, Boot: BootID(), counter: 1}
	page := h.page()
	w.mark.encode(&w.slot)
	copy(page[slotA:], w.slot[:])
	if _, err = f.WriteAt(page, 0); err == nil {
		if err = syncData(f); err == nil {
			err = SyncDir(filepath.Dir(path))
		}
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(path)
		return nil, fmt.Errorf("create journal %s: %w", path, err)
	}
	return w, nil
}

// Append writes one frame and returns the offset of its end. The first
// FrameHeader bytes of frame are scratch for the header; the payload follows
// them. When it returns nil the frame survives the end of the process; pass
// the offset to [Writer.Commit] to make it survive power loss. On an error the
// file is as it was.
func (w *Writer) Append(kind byte, frame []byte) (int64, error) {
	if err := seal(frame); err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return 0, w.failed
	}
	w.number(kind, frame)
	old, queued := w.mark, len(w.queue) > 0
	if err := w.write(frame); err != nil {
		return 0, err
	}
	if err := w.writeMark(); err != nil {
		w.mark = old
		return 0, w.undo(err, queued)
	}
	w.seq++
	w.end = w.mark.Written
	return w.end, nil
}

// Queue is Append for a frame that nobody counts on before it is committed: the
// next Append or Commit writes it, together with others. A failure to do so is
// final: every later Append, Queue and Commit fails.
func (w *Writer) Queue(kind byte, frame []byte) (int64, error) {
	if err := seal(frame); err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return 0, w.failed
	}
	w.number(kind, frame)
	w.queue = append(w.queue, frame...)
	w.seq++
	w.end += int64(len(frame))
	if len(w.queue) >= longQueue {
		return w.end, w.write(nil)
	}
	return w.end, nil
}

// longQueue is the size in bytes from which a queue is written at once.
const longQueue = 256 << 10

// seal refuses what is no frame.
func seal(frame []byte) error {
	if payload := len(frame) - FrameHeader; payload < 0 || payload > MaxPayload {
		return fmt.Errorf("journal: payload of %d bytes, at most %d fit", payload, MaxPayload)
	}
	return nil
}

// number fills in the header of the next frame. Called with mu held.
func (w *Writer) number(kind byte, frame []byte) {
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-FrameHeader))
	binary.LittleEndian.PutUint64(frame[8:], w.seq+1)
	frame[16] = kind
	binary.LittleEndian.PutUint32(frame[4:], frameSum(frame))
}

// write puts the queue and then frame into the file. Called with mu held.
func (w *Writer) write(frame []byte) error {
	b := frame
	if len(w.queue) > 0 {
		w.queue = append(w.queue, frame...)
		b = w.queue
	}
	if _, err := w.file.WriteAt(b, w.mark.Written); err != nil {
		return w.undo(err, len(w.queue) > 0)
	}
	w.mark.Written += int64(len(b))
	if cap(w.queue) > 2*longQueue {
		w.queue = nil
	}
	w.queue = w.queue[:0]
	if w.syncs >= fewSyncs && !w.exact && w.mark.Written > w.zeroed {
		// It only makes later syncs quicker: without room it is left out.
		n, _ := w.file.WriteAt(zeros[:], w.mark.Written)
		w.zeroed = w.mark.Written + int64(n)
	}
	return nil
}

// zeros are written in front of the frames of a journal that is synced again
// and again. Syncing what was overwritten takes about half the time of syncing
// what made the file longer: its size and extents need not be written too. A
// reader takes zeros for the end, as their checksum is not 0.
var zeros [256 << 10]byte

// fewSyncs is the number of syncs below which a journal has no zeros.
const fewSyncs = 8

// Exact keeps the file as long as its frames, for readers who go by its size.
// Call it before the first [Writer.Append].
func (w *Writer) Exact() { w.exact = true }

func frameSum(frame []byte) uint32 {
	crc := crc32.Update(0, castagnoli, frame[:4])
	return crc32.Update(crc, castagnoli, frame[8:])
}

// undo cuts off what a failed write may have left. If frames of the queue are
// among it, changes that count as made are lost. Called with mu held.
func (w *Writer) undo(cause error, queued bool) error {
	w.zeroed = 0
	if queued {
		w.failed = fmt.Errorf("journal: write: %w", cause)
	}
	if err := w.file.Truncate(w.mark.Written); err != nil {
		w.failed = fmt.Errorf("journal: end unknown after a failed write: %w", errors.Join(cause, err))
	}
	if w.failed != nil {
		return w.failed
	}
	return fmt.Errorf("journal: append: %w", cause)
}

// writeMark writes the mark into the slot that does not hold the newest one.
// Called with mu held.
func (w *Writer) writeMark() error {
	w.mark.counter++
	w.mark.encode(&w.slot)
	at := int64(slotA)
	if w.mark.counter%2 == 0 {
		at = slotB
	}
	_, err := w.file.WriteAt(w.slot[:], at)
	return err
}

// Commit returns once all frames that end at or before end are on stable
// storage. One caller syncs for all that wait. After a failed sync every later
// Append and Commit fails: the kernel may have dropped the pages.
func (w *Writer) Commit(end int64) error {
	w.syncMu.Lock()
	defer w.syncMu.Unlock()
	for w.durable < end && w.syncErr == nil {
		if w.syncing {
			w.synced.Wait()
			continue
		}
		w.syncing = true
		w.syncMu.Unlock()
		written, err := w.sync()
		w.syncMu.Lock()
		w.syncing = false
		if err != nil {
			w.syncErr = err
		} else {
			w.durable = written
		}
		w.synced.Broadcast()
	}
	if w.durable >= end {
		return nil
	}
	return w.syncErr
}

func (w *Writer) sync() (int64, error) {
	w.mu.Lock()
	err := w.failed
	if err == nil && len(w.queue) > 0 {
		err = w.write(nil)
	}
	written := w.mark.Written
	w.syncs++
	w.mu.Unlock()
	if err != nil {
		return 0, err
	}
	err = syncData(w.file)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		if w.failed == nil {
			w.failed = fmt.Errorf("journal: sync: %w", err)
		}
		return 0, w.failed
	}
	w.mark.Durable = max(w.mark.Durable, written)
	// The synced frames are safe with or without this mark; a failure to write
	// it only makes later damage harder to tell from a torn write.
	_ = w.writeMark()
	return written, nil
}

// File returns the journal's file, for a lock on it.
func (w *Writer) File() *os.File { return w.file }

// End returns the offset of the end of the last frame, written or queued.
func (w *Writer) End() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end
}

// Frames returns the number of frames appended and queued.
func (w *Writer) Frames() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seq
}

// Close closes the file without syncing it. It waits for a sync under way.
func (w *Writer) Close() error {
	w.syncMu.Lock()
	defer w.syncMu.Unlock()
	for w.syncing {
		w.synced.Wait()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return nil
	}
	w.closing = true
	if w.failed == nil {
		w.failed = ErrClosed
	}
	if w.syncErr == nil {
		w.syncErr = ErrClosed
	}
	return w.file.Close()
}
