package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
)

func TestStudy(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	require.NoError(t, study(ctx, dir, 1500))
	db, err := runstone.Open(dir, &runstone.Options{ReadOnly: true})
	require.NoError(t, err)
	defer db.Close()
	runs := 0
	for run, err := range db.Search(ctx, "params.hidden = '24' AND attributes.status = 'FINISHED'", nil) {
		require.NoError(t, err)
		runs++
		steps, first, last := 0, 0.0, 0.0
		for c, err := range db.Points(ctx, run.ID, "train/loss") {
			require.NoError(t, err)
			for _, v := range c.Values {
				if steps < 100 {
					first += v / 100
				}
				if steps >= 1400 {
					last += v / 100
				}
				steps++
			}
		}
		require.Equal(t, 1500, steps)
		require.Less(t, last, first, "it learns")
	}
	require.Equal(t, 2, runs)
}

// TestTrackingOff: the same training without a database.
func TestTrackingOff(t *testing.T) {
	require.NoError(t, train(context.Background(), nil, 0.1, 5))
}
