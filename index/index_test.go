package index

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

func TestRunsOfExperiment(t *testing.T) {
	s, err := store.Open(t.TempDir(), nil)
	require.NoError(t, err)
	defer s.Close()
	ctx := context.Background()
	require.NoError(t, s.Update(ctx, store.Appended, func(tx *store.Tx) error {
		for run := range uint32(300) {
			if err := AddRun(tx, run%3, run); err != nil {
				return err
			}
		}
		return nil
	}))
	require.NoError(t, s.View(ctx, func(tx *store.Tx) error {
		var got []uint32
		for run, err := range Runs(tx, 1) {
			require.NoError(t, err)
			got = append(got, run)
		}
		require.Len(t, got, 100)
		require.True(t, slices.IsSorted(got))
		require.Equal(t, uint32(1), got[0])
		for range Runs(tx, 7) {
			t.Fatal("an experiment without runs has none")
		}
		return nil
	}))
}
