package block

// ClockSpan is the first and the last of [PyramidSpan] consecutive points, the
// last span of a block those that are left. Times are Unix milliseconds.
type ClockSpan struct{ FirstStep, LastStep, FirstTime, LastTime int64 }

// maxClockPyramid bounds the bytes of a clock's pyramid: four columns of at
// most eight bytes a span, and their heads.
const maxClockPyramid = 128 + 4*8*MaxPoints/PyramidSpan

// hasPyramid reports whether a pyramid is stored: that of strides is known.
func (z *ClockZone) hasPyramid() bool {
	return z.Count >= minPyramid && !(z.StepsStride && z.TimesStride)
}

// appendSpans appends the spans of one column: how far each goes, and how far
// it is from its end to the start of the next.
func (s *encoder) appendSpans(dst []byte, xs []int64) []byte {
	m := spansOf(len(xs))
	s.res = resize(s.res, 2*m-1)
	lengths, gaps := s.res[:m], s.res[m:]
	for i := range lengths {
		end := min((i+1)*PyramidSpan, len(xs))
		lengths[i] = xs[end-1] - xs[i*PyramidSpan]
		if i < len(gaps) {
			gaps[i] = xs[end] - xs[end-1]
		}
	}
	return appendPacked(appendPacked(dst, lengths), gaps)
}

// ReadClockPyramid appends one summary for every [PyramidSpan] points of a
// clock block to dst, without decoding its columns unless they have 1,024
// points or fewer. After an error, which wraps record.ErrCorrupt, it returns
// dst as it was.
func ReadClockPyramid(dst []ClockSpan, src []byte) ([]ClockSpan, error) {
	r := reader{src: src}
	z := r.clockZone()
	if !r.ok() {
		return dst, r.err("clock")
	}
	s := decoders.Get().(*decoder)
	defer decoders.Put(s)
	all, spans := extend(dst, spansOf(z.Count))
	even := z.StepsStride && z.TimesStride
	if !even && z.Count < minPyramid {
		s.decodeSpans(&r, &z, spans)
		if err := r.err("clock"); err != nil {
			return dst, err
		}
		return all, nil
	}
	end := 0
	if !even {
		end = r.count(maxClockPyramid)
		end += r.at
	}
	firsts, lasts := s.columnSpans(&r, z.Count, z.FirstStep, z.StepsStride, z.StepStride)
	for i := range spans {
		spans[i].FirstStep, spans[i].LastStep = firsts[i], lasts[i]
	}
	firsts, lasts = s.columnSpans(&r, z.Count, z.FirstTime, z.TimesStride, z.TimeStride)
	for i := range spans {
		spans[i].FirstTime, spans[i].LastTime = firsts[i], lasts[i]
	}
	if r.ok() && !even && r.at != end {
		r.fail("pyramid of another length")
	}
	if err := r.err("clock"); err != nil {
		return dst, err
	}
	return all, nil
}

// columnSpans returns the first and the last integer of every span of one
// column of n: known of a stride, else from the pyramid.
func (s *decoder) columnSpans(r *reader, n int, first int64, even bool, stride int64) (firsts, lasts []int64) {
	m := spansOf(n)
	s.res = resize(s.res, 2*m)
	firsts, lasts = s.res[:m], s.res[m:]
	if even {
		for i := range firsts {
			firsts[i] = first + stride*int64(i*PyramidSpan)
			lasts[i] = first + stride*int64(min((i+1)*PyramidSpan, n)-1)
		}
		return firsts, lasts
	}
	readPacked(r, lasts)
	readPacked(r, firsts[1:])
	firsts[0], lasts[0] = first, lasts[0]+first
	for i := 1; i < m; i++ {
		firsts[i] += lasts[i-1]
		lasts[i] += firsts[i]
	}
	return firsts, lasts
}

// decodeSpans fills the spans of a clock without a pyramid.
func (s *decoder) decodeSpans(r *reader, z *ClockZone, spans []ClockSpan) {
	s.ints, s.res = resize(s.ints, z.Count), resize(s.res, z.Count)
	steps, times := s.ints, s.res
	s.readClock(r, z, steps, times)
	for i := range spans {
		from, to := i*PyramidSpan, min((i+1)*PyramidSpan, z.Count)-1
		spans[i] = ClockSpan{FirstStep: steps[from], LastStep: steps[to], FirstTime: times[from], LastTime: times[to]}
	}
}
