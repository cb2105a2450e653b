package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store/internal/journal"
)

// viewed is a journal as an inspector saw it.
type viewed struct {
	info   JournalInfo
	frames []JournalFrame
	end    JournalEnd
}

func viewJournal(t testing.TB, path string) viewed {
	t.Helper()
	v, err := ViewJournal(path)
	require.NoError(t, err)
	out := viewed{info: v.Info}
	for f, err := range v.Frames(ctx) {
		require.NoError(t, err)
		c := *f
		c.Tables, c.Points, c.Op = append([]TableChanges{}, f.Tables...), append([]JournalPoints{}, f.Points...), append([]byte{}, f.Op...)
		out.frames = append(out.frames, c)
	}
	out.end = v.End()
	require.NoError(t, v.Close())
	return out
}

func (v *viewed) kinds() (kinds []string) {
	for _, f := range v.frames {
		kinds = append(kinds, f.Kind)
	}
	return kinds
}

// TestViewJournalOfHolder reads the journal of an open database.
func TestViewJournalOfHolder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	require.NoError(t, s.Update(ctx, Appended, func(tx *Tx) error {
		for i := range uint32(3) {
			require.NoError(t, tx.Save(rowKey(i), 1, testRow{}))
		}
		_, err := tx.Intern(99, "name")
		return errors.Join(err, tx.Delete(rowKey(2)))
	}))
	logCurves(t, s, 1, 10, 5)
	paths, err := Journals(dir)
	require.NoError(t, err)
	require.Equal(t, []string{journalPath(dir, 1)}, paths)
	v := viewJournal(t, paths[0])
	require.EqualValues(t, 1, v.info.Number)
	require.Equal(t, s.ID(), v.info.Database)
	require.Len(t, v.info.Writer, 32)
	require.Len(t, v.info.Marks, 2)
	require.NotEqual(t, v.info.Marks[0].Newest, v.info.Marks[1].Newest)
	for _, m := range v.info.Marks {
		if m.Newest {
			require.Equal(t, s.journal.End(), m.Written)
			require.EqualValues(t, journal.FirstFrame, m.Synced)
		}
	}
	require.Equal(t, []string{"rows", "rows", "points"}, v.kinds()[len(v.kinds())-3:])
	first, last := v.frames[0], v.frames[len(v.frames)-1]
	require.EqualValues(t, journal.FirstFrame, first.Offset)
	require.Len(t, first.Tables, 3)
	require.Equal(t, TableChanges{Table: 'z', Puts: 3, Deletes: 1, Bytes: first.Tables[2].Bytes}, first.Tables[2])
	require.EqualValues(t, 'N', first.Tables[0].Table)
	require.Equal(t, 1, first.Tables[1].Puts)
	require.Len(t, last.Points, 1)
	p := last.Points[0]
	require.Equal(t, JournalPoints{Run: 1, Series: 6, Points: 5, MinStep: 10, MaxStep: 14, MinTime: p.MinTime, MaxTime: p.MaxTime}, p)
	require.EqualValues(t, 1767225610, p.MinTime/1000)
	for i, f := range v.frames {
		require.NoError(t, f.Err)
		require.EqualValues(t, i+1, f.Seq)
		if i > 0 {
			require.Equal(t, v.frames[i-1].Offset+v.frames[i-1].Bytes, f.Offset)
		}
	}
	require.Equal(t, JournalEnd{Offset: s.journal.End(), Reason: JournalWhole}, v.end)

	for _, name := range []string{"1", "0000000000000001.log", journalPath(dir, 1)} {
		path, err := FindJournal(dir, name)
		require.NoError(t, err)
		require.Equal(t, paths[0], path)
	}
	for _, name := range []string{"2", "x", filepath.Join(dir, "y")} {
		_, err := FindJournal(dir, name)
		require.ErrorIs(t, err, ErrNotFound)
	}
	_, err = Journals(t.TempDir())
	require.ErrorIs(t, err, ErrNotDatabase)

	c, cancel := context.WithCancel(ctx)
	cancel()
	view, err := ViewJournal(paths[0])
	require.NoError(t, err)
	for _, err := range view.Frames(c) {
		require.ErrorIs(t, err, context.Canceled)
	}
	require.NoError(t, view.Close())
}

// TestViewJournalWithRoom: zeros in front of the frames are no torn end.
func TestViewJournalWithRoom(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	for i := range uint32(20) {
		save(t, s, i, "a")
		require.NoError(t, s.Sync(ctx))
	}
	v := viewJournal(t, journalPath(dir, 1))
	require.Len(t, v.frames, 20)
	require.Equal(t, JournalWhole, v.end.Reason)
	require.Equal(t, s.journal.End(), v.end.Offset)
	require.Equal(t, v.info.Size-v.end.Offset, v.end.Left)
	require.Positive(t, v.end.Left)

	// A view sees the frames that come where it saw room.
	view, err := ViewJournal(journalPath(dir, 1))
	require.NoError(t, err)
	n := 0
	for _, err := range view.Frames(ctx) {
		require.NoError(t, err)
		if n++; n < 30 {
			save(t, s, 100+uint32(n), "b")
		}
	}
	require.GreaterOrEqual(t, n, 20)
	require.Equal(t, JournalWhole, view.End().Reason)
	require.NoError(t, view.Close())
}

