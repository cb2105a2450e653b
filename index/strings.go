package index

import (
	"encoding/hex"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Strings are a dictionary and, for each value, its number in there:
//
//	uvarint  d, distinct strings
//	byte     flags
//	[block]  numbers of the values; with iota they are 0, 1, 2 …, one each
//	[affix]  uvarint length and bytes of what all strings begin with, and of
//	         what all of them end in
//	block    lengths in bytes, without affixes
//	[zstd]   uvarint length of the frame
//	bytes    the strings, one behind the other: plain, two hexadecimal digits a
//	         byte, or a zstd frame
const (
	textIota = 1 << iota
	textAffix
	textHex
	textZstd
	textFlags = 1<<iota - 1
)

// maxText bounds the bytes of the distinct strings of a column. What writes
// columns stays below a quarter of it, but for rows that are long alone.
const maxText = 64 << 20

// minZstd is the text from which on compressing is tried. It must take an eighth
// off, else reading is not worth it.
const minZstd = 256

// texts compresses and expands strings. Both parts are made when they are first
// needed, and serve any number of goroutines.
type texts struct {
	encode func() *zstd.Encoder
	decode func() *zstd.Decoder
}

func newTexts() *texts {
	return &texts{
		encode: sync.OnceValue(func() *zstd.Encoder {
			e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
				zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(1<<20))
			if err != nil {
				panic(err) // the options are constants
			}
			return e
		}),
		decode: sync.OnceValue(func() *zstd.Decoder {
			d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxMemory(maxText))
			if err != nil {
				panic(err)
			}
			return d
		}),
	}
}

// affixes returns how many bytes all strings begin with and, behind that, end
// in, if cutting them off is worth it.
func affixes(dict []string) (prefix, suffix int) {
	if len(dict) < 2 {
		return 0, 0
	}
	first := dict[0]
	prefix, suffix = len(first), len(first)
	for _, s := range dict[1:] {
		prefix, suffix = min(prefix, len(s)), min(suffix, len(s))
		for s[:prefix] != first[:prefix] {
			prefix--
		}
		for s[len(s)-suffix:] != first[len(first)-suffix:] {
			suffix--
		}
		if prefix == 0 && suffix == 0 {
			return 0, 0
		}
	}
	for _, s := range dict {
		suffix = min(suffix, len(s)-prefix)
	}
	if (prefix+suffix)*(len(dict)-1) < 8 {
		return 0, 0
	}
	return prefix, suffix
}

