package block

import "math"

// domain is a way to see values as integers, with what a sample of them
// suggests: a predictor, and a size in bits a value.
type domain struct {
	codec byte
	unit  unit // of valuesScaled
	guess guess
	cost  float32
}

// largeCost is what a domain may need before the bits of float64 are tried
// too: values that need more may be decimals by accident only.
const largeCost = 36

// exceptionCost is about the bits of an exception.
const exceptionCost = 72

// toInts finds the cheapest domain of values and fills s.ints and s.exc.
func (s *encoder) toInts(values []float64) domain {
	var list [5]domain
	for _, d := range s.candidates(list[:0], values) {
		switch d.codec {
		case valuesScaled:
			if !s.fillScaled(values, &d.unit) {
				continue
			}
			if finer, ok := s.finer(&d.unit, len(values)); ok {
				if s.fillScaled(values, &finer) {
					d.unit = finer
				} else {
					s.fillScaled(values, &d.unit)
				}
			}
			return d
		case valuesFloat32:
			if s.fillFloat32(values) {
				return d
			}
		}
	}
	s.fillFloat64(values)
	return domain{codec: valuesFloat64, guess: noGuess}
}

// candidates appends the domains that may fit, the cheapest first. None are
// found if float64 bits are the only one.
func (s *encoder) candidates(list []domain, values []float64) []domain {
	var buf [probes]float64
	probe, single := probeOf(buf[:0], values)
	if len(probe) == 0 {
		return list
	}
	sample, window := sampleOf(s.values[:], values)
	add := func(d domain) {
		if !s.estimate(&d, sample, window) {
			return
		}
		list = append(list, d)
		for i := len(list) - 1; i > 0 && list[i].cost < list[i-1].cost; i-- {
			list[i], list[i-1] = list[i-1], list[i]
		}
	}
	u, decimal := findDecimal(probe)
	if decimal && u.code == 0 { // integers are best as they are
		add(domain{codec: valuesScaled, unit: u})
		return list
	}
	b, binary := findBinary(probe)
	if binary {
		add(domain{codec: valuesScaled, unit: b})
	}
	if decimal && !(binary && single) {
		add(domain{codec: valuesScaled, unit: u})
	}
	switch {
	case single:
		if u, ok := findSingle(probe); ok {
			add(domain{codec: valuesScaled, unit: u})
		}
		add(domain{codec: valuesFloat32})
		return list
	case !decimal && !binary:
		if u, ok := findRatio(probe); ok {
			add(domain{codec: valuesScaled, unit: u})
		}
	}
	if len(list) == 0 || list[0].cost > largeCost {
		add(domain{codec: valuesFloat64})
	}
	return list
}

// probeOf appends finite values spread over all to buf, and tells whether
// most of them are float32.
func probeOf(buf, values []float64) (probe []float64, single bool) {
	bad := 0
	for i := 0; i < len(values); i += len(values)/probes + 1 {
		v := values[i]
		if math.IsNaN(v - v) {
			continue
		}
		buf = append(buf, v)
		if _, ok := narrow(v); !ok {
			bad++
		}
	}
	return buf, bad*8 <= len(buf)
}

// estimate sets d's guess and cost from windows of values. It reports
// false if too many of them are exceptions.
func (s *encoder) estimate(d *domain, sample []float64, window int) bool {
	ints := s.sample[:len(sample)]
	bad, last := 0, int64(0)
	for i, v := range sample {
		var k int64
		ok := true
		switch d.codec {
		case valuesScaled:
			k, ok = d.unit.int(v)
		case valuesFloat32:
			var b uint32
			b, ok = narrow(v)
			k = orderFloat32(b)
		default:
			k = orderFloat64(v)
		}
		if ok {
			last = k
		} else {
			bad++
		}
		ints[i] = last
	}
	if bad > maxExceptions(len(sample)) {
		return false
	}
	if g := scaleOf(ints); g > 1 {
		scaleDown(ints, ints, g)
	}
	d.guess = s.guess(ints, window)
	d.cost = d.guess.cost + float32(bad)*exceptionCost/float32(len(sample))
	return true
}
