package tensorboard

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// Bytes of messages, for events of the tests' own making.

func msg(num protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), b)
}

func num(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

func f64(n protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, n, protowire.Fixed64Type), math.Float64bits(v))
}

func f32(n protowire.Number, v float32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(nil, n, protowire.Fixed32Type), math.Float32bits(v))
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// eventBytes is an event with one value.
func eventBytes(wall float64, step int64, value ...[]byte) []byte {
	return cat(f64(1, wall), num(2, uint64(step)), msg(5, msg(1, cat(value...))))
}

func simple(wall float64, step int64, tag string, x float32) []byte {
	return eventBytes(wall, step, msg(1, []byte(tag)), f32(2, x))
}

func startBytes(wall float64, step int64) []byte {
	return cat(f64(1, wall), num(2, uint64(step)), msg(7, num(1, 1)))
}

func plugin(name string, data []byte) []byte {
	return msg(9, msg(1, cat(msg(1, []byte(name)), msg(2, data))))
}

func recordOf(data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, masked(b))
	b = append(b, data...)
	return binary.LittleEndian.AppendUint32(b, masked(data))
}

func fileOf(events ...[]byte) []byte {
	out := recordOf(cat(f64(1, 1700000000), msg(3, []byte("brain.Event:2"))))
	for _, e := range events {
		out = append(out, recordOf(e)...)
	}
	return out
}

func write(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	full := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(t, os.WriteFile(full, b, 0o644))
}

