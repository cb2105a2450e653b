package store

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/runstonedb/runstone/internal/record"
)

// groupRow is the 'G' row: the series of a group, by column from 1.
type groupRow struct{ Series []uint32 }

// stateRow is the 'g' row: what of a group the key space holds. Its body is the
// msgpack array of these fields; a summary is an array too, of Count, NaN,
// PosInf, NegInf, Latest, First, Min, Max, MinStep, MaxStep, MinTime, MaxTime
// and Sum, a point one of step, time and value. Floats are stored as the
// integers of their bits, so that every NaN survives.
//
// A search reads the rows of thousands of groups: they are decoded here, field
// by field, where reflection took most of the time.
type stateRow struct {
	Through    uint64 // journals up to this number are included
	Blocks     uint32 // full blocks, numbered from 0
	Tail       uint32 // points in the tail
	TailNumber uint32 // of the tail's rows
	Sums       []Summary
}

const (
	stateFields   = 5
	summaryFields = 13
	pointFields   = 3
	// minSummary is the length of the shortest summary there can be.
	minSummary = 1 + summaryFields + 2*pointFields
)

func appendState(dst []byte, st *stateRow) []byte {
	dst = appendArray(dst, stateFields)
	dst = appendUint(dst, st.Through)
	dst = appendUint(dst, uint64(st.Blocks))
	dst = appendUint(dst, uint64(st.Tail))
	dst = appendUint(dst, uint64(st.TailNumber))
	dst = appendArray(dst, len(st.Sums))
	for i := range st.Sums {
		dst = appendSummary(dst, &st.Sums[i])
	}
	return dst
}

func appendSummary(dst []byte, m *Summary) []byte {
	dst = appendArray(dst, summaryFields)
	for _, n := range [...]int64{m.Count, m.NaN, m.PosInf, m.NegInf} {
		dst = appendInt(dst, n)
	}
	for _, p := range [...]*Point{&m.Latest, &m.First} {
		dst = appendArray(dst, pointFields)
		dst = appendFloat(appendInt(appendInt(dst, p.Step), p.Time), p.Value)
	}
	dst = appendFloat(appendFloat(dst, m.Min), m.Max)
	for _, n := range [...]int64{m.MinStep, m.MaxStep, m.MinTime, m.MaxTime} {
		dst = appendInt(dst, n)
	}
	return appendFloat(dst, m.Sum)
}

func appendArray(dst []byte, n int) []byte {
	if n < 16 {
		return append(dst, 0x90|byte(n))
	}
	return binary.BigEndian.AppendUint16(append(dst, 0xdc), uint16(n)) // MaxGroup fits
}

func appendFloat(dst []byte, v float64) []byte { return appendUint(dst, math.Float64bits(v)) }

func appendUint(dst []byte, n uint64) []byte {
	switch {
	case n <= math.MaxInt8:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, 0xcc, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xcf), n)
}

func appendInt(dst []byte, n int64) []byte {
	switch {
	case n >= 0:
		return appendUint(dst, uint64(n))
	case n >= -32:
		return append(dst, byte(n))
	case n >= math.MinInt8:
		return append(dst, 0xd0, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, 0xd1), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, 0xd2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(n))
}

// decode fills st from the body of a row, using the memory of its sums again.
func (st *stateRow) decode(body []byte) error {
	u := unpacker{b: body}
	u.array(stateFields)
	st.Through, st.Blocks, st.Tail, st.TailNumber = u.uint(), u.uint32(), u.uint32(), u.uint32()
	n := u.length(minSummary)
	if cap(st.Sums) < n {
		st.Sums = make([]Summary, n)
	}
	st.Sums = st.Sums[:n]
	for i := range st.Sums {
		u.summary(&st.Sums[i])
	}
	return u.end("state of a group")
}

// appendMembers appends the series in the body of a 'G' row.
func appendMembers(dst []uint32, body []byte) ([]uint32, error) {
	u := unpacker{b: body}
	u.array(1)
	for range u.length(1) {
		dst = append(dst, u.uint32())
	}
	return dst, u.end("members of a group")
}

// openRow checks the row at key and returns its body, of version 1.
func openRow(key, value []byte) ([]byte, error) {
	version, body, err := record.Open(key, value)
	if err == nil && version > 1 {
		err = fmt.Errorf("row %x has version %d: %w", key, version, ErrFuture)
	}
	return body, err
}

