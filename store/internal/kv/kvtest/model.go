package kvtest

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/runstonedb/runstone/store/internal/kv"
)

// RunModel runs random transactions against an engine and a sorted map, and
// compares them by Get and Scan. open gives an empty engine; reopen, which may
// be nil, closes the engine given and opens the same rows again.
func RunModel(t *testing.T, open func(t testing.TB) kv.Engine, reopen func(testing.TB, kv.Engine) kv.Engine) {
	rapid.Check(t, func(r *rapid.T) {
		m := &model{t: t, e: open(t), rows: map[string]string{}}
		defer func() { require.NoError(t, m.e.Close()) }()
		actions := map[string]func(*rapid.T){
			"":       m.check,
			"update": m.update,
			"fail":   m.fail,
			"sync":   func(*rapid.T) { require.NoError(t, m.e.Sync()) },
		}
		if reopen != nil {
			actions["reopen"] = func(r *rapid.T) {
				if rapid.IntRange(0, 5).Draw(r, "now") == 0 {
					m.e = reopen(t, m.e)
				}
			}
		}
		r.Repeat(actions)
	})
}

type model struct {
	t    testing.TB
	e    kv.Engine
	rows map[string]string
}

func key(r *rapid.T) string {
	return string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 0xff}), 1, 4).Draw(r, "key"))
}

// change writes at random to w and to rows.
func change(r *rapid.T, w kv.Writer, rows map[string]string) error {
	for range rapid.IntRange(0, 8).Draw(r, "writes") {
		k := key(r)
		if rapid.IntRange(0, 2).Draw(r, "kind") == 0 {
			delete(rows, k)
			if err := w.Delete([]byte(k)); err != nil {
				return err
			}
			continue
		}
		v := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(r, "value")
		rows[k] = string(v)
		if err := w.Set([]byte(k), v); err != nil {
			return err
		}
	}
	return compare(r, w, rows)
}

func (m *model) update(r *rapid.T) {
	require.NoError(r, m.e.Update(func(w kv.Writer) error { return change(r, w, m.rows) }))
}

func (m *model) fail(r *rapid.T) {
	refusal := errors.New("refused")
	rows := map[string]string{}
	for k, v := range m.rows {
		rows[k] = v
	}
	require.ErrorIs(r, m.e.Update(func(w kv.Writer) error {
		return errors.Join(change(r, w, rows), refusal)
	}), refusal)
}

func (m *model) check(r *rapid.T) {
	require.NoError(r, m.e.View(func(v kv.Reader) error { return compare(r, v, m.rows) }))
}

// compare reads random keys and a random range of both.
func compare(r *rapid.T, v kv.Reader, rows map[string]string) error {
	k := key(r)
	got, err := v.Get([]byte(k))
	if want, ok := rows[k]; ok {
		require.NoError(r, err)
		require.Equal(r, want, string(got))
	} else {
		require.ErrorIs(r, err, kv.ErrNotFound)
	}
	lo, hi := "", ""
	if rapid.Bool().Draw(r, "bounded") {
		lo, hi = key(r), key(r)
	}
	reverse := rapid.Bool().Draw(r, "reverse")
	var want []row
	for k, v := range rows {
		if k >= lo && (hi == "" || k < hi) {
			want = append(want, row{k, v})
		}
	}
	slices.SortFunc(want, func(a, b row) int {
		if (a.key < b.key) != reverse {
			return -1
		}
		return 1
	})
	require.Equal(r, want, collect(r, v, lo, hi, reverse, -1))
	return nil
}