func openDB(t *testing.T) *runstone.DB {
	t.Helper()
	db, err := runstone.Open(t.TempDir(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func runsByName(t *testing.T, db *runstone.DB) map[string]*runstone.RunData {
	t.Helper()
	out := map[string]*runstone.RunData{}
	for r, err := range db.Search(t.Context(), "", &runstone.SearchOptions{View: runstone.All}) {
		require.NoError(t, err)
		out[r.Name] = r
	}
	return out
}

func points(t *testing.T, db *runstone.DB, run, metric string) (out []runstone.Point) {
	t.Helper()
	for c, err := range db.Points(t.Context(), run, metric) {
		require.NoError(t, err)
		for i := range c.Steps {
			out = append(out, runstone.Point{Step: c.Steps[i], Time: c.Times[i], Value: c.Values[i]})
		}
	}
	return out
}

// TestGoldenRecord: the bytes of a record that tensorboardX wrote.
func TestGoldenRecord(t *testing.T) {
	b, err := hex.DecodeString("1a00000000000000129bd82d0900006040fc54d94110072a0d0a0b0a046c6f7373150000003f8fa1e391")
	require.NoError(t, err)
	fr := newFrames(bytes.NewReader(b), 0, int64(len(b)))
	data, err := fr.next()
	require.NoError(t, err)
	require.Equal(t, b, recordOf(data))
	var e event
	require.NoError(t, e.parse(data))
	require.Equal(t, event{wall: 1700000001.5, step: 7, values: []value{{tag: "loss", kind: scalar, number: 0.5}}}, e)
}

func TestTensorScalars(t *testing.T) {
	scalarShape := msg(2, nil)
	vector1 := msg(2, msg(2, num(1, 1)))
	le := binary.LittleEndian
	tests := []struct {
		name   string
		tensor []byte
		want   float64
		not    bool
	}{
		{name: "float list", tensor: cat(num(1, dtFloat), scalarShape, f32(5, 1.5)), want: 1.5},
		{name: "float packed", tensor: cat(num(1, dtFloat), scalarShape, msg(5, le.AppendUint32(nil, math.Float32bits(2.5)))), want: 2.5},
		{name: "float content", tensor: cat(num(1, dtFloat), scalarShape, msg(4, le.AppendUint32(nil, math.Float32bits(-3)))), want: -3},
		{name: "double", tensor: cat(num(1, dtDouble), f64(6, 0.1)), want: 0.1},
		{name: "double content", tensor: cat(num(1, dtDouble), msg(4, le.AppendUint64(nil, math.Float64bits(0.1)))), want: 0.1},
		{name: "half", tensor: cat(num(1, dtHalf), num(13, 0x3e00)), want: 1.5},
		{name: "half packed", tensor: cat(num(1, dtHalf), msg(13, protowire.AppendVarint(nil, 0xc000))), want: -2},
		{name: "half content", tensor: cat(num(1, dtHalf), msg(4, le.AppendUint16(nil, 0x0001))), want: math.Ldexp(1, -24)},
		{name: "half infinity", tensor: cat(num(1, dtHalf), num(13, 0xfc00)), want: math.Inf(-1)},
		{name: "bfloat16", tensor: cat(num(1, dtBfloat16), num(13, 0x3fc0)), want: 1.5},
		{name: "int64", tensor: cat(num(1, dtInt64), num(10, math.MaxUint64)), want: -1},
		{name: "int32 content", tensor: cat(num(1, dtInt32), msg(4, []byte{0xfe, 0xff, 0xff, 0xff})), want: -2},
		{name: "bool", tensor: cat(num(1, dtBool), num(11, 1)), want: 1},
		{name: "left out", tensor: cat(num(1, dtFloat), scalarShape), want: 0},
		{name: "one element", tensor: cat(num(1, dtFloat), vector1, f32(5, 7)), want: 7},
		{name: "two elements", tensor: cat(num(1, dtFloat), msg(2, msg(2, num(1, 2))), f32(5, 7), f32(5, 8)), not: true},
		{name: "no elements", tensor: cat(num(1, dtFloat), msg(2, msg(2, nil)), f32(5, 7)), not: true},
		{name: "short content", tensor: cat(num(1, dtFloat), msg(4, []byte{1, 2})), not: true},
		{name: "unknown type", tensor: cat(num(1, 99), f32(5, 7)), not: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v value
			require.NoError(t, v.parse(msg(8, tt.tensor)))
			if tt.not {
				require.Equal(t, tensor, v.kind)
				return
			}
			require.Equal(t, scalar, v.kind)
			require.Equal(t, tt.want, v.number)
		})
	}
	var v value
	require.NoError(t, v.parse(msg(8, cat(num(1, dtHalf), num(13, 0x7e00)))))
	require.True(t, math.IsNaN(v.number))
}

func TestKey(t *testing.T) {
	require.Equal(t, "loss/train", key("loss/train"))
	require.Equal(t, "acc_1_"+shortDigest("acc@1"), key("acc@1"))
	require.NotEqual(t, key("acc@1"), key("acc#1"))
	for _, tag := range []string{"", "/", "a//b", "../x", "a\xff", "ä/ö", string(bytes.Repeat([]byte("x/"), 300)), "a/", "."} {
		k := key(tag)
		require.NoError(t, runstone.CheckKey(k, "", ""), "%q gives %q", tag, k)
		require.Equal(t, k, key(tag))
	}
}

// TestImport: several runs, several files, what is kept and what is not, and
// that a second import changes nothing.
func TestImport(t *testing.T) {
	dir := t.TempDir()
	hp := cat(msg(1, cat(msg(1, []byte("lr")), msg(2, f64(2, 0.001)))), msg(1, cat(msg(1, []byte("bs")), msg(2, f64(2, 64)))),
		msg(1, cat(msg(1, []byte("opt")), msg(2, msg(3, []byte("adam"))))), msg(1, cat(msg(1, []byte("bias")), msg(2, num(4, 1)))))
	write(t, dir, "train/events.out.tfevents.1.host", fileOf(
		simple(1700000001, 0, "loss", 1), simple(1700000002, 1, "loss", 0.5),
		eventBytes(1700000002.5, 1, msg(1, []byte("note")), plugin("text", nil), msg(8, cat(num(1, dtString), msg(8, []byte("first"))))),
		eventBytes(1700000003, 2, msg(1, []byte("note")), msg(8, cat(num(1, dtString), msg(8, []byte("second"))))),
		eventBytes(1700000004, 2, msg(1, []byte("img")), msg(4, []byte("x"))),
		eventBytes(1700000004, 0, msg(1, []byte("_hparams_/session_start_info")), plugin("hparams", msg(3, hp))),
	))
	write(t, dir, "train/events.out.tfevents.2.host", fileOf(
		simple(1700000010, 5, "loss", 0.25), simple(1700000010, 5, "Loss (all)", float32(math.NaN())),
		eventBytes(1700000020, 0, msg(1, []byte("_hparams_/session_end_info")), plugin("hparams", msg(4, cat(num(1, 2), f64(2, 1700000030))))),
	))
	write(t, dir, "val/deep/events.out.tfevents.1.host.v2", fileOf(
		eventBytes(1700000001, 7, msg(1, []byte("acc")), plugin("scalars", nil), msg(8, cat(num(1, dtFloat), msg(2, nil), f32(5, 0.75)))),
		eventBytes(1700000002, 8, msg(1, []byte("acc")), msg(8, cat(num(1, dtFloat), msg(2, nil), f32(5, 0.875))))))
	write(t, dir, "notes.txt", []byte("nothing"))
	db := openDB(t)
	rep, err := Import(t.Context(), db, dir, &Options{Experiment: "tb"})
	require.NoError(t, err)
	require.EqualValues(t, 2, rep.Runs)
	require.EqualValues(t, 6, rep.Points)
	require.EqualValues(t, 4, rep.Params)
	require.Equal(t, map[string]int64{"images": 1}, rep.Skipped)
	require.Empty(t, rep.Problems)

	runs := runsByName(t, db)
	require.Len(t, runs, 2)
	train := runs["train"]
	require.Equal(t, map[string]string{"lr": "0.001", "bs": "64", "opt": "adam", "bias": "True"}, train.Params)
	require.Equal(t, "second", train.Tags["text/note"])
	require.Equal(t, runstone.Failed, train.Status)
	require.EqualValues(t, 1700000000000, train.Start)
	require.EqualValues(t, 1700000030000, train.End)
	require.Equal(t, []runstone.Point{{Step: 0, Time: 1700000001000, Value: 1}, {Step: 1, Time: 1700000002000, Value: 0.5}, {Step: 5, Time: 1700000010000, Value: 0.25}}, points(t, db, train.ID, "loss"))
	require.Len(t, points(t, db, train.ID, key("Loss (all)")), 1)
	val := runs["val/deep"]
	require.Equal(t, runstone.Finished, val.Status)
	require.Equal(t, []runstone.Point{{Step: 7, Time: 1700000001000, Value: 0.75}, {Step: 8, Time: 1700000002000, Value: 0.875}}, points(t, db, val.ID, "acc"))

	again, err := Import(t.Context(), db, dir, &Options{Experiment: "tb"})
	require.NoError(t, err)
	require.EqualValues(t, 2, again.Runs)
	require.Zero(t, again.Added+again.Points+again.Params+again.Texts+again.Files)
	for name, r := range runsByName(t, db) {
		require.Equal(t, fmt.Sprint(*runs[name]), fmt.Sprint(*r))
	}
}

// TestLiveFile: a file is imported while it grows byte by byte; nothing is lost
// or doubled.
func TestLiveFile(t *testing.T) {
	dir := t.TempDir()
	full := fileOf(simple(1, 1, "a", 1), simple(2, 2, "a", 2), simple(3, 3, "a", 3))
	db := openDB(t)
	for n := 0; n <= len(full); n += 5 {
		write(t, dir, "tfevents", full[:n])
		_, err := Import(t.Context(), db, dir, nil)
		require.NoError(t, err)
	}
	write(t, dir, "tfevents", full)
	rep, err := Import(t.Context(), db, dir, nil)
	require.NoError(t, err)
	require.Zero(t, rep.Unfinished+rep.CorruptBytes+rep.CorruptRecords)
	run := runsByName(t, db)["."]
	require.Len(t, points(t, db, run.ID, "a"), 3)
	e, err := db.Experiment(t.Context(), run.ExperimentID)
	require.NoError(t, err)
	require.Equal(t, filepath.Base(dir), e.Name)

	write(t, dir, "tfevents", full[:20])
	rep, err = Import(t.Context(), db, dir, nil)
	require.NoError(t, err)
	require.Len(t, rep.Problems, 1, "the file became shorter")

	require.NoError(t, db.DeleteRun(t.Context(), run.ID))
	write(t, dir, "tfevents", append(full, recordOf(simple(4, 4, "a", 4))...))
	rep, err = Import(t.Context(), db, dir, nil)
	require.NoError(t, err)
	require.Len(t, rep.Problems, 1)
	require.Contains(t, rep.Problems[0], "deleted")
}

// TestRestart: points from the step on that a program went back to are hidden by
// TensorBoard, and left out.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "events.tfevents.1", fileOf(startBytes(1, 0), simple(1, 1, "a", 1), simple(2, 2, "a", 2), simple(3, 3, "a", 3)))
	write(t, dir, "events.tfevents.2", fileOf(startBytes(10, 2), simple(11, 2, "a", 20), simple(12, 3, "a", 30)))
	db := openDB(t)
	rep, err := Import(t.Context(), db, dir, nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, rep.Orphaned)
	run := runsByName(t, db)["."]
	require.Equal(t, []runstone.Point{{Step: 1, Time: 1000, Value: 1}, {Step: 2, Time: 11000, Value: 20}, {Step: 3, Time: 12000, Value: 30}}, points(t, db, run.ID, "a"))

	write(t, dir, "events.tfevents.3", fileOf(startBytes(20, 3), simple(21, 3, "a", 300)))
	rep, err = Import(t.Context(), db, dir, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, rep.Late)
	require.Len(t, points(t, db, run.ID, "a"), 4)
}

// TestDamage: any flipped byte costs at most the records it is in, and is told.
func TestDamage(t *testing.T) {
	var events [][]byte
	for i := range 20 {
		events = append(events, simple(float64(i), int64(i), "a", float32(i)))
	}
	good := fileOf(events...)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x40
		fr := newFrames(bytes.NewReader(bad), 0, int64(len(bad)))
		n := 0
		for {
			b, err := fr.next()
			if err != nil {
				break
			}
			var e event
			require.NoError(t, e.parse(b))
			n++
		}
		require.Equal(t, 20, n, "byte %d", i)
		require.NotZero(t, fr.records+fr.bytes+fr.tail(), "byte %d", i)
	}
}

