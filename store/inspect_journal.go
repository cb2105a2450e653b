package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone/store/internal/journal"
)

// JournalInfo is what the first page of a journal or inbox says.
type JournalInfo struct {
	Path     string
	Size     int64  // bytes of the file when it was opened
	Number   uint64 // 0 for an inbox
	Database string // 32 hex digits
	Writer   string // 32 hex digits
	Created  int64  // Unix ms
	Marks    []JournalMark
}

// JournalMark is one of the two slots that say how far a journal is written
// and synced.
type JournalMark struct {
	Valid    bool // its checksum is right
	Newest   bool // it is the one that counts
	Counter  uint64
	Written  int64  // end of the last acknowledged frame, an offset
	Synced   int64  // end of the last synced frame, an offset
	Boot     string // boot id of the machine that wrote it, 32 hex digits
	ThisBoot bool   // the machine runs since then: frames up to Written must be whole
}

// JournalFrame is one frame of a journal and what it says. It is valid until
// the next one.
type JournalFrame struct {
	Offset, Bytes int64 // of the whole frame
	Seq           uint64
	Kind          string         // "rows", "points", "op", "series", "end" or "kind <n>"
	Tables        []TableChanges // of rows: by table byte, ascending
	Points        []JournalPoints
	Op            []byte // of op
	Group         uint32 // of series: the number that points of this inbox give as their group
	Run           string // of series: id of the run
	Series        []SeriesName
	Err           error // why the payload cannot be read; the frame itself is whole
}

// TableChanges are changes of the rows of a table.
type TableChanges struct {
	Table         byte
	Puts, Deletes int
	Bytes         int64 // of keys and values
}

// JournalPoints are points of a group in a frame.
type JournalPoints struct {
	Run              uint32 // ordinal; 0 in an inbox
	RunID            string // in an inbox, where an earlier frame named the group
	Group            uint32
	Series, Points   int // Points of each series
	MinStep, MaxStep int64
	MinTime, MaxTime int64 // Unix ms
}

// JournalEnd says where reading a journal stopped, and why.
type JournalEnd struct {
	Offset int64
	Left   int64  // bytes of the file behind Offset; for "end" all zeros, room for more frames
	Reason string // "end", "torn" or "damage"
	Err    error  // for damage; wraps ErrCorrupt or ErrFuture
}

// Reasons of a [JournalEnd].
const (
	JournalWhole  = "end"    // nothing follows the last frame but room for more
	JournalTorn   = "torn"   // what follows was never acknowledged: cut off, or being written
	JournalDamage = "damage" // what follows was acknowledged and cannot be read
)

// JournalView reads one journal or inbox. It needs no lock, works while the
// writer goes on, and changes nothing.
type JournalView struct {
	Info JournalInfo

	r      *journal.Reader // nil when the first page is damaged
	frame  JournalFrame
	groups map[uint32]string // run ids of an inbox's groups
	end    JournalEnd
}

// Journals returns the paths of the journals of the database in dir and then of
// its inboxes, those that were rejected and unfinished ones too, by name.
// Errors: [ErrNotDatabase].
func Journals(dir string) ([]string, error) {
	if err := checkLayout(dir); err != nil {
		return nil, err
	}
	var paths []string
	missing := 0
	for _, sub := range []string{journalDir(dir), inboxPath(dir)} {
		entries, err := os.ReadDir(sub)
		if errors.Is(err, fs.ErrNotExist) {
			missing++
		} else if err != nil {
			return nil, err
		}
		for _, e := range entries {
			paths = append(paths, filepath.Join(sub, e.Name()))
		}
	}
	if missing == 2 {
		return nil, fmt.Errorf("%s: %w", dir, ErrNotDatabase)
	}
	return paths, nil
}

