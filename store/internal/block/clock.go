package block

import (
	"encoding/binary"
	"slices"
)

// ClockZone is the header of a clock block: what of it can be known without
// decoding its columns. Times are Unix milliseconds.
type ClockZone struct {
	Count                                 int
	FirstStep, LastStep, MinStep, MaxStep int64
	FirstTime, LastTime, MinTime, MaxTime int64
	StepsAscend, TimesAscend              bool // no point is below the one before it
	// If StepsStride, step i is FirstStep + i·StepStride, and if TimesStride,
	// time i is FirstTime + i·TimeStride, wrapping at 64 bits.
	StepsStride, TimesStride bool
	StepStride, TimeStride   int64
	tilted                   bool
}

const (
	clockStepsAscend = 1 << iota
	clockTimesAscend
	clockStepsStride
	clockTimesStride
	clockTilted
	clockUnknown // the first bit that means nothing
)

// AppendClock appends the clock block of len(steps) points to dst. Steps and
// times may be any integers in any order; there are equally many of both,
// from 1 to [MaxPoints]. It panics if the caller breaks that.
func AppendClock(dst []byte, steps, times []int64) []byte {
	if len(steps) != len(times) || len(steps) == 0 || len(steps) > MaxPoints {
		panic("block: a clock wants 1 to MaxPoints steps and as many times")
	}
	s := encoders.Get().(*encoder)
	defer encoders.Put(s)
	dst = append(dst, version)
	dst = binary.AppendUvarint(dst, uint64(len(steps)))
	flagsAt := len(dst)
	dst = append(dst, 0)
	dst, stepFlags := appendRange(dst, steps)
	dst, timeFlags := appendRange(dst, times)
	dst[flagsAt] = stepFlags | timeFlags<<1
	var both [2][]int64
	columns := both[:0] // those that are stored
	if stepFlags&clockStepsStride == 0 {
		columns = append(columns, steps)
	}
	if timeFlags&clockStepsStride == 0 {
		columns = append(columns, times)
	}
	if at := len(dst); len(steps) >= minPyramid && len(columns) > 0 {
		for _, xs := range columns {
			dst = s.appendSpans(dst, xs)
		}
		dst = prefixLength(dst, at)
	}
	if len(columns) == 2 {
		if rate, ok := s.tilt(steps, times); ok {
			dst[flagsAt] |= clockTilted
			dst = s.appendInts(dst, steps, noGuess)
			dst = binary.AppendVarint(dst, rate)
			return s.appendInts(dst, s.ints, noGuess)
		}
	}
	for _, xs := range columns {
		dst = s.appendInts(dst, xs, noGuess)
	}
	return dst
}

// appendRange appends first, stride or last, and min and max where these
// differ. The flags are those of steps.
func appendRange(dst []byte, xs []int64) ([]byte, byte) {
	first, last := xs[0], xs[len(xs)-1]
	var flags byte
	dst = binary.AppendVarint(dst, first)
	if stride, ok := strideOf(xs); ok {
		flags = clockStepsStride
		dst = binary.AppendVarint(dst, stride)
	} else {
		dst = binary.AppendVarint(dst, last-first)
	}
	if slices.IsSorted(xs) {
		return dst, flags | clockStepsAscend
	}
	dst = binary.AppendUvarint(dst, uint64(first-slices.Min(xs)))
	return binary.AppendUvarint(dst, uint64(slices.Max(xs)-first)), flags
}

// DecodeClock appends the columns of a clock block to steps and times and
// allocates only if they have no room for them. After an error, which wraps
// record.ErrCorrupt, it returns both as they were.
func DecodeClock(steps, times []int64, src []byte) ([]int64, []int64, error) {
	r := reader{src: src}
	z := r.clockZone()
	if !r.ok() {
		return steps, times, r.err("clock")
	}
	s := decoders.Get().(*decoder)
	defer decoders.Put(s)
	allSteps, newSteps := extend(steps, z.Count)
	allTimes, newTimes := extend(times, z.Count)
	if z.hasPyramid() {
		r.take(r.count(maxClockPyramid))
	}
	s.readClock(&r, &z, newSteps, newTimes)
	if err := r.finish("clock"); err != nil {
		return steps, times, err
	}
	return allSteps, allTimes, nil
}

// ReadClockZone reads the header of a clock block. Its error wraps
// record.ErrCorrupt.
func ReadClockZone(src []byte) (ClockZone, error) {
	r := reader{src: src}
	z := r.clockZone()
	if err := r.err("clock"); err != nil {
		return ClockZone{}, err
	}
	return z, nil
}

func (r *reader) clockZone() (z ClockZone) {
	r.version()
	z.Count = r.points()
	flags := r.byte()
	if flags >= clockUnknown {
		r.fail("unknown clock flags")
	}
	z.StepsAscend = flags&clockStepsAscend != 0
	z.TimesAscend = flags&clockTimesAscend != 0
	z.StepsStride = flags&clockStepsStride != 0
	z.TimesStride = flags&clockTimesStride != 0
	z.tilted = flags&clockTilted != 0
	if z.tilted && (z.StepsStride || z.TimesStride) {
		r.fail("a stride that is tilted")
	}
	z.FirstStep, z.LastStep, z.MinStep, z.MaxStep, z.StepStride = r.intRange(z.Count, z.StepsAscend, z.StepsStride)
	z.FirstTime, z.LastTime, z.MinTime, z.MaxTime, z.TimeStride = r.intRange(z.Count, z.TimesAscend, z.TimesStride)
	return z
}

func (r *reader) intRange(n int, ascend, even bool) (first, last, low, high, stride int64) {
	first = r.varint()
	if even {
		stride = r.varint()
		last = first + stride*int64(n-1)
	} else {
		last = first + r.varint()
	}
	if ascend {
		return first, last, first, last, stride
	}
	low = first - int64(r.uvarint())
	high = first + int64(r.uvarint())
	return first, last, low, high, stride
}

// readClock fills steps and times.
func (s *decoder) readClock(r *reader, z *ClockZone, steps, times []int64) {
	if z.StepsStride {
		fillStride(steps, z.FirstStep, z.StepStride)
	} else {
		s.readInts(r, z.FirstStep, steps)
	}
	switch {
	case z.TimesStride:
		fillStride(times, z.FirstTime, z.TimeStride)
	case z.tilted:
		rate := r.varint()
		s.readInts(r, z.FirstTime, times)
		untilt(steps, times, rate)
	default:
		s.readInts(r, z.FirstTime, times)
	}
}