// TestHugeLength: a length that is not backed by bytes costs no memory.
func TestHugeLength(t *testing.T) {
	head := binary.LittleEndian.AppendUint64(nil, 1<<39)
	head = binary.LittleEndian.AppendUint32(head, masked(head))
	dir := t.TempDir()
	write(t, dir, "tfevents", append(fileOf(simple(1, 1, "a", 1)), append(head, make([]byte, 100)...)...))
	db := openDB(t)
	allocs := testing.AllocsPerRun(1, func() {
		fr := newFrames(bytes.NewReader(head), 0, int64(len(head)))
		_, err := fr.next()
		require.Error(t, err)
	})
	require.Less(t, allocs, 50.0)
	rep, err := Import(t.Context(), db, dir, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, rep.Points)
	require.EqualValues(t, 112, rep.Unfinished)
}

// TestFollow: what is written and what appears meanwhile arrives, and the runs
// are ended when it ends.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	full := fileOf(simple(1, 1, "a", 1))
	write(t, dir, "one/tfevents", full)
	db := openDB(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := Follow(ctx, db, dir, &Options{Experiment: "live", Interval: 5 * time.Millisecond})
		done <- err
	}()
	count := func(name string) int {
		r := runsByName(t, db)[name]
		if r == nil {
			return 0
		}
		return len(points(t, db, r.ID, "a"))
	}
	wait := func(name string, n int) {
		require.Eventually(t, func() bool { return count(name) == n }, 20*time.Second, 5*time.Millisecond, "%s %d", name, n)
	}
	wait("one", 1)
	for i := 2; i < 6; i++ {
		full = append(full, recordOf(simple(float64(i), int64(i), "a", float32(i)))...)
		write(t, dir, "one/tfevents", full)
		wait("one", i)
	}
	require.Eventually(t, func() bool { return runsByName(t, db)["one"].Status == runstone.Running }, 20*time.Second, 5*time.Millisecond)
	write(t, dir, "two/tfevents", fileOf(simple(1, 1, "a", 1)))
	wait("two", 1)
	stop()
	require.NoError(t, <-done)
	for _, name := range []string{"one", "two"} {
		require.Equal(t, runstone.Finished, runsByName(t, db)[name].Status)
	}
	require.EqualValues(t, 1700000000000, runsByName(t, db)["one"].End, "the time of the last event")
}

