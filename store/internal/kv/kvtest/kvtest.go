// Package kvtest holds every kv.Engine to what package kv promises.
//
// An engine's test calls [Run] with a function that opens an empty engine, and
// [RunModel] with one that also reopens it. What is not asked for: a
// transaction that scanned an empty range may commit although another one put
// a row there (a phantom). Callers decide uniqueness by point reads.
package kvtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store/internal/kv"
)

// Run runs the suite. open gives an empty engine that Run closes.
func Run(t *testing.T, open func(t testing.TB) kv.Engine) {
	for _, c := range []struct {
		name string
		test func(*testing.T, kv.Engine)
	}{
		{"get set delete", getSetDelete},
		{"scan", scan},
		{"scan stops early", scanStops},
		{"a snapshot does not move", snapshot},
		{"a transaction sees its own writes", ownWrites},
		{"an error rolls back", rollback},
		{"write skew on point reads conflicts", writeSkew},
		{"blind writes do not conflict", blindWrites},
		{"a deleted row read as missing conflicts", missingReadConflicts},
		{"documented limits fit", limits},
		{"too big is an error", tooBig},
		{"drop", drop},
		{"values are copies", copies},
		{"readers and writers at once", concurrent},
		{"counters lose no update", counters},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := open(t)
			c.test(t, e)
			require.NoError(t, e.Sync())
			require.NoError(t, e.Close())
		})
	}
}

func set(t testing.TB, e kv.Engine, key, value string) {
	t.Helper()
	require.NoError(t, e.Update(func(w kv.Writer) error { return w.Set([]byte(key), []byte(value)) }))
}

func get(t testing.TB, e kv.Engine, key string) string {
	t.Helper()
	var got []byte
	require.NoError(t, e.View(func(r kv.Reader) (err error) {
		got, err = r.Get([]byte(key))
		return err
	}))
	return string(got)
}

// row is one key and value, in words.
type row struct{ key, value string }

// collect scans; "" as hi is nil.
func collect(t require.TestingT, r kv.Reader, lo, hi string, reverse bool, limit int) []row {
	var end []byte
	if hi != "" {
		end = []byte(hi)
	}
	var rows []row
	err := r.Scan([]byte(lo), end, reverse, func(k, v []byte) bool {
		rows = append(rows, row{string(k), string(v)})
		return len(rows) != limit
	})
	require.NoError(t, err)
	return rows
}

func all(t testing.TB, e kv.Engine) (rows []row) {
	t.Helper()
	require.NoError(t, e.View(func(r kv.Reader) error {
		rows = collect(t, r, "", "", false, -1)
		return nil
	}))
	return rows
}

func getSetDelete(t *testing.T, e kv.Engine) {
	missing := func(key string) {
		err := e.View(func(r kv.Reader) error {
			_, err := r.Get([]byte(key))
			return err
		})
		require.ErrorIs(t, err, kv.ErrNotFound)
	}
	missing("a")
	set(t, e, "a", "1")
	set(t, e, "b", "")
	require.Equal(t, "1", get(t, e, "a"))
	require.Equal(t, "", get(t, e, "b"), "an empty value is a row")
	set(t, e, "a", "2")
	require.Equal(t, "2", get(t, e, "a"))
	missing("aa")
	require.NoError(t, e.Update(func(w kv.Writer) error {
		if err := w.Delete([]byte("never there")); err != nil {
			return err
		}
		return w.Delete([]byte("a"))
	}))
	missing("a")
	require.Equal(t, []row{{"b", ""}}, all(t, e))
	set(t, e, "a", "3")
	require.Equal(t, []row{{"a", "3"}, {"b", ""}}, all(t, e))
	key := string([]byte{0, 0xff, 0})
	set(t, e, key, "bytes")
	require.Equal(t, "bytes", get(t, e, key))
}