// FindJournal returns the path of a journal of the database in dir that is
// named by its number, by the name of its file or by a path. Errors:
// [ErrNotFound].
func FindJournal(dir, name string) (string, error) {
	paths := []string{name}
	if !strings.ContainsAny(name, `/\`) {
		if err := checkLayout(dir); err != nil {
			return "", err
		}
		paths = []string{filepath.Join(journalDir(dir), name), filepath.Join(inboxPath(dir), name), name}
		if n, err := strconv.ParseUint(name, 10, 64); err == nil {
			paths = append([]string{journalPath(dir, n)}, paths...)
		}
	}
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("journal %q: %w", name, ErrNotFound)
}

// ViewJournal opens a journal or inbox to look at it. A damaged first page is no
// error: Info then holds what can be read, there are no frames, and End says
// what is wrong. A link is not followed.
func ViewJournal(path string) (*JournalView, error) {
	p, err := journal.ReadPage(path)
	if err != nil {
		return nil, err
	}
	v := &JournalView{Info: JournalInfo{Path: path, Size: p.Size}, groups: map[uint32]string{}}
	if p.HeaderErr == nil {
		h := &p.Header
		v.Info.Number, v.Info.Created = h.Number, h.Created
		v.Info.Database, v.Info.Writer = fmt.Sprintf("%x", h.Database), fmt.Sprintf("%x", h.Writer)
	}
	now := journal.BootID()
	for i := range p.Slots {
		m := &p.Slots[i]
		mark := JournalMark{Valid: p.Valid[i], Newest: i == p.Newest()}
		if mark.Valid {
			mark.Counter, mark.Written, mark.Synced = m.Counter(), m.Written, m.Durable
			mark.Boot, mark.ThisBoot = fmt.Sprintf("%x", m.Boot), m.Boot == now && now != [16]byte{}
		}
		v.Info.Marks = append(v.Info.Marks, mark)
	}
	if v.r, err = journal.OpenReader(path); err != nil {
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, journal.ErrFuture) {
			return nil, err
		}
		v.stop(0, err)
		return v, nil
	}
	v.end.Offset = journal.FirstFrame
	return v, nil
}

// Close closes the file.
func (v *JournalView) Close() error {
	if v.r == nil {
		return nil
	}
	return v.r.Close()
}

// End says where and why Frames ended.
func (v *JournalView) End() JournalEnd { return v.end }

func (v *JournalView) stop(offset int64, err error) {
	var at *journal.CorruptError
	if errors.As(err, &at) {
		offset = at.Offset
	}
	if errors.Is(err, journal.ErrFuture) {
		err = fmt.Errorf("%w: %w", ErrFuture, err)
	}
	v.end = JournalEnd{Offset: offset, Left: max(0, v.Info.Size-offset), Reason: JournalDamage, Err: err}
}

// Frames iterates over the frames that the journal held when it was opened, once.
// It ends at the first one that cannot be read; End then says why. A frame that
// is whole but says what it may not is yielded with Err, and makes End damage.
// The error is that of the context or of reading the file.
func (v *JournalView) Frames(ctx context.Context) iter.Seq2[*JournalFrame, error] {
	return func(yield func(*JournalFrame, error) bool) {
		if v.r == nil {
			return
		}
		var bad error
		var badAt int64
		for v.end.Offset < v.Info.Size {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			f, err := v.r.Next()
			if errors.Is(err, io.EOF) {
				f, err = v.again()
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if errors.Is(err, ErrCorrupt) {
				v.stop(v.end.Offset, err)
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			v.read(&f)
			if v.frame.Err != nil && bad == nil {
				bad, badAt = v.frame.Err, v.frame.Offset
			}
			v.end.Offset = f.End
			if !yield(&v.frame, nil) {
				return
			}
		}
		if err := v.finish(); err != nil {
			yield(nil, err)
			return
		}
		if bad != nil {
			v.end.Reason, v.end.Err = JournalDamage, fmt.Errorf("frame at byte %d: %w", badAt, bad)
		}
	}
}

// again is what follows the end of what was read ahead: the writer may have put
// frames where zeros were.
func (v *JournalView) again() (journal.Frame, error) {
	room, err := v.r.Room()
	if err == nil && room {
		err = io.EOF
	}
	if err != nil {
		return journal.Frame{}, err
	}
	if err := v.r.Refresh(); err != nil {
		return journal.Frame{}, err
	}
	return v.r.Next()
}

// finish says what follows the last frame.
func (v *JournalView) finish() error {
	v.end.Left = max(0, v.Info.Size-v.end.Offset)
	v.end.Reason = JournalWhole
	if v.end.Left == 0 {
		return nil
	}
	room, err := v.r.Room()
	if !room {
		v.end.Reason = JournalTorn
	}
	return err
}

// read says what a frame says.
func (v *JournalView) read(f *journal.Frame) {
	size := int64(len(f.Payload)) + journal.FrameHeader
	v.frame = JournalFrame{
		Offset: f.End - size, Bytes: size, Seq: f.Seq, Kind: frameName(f.Kind),
		Tables: v.frame.Tables[:0], Points: v.frame.Points[:0],
	}
	out := &v.frame
	switch f.Kind {
	case frameRows:
		var tables [256]TableChanges
		out.Err = splitRows(f.Payload, func(key, value []byte) { countChange(&tables, key, value) }, v.points)
		for i := range tables {
			if t := &tables[i]; t.Puts+t.Deletes > 0 {
				t.Table = byte(i)
				out.Tables = append(out.Tables, *t)
			}
		}
	case framePoints:
		out.Err = v.points(f.Payload)
	case frameOp:
		out.Op = f.Payload
	case frameSeries:
		out.Group, out.Run, out.Series, out.Err = parseSeries(f.Payload)
		if out.Err == nil {
			v.groups[out.Group] = out.Run
		}
	case frameEnd:
	default:
		out.Err = fmt.Errorf("unknown frame kind %d: %w", f.Kind, ErrCorrupt)
	}
}

func frameName(kind byte) string {
	switch kind {
	case frameRows:
		return "rows"
	case framePoints:
		return "points"
	case frameOp:
		return "op"
	case frameSeries:
		return "series"
	case frameEnd:
		return "end"
	}
	return fmt.Sprintf("kind %d", kind)
}

func countChange(tables *[256]TableChanges, key, value []byte) {
	var b byte // a row without a key is no row; it counts under byte 0
	if len(key) > 0 {
		b = key[0]
	}
	t := &tables[b]
	if value == nil {
		t.Deletes++
	} else {
		t.Puts++
	}
	t.Bytes += int64(len(key) + len(value))
}

// points reads the head and the clock of points as the recovery does, without
// a copy of the values.
func (v *JournalView) points(b []byte) error {
	if len(b) < pointsHeader {
		return errPoints
	}
	p := JournalPoints{
		Run: binary.LittleEndian.Uint32(b), Group: binary.LittleEndian.Uint32(b[4:]),
		Series: int(binary.LittleEndian.Uint16(b[8:])), Points: int(binary.LittleEndian.Uint32(b[10:])),
	}
	b = b[pointsHeader:]
	if uint64(len(b)) != uint64(p.Points)*uint64(p.Series+2)*8 {
		return errPoints
	}
	p.RunID = v.groups[p.Group]
	p.MinStep, p.MaxStep = wordRange(b[:8*p.Points])
	p.MinTime, p.MaxTime = wordRange(b[8*p.Points : 16*p.Points])
	v.frame.Points = append(v.frame.Points, p)
	return nil
}

// wordRange returns the least and the greatest of the integers in b.
func wordRange(b []byte) (lo, hi int64) {
	for at := 0; at < len(b); at += 8 {
		x := int64(binary.LittleEndian.Uint64(b[at:]))
		if at == 0 {
			lo, hi = x, x
		}
		lo, hi = min(lo, x), max(hi, x)
	}
	return lo, hi
}
