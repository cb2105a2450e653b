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
}

const (
	clockStepsAscend = 1 << iota
	clockTimesAscend
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
	stepsAscend, timesAscend := slices.IsSorted(steps), slices.IsSorted(times)
	var flags byte
	if stepsAscend {
		flags |= clockStepsAscend
	}
	if timesAscend {
		flags |= clockTimesAscend
	}
	dst = append(dst, flags)
	dst = appendRange(dst, steps, stepsAscend)
	dst = appendRange(dst, times, timesAscend)
	dst = s.appendInts(dst, steps)
	return s.appendInts(dst, times)
}

// appendRange appends first and last, and min and max where these differ.
func appendRange(dst []byte, xs []int64, ascend bool) []byte {
	first, last := xs[0], xs[len(xs)-1]
	dst = binary.AppendVarint(dst, first)
	dst = binary.AppendVarint(dst, last-first)
	if !ascend {
		dst = binary.AppendUvarint(dst, uint64(first-slices.Min(xs)))
		dst = binary.AppendUvarint(dst, uint64(slices.Max(xs)-first))
	}
	return dst
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
	s.readInts(&r, z.FirstStep, newSteps)
	s.readInts(&r, z.FirstTime, newTimes)
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
	if flags&^(clockStepsAscend|clockTimesAscend) != 0 {
		r.fail("unknown clock flags")
	}
	z.StepsAscend = flags&clockStepsAscend != 0
	z.TimesAscend = flags&clockTimesAscend != 0
	z.FirstStep, z.LastStep, z.MinStep, z.MaxStep = r.intRange(z.StepsAscend)
	z.FirstTime, z.LastTime, z.MinTime, z.MaxTime = r.intRange(z.TimesAscend)
	return z
}

func (r *reader) intRange(ascend bool) (first, last, low, high int64) {
	first = r.varint()
	last = first + r.varint()
	if ascend {
		return first, last, first, last
	}
	low = first - int64(r.uvarint())
	high = first + int64(r.uvarint())
	return first, last, low, high
}
