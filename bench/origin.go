package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Origin is when, where and of what source benchmarks ran. At the top of a text
// it stands as comments, which other readers of the format skip:
//
//	# date: 2026-03-01T10:00:00Z
//	# end: 2026-03-01T10:12:30Z
//	# commit: 0529c7d5570ff7b8751b399c2c8b0cc383aa3a25
//	# commit-time: 2026-02-28T17:31:31Z
//	# branch: main
//	# dirty: false
//	# go: go1.26.8
//	# host: builder-3
//	# cpus: 8
//
// Each line may be missing. File keys of the same names (commit: …) count where
// there is no such comment.
type Origin struct {
	Start, End time.Time // of the benchmarks
	Commit     string
	CommitTime time.Time
	Branch     string
	Dirty      string // "true" when the source differed from the commit, "false", or "" when not known
	Go         string // version
	Host       string
	CPUs       int
}

// Zero reports whether nothing is known.
func (o *Origin) Zero() bool { return *o == Origin{} }

// fields calls fn with each field that is known, by the name it has in a text.
func (o *Origin) fields(fn func(key, value string)) {
	text := func(key, value string) {
		if value != "" {
			fn(key, oneLine(value))
		}
	}
	moment := func(key string, t time.Time) {
		if !t.IsZero() {
			fn(key, t.UTC().Format(time.RFC3339))
		}
	}
	moment("date", o.Start)
	moment("end", o.End)
	text("commit", o.Commit)
	moment("commit-time", o.CommitTime)
	text("branch", o.Branch)
	text("dirty", o.Dirty)
	text("go", o.Go)
	text("host", o.Host)
	if o.CPUs > 0 {
		fn("cpus", strconv.Itoa(o.CPUs))
	}
}

// set takes over a field by the name it has in a text. A time before 1970
// or one or a number that cannot be read is left out, as is what there is no
// field for.
func (o *Origin) set(key, value string) {
	switch key {
	case "date":
		o.Start = parseTime(value)
	case "end":
		o.End = parseTime(value)
	case "commit":
		o.Commit = value
	case "commit-time":
		o.CommitTime = parseTime(value)
	case "branch":
		o.Branch = value
	case "dirty":
		o.Dirty = value
	case "go":
		o.Go = value
	case "host":
		o.Host = value
	case "cpus":
		if n, err := strconv.Atoi(value); err == nil && n > 0 {
			o.CPUs = n
		}
	}
}

func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Unix() < 0 {
		return time.Time{}
	}
	return t.UTC()
}

// originKeys are the names of the fields.
var originKeys = []string{"date", "end", "commit", "commit-time", "branch", "dirty", "go", "host", "cpus"}

// complete takes from the file keys what is not known.
func (o *Origin) complete(keys map[string]string) {
	known := map[string]bool{}
	o.fields(func(key, _ string) { known[key] = true })
	for _, key := range originKeys {
		if v, ok := keys[key]; ok && !known[key] {
			o.set(key, v)
		}
	}
}

// SetOrigin overrides the fields of the results' origin that o knows, and puts
// the origin at the top of the text.
func (r *Results) SetOrigin(o *Origin) {
	o.fields(r.Origin.set)
	_, rest := splitHeader(r.text)
	text := r.Origin.header()
	if len(text) > 0 {
		text = append(text, '\n')
	}
	text = append(text, bytes.TrimLeft(rest, "\n")...)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	r.text = text
}

// header writes the origin as it stands at the top of a text.
func (o *Origin) header() []byte {
	var b bytes.Buffer
	o.fields(func(key, value string) { fmt.Fprintf(&b, "# %s: %s\n", key, value) })
	return b.Bytes()
}

// splitHeader returns the comments at the top of a text and what follows.
func splitHeader(text []byte) (head, rest []byte) {
	rest = text
	for len(rest) > 0 && rest[0] == '#' {
		end := bytes.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		rest = rest[end:]
	}
	return text[:len(text)-len(rest)], rest
}

func readOrigin(text []byte) Origin {
	var o Origin
	head, _ := splitHeader(text)
	for line := range bytes.Lines(head) {
		if len(line) > MaxLine {
			continue
		}
		key, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(line)), "# "), ": ")
		if ok {
			o.set(key, strings.TrimSpace(value))
		}
	}
	return o
}

// oneLine keeps a value from ending its line.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s))
}

// patience bounds how long Here waits for git and for go.
const patience = 5 * time.Second

// Here finds out the origin of benchmarks that run now in a folder: of the
// machine, and what git and go say there; what they do not say stays empty.
// commit "" is the one checked out; for another, branch and dirty are left
// out.
func Here(ctx context.Context, dir, commit string) Origin {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ask := func(name string, args ...string) (string, bool) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err == nil
	}
	o := Origin{Start: time.Now().UTC().Truncate(time.Second), CPUs: runtime.NumCPU()}
	o.Host, _ = os.Hostname()
	o.Go, _ = ask("go", "env", "GOVERSION")
	rev := "HEAD"
	if commit != "" {
		o.Commit, rev = commit, commit
	}
	// A revision that begins with a dash would be a flag of git.
	if strings.HasPrefix(rev, "-") {
		return o
	}
	full, ok := ask("git", "rev-parse", "--verify", "--quiet", rev+"^{commit}")
	if !ok {
		return o
	}
	o.Commit = full
	if t, ok := ask("git", "show", "-s", "--format=%cI", full); ok {
		o.CommitTime = parseTime(t)
	}
	if commit != "" {
		return o
	}
	if b, ok := ask("git", "rev-parse", "--abbrev-ref", "HEAD"); ok && b != "HEAD" {
		o.Branch = b
	}
	if status, ok := ask("git", "status", "--porcelain", "--untracked-files=no"); ok {
		o.Dirty = strconv.FormatBool(status != "")
	}
	return o
}
