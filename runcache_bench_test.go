package runstone

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkPagesKept searches for a page of 100 scattered runs of 20,000: that
// was asked for before, without that, and of runs that changed since the last fold.
func BenchmarkPagesKept(b *testing.B) {
	const runs = 20_000
	dir := b.TempDir()
	db := openDB(b, dir, &Options{Durability: Appended, NoSystemInfo: true})
	db.keeper.stop()
	benchRuns(b, db, 0, runs)
	require.NoError(b, db.Fold(ctx))
	require.NoError(b, db.store.Checkpoint(ctx))
	pages := db.pages
	page := func(b *testing.B, query string) {
		p, err := db.SearchRuns(ctx, query, &scattered)
		require.NoError(b, err)
		require.Len(b, p.Items, 100)
	}
	both := func(name, query string) {
		for _, c := range []struct {
			name  string
			pages *runCache
		}{{"without", nil}, {"kept", pages}} {
			b.Run(name+"/"+c.name, func(b *testing.B) {
				db.pages = c.pages
				defer func() { db.pages = pages }()
				b.ReportAllocs()
				least(b, 100, func() { page(b, query) })
			})
		}
	}
	both("again", "")
	both("filter", "metrics.metric1 > 10 and tags.team = 'team 3'")
	b.Run("first/without", func(b *testing.B) {
		db.pages = nil
		defer func() { db.pages = pages }()
		least(b, 100, func() { page(b, "") })
	})
	b.Run("first/kept", func(b *testing.B) {
		least(b, 100, func() {
			db.pages.lru.Clear()
			page(b, "")
		})
	})
	for i := range 400 {
		require.NoError(b, db.SetTags(ctx, fmt.Sprintf("%032x", i*50), KV{Key: "dirty", Value: "yes"}))
	}
	both("changed", "tags.dirty = 'yes'")
}
