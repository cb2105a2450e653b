package block

import "slices"

// A run whose steps are irregular, such as the lengths of episodes, takes time
// in proportion to them. Its times are then stored less what the steps tell:
//
//	x = time - ((step - first step)·rate >> tiltShift)
//
// with a rate for the whole block. All of it wraps at 64 bits.
const tiltShift = 16

const (
	// minTilt is the smallest clock that is tilted.
	minTilt = 32
	// tiltGain is how many bits a point must be won.
	tiltGain = 0.25
)

// tilt fills s.ints with the tilted times and returns their rate. It reports
// false if they would not be smaller.
func (s *encoder) tilt(steps, times []int64) (rate int64, ok bool) {
	if len(steps) < minTilt {
		return 0, false
	}
	if rate, ok = tiltRate(steps, times); !ok {
		return 0, false
	}
	plain := s.guess(sampleOf(s.sample[:], times))
	s.ints = resize(s.ints, len(times))
	for i, t := range times {
		s.ints[i] = t - (steps[i]-steps[0])*rate>>tiltShift
	}
	tilted := s.guess(sampleOf(s.sample[:], s.ints))
	return rate, tilted.cost < plain.cost-tiltGain
}

// tiltRate returns the median of the time a step takes, at places spread over
// the clock, in units of 1/2^tiltShift ms.
func tiltRate(steps, times []int64) (int64, bool) {
	const samples, reach = 33, 8
	const limit = 1 << 40 // that the shift below leaves exact
	var buf [samples]int64
	rates := buf[:0]
	for i := 0; i+reach < len(steps); i += len(steps)/samples + 1 {
		ds, dt := steps[i+reach]-steps[i], times[i+reach]-times[i]
		if ds != 0 && dt > -limit && dt < limit {
			rates = append(rates, dt<<tiltShift/ds)
		}
	}
	if len(rates) == 0 {
		return 0, false
	}
	slices.Sort(rates)
	rate := rates[len(rates)/2]
	return rate, rate != 0
}

// untilt undoes tilt in place.
func untilt(steps, times []int64, rate int64) {
	from := steps[0]
	for i, x := range times {
		times[i] = x + (steps[i]-from)*rate>>tiltShift
	}
}