// TestViewInbox reads the kinds of frames that inboxes have.
func TestViewInbox(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, open(t, dir, nil).Close())
	in, err := OpenInbox(dir)
	require.NoError(t, err)
	require.NoError(t, in.Op(ctx, Appended, []byte("run x")))
	names := []SeriesName{{Metric: "loss"}, {Metric: "acc", Model: "m-1"}}
	g, err := in.Group(ctx, "run-x", names)
	require.NoError(t, err)
	require.NoError(t, g.Append(ctx, Appended, []int64{7, -3}, []int64{1, 2}, [][]float64{{1, 2}, {3, 4}}))
	require.NoError(t, in.Close())
	paths, err := Journals(dir)
	require.NoError(t, err)
	require.Len(t, paths, 1)
	v := viewJournal(t, paths[0])
	require.Zero(t, v.info.Number)
	require.Equal(t, []string{"op", "series", "points", "end"}, v.kinds())
	require.Equal(t, "run x", string(v.frames[0].Op))
	require.Equal(t, "run-x", v.frames[1].Run)
	require.Equal(t, names, v.frames[1].Series)
	require.Equal(t, []JournalPoints{{RunID: "run-x", Series: 2, Points: 2, MinStep: -3, MaxStep: 7, MinTime: 1, MaxTime: 2}}, v.frames[2].Points)
	require.Equal(t, JournalWhole, v.end.Reason)
	path, err := FindJournal(dir, filepath.Base(paths[0]))
	require.NoError(t, err)
	require.Equal(t, paths[0], path)
}

// TestViewDamagedJournal: what is before damage is shown, and a torn end is
// told from damage.
func TestViewDamagedJournal(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	for i := range uint32(10) {
		save(t, s, i, "some text")
	}
	path := journalPath(dir, 1)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	frame := int64(len(whole)-journal.FirstFrame) / 10
	written := func(b []byte, end int64) []byte { // both marks say so
		for _, at := range []int{512, 1024} {
			binary.LittleEndian.PutUint64(b[at+8:], uint64(end))
			binary.LittleEndian.PutUint64(b[at+16:], uint64(end))
			binary.LittleEndian.PutUint64(b[at:], 9)
			sealMark(b[at:])
		}
		return b
	}
	for _, c := range []struct {
		name   string
		change func(b []byte) []byte
		frames int
		reason string
		what   string
	}{
		{"whole", func(b []byte) []byte { return b }, 10, JournalWhole, ""},
		{"torn", func(b []byte) []byte { return written(b, 0)[:len(b)-3] }, 9, JournalTorn, ""},
		{"cut", func(b []byte) []byte { return b[:len(b)-3] }, 9, JournalDamage, "ends early"},
		{"half of a header", func(b []byte) []byte { return written(b, 0)[:int64(len(b))-frame+5] }, 9, JournalTorn, ""},
		{"flipped", func(b []byte) []byte { b[journal.FirstFrame+4*frame+20] ^= 1; return b }, 4, JournalDamage, "checksum mismatch"},
		{"rubbish behind", func(b []byte) []byte { return append(b, "rubbish"...) }, 10, JournalTorn, ""},
		{"room behind", func(b []byte) []byte { return append(b, make([]byte, 5000)...) }, 10, JournalWhole, ""},
		{"more room than is made", func(b []byte) []byte { return append(b, make([]byte, 1<<20)...) }, 10, JournalTorn, ""},
		{"order", func(b []byte) []byte { return append(b[:journal.FirstFrame], b[journal.FirstFrame+frame:]...) }, 0, JournalDamage, "sequence"},
		{"no frames", func(b []byte) []byte { return written(b[:journal.FirstFrame], 0) }, 0, JournalWhole, ""},
		{"short", func(b []byte) []byte { return b[:100] }, 0, JournalDamage, "shorter than its header"},
		{"empty", func([]byte) []byte { return nil }, 0, JournalDamage, "shorter than its header"},
		{"header", func(b []byte) []byte { b[20] ^= 1; return b }, 0, JournalDamage, "header checksum"},
		{"magic", func(b []byte) []byte { b[0] ^= 1; return b }, 0, JournalDamage, "not a journal"},
		{"marks", func(b []byte) []byte { b[515] ^= 1; b[1030] ^= 1; return b }, 0, JournalDamage, "no valid mark"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.change(append([]byte{}, whole...))
			path := filepath.Join(t.TempDir(), "a.log")
			require.NoError(t, os.WriteFile(path, b, 0o600))
			v := viewJournal(t, path)
			require.Len(t, v.frames, c.frames)
			require.Equal(t, c.reason, v.end.Reason)
			require.Equal(t, int64(len(b)), v.info.Size)
			require.LessOrEqual(t, v.end.Offset+v.end.Left, max(v.info.Size, v.end.Offset))
			if c.reason == JournalDamage {
				require.ErrorIs(t, v.end.Err, ErrCorrupt)
				require.ErrorContains(t, v.end.Err, c.what)
			} else {
				require.NoError(t, v.end.Err)
			}
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, len(b), len(after), "looking changes nothing")
		})
	}
}

