package block

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain also holds that coders keep no goroutines.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestParallel runs many coders at once: scratch must not be shared.
func TestParallel(t *testing.T) {
	var wg sync.WaitGroup
	var wrong atomic.Int32
	for i := range 8 {
		s := kinds[4+i%18].generate(uint64(i), 2000)
		wg.Go(func() {
			for range 20 {
				got, err := DecodeValues(nil, AppendValues(nil, s.values))
				if err != nil || !slices.EqualFunc(got, s.values, sameBits) {
					wrong.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.Zero(t, wrong.Load())
}