func scan(t *testing.T, e kv.Engine) {
	keys := []string{"a", "a\x00", "ab", "ab\xff", "ac", "b", "b\xff\xff", "\xff", "\xff\xff"}
	for _, k := range keys {
		set(t, e, k, "v"+k)
	}
	bounds := append([]string{"", "a\x00\x00", "aa", "ab\xff\xff", "b\xff", "c", "\xff\x00"}, keys...)
	require.NoError(t, e.View(func(r kv.Reader) error {
		for _, lo := range bounds {
			for _, hi := range bounds {
				var want []row
				for _, k := range keys {
					if k >= lo && (hi == "" || k < hi) {
						want = append(want, row{k, "v" + k})
					}
				}
				require.Equal(t, want, collect(t, r, lo, hi, false, -1), "%q to %q", lo, hi)
				slices.Reverse(want)
				require.Equal(t, want, collect(t, r, lo, hi, true, -1), "%q to %q reversed", lo, hi)
			}
		}
		require.NoError(t, r.Scan([]byte("a"), []byte{}, false, func(k, _ []byte) bool {
			t.Errorf("row %q below an empty hi", k)
			return true
		}))
		return nil
	}))
}

func scanStops(t *testing.T, e kv.Engine) {
	for _, k := range []string{"a", "b", "c"} {
		set(t, e, k, k)
	}
	require.NoError(t, e.View(func(r kv.Reader) error {
		require.Equal(t, []row{{"a", "a"}, {"b", "b"}}, collect(t, r, "", "", false, 2))
		require.Equal(t, []row{{"c", "c"}}, collect(t, r, "", "", true, 1))
		// A scan inside a scan.
		var pairs []string
		require.NoError(t, r.Scan(nil, nil, false, func(k, _ []byte) bool {
			outer := string(k)
			for _, in := range collect(t, r, outer, "", true, -1) {
				pairs = append(pairs, outer+in.key)
			}
			return true
		}))
		require.Equal(t, []string{"ac", "ab", "aa", "bc", "bb", "cc"}, pairs)
		return nil
	}))
}

func snapshot(t *testing.T, e kv.Engine) {
	set(t, e, "a", "old")
	set(t, e, "b", "old")
	require.NoError(t, e.View(func(r kv.Reader) error {
		require.NoError(t, e.Update(func(w kv.Writer) error {
			return errors.Join(w.Set([]byte("a"), []byte("new")), w.Delete([]byte("b")), w.Set([]byte("c"), nil))
		}))
		v, err := r.Get([]byte("a"))
		require.NoError(t, err)
		require.Equal(t, "old", string(v))
		require.Equal(t, []row{{"a", "old"}, {"b", "old"}}, collect(t, r, "", "", false, -1))
		require.Equal(t, []row{{"b", "old"}, {"a", "old"}}, collect(t, r, "", "", true, -1))
		return nil
	}))
	require.Equal(t, []row{{"a", "new"}, {"c", ""}}, all(t, e))
}

func ownWrites(t *testing.T, e kv.Engine) {
	set(t, e, "a", "1")
	set(t, e, "b", "1")
	set(t, e, "d", "1")
	require.NoError(t, e.Update(func(w kv.Writer) error {
		require.NoError(t, w.Set([]byte("a"), []byte("2")))
		require.NoError(t, w.Set([]byte("c"), []byte("2")))
		require.NoError(t, w.Delete([]byte("b")))
		_, err := w.Get([]byte("b"))
		require.ErrorIs(t, err, kv.ErrNotFound)
		v, err := w.Get([]byte("c"))
		require.NoError(t, err)
		require.Equal(t, "2", string(v))
		want := []row{{"a", "2"}, {"c", "2"}, {"d", "1"}}
		require.Equal(t, want, collect(t, w, "", "", false, -1))
		slices.Reverse(want)
		require.Equal(t, want, collect(t, w, "", "", true, -1))
		require.NoError(t, w.Set([]byte("b"), []byte("3")))
		require.NoError(t, w.Delete([]byte("c")))
		require.Equal(t, []row{{"b", "3"}}, collect(t, w, "b", "d", false, -1))
		return nil
	}))
	require.Equal(t, []row{{"a", "2"}, {"b", "3"}, {"d", "1"}}, all(t, e))
}