func isHex(s string) bool {
	if len(s)%2 != 0 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func (t *texts) append(dst []byte, dict []string, codes []uint32, scratch *[]int64) []byte {
	dst = appendUvarint(dst, len(dict))
	at := len(dst)
	dst = append(dst, 0)
	flags := byte(0)
	numbers := grown(scratch, max(len(codes), len(dict)))
	counted := len(codes) == len(dict)
	for i, c := range codes {
		numbers[i] = int64(c)
		counted = counted && int(c) == i
	}
	if counted {
		flags |= textIota
	} else {
		dst = appendInts(dst, numbers[:len(codes)])
	}
	prefix, suffix := affixes(dict)
	if prefix+suffix > 0 {
		flags |= textAffix
		dst = append(appendUvarint(dst, prefix), dict[0][:prefix]...)
		dst = append(appendUvarint(dst, suffix), dict[0][len(dict[0])-suffix:]...)
	}
	total, digits := 0, true
	for i, s := range dict {
		n := len(s) - prefix - suffix
		numbers[i] = int64(n)
		total += n
		digits = digits && isHex(s[prefix:prefix+n])
	}
	dst = appendInts(dst, numbers[:len(dict)])
	raw := make([]byte, 0, total)
	for _, s := range dict {
		raw = append(raw, s[prefix:len(s)-suffix]...)
	}
	switch {
	case digits && total > 0:
		flags |= textHex
		n := len(dst)
		dst = append(dst, make([]byte, total/2)...)
		_, _ = hex.Decode(dst[n:], raw)
	case total >= minZstd:
		if small := t.encode().EncodeAll(raw, nil); len(small) <= total-total/8 {
			flags |= textZstd
			raw = small
			dst = appendUvarint(dst, len(raw))
		}
		dst = append(dst, raw...)
	default:
		dst = append(dst, raw...)
	}
	dst[at] = flags
	return dst
}

// read reads the numbers of as many values as fit codes, and the dictionary.
func (t *texts) read(r *reader, codes []uint32) []string {
	d := r.count(len(codes))
	flags := r.byte()
	if flags >= textFlags+1 || flags&textHex != 0 && flags&textZstd != 0 || flags&textIota != 0 && d != len(codes) {
		r.fail("bad flags of strings")
		return nil
	}
	if flags&textIota == 0 {
		r.codes(codes, d)
	} else {
		for i := range codes {
			codes[i] = uint32(i)
		}
	}
	var prefix, suffix []byte
	if flags&textAffix != 0 {
		prefix = r.bytes(r.count(maxText))
		suffix = r.bytes(r.count(maxText))
	}
	lengths := r.ints(d)
	if r.err != nil {
		return nil
	}
	total := 0
	for i := range d {
		n := lengths.at(i)
		if n > maxText || total > maxText {
			r.fail("strings too long")
			return nil
		}
		total += int(n)
	}
	if flags&textHex != 0 {
		for i := range d {
			if lengths.at(i)%2 != 0 {
				r.fail("odd number of digits")
				return nil
			}
		}
		total /= 2
	}
	whole := total + d*(len(prefix)+len(suffix))
	if flags&textHex != 0 {
		whole += total
	}
	if whole > maxText {
		r.fail("strings too long")
	}
	raw := t.expand(r, flags, total)
	if r.err != nil {
		return nil
	}
	if flags&(textHex|textAffix) == 0 {
		return cut(string(raw), d, lengths, 0)
	}
	all := join(raw, d, lengths, prefix, suffix, flags&textHex != 0, whole)
	return cut(all, d, lengths, len(prefix)+len(suffix))
}

// expand returns total bytes, which may be compressed.
func (t *texts) expand(r *reader, flags byte, total int) []byte {
	if r.err != nil {
		return nil
	}
	if flags&textZstd == 0 {
		return r.bytes(total)
	}
	frame := r.bytes(r.count(maxText))
	if r.err != nil {
		return nil
	}
	var h zstd.Header
	if err := h.Decode(frame); err != nil || !h.HasFCS || h.FrameContentSize != uint64(total) {
		r.fail("bad zstd frame")
		return nil
	}
	raw, err := t.decode().DecodeAll(frame, nil)
	if err != nil || len(raw) != total {
		r.fail("bad zstd frame")
	}
	return raw
}

// join puts the affixes around each string, and makes digits of bytes.
func join(raw []byte, d int, lengths packed, prefix, suffix []byte, digits bool, whole int) string {
	var b strings.Builder
	b.Grow(whole)
	var buf [64]byte
	for i := range d {
		n := int(lengths.at(i))
		b.Write(prefix)
		if digits {
			n /= 2
			for own := raw[:n]; len(own) > 0; {
				k := hex.Encode(buf[:], own[:min(len(own), len(buf)/2)])
				b.Write(buf[:k])
				own = own[k/2:]
			}
		} else {
			b.Write(raw[:n])
		}
		raw = raw[n:]
		b.Write(suffix)
	}
	return b.String()
}

// cut makes the strings, which share one piece of memory. Each is more bytes
// longer than its length says.
func cut(all string, d int, lengths packed, more int) []string {
	dict := make([]string, d)
	for i := range dict {
		n := int(lengths.at(i)) + more
		dict[i] = all[:n]
		all = all[n:]
	}
	return dict
}
