package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/store/internal/block"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// Table names the rows whose keys begin with one byte, for people. The package
// that owns the byte says it.
type Table struct {
	Byte byte
	Name string // in the plural, such as "group states"
	// Run says that the byte is followed by the uint32 ordinal of the run that
	// the row belongs to.
	Run     bool
	Columns ColumnKind // which of the table's metric columns are meant
}

// ColumnKind tells the columns of blocks and tails apart.
type ColumnKind int

// NoColumns is any table but those of blocks and tails.
const (
	NoColumns ColumnKind = iota
	ClockColumns
	ValueColumns
)

// Tables returns the tables of this package in key order. Those of blocks and
// of tails are two each: clocks, then values.
func Tables() []Table {
	return []Table{
		{Byte: 'B', Name: "dropped runs"},
		{Byte: 'C', Name: "checkpoint"},
		{Byte: 'G', Name: "groups", Run: true},
		{Byte: 'N', Name: "dictionary texts"},
		{Byte: 'b', Name: "clock blocks", Run: true, Columns: ClockColumns},
		{Byte: 'b', Name: "value blocks", Run: true, Columns: ValueColumns},
		{Byte: 'g', Name: "group states", Run: true},
		{Byte: 'n', Name: "dictionary ordinals"},
		{Byte: 't', Name: "clock tails", Run: true, Columns: ClockColumns},
		{Byte: 't', Name: "value tails", Run: true, Columns: ValueColumns},
		{Byte: 'w', Name: "inbox positions"},
	}
}

// TableSpace is what the rows of a table take, in bytes.
type TableSpace struct {
	Table              // Name is "" for a byte that no package owns
	Rows, Keys, Values int64
	Points             int64 // in clocks: (step, time) pairs; in values: numbers
}

// Bytes is the size of keys and values.
func (t *TableSpace) Bytes() int64 { return t.Keys + t.Values }

// CodecSpace is what the columns of one kind and codec take, blocks and tails
// together.
type CodecSpace struct {
	Column  string // "values", "steps" or "times"
	Codec   string // such as "decimal packed delta"
	Columns int64
	Points  int64
	Bytes   int64 // of the encoded columns alone, without header, zone map and seal
}

// PartSpace is what one part of all clocks or values takes: "seal" is the
// version and checksum of the row, the others are those of [ColumnPart].
type PartSpace struct {
	Kind  string // "clock" or "value"
	Part  string
	Bytes int64
}

// RunSpace is what the rows of a run take: those of all tables with Run.
type RunSpace struct {
	Run    uint32 // ordinal
	Bytes  int64  // keys and values
	Points int64  // in blocks and tails, each series counted
}

// MetricSpace is what the blocks and tails of a metric take in all runs. The
// clock of a group is shared out to its series in equal parts.
type MetricSpace struct {
	Metric string
	Bytes  int64 // keys and values
	Points int64
}

// Space says what the rows of a database take, by kind, as a reader sees them.
type Space struct {
	Tables  []TableSpace // in key order, empty ones too
	Codecs  []CodecSpace // by column, then bytes, most first
	Parts   []PartSpace  // by kind, in the order of their bytes
	Stored  int64        // bytes of the rows that are in the key space: not those of a journal alone
	Read    int64        // bytes of the rows that were added up
	Partial bool         // the time was over before all rows were read: those at the end of the key order are missing
	Damaged int64        // blocks and tails that cannot be decoded; they count in Tables only
	Points  int64        // of all series, those not in blocks and tails yet too
	Series  int64        // groups × members
	Runs    []RunSpace   // most bytes first, as asked
	Metrics []MetricSpace
}

// SpaceOptions are for [Store.Space]; nil is none of them.
type SpaceOptions struct {
	Tables     []Table                 // of the packages above
	TopRuns    int                     // most runs to return
	TopMetrics int                     // most metrics to return
	Until      time.Time               // when to stop and return what there is; zero is never
	Progress   func(done, total int64) // bytes read, and of all, an estimate; may be nil
}

// Space reads all rows, one after the other, and adds up what they take. It
// decodes every block, which takes about a second for 100 million points, unless
// opt.Until ends it sooner, and keeps a few bytes for each run and name of a
// series when the top ones are asked for.
func (s *Store) Space(ctx context.Context, opt *SpaceOptions) (*Space, error) {
	if opt == nil {
		opt = &SpaceOptions{}
	}
	st, err := s.Stats(ctx)
	if err != nil {
		return nil, err
	}
	w := newSpaceWalk(opt, st.Tables)
	w.sp.Points, w.sp.Series = st.Points, int64(st.Series)
	err = s.View(ctx, func(tx *Tx) error {
		base := &storedBytes{Reader: tx.base}
		tx.base = base
		n := 0
		for row, err := range tx.Scan(nil, nil, false) {
			if err != nil {
				return err
			}
			if n++; n%256 == 0 {
				if err := ctx.Err(); err != nil {
					return err
				}
				w.progress(base.n)
				if !opt.Until.IsZero() && time.Now().After(opt.Until) {
					w.sp.Partial = true
					break
				}
			}
			w.sp.Read += int64(len(row.Key) + len(row.value))
			if err := w.row(tx, row.Key, row.value); err != nil {
				return err
			}
		}
		w.sp.Stored = base.n
		return w.finish(tx)
	})
	if err != nil {
		return nil, err
	}
	return &w.sp, nil
}