// sealMark puts the right checksum on a mark slot.
func sealMark(b []byte) {
	binary.LittleEndian.PutUint32(b[40:], crcOf(b[:40]))
}

// TestViewStrangePayloads: a whole frame that says what it may not is shown
// with an error, and those behind it too.
func TestViewStrangePayloads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	w, err := journal.Create(path, journal.Header{})
	require.NoError(t, err)
	payloads := []struct {
		kind byte
		b    string
	}{
		{frameRows, ""}, {frameRows, "\xff\xff\xff\xff"}, {frameRows, "\x02\x00\x00\x00\x05a"}, {frameRows, "\x00\x00\x00\x00\x01\x00\x00\x00x"},
		{framePoints, "short"}, {framePoints, strings.Repeat("\xff", 20)}, {frameSeries, ""}, {frameSeries, strings.Repeat("x", 40)},
		{77, "?"},
	}
	for _, p := range payloads {
		_, err := w.Append(p.kind, append(make([]byte, journal.FrameHeader), p.b...))
		require.NoError(t, err)
	}
	_, err = w.Append(frameEnd, make([]byte, journal.FrameHeader))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	v := viewJournal(t, path)
	require.Len(t, v.frames, len(payloads)+1)
	for i, f := range v.frames[:len(payloads)] {
		require.ErrorIs(t, f.Err, ErrCorrupt, "frame %d", i)
	}
	require.Equal(t, "kind 77", v.frames[len(payloads)-1].Kind)
	require.NoError(t, v.frames[len(payloads)].Err)
	require.Equal(t, JournalDamage, v.end.Reason)
	require.ErrorContains(t, v.end.Err, fmt.Sprintf("frame at byte %d", journal.FirstFrame))
}

// TestViewFutureJournal: a newer format is said to be one.
func TestViewFutureJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	w, err := journal.Create(path, journal.Header{})
	require.NoError(t, err)
	require.NoError(t, w.Close())
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	binary.LittleEndian.PutUint16(b[8:], 99)
	binary.LittleEndian.PutUint32(b[58:], crcOf(b[:58]))
	require.NoError(t, os.WriteFile(path, b, 0o600))
	v := viewJournal(t, path)
	require.Equal(t, JournalDamage, v.end.Reason)
	require.ErrorIs(t, v.end.Err, ErrFuture)
}

// FuzzJournalPayload reads any payload without a panic, and points as the
// recovery does.
func FuzzJournalPayload(f *testing.F) {
	f.Add(byte(framePoints), appendPoints(nil, 1, 2, columns{[]int64{3, 1}, []int64{4, 5}, [][]float64{{1, 2}}}))
	f.Add(byte(frameSeries), appendSeries(nil, 1, "run", []SeriesName{{Metric: "a"}}))
	f.Add(byte(frameRows), append([]byte{4, 0, 0, 0}, appendRow(nil, []byte("k"), []byte("v"))...))
	f.Fuzz(func(t *testing.T, kind byte, payload []byte) {
		v := &JournalView{groups: map[uint32]string{}}
		v.read(&journal.Frame{Kind: kind, Payload: payload, End: 1 << 20})
		if kind != framePoints {
			return
		}
		var c pointsFrame
		err := c.parse(payload)
		require.Equal(t, err != nil, v.frame.Err != nil)
		if err != nil {
			return
		}
		p := v.frame.Points[0]
		require.Equal(t, []any{c.run, c.group, len(c.values), c.len()}, []any{p.Run, p.Group, p.Series, p.Points})
		for i := range c.steps {
			require.True(t, p.MinStep <= c.steps[i] && c.steps[i] <= p.MaxStep)
			require.True(t, p.MinTime <= c.times[i] && c.times[i] <= p.MaxTime)
		}
	})
}

func crcOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// TestViewBesideWriter: a journal that is being written is never damaged, and
// every frame that was acknowledged before is seen.
func TestViewBesideWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	w, err := journal.Create(path, journal.Header{})
	require.NoError(t, err)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			end, err := w.Append(frameOp, make([]byte, journal.FrameHeader+i*37%5000))
			if err == nil && i%3 == 0 {
				err = w.Commit(end)
			}
			if err != nil {
				t.Error(err)
			}
			if end > 16<<20 { // each view reads all of it
				<-stop
				return
			}
		}
	}()
	for range 100 {
		least := w.Frames()
		v := viewJournal(t, path)
		require.NotEqual(t, JournalDamage, v.end.Reason, "%v", v.end.Err)
		require.GreaterOrEqual(t, uint64(len(v.frames)), least)
	}
	close(stop)
	<-done
	v := viewJournal(t, path)
	require.Equal(t, JournalWhole, v.end.Reason)
	require.EqualValues(t, w.Frames(), len(v.frames))
	require.NoError(t, w.Close())
}
