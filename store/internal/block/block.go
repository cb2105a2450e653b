// Package block encodes the points of metric series as columns. It owns the
// bytes of two kinds of row body, both immutable and both without a checksum:
// the store seals them in records.
//
// A clock block is the (step, time) column pair that a group of series logged
// together shares. A value block is one series' values, aligned to a clock:
// value i belongs to point i of the clock.
//
// Integers written as varint or uvarint are those of encoding/binary, signed
// ones zigzagged. A number is a float64 in 1 to 9 bytes:
//
//	tag     follows          value
//	0…8     tag bytes        the highest bytes of its IEEE bits, highest first; the others are 0
//	10      4 bytes          float32, little-endian
//	16…25   varint k         k / 10^(tag-16), correctly rounded
//
// # Clock block
//
//	offset  bytes    field
//	0       1        version (1)
//	1       uvarint  n, 1 ≤ n ≤ MaxPoints
//	…       1        flags: 1 steps do not descend, 2 times do not descend,
//	                 4 steps are a stride, 8 times are a stride, 16 times
//	                 are tilted
//	…       varints  first step; if steps are a stride d, with
//	                 x[i] = first + i·d, then d, else last step - first step;
//	                 if steps descend somewhere also first - min and
//	                 max - first as uvarints
//	…       varints  the same for times, in Unix milliseconds
//	…       uvarint  length of the pyramid, if it follows
//	…       …        pyramid, if n > 4·PyramidSpan and a column is no stride
//	…       …        step column, integers, x[0] = first step, if no stride
//	…       …        time column, integers, x[0] = first time, if no stride;
//	                 if tilted, varint rate before it
//
// Tilted times are stored less what irregular steps tell of them: time[i] is
// x[i] + ((step[i] - step[0])·rate >> 16).
//
// The pyramid has, for each column that is no stride, two packed columns: last
// - first of each span of PyramidSpan points, and the first of each span but
// the first less the last of the span before.
//
// All differences wrap at 64 bits, so no step and no time is refused.
//
// # Integer column
//
// The reader knows n and x[0]. A predictor guesses each integer from those
// before it; the codec stores the residuals r that it leaves, less a reference.
//
//	offset  bytes    field
//	0       1        low three bits: codec; 8: a scale follows; high four bits:
//	                 predictor
//	1       uvarint  scale g, if the head says so, else g = 1
//	…       varints  what the predictor starts with
//	…       …        codec's own bytes
//
// Predictors work on y[i] = (x[i] - x[0]) / g, so y[0] = 0.
//
//	predictor      starts with         guess of y[i]
//	0 none                             0
//	1 delta                            y[i-1]
//	2…6 ema2…32                        (2^(k-1) + sum) >> k, k = predictor - 1
//	7 delta2       y[1]                y[i-1] + y[1] + sum
//	8…11 slope2…16 y[1]                y[i-1] + y[1] + (2^(k-1) + sum) >> k,
//	                                   k = predictor - 7
//	12 delta3      y[1], y[2] - 2y[1]  3y[i-1] - 3y[i-2] + y[i-3]
//
// sum is that of the residuals so far, so that sum >> k follows an average in
// which each integer, or each distance, has the weight 1/2^k of those after it.
//
//	codec     bytes
//	0 stride  varint d: x[i] = x[0] + i·d; predictor 0, no scale
//	1 packed  varint ref; a width of 0…64 bits for each frame of 128 residuals,
//	          one byte each; the frames: r - ref in width bits each, lowest bit
//	          first, each frame filled up to a whole byte
//	2 tokens  varint ref; form byte; byte low; tokens; raw bits
//
// Tokens are what u = zigzag(r - ref) becomes: with m mantissa bits, and shift
// the least for which u >> shift < 2^(m+1), the token is shift·2^m + u >> shift
// and the lowest shift bits of u follow raw, lowest bit first, filled up to a
// whole byte after the last. Tokens are stored less low.
//
//	form: bits 0…2 m, bits 3…5 mode, bit 6 set if some shift is above 56
//
//	mode     tokens
//	0 fill   all are low
//	1 raw    one byte each
//	2 huff0  uvarint length, a Huffman table and one stream as in Zstandard
//	3 huff0  the same in four streams, of a quarter of the tokens each, rounded
//	         up, but for the last; behind the table the lengths of the first
//	         three, uint16 little-endian
//	4 fse    uvarint length, an FSE table as in Zstandard of up to 2^12 entries;
//	         then to the end one bit stream, read backwards, for two states in
//	         turn, the first of which makes the first token
//
// A token of more than 64 bits, or of a shift that bit 6 denies, is damage.
//
// # Value block
//
//	offset  bytes    field
//	0       1        version (1)
//	1       1        value codec
//	2       uvarint  n, 1 ≤ n ≤ MaxPoints
//	…       …        zone map, if n > 64 and the codec is not constant
//	…       uvarint  length of the pyramid, if it follows
//	…       …        pyramid, if n > 4·PyramidSpan and not constant
//	…       …        body, to the end of the block
//
//	zone map  flags byte: 1 counts follow, 2 last is first, 4 min is first,
//	          8 max is first, 16 min is last, 32 max is last ("is": same bits)
//	          number first; number last, unless 2
//	          uvarints NaN, +Inf and -Inf count, if 1
//	          and if some value is not NaN:
//	          number min, unless 4 or 16; uvarint index of min, unless 4
//	          number max, unless 8 or 32; uvarint index of max, unless 8
//	          number sum
//
// The pyramid sums up each span of PyramidSpan values in four numbers: first,
// last, and min and max of those that are not NaN, else +Inf and -Inf.
//
//	offset  bytes   field
//	0       1       form: 0 numbers, 1 scaled, 2 float32, 3 float64
//	…       …       form 0: first, last, min and max of each span, as numbers
//	                other forms: unit if scaled; then integers as in the value
//	                codec of that name: varint min of the first span, uvarint
//	                g, and packed columns, to be multiplied by g: of the other
//	                spans, min less that of the span before; of all spans
//	                max - min, first - min, last - min
//	…       …       if the zone map counts NaN: packed column, NaN of each span
//
// A packed column is what follows the head of an integer column of codec
// packed: reference, widths, frames.
//
//	codec       body
//	0 constant  number v, the value of all n; number sum, if n > 64 and v is finite
//	1 raw       n float64, little-endian
//	2 scaled    unit; exceptions; varint x[0]; integer column: x[i] / size
//	3 float32   exceptions; varint x[0]; integer column of float32 bits
//	4 float64   varint x[0]; integer column of float64 bits
//
//	unit, low seven bits  size
//	0…15 decimal          10^unit
//	16…77 binary          2^(unit-15)
//	127 ratio             f·2^k: uvarint f, byte k follow
//
// The high bit of a unit tells that quotients are rounded to float32: so are
// decimals and means that a float32 program logged.
//
// Bits of negative floats have all bits but the sign inverted, so that they
// order as signed integers. Exceptions are the values a codec cannot hold:
// uvarint count, then for each the uvarint of twice the distance from the one
// before (from -1 at first), plus 1 if its bits are those of the one before,
// else 8 bytes of little-endian bits. Their place in the column holds any
// integer.
//
// A codec number is never given a new meaning: a better codec gets a new one.
// testdata holds a block of each codec with a note on every field.
package block

