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
	b   []byte
	at  int
	bad bool
}

func (u *unpacker) end(what string) error {
	if u.bad || u.at != len(u.b) {
		return fmt.Errorf("%s: %w", what, ErrCorrupt)
	}
	return nil
}

func (u *unpacker) fail() { u.bad, u.at = true, len(u.b) }

// array expects an array of n < 16 items.
func (u *unpacker) array(n byte) {
	if u.at < len(u.b) && u.b[u.at] == 0x90|n {
		u.at++
		return
	}
	u.fail()
}

// length returns that of an array whose items take at least size bytes each.
func (u *unpacker) length(size int) int {
	if u.at == len(u.b) {
		u.fail()
		return 0
	}
	c, rest, n := u.b[u.at], u.b[u.at+1:], 0
	switch {
	case c&0xf0 == 0x90:
		n = int(c & 0x0f)
	case c == 0xdc && len(rest) >= 2:
		n = int(binary.BigEndian.Uint16(rest))
		u.at += 2
	default:
		u.fail()
		return 0
	}
	u.at++
	if n > (len(u.b)-u.at)/size {
		u.fail()
		return 0
	}
	return n
}

func (u *unpacker) uint32() uint32 {
	n := u.uint()
	if n > math.MaxUint32 {
		u.fail()
		return 0
	}
	return uint32(n)
}

func (u *unpacker) uint() uint64 {
	if u.at < len(u.b) && u.b[u.at] < 0x80 {
		u.at++
		return uint64(u.b[u.at-1])
	}
	return u.long()
}

// long reads an unsigned integer of more than 7 bits.
func (u *unpacker) long() uint64 {
	b := u.b[u.at:]
	if len(b) >= 9 && b[0] == 0xcf { // times and floats
		u.at += 9
		return binary.BigEndian.Uint64(b[1:])
	}
	switch {
	case len(b) >= 2 && b[0] == 0xcc:
		u.at += 2
		return uint64(b[1])
	case len(b) >= 3 && b[0] == 0xcd:
		u.at += 3
		return uint64(binary.BigEndian.Uint16(b[1:]))
	case len(b) >= 5 && b[0] == 0xce:
		u.at += 5
		return uint64(binary.BigEndian.Uint32(b[1:]))
	}
	u.fail()
	return 0
}

func (u *unpacker) int() int64 {
	if u.at == len(u.b) || u.b[u.at] < 0xd0 { // not below 0
		n := u.uint()
		if n > math.MaxInt64 {
			u.fail()
			return 0
		}
		return int64(n)
	}
	b := u.b[u.at:]
	switch {
	case b[0] >= 0xe0:
		u.at++
		return int64(int8(b[0]))
	case len(b) >= 2 && b[0] == 0xd0:
		u.at += 2
		return int64(int8(b[1]))
	case len(b) >= 3 && b[0] == 0xd1:
		u.at += 3
		return int64(int16(binary.BigEndian.Uint16(b[1:])))
	case len(b) >= 5 && b[0] == 0xd2:
		u.at += 5
		return int64(int32(binary.BigEndian.Uint32(b[1:])))
	case len(b) >= 9 && b[0] == 0xd3:
		u.at += 9
		return int64(binary.BigEndian.Uint64(b[1:]))
	}
	u.fail()
	return 0
}

func (u *unpacker) float() float64 { return math.Float64frombits(u.uint()) }

func (u *unpacker) point(p *Point) {
	u.array(pointFields)
	p.Step, p.Time, p.Value = u.int(), u.int(), u.float()
}

func (u *unpacker) summary(m *Summary) {
	u.array(summaryFields)
	m.Count, m.NaN, m.PosInf, m.NegInf = u.int(), u.int(), u.int(), u.int()
	u.point(&m.Latest)
	u.point(&m.First)
	m.Min, m.Max = u.float(), u.float()
	m.MinStep, m.MaxStep, m.MinTime, m.MaxTime = u.int(), u.int(), u.int(), u.int()
	m.Sum = u.float()
}