// storedBytes counts the bytes of the rows that a scan of the key space meets.
type storedBytes struct {
	kv.Reader
	n int64
}

func (r *storedBytes) Scan(lo, hi []byte, reverse bool, yield func(key, value []byte) bool) error {
	return r.Reader.Scan(lo, hi, reverse, func(key, value []byte) bool {
		r.n += int64(len(key) + len(value))
		return yield(key, value)
	})
}

// spaceWalk adds up rows in key order.
type spaceWalk struct {
	sp     Space
	opt    *SpaceOptions
	total  int64
	at     [256]int // of a byte's first table in sp.Tables, plus 1
	codecs map[[2]string]*CodecSpace
	parts  map[[2]string]*PartSpace
	runs   map[uint32]*RunSpace
	names  map[uint32]*MetricSpace // by ordinal of the series' name

	// The group of the last column: rows of one group follow one another.
	run, group uint32
	members    []uint32
	loaded     bool
}

func newSpaceWalk(opt *SpaceOptions, total int64) *spaceWalk {
	w := &spaceWalk{
		opt: opt, total: total, codecs: map[[2]string]*CodecSpace{}, parts: map[[2]string]*PartSpace{},
		runs: map[uint32]*RunSpace{}, names: map[uint32]*MetricSpace{},
	}
	tables := slices.Concat(Tables(), opt.Tables)
	slices.SortStableFunc(tables, func(a, b Table) int { return cmp.Compare(a.Byte, b.Byte) })
	for _, t := range tables {
		w.sp.Tables = append(w.sp.Tables, TableSpace{Table: t})
		if w.at[t.Byte] == 0 {
			w.at[t.Byte] = len(w.sp.Tables)
		}
	}
	return w
}

func (w *spaceWalk) progress(done int64) {
	if w.opt.Progress != nil {
		w.opt.Progress(min(done, w.total), w.total)
	}
}

func (w *spaceWalk) row(tx *Tx, key, value []byte) error {
	table := key[0]
	if w.at[table] == 0 {
		w.sp.Tables = append(w.sp.Tables, TableSpace{Table: Table{Byte: table}})
		w.at[table] = len(w.sp.Tables)
	}
	c, isColumn := parseColumnKey(key)
	i := w.at[table] - 1
	if isColumn && c.column > 0 {
		i++
	}
	t := &w.sp.Tables[i]
	t.Rows++
	t.Keys += int64(len(key))
	t.Values += int64(len(value))
	points := 0
	if isColumn {
		info, err := inspectColumn(key, value, c.column)
		if err != nil {
			w.sp.Damaged++
		} else {
			w.column(&info)
		}
		points = info.Count
		t.Points += int64(points)
		if w.opt.TopMetrics > 0 {
			if err := w.metric(tx, c, int64(len(key)+len(value)), int64(points)); err != nil {
				return err
			}
		}
	} else if table == 'b' || table == 't' {
		w.sp.Damaged++
	}
	if w.opt.TopRuns > 0 && t.Run && len(key) >= 5 {
		w.runBytes(key, int64(len(key)+len(value)), points, isColumn && c.column > 0)
	}
	return nil
}

func (w *spaceWalk) runBytes(key []byte, bytes int64, points int, values bool) {
	ord := binary.BigEndian.Uint32(key[1:])
	r := w.runs[ord]
	if r == nil {
		r = &RunSpace{Run: ord}
		w.runs[ord] = r
	}
	r.Bytes += bytes
	if values {
		r.Points += int64(points)
	}
}

// column adds the parts of a clock or value column.
func (w *spaceWalk) column(info *block.Info) {
	w.part(info.Kind, "seal", record.HeaderSize)
	for _, p := range info.Parts {
		w.part(info.Kind, p.Name, p.Bytes)
		if p.Codec == "" {
			continue
		}
		column := p.Name
		if column == "body" {
			column = "values"
		}
		key := [2]string{column, p.Codec}
		c := w.codecs[key]
		if c == nil {
			c = &CodecSpace{Column: column, Codec: p.Codec}
			w.codecs[key] = c
		}
		c.Columns++
		c.Points += int64(info.Count)
		c.Bytes += int64(p.Bytes)
	}
}