import (
	"encoding/binary"
	"fmt"

	"github.com/runstonedb/runstone/internal/record"
)

const (
	// MaxPoints is the largest number of points in one block. The store seals
	// far smaller ones; this bounds what a damaged count can ask for.
	MaxPoints = 1 << 16
	// PyramidSpan is how many values one min/max pair of the pyramid covers.
	PyramidSpan = 256
)

const (
	version = 1
	// smallBlock is the largest count without a zone map: decoding so few
	// values costs less than the bytes of the map.
	smallBlock = 64
)

// reader walks the bytes of one block. The first fault sticks: later reads
// give zeros, and finish reports it.
type reader struct {
	src   []byte
	at    int
	fault string
}

func (r *reader) fail(fault string) {
	if r.fault == "" {
		r.fault = fault
	}
}

func (r *reader) ok() bool { return r.fault == "" }

// take returns the next n bytes, or nil after a fault.
func (r *reader) take(n int) []byte {
	if r.fault != "" || n < 0 || n > len(r.src)-r.at {
		r.fail("ends early")
		return nil
	}
	b := r.src[r.at : r.at+n : r.at+n]
	r.at += n
	return b
}

func (r *reader) byte() byte {
	if r.fault != "" || r.at >= len(r.src) {
		r.fail("ends early")
		return 0
	}
	r.at++
	return r.src[r.at-1]
}

func (r *reader) uvarint() uint64 {
	if r.fault != "" {
		return 0
	}
	v, n := binary.Uvarint(r.src[r.at:])
	if n <= 0 {
		r.fail("bad varint")
		return 0
	}
	r.at += n
	return v
}

func (r *reader) varint() int64 { return unzigzag(r.uvarint()) }

// count reads a uvarint that may be at most limit.
func (r *reader) count(limit int) int {
	v := r.uvarint()
	if v > uint64(limit) {
		r.fail("number out of range")
		return 0
	}
	return int(v)
}

// version reads the first byte.
func (r *reader) version() {
	if v := r.byte(); r.ok() && v != version {
		r.fail("unknown version")
	}
}

// points reads n.
func (r *reader) points() int {
	n := r.count(MaxPoints)
	if n == 0 {
		r.fail("no points")
	}
	return n
}

// err returns the sticking fault as an error about kind.
func (r *reader) err(kind string) error {
	if r.fault == "" {
		return nil
	}
	return fmt.Errorf("%s block of %d bytes, at %d: %s: %w", kind, len(r.src), r.at, r.fault, record.ErrCorrupt)
}

// finish is err for a block that must have been read to its end.
func (r *reader) finish(kind string) error {
	if r.ok() && r.at != len(r.src) {
		r.fail("bytes after the end")
	}
	return r.err(kind)
}

func zigzag(x int64) uint64   { return uint64(x<<1) ^ uint64(x>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
