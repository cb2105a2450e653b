package bench

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
)

// shortLines reads a text with lines that are too long left empty, so that
// line numbers stay what they are.
type shortLines struct {
	text []byte
	line []byte // rest of the present one
}

func (s *shortLines) Read(p []byte) (int, error) {
	for len(s.line) == 0 {
		if len(s.text) == 0 {
			return 0, io.EOF
		}
		end := bytes.IndexByte(s.text, '\n') + 1
		if end == 0 {
			end = len(s.text)
		}
		s.line, s.text = s.text[:end], s.text[end:]
		if len(s.line) > MaxLine {
			s.line = []byte("\n")
		}
	}
	n := copy(p, s.line)
	s.line = s.line[n:]
	return n, nil
}

// event is a line of go test -json.
type event struct {
	Action  string
	Package string
	Output  string
}

// looksLikeJSON reports whether a text is that of go test -json. What the go
// command itself says may come before it.
func looksLikeJSON(text []byte) bool {
	var line []byte
	for line = range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && !bytes.HasPrefix(line, []byte("go: ")) {
			break
		}
	}
	var e event
	return len(line) > 0 && line[0] == '{' && len(line) <= MaxLine && json.Unmarshal(line, &e) == nil && e.Action != ""
}

// fromJSON returns the text that go test -json wraps. Packages may be mixed in
// it and lines cut into pieces; in the text each package is whole.
func (r *Results) fromJSON(text []byte) []byte {
	outputs := map[string]*bytes.Buffer{}
	var order []string
	line := 0
	for l := range bytes.Lines(text) {
		line++
		if l = bytes.TrimSpace(l); len(l) == 0 {
			continue
		}
		var e event
		if bytes.HasPrefix(l, []byte("go: ")) {
			continue
		}
		if len(l) > MaxLine || l[0] != '{' || json.Unmarshal(l, &e) != nil {
			r.problem(line, "not an event of go test -json")
			continue
		}
		if e.Action != "output" {
			continue
		}
		out := outputs[e.Package]
		if out == nil {
			out = &bytes.Buffer{}
			outputs[e.Package] = out
			order = append(order, e.Package)
		}
		out.WriteString(e.Output)
	}
	var all []byte
	for _, pkg := range order {
		all = append(all, outputs[pkg].Bytes()...)
		if len(all) > 0 && all[len(all)-1] != '\n' {
			all = append(all, '\n')
		}
	}
	return slices.Clip(all)
}
