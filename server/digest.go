package server

import (
	"crypto/md5" //nolint:gosec // Content-MD5 guards against accidents, not against people
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"

	"github.com/runstonedb/runstone/artifact"
)

// uploadBody returns the body of an upload with what its headers say of it:
// Content-Digest and Repr-Digest (RFC 9530) with sha-256 or sha-512, and
// Content-MD5. Other algorithms are passed over, as the RFC wants it.
func (s *Server) uploadBody(w http.ResponseWriter, r *http.Request, limit int64) (io.Reader, artifact.PutOptions, error) {
	opt := artifact.PutOptions{MaxBytes: limit, Size: max(r.ContentLength, 0)}
	var body io.Reader = &slowReader{r: r.Body, c: http.NewResponseController(w)}
	check := func(h hash.Hash, want []byte) { body = &checkedReader{r: body, h: h, want: want} }
	for _, name := range []string{"Content-Digest", "Repr-Digest"} {
		sums, err := parseDigests(r.Header.Values(name))
		if err != nil {
			return nil, opt, badRequest("%s: %s", name, err)
		}
		if sum := sums["sha-256"]; sum != nil {
			d := artifact.Digest("sha256:" + hex.EncodeToString(sum))
			if opt.Digest != "" && opt.Digest != d {
				return nil, opt, badRequest("Content-Digest and Repr-Digest differ.")
			}
			opt.Digest = d
		}
		if sum := sums["sha-512"]; sum != nil {
			check(sha512.New(), sum)
		}
	}
	if text := r.Header.Get("Content-MD5"); text != "" {
		sum, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(sum) != md5.Size {
			return nil, opt, badRequest("Content-MD5 is not 16 bytes in base64.")
		}
		check(md5.New(), sum) //nolint:gosec // as above
	}
	return body, opt, nil
}

// checkedReader fails at the end of a body that has another digest.
type checkedReader struct {
	r    io.Reader
	h    hash.Hash
	want []byte
}

func (c *checkedReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.h.Write(b[:n])
	if errors.Is(err, io.EOF) && string(c.h.Sum(nil)) != string(c.want) {
		err = artifact.ErrDigest
	}
	return n, err
}

// parseDigests reads the digests that are known here from values such as
// "sha-256=:<base64>:, sha-512=:<base64>:".
func parseDigests(values []string) (map[string][]byte, error) {
	sums := map[string][]byte{}
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		item = strings.Trim(item, " \t")
		if item == "" {
			continue
		}
		name, text, _ := strings.Cut(item, "=")
		size := map[string]int{"sha-256": sha256.Size, "sha-512": sha512.Size}[name]
		if size == 0 {
			continue
		}
		text, _, _ = strings.Cut(text, ";")
		inner, ok := strings.CutPrefix(text, ":")
		inner, closed := strings.CutSuffix(inner, ":")
		sum, err := base64.StdEncoding.DecodeString(inner)
		if !ok || !closed || err != nil || len(sum) != size {
			return nil, fmt.Errorf("%s is not %d bytes in base64 between colons", name, size)
		}
		sums[name] = sum
	}
	return sums, nil
}

// reprDigest returns what Repr-Digest says of a file, "" for nothing.
func reprDigest(d artifact.Digest) string {
	_, text, _ := strings.Cut(string(d), ":")
	sum, err := hex.DecodeString(text)
	if err != nil || len(sum) != sha256.Size {
		return ""
	}
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum) + ":"
}
