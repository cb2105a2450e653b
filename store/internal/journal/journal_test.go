package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/internal/record"
)

func frameOf(payload []byte) []byte {
	return append(make([]byte, FrameHeader), payload...)
}

func payloadOf(i int) []byte {
	return bytes.Repeat([]byte{byte(i)}, 1+i*37%900)
}

func write(t *testing.T, path string, n int) *Writer {
	t.Helper()
	w, err := Create(path, Header{Number: 7, Database: [16]byte{1}, Writer: [16]byte{2}, Created: 3})
	require.NoError(t, err)
	for i := range n {
		end, err := w.Append(byte(i%5), frameOf(payloadOf(i)))
		require.NoError(t, err)
		if i%10 == 0 {
			require.NoError(t, w.Commit(end))
		}
	}
	return w
}

// read returns how many frames can be read, checking each.
func read(t *testing.T, path string) (int, error) {
	t.Helper()
	r, err := OpenReader(path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for i := 0; ; i++ {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			return i, nil
		}
		if err != nil {
			return i, err
		}
		require.Equal(t, uint64(i+1), f.Seq)
		require.Equal(t, byte(i%5), f.Kind)
		require.Equal(t, payloadOf(i), f.Payload)
	}
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	w := write(t, path, 500)
	n, err := read(t, path)
	require.NoError(t, err)
	require.Equal(t, 500, n, "readable while the writer is open")
	require.NoError(t, w.Close())
	_, err = w.Append(1, frameOf(nil))
	require.ErrorIs(t, err, ErrClosed)
	r, err := OpenReader(path)
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, Header{Number: 7, Database: [16]byte{1}, Writer: [16]byte{2}, Created: 3}, r.Header)
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	w := write(t, path, 3)
	defer w.Close()
	r, err := OpenReader(path)
	require.NoError(t, err)
	defer r.Close()
	for range 3 {
		_, err = r.Next()
		require.NoError(t, err)
	}
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)
	_, err = w.Append(9, frameOf([]byte("more")))
	require.NoError(t, err)
	require.NoError(t, r.Refresh())
	f, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, []byte("more"), f.Payload)
}

// TestEveryFlip turns each bit of a journal in turn: the reader names the
// damage, or reads what was written.
func TestEveryFlip(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	require.NoError(t, write(t, path, 4).Close())
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	bad := filepath.Join(dir, "b.log")
	for at := range good {
		if at >= fixedSize && at < slotA || at >= slotB+markSize && at < pageSize {
			continue // bytes without meaning
		}
		for bit := range 8 {
			b := bytes.Clone(good)
			b[at] ^= 1 << bit
			require.NoError(t, os.WriteFile(bad, b, 0o600))
			n, err := read(t, bad)
			if err == nil {
				require.Equal(t, 4, n, "byte %d bit %d: frames lost without an error", at, bit)
				continue
			}
			require.True(t, errors.Is(err, record.ErrCorrupt) || errors.Is(err, ErrFuture), "byte %d: %v", at, err)
		}
	}
}

func TestCutAnywhere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	require.NoError(t, write(t, path, 4).Close())
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	for cut := range good {
		bad := filepath.Join(dir, "b.log")
		require.NoError(t, os.WriteFile(bad, good[:cut], 0o600))
		_, err := read(t, bad)
		require.ErrorIs(t, err, record.ErrCorrupt, "cut at %d", cut)
	}
}

