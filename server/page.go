package server

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/runstonedb/runstone"
)

// A page token is base64 of {"offset": n}, as MLflow's is, or of {"after": c} with
// the cursor of a search.

type pageToken struct {
	Offset int    `json:"offset"`
	After  string `json:"after"`
}

// offset reads the argument page_token of a list.
func (a *args) offset() int { return a.page().Offset }

// page reads the argument page_token of a search.
func (a *args) page() pageToken {
	token := a.str("page_token")
	if token == "" {
		return pageToken{}
	}
	b, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		a.fail(badRequest("Invalid page token, could not base64-decode"))
		return pageToken{}
	}
	var t *pageToken
	if err := json.Unmarshal(b, &t); err != nil || t == nil || t.Offset > 1<<48 {
		a.fail(badRequest("Invalid page token, decoded value=%s", pythonBytes(b)))
		return pageToken{}
	}
	t.Offset = max(t.Offset, 0)
	return *t
}

// searchToken returns the token of the page behind a cursor, "" for the end.
func searchToken(cursor string) string {
	if cursor == "" {
		return ""
	}
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"after": %q}`, cursor))
}

// nextToken returns the token of the page that begins at offset, "" when the
// page before it was the last.
func nextToken(offset int, more bool) string {
	if !more {
		return ""
	}
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"offset": %d}`, offset))
}

// pythonBytes writes b as Python's repr of bytes.
func pythonBytes(b []byte) string {
	var s strings.Builder
	s.WriteString("b'")
	for _, c := range b[:min(len(b), maxEcho)] {
		switch {
		case c == '\'' || c == '\\':
			s.WriteByte('\\')
			s.WriteByte(c)
		case c >= 0x20 && c < 0x7f:
			s.WriteByte(c)
		default:
			fmt.Fprintf(&s, `\x%02x`, c)
		}
	}
	return s.String() + "'"
}

// onlyRows refuses what was found by a query with GROUP BY, which has groups: a
// client that asks for rows would take it for none.
func onlyRows[T any](found *runstone.Page[T]) error {
	if len(found.Items) == 0 && len(found.Table) > 0 {
		return badRequest("A query with GROUP BY finds groups, which this search does not answer.")
	}
	return nil
}

// maxResults reads the argument max_results of the searches that word its
// limits this way.
func (a *args) maxResults(def, limit int64) int {
	n := a.int("max_results", def)
	switch {
	case n > limit:
		a.fail(badRequest("Invalid value %d for parameter 'max_results' supplied. It must be at most %d", n, limit))
	case n <= 0 && a.has("max_results"):
		a.fail(badRequest("Invalid value %d for parameter 'max_results' supplied. It must be a positive integer", n))
	}
	return int(n)
}

// cappedResults is maxResults for the searches that call more than the limit a
// wrong type.
func (a *args) cappedResults(def, limit int64) int {
	n := a.int("max_results", def)
	if n > limit {
		a.wrongType("max_results", a.get("max_results"))
	}
	return int(n)
}
