package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
)

// A Digest identifies the bytes of a file: "sha256:" and 64 lower-case
// hexadecimal digits.
type Digest string

const digestPrefix = "sha256:"

// ParseDigest checks that s is a Digest. Failure wraps [ErrDigest].
func ParseDigest(s string) (Digest, error) {
	sum, ok := strings.CutPrefix(s, digestPrefix)
	if !ok || len(sum) != 2*sha256.Size || strings.Trim(sum, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%w: %s is not sha256:<64 hex digits>", ErrDigest, quote(s))
	}
	return Digest(s), nil
}

// digestOf returns what h has summed up so far.
func digestOf(h hash.Hash) Digest {
	var sum [sha256.Size]byte
	b := make([]byte, 0, len(digestPrefix)+2*sha256.Size)
	b = append(b, digestPrefix...)
	return Digest(hex.AppendEncode(b, h.Sum(sum[:0])))
}

// Verify reads the file p and compares its bytes with d. A difference is
// [ErrDigest]; other errors are those of [Root.Open].
func (r *Root) Verify(p Path, d Digest) error {
	if _, err := ParseDigest(string(d)); err != nil {
		return fmt.Errorf("verify %s: %w", quote(p.s), err)
	}
	f, err := r.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := r.buffer()
	defer r.bufs.Put(buf)
	h := sha256.New()
	for {
		n, err := f.Read(*buf)
		h.Write((*buf)[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("verify %s: %w", quote(p.s), bare(err))
		}
	}
	if got := digestOf(h); got != d {
		return fmt.Errorf("verify %s: %w: want %s, have %s", quote(p.s), ErrDigest, d, got)
	}
	return nil
}