// unpacker reads msgpack integers and lengths of arrays. After the first byte
// that is something else it gives zeros, and end an error.
type unpacker struct {
	b  []byte
	at int
}

// broken is where an unpacker is that met something else.
const broken = math.MaxInt32

func (u *unpacker) end(what string) error {
	if u.at != len(u.b) {
		return fmt.Errorf("%s: %w", what, ErrCorrupt)
	}
	return nil
}

// array expects an array of n < 16 items.
func (u *unpacker) array(n byte) { u.at = takeArray(u.b, u.at, n) }

// length returns that of an array whose items take at least size bytes each.
func (u *unpacker) length(size int) int {
	b, at := u.b, u.at
	u.at = broken
	if at >= len(b) {
		return 0
	}
	n := 0
	switch c := b[at]; {
	case c&0xf0 == 0x90:
		n = int(c & 0x0f)
		at++
	case c == 0xdc && at+3 <= len(b):
		n = int(binary.BigEndian.Uint16(b[at+1:]))
		at += 3
	default:
		return 0
	}
	if n > (len(b)-at)/size {
		return 0
	}
	u.at = at
	return n
}

func (u *unpacker) uint() (n uint64) {
	n, u.at = takeUint(u.b, u.at)
	return n
}

func (u *unpacker) uint32() uint32 {
	n := u.uint()
	if n > math.MaxUint32 {
		u.at = broken
	}
	return uint32(n)
}

func (u *unpacker) summary(m *Summary) {
	b, at := u.b, takeArray(u.b, u.at, summaryFields)
	m.Count, at = takeInt(b, at)
	m.NaN, at = takeInt(b, at)
	m.PosInf, at = takeInt(b, at)
	m.NegInf, at = takeInt(b, at)
	at = takePoint(b, at, &m.Latest)
	at = takePoint(b, at, &m.First)
	m.Min, at = takeFloat(b, at)
	m.Max, at = takeFloat(b, at)
	m.MinStep, at = takeInt(b, at)
	m.MaxStep, at = takeInt(b, at)
	m.MinTime, at = takeInt(b, at)
	m.MaxTime, at = takeInt(b, at)
	m.Sum, u.at = takeFloat(b, at)
}

// The functions below read what is at an index of b and return the index of
// what follows.

func takeArray(b []byte, at int, n byte) int {
	if at < len(b) && b[at] == 0x90|n {
		return at + 1
	}
	return broken
}

func takePoint(b []byte, at int, p *Point) int {
	at = takeArray(b, at, pointFields)
	p.Step, at = takeInt(b, at)
	p.Time, at = takeInt(b, at)
	p.Value, at = takeFloat(b, at)
	return at
}

func takeFloat(b []byte, at int) (float64, int) {
	n, at := takeUint(b, at)
	return math.Float64frombits(n), at
}

func takeUint(b []byte, at int) (uint64, int) {
	if at >= len(b) {
		return 0, broken
	}
	switch c := b[at]; {
	case c < 0x80:
		return uint64(c), at + 1
	case c == 0xcf && at+9 <= len(b): // most floats
		return binary.BigEndian.Uint64(b[at+1:]), at + 9
	case c == 0xcc && at+2 <= len(b):
		return uint64(b[at+1]), at + 2
	case c == 0xcd && at+3 <= len(b):
		return uint64(binary.BigEndian.Uint16(b[at+1:])), at + 3
	case c == 0xce && at+5 <= len(b):
		return uint64(binary.BigEndian.Uint32(b[at+1:])), at + 5
	}
	return 0, broken
}

func takeInt(b []byte, at int) (int64, int) {
	if at >= len(b) {
		return 0, broken
	}
	switch c := b[at]; {
	case c < 0x80 || c >= 0xe0:
		return int64(int8(c)), at + 1
	case (c == 0xcf || c == 0xd3) && at+9 <= len(b): // times
		n := int64(binary.BigEndian.Uint64(b[at+1:]))
		if n < 0 && c == 0xcf {
			return 0, broken
		}
		return n, at + 9
	case c == 0xd0 && at+2 <= len(b):
		return int64(int8(b[at+1])), at + 2
	case c == 0xd1 && at+3 <= len(b):
		return int64(int16(binary.BigEndian.Uint16(b[at+1:]))), at + 3
	case c == 0xd2 && at+5 <= len(b):
		return int64(int32(binary.BigEndian.Uint32(b[at+1:]))), at + 5
	}
	n, at := takeUint(b, at)
	return int64(n), at
}
