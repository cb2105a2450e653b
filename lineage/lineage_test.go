package lineage

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

// db is a store in a directory of its own, for one test.
type db struct {
	t   require.TestingT
	dir string
	s   *store.Store
}

func newDB(t *testing.T) *db {
	d := &db{t: t, dir: t.TempDir()}
	d.open()
	t.Cleanup(func() { require.NoError(t, d.s.Close()) })
	return d
}

func (d *db) open() {
	s, err := store.Open(d.dir, &store.Options{InboxInterval: -1})
	require.NoError(d.t, err)
	d.s = s
}

func (d *db) reopen() {
	require.NoError(d.t, d.s.Close())
	d.open()
}

func (d *db) try(fn func(tx *store.Tx) error) error {
	return d.s.Update(ctx, store.Appended, fn)
}

func (d *db) do(fn func(tx *store.Tx) error) {
	require.NoError(d.t, d.try(fn))
}

func (d *db) see(fn func(tx *store.Tx) error) {
	require.NoError(d.t, d.s.View(ctx, fn))
}

// refused wants an error of a kind with a text.
func refused(t require.TestingT, err, kind error, text string) {
	require.ErrorIs(t, err, kind)
	require.Equal(t, text, err.Error())
}

func collect[T any](t require.TestingT, seq iter.Seq2[T, error]) []T {
	var out []T
	for v, err := range seq {
		require.NoError(t, err)
		out = append(out, v)
	}
	return out
}

// rows counts the rows of the package's tables.
func (d *db) rows(tables string) int {
	n := 0
	d.see(func(tx *store.Tx) error {
		for i := range len(tables) {
			for _, err := range tx.Prefix([]byte{tables[i]}, false) {
				if err != nil {
					return err
				}
				n++
			}
		}
		return nil
	})
	return n
}

func names(models []*RegisteredModel) []string {
	var out []string
	for _, m := range models {
		out = append(out, m.Name)
	}
	return out
}

func labels(versions []*ModelVersion) []string {
	var out []string
	for _, v := range versions {
		out = append(out, fmt.Sprintf("%s/%d %s", v.Model, v.Version, v.Stage))
	}
	return out
}

var (
	ctx     = context.Background()
	errStop = errors.New("stop")
)
