package index

import (
	"errors"
	"slices"
	"sync"

	"github.com/runstonedb/runstone/internal/lru"
	"github.com/runstonedb/runstone/store"
)

// maxRuns is the longest segment. Segments lie in a grid: none has runs on both
// sides of a multiple of it.
const maxRuns = 4096

// limits are the sizes that tests make small.
type limits struct {
	runs   int // of a segment
	values int // of a segment, about
	bytes  int // of a segment, about, and of the texts that a fold loads
	inline int // of a column in its head
}

// Table is what a process keeps of the run table: decoded columns, the list of
// segments, and which of them it does not trust. There is one for a store. It
// may be used by several goroutines.
type Table struct {
	limits
	cache *lru.Cache[cacheKey, any]
	texts *texts

	folding sync.Mutex // one fold at a time

	mu        sync.Mutex
	directory *directory // of the newest state that was seen
	bad       map[uint32]bool
	broken    bool   // the list of segments itself
	era       uint32 // moves when numbers begin anew, as far as this process can tell
}

// NewTable returns a Table that keeps decoded columns of about so many bytes.
func NewTable(cacheBytes int64) *Table {
	return &Table{
		limits: limits{runs: maxRuns, values: 1 << 20, bytes: 16 << 20, inline: inlineSize},
		cache:  lru.New[cacheKey, any](cacheBytes), texts: newTexts(), bad: map[uint32]bool{},
	}
}

// Distrust takes an error of a read and reports whether it is a [*Damage]. Then
// the Table does without the segment, or all of them: the next [Table.Snapshot]
// has its runs among the dirty ones, and the next [Table.Fold] makes it anew.
func (t *Table) Distrust(err error) bool {
	var d *Damage
	if !errors.As(err, &d) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if d.Segment.No == 0 {
		t.broken = true
	} else {
		t.bad[d.Segment.No] = true
	}
	return true
}

// Trust takes back every [Table.Distrust]. It is for who reads a newer copy of
// the store, in which the process that holds it may have mended the table.
func (t *Table) Trust() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.broken {
		t.directory = nil
		t.era++
		t.cache.Clear()
	}
	t.broken, t.bad = false, map[uint32]bool{}
}

// load returns the state and the list of segments as a transaction sees them,
// without those that are not trusted.
func (t *Table) load(tx *store.Tx) (stateRow, *directory, error) {
	t.mu.Lock()
	broken, cached := t.broken, t.directory
	t.mu.Unlock()
	if broken {
		return stateRow{}, &directory{}, nil
	}
	st, err := loadState(tx)
	if err != nil {
		return st, nil, err
	}
	d := cached
	if d == nil || d.next != st.Next {
		if d, err = loadDirectory(tx, st); err != nil {
			return st, nil, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.directory == nil || t.directory.next < d.next {
		t.directory = d
	}
	if len(t.bad) == 0 {
		return st, d, nil
	}
	trusted := &directory{next: d.next}
	for _, s := range d.segs {
		if !t.bad[s.No] {
			trusted.segs = append(trusted.segs, s)
		}
	}
	return st, trusted, nil
}

// Snapshot is the run table as a transaction sees it: segments, and runs that
// are not in them or not as they are. It belongs to the transaction's goroutine
// and is valid as long.
type Snapshot struct {
	t     *Table
	tx    *store.Tx
	era   uint32
	state uint32
	dir   *directory
	dirty []uint32
	heads map[name]*heads
}

// Snapshot returns the run table as tx sees it, of which last is the highest
// ordinal of a run. Damage is a [*Damage]; after [Table.Distrust] of it the
// next call does without.
func (t *Table) Snapshot(tx *store.Tx, last uint32) (*Snapshot, error) {
	t.mu.Lock()
	era := t.era
	t.mu.Unlock()
	st, d, err := t.load(tx)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{t: t, tx: tx, era: era, state: st.Next, dir: d, heads: map[name]*heads{}}
	if len(d.segs) == 0 {
		s.dirty = gaps(d, last)
		return s, nil
	}
	marks, err := loadMarks(tx, st.Epoch, 0, last, false)
	if err != nil {
		return nil, err
	}
	s.dirty = gaps(d, last)
	if len(marks) > 0 {
		for _, m := range marks {
			s.dirty = append(s.dirty, m.run)
		}
		slices.Sort(s.dirty)
		s.dirty = slices.Compact(s.dirty)
	}
	return s, nil
}

// gaps returns the ordinals up to last that no segment covers.
func gaps(d *directory, last uint32) []uint32 {
	var out []uint32
	next := uint32(1)
	for _, s := range d.segs {
		for ; next < s.First && next <= last; next++ {
			out = append(out, next)
		}
		next = s.Last() + 1
	}
	if next <= last {
		for ; next != last; next++ {
			out = append(out, next)
		}
		out = append(out, last)
	}
	return out
}

// Dirty returns the ordinals, in order, of the runs that the caller must read
// itself. Not all of them need be there. It must not be changed.
func (s *Snapshot) Dirty() []uint32 { return s.dirty }

// Segments returns the segments in order of First.
func (s *Snapshot) Segments() []Segment {
	out := make([]Segment, len(s.dir.segs))
	for i, l := range s.dir.segs {
		out[i] = l.Segment
	}
	return out
}

// Rows returns which rows of a segment are runs that are there and not dirty.
// The caller owns it.
func (s *Snapshot) Rows(seg Segment) (Bits, error) {
	rows := FullBits(seg.N)
	if i, ok := s.dir.find(seg.First); !ok {
		return NewBits(seg.N), nil
	} else if has := s.dir.segs[i].rows; has != nil {
		copy(rows, has)
	}
	at, _ := slices.BinarySearch(s.dirty, seg.First)
	for _, run := range s.dirty[at:] {
		if run > seg.Last() {
			break
		}
		rows.Clear(int(run - seg.First))
	}
	return rows, nil
}

// Version is a state of the runs of a segment. The zero Version is none.
type Version struct{ era, no, made uint32 }

// Version returns the one that a run is in, and false when the run is dirty. All
// snapshots of a Table that give a run the same Version see it with the same
// rows: a change marks the run, and a fold that takes the mark away has made
// another version of its segment before.
func (s *Snapshot) Version(run uint32) (Version, bool) {
	i, ok := s.dir.find(run)
	if !ok {
		return Version{}, false
	}
	if _, dirty := slices.BinarySearch(s.dirty, run); dirty {
		return Version{}, false
	}
	l := &s.dir.segs[i]
	return Version{s.era, l.No, l.made}, true
}
