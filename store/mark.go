package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/runstonedb/runstone/store/internal/journal"
)

// mark is the MARK file: what the rest of the directory must hold at least. It
// has two slots of 64 bytes at offsets 0 and 2048, written in turn and synced:
//
//	offset  bytes  field
//	0       8      "RUNSTMRK"
//	8       8      counter; the valid slot with the higher one counts
//	16      8      checkpoint: journals up to this number are in the key space
//	24      8      journal: the highest journal number in use
//	32      1      1 after a clean close
//	33      16     boot id of the machine that wrote it
//	60      4      CRC-32C of bytes 0 to 59
type mark struct {
	file       *os.File
	counter    uint64
	checkpoint uint64
	journal    uint64
	clean      bool
	boot       [16]byte
}

const (
	markMagic  = "RUNSTMRK"
	markSlot   = 64
	markStride = 2048
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// createMark writes a first mark. It replaces one that an unfinished creation
// left.
func createMark(dir string) (*mark, error) {
	if err := writeFileSynced(markPath(dir), make([]byte, 2*markStride)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(markPath(dir), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	m := &mark{file: f}
	if err := m.write(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return m, f.Close()
}

// readMark returns the mark of dir without keeping the file open.
func readMark(dir string) (mark, error) {
	b, err := readSmall(markPath(dir))
	if err != nil {
		return mark{}, fmt.Errorf("%w: %w", err, ErrCorrupt)
	}
	var best mark
	found := false
	for at := 0; at+markSlot <= len(b) && at <= markStride; at += markStride {
		s := b[at : at+markSlot]
		if string(s[:8]) != markMagic || crc32.Checksum(s[:60], castagnoli) != binary.LittleEndian.Uint32(s[60:]) {
			continue
		}
		m := mark{
			counter:    binary.LittleEndian.Uint64(s[8:]),
			checkpoint: binary.LittleEndian.Uint64(s[16:]),
			journal:    binary.LittleEndian.Uint64(s[24:]),
			clean:      s[32] == 1,
			boot:       [16]byte(s[33:49]),
		}
		if !found || m.counter > best.counter {
			best, found = m, true
		}
	}
	if !found {
		return mark{}, fmt.Errorf("%s: no valid mark: %w", markPath(dir), ErrCorrupt)
	}
	return best, nil
}

// openMark reads the mark of dir and keeps the file open for write.
func openMark(dir string) (*mark, error) {
	m, err := readMark(dir)
	if err != nil {
		return nil, err
	}
	m.file, err = os.OpenFile(filepath.Clean(markPath(dir)), os.O_RDWR, 0)
	return &m, err
}

// rebooted reports whether the machine may have gone down since the mark was
// written, so that plain writes may be torn or lost.
func (m *mark) rebooted() bool {
	now := journal.BootID()
	return now == [16]byte{} || m.boot != now
}

// write makes the mark's fields durable.
func (m *mark) write() (err error) {
	m.counter++
	defer func() {
		if err != nil { // the slot may be torn; the next try must use it again
			m.counter--
		}
	}()
	m.boot = journal.BootID()
	var s [markSlot]byte
	copy(s[:], markMagic)
	binary.LittleEndian.PutUint64(s[8:], m.counter)
	binary.LittleEndian.PutUint64(s[16:], m.checkpoint)
	binary.LittleEndian.PutUint64(s[24:], m.journal)
	if m.clean {
		s[32] = 1
	}
	copy(s[33:], m.boot[:])
	binary.LittleEndian.PutUint32(s[60:], crc32.Checksum(s[:60], castagnoli))
	if _, err := m.file.WriteAt(s[:], int64(m.counter%2)*markStride); err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	if err := m.file.Sync(); err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	return nil
}