// TestTornEnd: bytes behind the mark are the end of a write that nobody was
// told of.
func TestTornEnd(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	require.NoError(t, write(t, path, 6).Close())
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.Write([]byte{200, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	require.NoError(t, err)
	require.NoError(t, f.Close())
	n, err := read(t, path)
	require.NoError(t, err)
	require.Equal(t, 6, n)
}

// TestZerosInFront: a journal that is synced often has room in front, and its
// readers see the frames only.
func TestZerosInFront(t *testing.T) {
	for _, exact := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "a.log")
		w, err := Create(path, Header{})
		require.NoError(t, err)
		if exact {
			w.Exact()
		}
		r, err := OpenReader(path)
		require.NoError(t, err)
		for i := range 2000 {
			end, err := w.Append(byte(i%5), frameOf(payloadOf(i)))
			require.NoError(t, err)
			if i < 2*fewSyncs || i%100 == 0 {
				require.NoError(t, w.Commit(end))
			}
			require.NoError(t, r.Refresh())
			f, err := r.Next()
			require.NoError(t, err, "frame %d", i)
			require.Equal(t, payloadOf(i), f.Payload)
			_, err = r.Next()
			require.ErrorIs(t, err, io.EOF)
		}
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, exact, info.Size() == w.End())
		require.LessOrEqual(t, info.Size(), w.End()+int64(len(zeros)))
		require.NoError(t, w.Close())
		require.NoError(t, r.Close())
		n, err := read(t, path)
		require.NoError(t, err)
		require.Equal(t, 2000, n)
	}
}

// TestQueue: queued frames are written in order with what comes next.
func TestQueue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	w, err := Create(path, Header{})
	require.NoError(t, err)
	count := func() int {
		n, err := read(t, path)
		require.NoError(t, err)
		return n
	}
	add := func(i int, put func(byte, []byte) (int64, error)) int64 {
		end, err := put(byte(i%5), frameOf(payloadOf(i)))
		require.NoError(t, err)
		require.Equal(t, w.End(), end)
		return end
	}
	add(0, w.Queue)
	end := add(1, w.Queue)
	require.Zero(t, count())
	require.NoError(t, w.Commit(end))
	require.Equal(t, 2, count())
	add(2, w.Queue)
	add(3, w.Append)
	require.Equal(t, 4, count(), "an append writes what was queued before it")
	n := 4
	for ; w.End() < pageSize+2*longQueue; n++ {
		add(n, w.Queue)
	}
	require.Greater(t, count(), n/3, "a long queue is written without a commit")
	require.NoError(t, w.Commit(w.End()))
	require.Equal(t, n, count())
	require.EqualValues(t, n, w.Frames())

	// The file is gone from under it: what was queued is lost, and that is final.
	add(n, w.Queue)
	require.NoError(t, w.file.Close())
	require.Error(t, w.Commit(w.End()))
	_, err = w.Queue(1, frameOf(nil))
	require.Error(t, err)
	_, err = w.Append(1, frameOf(nil))
	require.Error(t, err)
	require.Equal(t, n, count())
}

func TestConcurrentCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	w, err := Create(path, Header{})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 50 {
				end, err := w.Append(1, frameOf(fmt.Appendf(nil, "%d/%d", g, i)))
				if err == nil {
					err = w.Commit(end)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, uint64(800), w.Frames())
	require.NoError(t, w.Close())
	r, err := OpenReader(path)
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, w.End(), r.need)
	seen := map[string]bool{}
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		seen[string(f.Payload)] = true
	}
	require.Len(t, seen, 800)
}

func FuzzReader(f *testing.F) {
	page := Header{}.page()
	var slot [markSize]byte
	(&Mark{Written: pageSize, Durable: pageSize, counter: 1}).encode(&slot)
	copy(page[slotA:], slot[:])
	f.Add(append(page, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, tail []byte) {
		path := filepath.Join(t.TempDir(), "a.log")
		require.NoError(t, os.WriteFile(path, append(bytes.Clone(page), tail...), 0o600))
		r, err := OpenReader(path)
		require.NoError(t, err)
		defer r.Close()
		for {
			if _, err := r.Next(); err != nil {
				return
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{40, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w, err := Create(filepath.Join(b.TempDir(), "a.log"), Header{})
			require.NoError(b, err)
			defer w.Close()
			frame := frameOf(make([]byte, size))
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range frame {
				frame[i] = byte(rng.Uint32())
			}
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := w.Append(1, frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