func (w *spaceWalk) part(kind, name string, bytes int) {
	key := [2]string{kind, name}
	p := w.parts[key]
	if p == nil {
		p = &PartSpace{Kind: kind, Part: name}
		w.parts[key] = p
	}
	p.Bytes += int64(bytes)
}

// metric adds a column to the series it belongs to.
func (w *spaceWalk) metric(tx *Tx, c columnID, bytes, points int64) error {
	if !w.loaded || w.run != c.run || w.group != c.group {
		members, err := loadMembers(tx, c.run, c.group)
		if err != nil && !isNotFound(err) {
			return err
		}
		w.run, w.group, w.members, w.loaded = c.run, c.group, members, true
	}
	if c.column > 0 {
		if i := int(c.column) - 1; i < len(w.members) {
			m := w.series(w.members[i])
			m.Bytes += bytes
			m.Points += points
		}
		return nil
	}
	for i, ord := range w.members {
		share := bytes / int64(len(w.members))
		if int64(i) < bytes%int64(len(w.members)) {
			share++
		}
		w.series(ord).Bytes += share
	}
	return nil
}

func (w *spaceWalk) series(ord uint32) *MetricSpace {
	m := w.names[ord]
	if m == nil {
		m = &MetricSpace{}
		w.names[ord] = m
	}
	return m
}

// finish sorts what was added up and puts names to it.
func (w *spaceWalk) finish(tx *Tx) error {
	w.progress(w.total)
	slices.SortStableFunc(w.sp.Tables, func(a, b TableSpace) int { return cmp.Compare(a.Byte, b.Byte) })
	order := []string{"seal", "header", "zone", "pyramid", "body", "values", "steps", "times"}
	for _, c := range w.codecs {
		w.sp.Codecs = append(w.sp.Codecs, *c)
	}
	slices.SortFunc(w.sp.Codecs, func(a, b CodecSpace) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Column), slices.Index(order, b.Column)), -cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.Codec, b.Codec))
	})
	for _, p := range w.parts {
		w.sp.Parts = append(w.sp.Parts, *p)
	}
	slices.SortFunc(w.sp.Parts, func(a, b PartSpace) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(slices.Index(order, a.Part), slices.Index(order, b.Part)), cmp.Compare(a.Part, b.Part))
	})
	for _, r := range w.runs {
		w.sp.Runs = append(w.sp.Runs, *r)
	}
	slices.SortFunc(w.sp.Runs, func(a, b RunSpace) int {
		return cmp.Or(-cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.Run, b.Run))
	})
	w.sp.Runs = w.sp.Runs[:min(len(w.sp.Runs), w.opt.TopRuns)]
	return w.finishMetrics(tx)
}

func (w *spaceWalk) finishMetrics(tx *Tx) error {
	metrics := map[string]*MetricSpace{}
	for ord, m := range w.names {
		text, err := tx.Text(KindSeries, ord)
		if err != nil {
			return err
		}
		name := parseSeriesName(text).Metric
		if sum := metrics[name]; sum != nil {
			sum.Bytes, sum.Points = sum.Bytes+m.Bytes, sum.Points+m.Points
		} else {
			m.Metric = name
			metrics[name] = m
		}
	}
	for _, m := range metrics {
		w.sp.Metrics = append(w.sp.Metrics, *m)
	}
	slices.SortFunc(w.sp.Metrics, func(a, b MetricSpace) int {
		return cmp.Or(-cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.Metric, b.Metric))
	})
	w.sp.Metrics = w.sp.Metrics[:min(len(w.sp.Metrics), w.opt.TopMetrics)]
	return nil
}

// columnID is what the key of a block's or tail's row says.
type columnID struct {
	run, group, number uint32
	column             uint16 // 0 is the clock
}

// parseColumnKey is the reverse of columnKey; false for another row's key.
func parseColumnKey(key []byte) (columnID, bool) {
	const width = 1 + 3*4 + 2
	if len(key) != width || key[0] != 'b' && key[0] != 't' {
		return columnID{}, false
	}
	return columnID{
		binary.BigEndian.Uint32(key[1:]), binary.BigEndian.Uint32(key[5:]), binary.BigEndian.Uint32(key[11:]),
		binary.BigEndian.Uint16(key[9:]),
	}, true
}

// inspectColumn opens a row of a block or tail and tells what it is made of.
func inspectColumn(key, value []byte, column uint16) (block.Info, error) {
	version, body, err := record.Open(key, value)
	if err != nil {
		return block.Info{}, err
	}
	if version > 1 {
		return block.Info{}, fmt.Errorf("row %x has version %d: %w", key, version, ErrFuture)
	}
	if column == 0 {
		return block.InspectClock(body)
	}
	return block.InspectValues(body)
}