// TestLinks: what lies outside the folder is not read.
func TestLinks(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	write(t, outside, "tfevents.secret", fileOf(simple(1, 1, "a", 1)))
	require.NoError(t, os.Symlink(filepath.Join(outside, "tfevents.secret"), filepath.Join(dir, "tfevents.link")))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "folder")))
	rep, err := Import(t.Context(), openDB(t), dir, nil)
	require.NoError(t, err)
	require.Zero(t, rep.Runs)
}

func FuzzFrames(f *testing.F) {
	f.Add(fileOf(simple(1, 1, "a", 1)))
	f.Add(append([]byte{1, 2, 3}, fileOf(simple(1, 1, "a", 1))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		fr := newFrames(bytes.NewReader(b), 0, int64(len(b)))
		var e event
		for last := int64(-1); ; {
			data, err := fr.next()
			if err != nil {
				break
			}
			require.Greater(t, fr.at, last)
			last = fr.at
			_ = e.parse(data)
		}
		require.LessOrEqual(t, fr.at, int64(len(b)))
	})
}

func FuzzEvent(f *testing.F) {
	f.Add(simple(1, 1, "a", 1))
	f.Add(startBytes(1, 2))
	f.Add(eventBytes(1, 1, msg(1, []byte("t")), plugin("hparams", msg(3, msg(1, cat(msg(1, []byte("k")), msg(2, f64(2, 1))))))))
	f.Add(eventBytes(1, 1, msg(8, cat(num(1, dtHalf), msg(2, msg(2, num(1, 1))), num(13, 5)))))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e event
		if e.parse(b) != nil {
			return
		}
		require.GreaterOrEqual(t, e.ms(), int64(0))
		for _, v := range e.values {
			require.NoError(t, runstone.CheckKey(key(v.tag), "", ""), fmt.Sprintf("%q", v.tag))
			if v.data != nil {
				_, _ = parseSession(v.data)
			}
		}
	})
}