func rollback(t *testing.T, e kv.Engine) {
	set(t, e, "a", "1")
	refusal := errors.New("refused")
	err := e.Update(func(w kv.Writer) error {
		require.NoError(t, w.Set([]byte("a"), []byte("2")))
		require.NoError(t, w.Set([]byte("b"), []byte("2")))
		return refusal
	})
	require.ErrorIs(t, err, refusal)
	require.Equal(t, []row{{"a", "1"}}, all(t, e))
	require.ErrorIs(t, e.View(func(kv.Reader) error { return refusal }), refusal)
}

// during runs fn in a transaction that another one overtakes.
func during(e kv.Engine, fn, overtaker func(w kv.Writer) error) error {
	return e.Update(func(w kv.Writer) error {
		if err := fn(w); err != nil {
			return err
		}
		return e.Update(overtaker)
	})
}

func writeSkew(t *testing.T, e kv.Engine) {
	set(t, e, "x", "1")
	set(t, e, "y", "1")
	err := during(e, func(w kv.Writer) error {
		_, err := w.Get([]byte("x"))
		return errors.Join(err, w.Set([]byte("y"), []byte("0")))
	}, func(w kv.Writer) error {
		_, err := w.Get([]byte("y"))
		return errors.Join(err, w.Set([]byte("x"), []byte("0")))
	})
	require.ErrorIs(t, err, kv.ErrConflict)
	require.Equal(t, []row{{"x", "0"}, {"y", "1"}}, all(t, e))
}

func blindWrites(t *testing.T, e kv.Engine) {
	require.NoError(t, during(e,
		func(w kv.Writer) error { return w.Set([]byte("x"), []byte("last")) },
		func(w kv.Writer) error { return w.Set([]byte("x"), []byte("first")) }))
	require.Equal(t, "last", get(t, e, "x"))
}

func missingReadConflicts(t *testing.T, e kv.Engine) {
	err := during(e, func(w kv.Writer) error {
		_, err := w.Get([]byte("name"))
		if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		return w.Set([]byte("name"), []byte("mine"))
	}, func(w kv.Writer) error { return w.Set([]byte("name"), []byte("theirs")) })
	require.ErrorIs(t, err, kv.ErrConflict)
	require.Equal(t, "theirs", get(t, e, "name"))
}

func limits(t *testing.T, e kv.Engine) {
	long := bytes.Repeat([]byte{'k'}, kv.MaxKey)
	big := bytes.Repeat([]byte("value"), kv.MaxValue/5+1)[:kv.MaxValue]
	require.NoError(t, e.Update(func(w kv.Writer) error { return w.Set(long, big) }))
	require.Equal(t, string(big), get(t, e, string(long)))

	require.NoError(t, e.Update(func(w kv.Writer) error {
		size := kv.MaxBatchBytes / kv.MaxBatchRows
		for i := range kv.MaxBatchRows {
			key := fmt.Appendf(nil, "row %04d", i)
			if err := w.Set(key, big[:size-len(key)]); err != nil {
				return err
			}
		}
		return nil
	}))
	require.Len(t, all(t, e), kv.MaxBatchRows+1)
	require.NoError(t, e.Update(func(w kv.Writer) error {
		return errors.Join(w.Set([]byte("p"), big), w.Set([]byte("q"), big[:kv.MaxBatchBytes-kv.MaxValue-2]))
	}))
}

