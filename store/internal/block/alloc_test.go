//go:build !race

// Under the race detector sync.Pool forgets at random, and allocates.

package block

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAllocations holds the readers to none, and the writers too once their
// scratch has grown. An average may round a scratch lost to the garbage
// collector down, never a steady allocation.
func TestAllocations(t *testing.T) {
	for _, k := range kinds {
		few := AppendValues(nil, k.generate(3, smallBlock).values)
		s := k.generate(3, sealAt)
		src, clock := AppendValues(nil, s.values), AppendClock(nil, s.steps, s.times)
		values := make([]float64, 0, sealAt)
		steps, times := make([]int64, 0, sealAt), make([]int64, 0, sealAt)
		spans := make([]Span, 0, spansOf(sealAt))
		clockSpans := make([]ClockSpan, 0, spansOf(sealAt))
		buf := make([]byte, 0, 9*sealAt)
		for what, run := range map[string]func(){
			"DecodeValues":     func() { _, _ = DecodeValues(values, src) },
			"DecodeClock":      func() { _, _, _ = DecodeClock(steps, times, clock) },
			"ReadZone":         func() { _, _ = ReadZone(src) },
			"ReadZone, few":    func() { _, _ = ReadZone(few) },
			"ReadClockZone":    func() { _, _ = ReadClockZone(clock) },
			"ReadPyramid":      func() { _, _ = ReadPyramid(spans, src) },
			"ReadClockPyramid": func() { _, _ = ReadClockPyramid(clockSpans, clock) },
			"AppendValues":     func() { buf = AppendValues(buf[:0], s.values) },
			"AppendClock":      func() { buf = AppendClock(buf[:0], s.steps, s.times) },
		} {
			require.Zero(t, testing.AllocsPerRun(50, run), "%s of %s", what, k.name)
		}
	}
}