func tooBig(t *testing.T, e kv.Engine) {
	for name, fn := range map[string]func(w kv.Writer) error{
		"value":    func(w kv.Writer) error { return w.Set([]byte("k"), make([]byte, kv.MaxValue+1)) },
		"key":      func(w kv.Writer) error { return w.Set(make([]byte, kv.MaxKey+1), nil) },
		"no key":   func(w kv.Writer) error { return w.Set(nil, nil) },
		"deletion": func(w kv.Writer) error { return w.Delete(make([]byte, kv.MaxKey+1)) },
	} {
		require.ErrorIs(t, e.Update(fn), kv.ErrTooBig, name)
	}
	// An engine may take more than the limits, but then it takes all of it.
	n := 0
	err := e.Update(func(w kv.Writer) error {
		for ; n < 1<<16; n++ {
			if err := w.Set(fmt.Appendf(nil, "%06d", n), make([]byte, 100)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		require.ErrorIs(t, err, kv.ErrTooBig)
		require.GreaterOrEqual(t, n, kv.MaxBatchRows)
		n = 0
	}
	require.Len(t, all(t, e), n)
}

func drop(t *testing.T, e kv.Engine) {
	want := []row{}
	for i := range 300 {
		for _, p := range []string{"a", "b", "ba", "c"} {
			key := fmt.Sprintf("%s%03d", p, i)
			set(t, e, key, "v")
			if p == "a" || p == "c" {
				want = append(want, row{key, "v"})
			}
		}
	}
	slices.SortFunc(want, func(a, b row) int { return strings.Compare(a.key, b.key) })
	require.NoError(t, e.Drop())
	require.NoError(t, e.Drop([]byte("b"), []byte("nothing")))
	require.Equal(t, want, all(t, e))
	set(t, e, "b1", "again")
	require.Equal(t, "again", get(t, e, "b1"))
	require.NoError(t, e.Drop([]byte("b"), []byte("a"), []byte("c")))
	require.Empty(t, all(t, e))
}

func copies(t *testing.T, e kv.Engine) {
	set(t, e, "a", "value")
	require.NoError(t, e.View(func(r kv.Reader) error {
		v, err := r.Get([]byte("a"))
		require.NoError(t, err)
		copy(v, "WRONG")
		w, err := r.Get([]byte("a"))
		require.NoError(t, err)
		require.Equal(t, "value", string(w))
		return nil
	}))
	require.NoError(t, e.Update(func(w kv.Writer) error {
		require.NoError(t, w.Set([]byte("b"), []byte("mine")))
		v, err := w.Get([]byte("b"))
		require.NoError(t, err)
		copy(v, "XXXX")
		return nil
	}))
	require.Equal(t, "mine", get(t, e, "b"))
}

// concurrent has writers keep two rows equal while readers compare them.
func concurrent(t *testing.T, e kv.Engine) {
	const writers, rounds = 4, 100
	var group sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := e.View(func(r kv.Reader) error {
					left, right := "", ""
					if err := r.Scan([]byte("left/"), []byte("left0"), false, func(k, v []byte) bool {
						left += string(k[5:]) + string(v)
						return true
					}); err != nil {
						return err
					}
					if err := r.Scan([]byte("right/"), []byte("right0"), false, func(k, v []byte) bool {
						right += string(k[6:]) + string(v)
						return true
					}); err != nil {
						return err
					}
					if left != right {
						return fmt.Errorf("%q is not %q", left, right)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var writing sync.WaitGroup
	for n := range writers {
		writing.Go(func() {
			for i := range rounds {
				err := e.Update(func(w kv.Writer) error {
					value := fmt.Appendf(nil, "%d", i)
					return errors.Join(w.Set(fmt.Appendf(nil, "left/%d", n), value),
						w.Set(fmt.Appendf(nil, "right/%d", n), value))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	group.Wait()
	require.Len(t, all(t, e), 2*writers)
}

func counters(t *testing.T, e kv.Engine) {
	const workers, rounds = 4, 50
	set(t, e, "n", "")
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for done := 0; done < rounds; {
				err := e.Update(func(w kv.Writer) error {
					v, err := w.Get([]byte("n"))
					if err != nil {
						return err
					}
					return w.Set([]byte("n"), append(v, '+'))
				})
				switch {
				case err == nil:
					done++
				case !errors.Is(err, kv.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	require.Len(t, get(t, e, "n"), workers*rounds)
}
