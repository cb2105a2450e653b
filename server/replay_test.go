package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// exchange is a request to MLflow 3.18.0 and its answer, from a recording of
// this project: testdata/raw.jsonl is mostly bad input, testdata/tour.jsonl a
// tour of the Python client, testdata/graphql.jsonl is
// made by clients/python/record_graphql.py. Ids, times and made-up names are placeholders. An
// exchange with Differs has the answer of this server, which is another by
// intent, and says why; MLflow is then the status of MLflow's.
type exchange struct {
	Label   string
	Method  string
	Path    string
	Query   [][2]string
	Headers map[string]string
	Body    *string
	Status  int
	Want    any
	Text    *string
	Any     bool // too long to keep
	MLflow  int
	Differs string
}

func TestReplay(t *testing.T) {
	for _, name := range []string{"raw", "tour", "graphql"} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open("testdata/" + name + ".jsonl")
			require.NoError(t, err)
			defer f.Close()
			p := &replay{b: newBench(t, nil), ids: map[string]string{}, tokens: map[string]string{}}
			lines := bufio.NewScanner(f)
			lines.Buffer(nil, 1<<20)
			n := 0
			for lines.Scan() {
				var x exchange
				require.NoError(t, json.Unmarshal(lines.Bytes(), &x))
				p.play(t, &x)
				n++
			}
			require.NoError(t, lines.Err())
			require.Greater(t, n, 150)
		})
	}
}

// replay knows what the placeholders stand for in this run.
type replay struct {
	b   *bench
	ids map[string]string
	// tokens are ours by those in the recordings.
	tokens map[string]string
}

var (
	placeholder = regexp.MustCompile(`\$(?:RUN|MODEL|EXP)\d+\$`)
	madeUp      = regexp.MustCompile(`^[a-z]+-[a-z]+-\d+$`)
)

func (p *replay) fill(s string) string {
	for theirs, ours := range p.tokens {
		s = strings.ReplaceAll(s, theirs, ours)
	}
	return placeholder.ReplaceAllStringFunc(s, func(name string) string {
		if id, ok := p.ids[name]; ok {
			return id
		}
		return name
	})
}

func (p *replay) play(t *testing.T, x *exchange) {
	path, body, header := p.fill(x.Path), "", []string{}
	if x.Query != nil {
		q := url.Values{}
		for _, kv := range x.Query {
			q.Add(kv[0], p.fill(kv[1]))
		}
		path += "?" + q.Encode()
	}
	contentType := ""
	if x.Body != nil {
		body, contentType = p.fill(*x.Body), "application/json"
	}
	for k, v := range x.Headers {
		if k == "content-type" {
			contentType = v
			continue
		}
		if k == "host" {
			k = "Host"
		}
		header = append(header, k, v)
	}
	header = append(header, "Content-Type", contentType)
	if strings.Contains(x.Path, "create") || strings.HasSuffix(x.Path, "logged-models") || x.Method == "PATCH" {
		time.Sleep(2 * time.Millisecond) // searches order by time, which has milliseconds
	}
	w := p.b.do(x.Method, path, body, header...)
	what := fmt.Sprintf("[%s] %s %s %s\n%s", x.Label, x.Method, path, body, w.Body)
	require.Equal(t, x.Status, w.Code, what)
	require.NotEqual(t, 500, w.Code, what)
	switch {
	case x.Any:
	case x.Text != nil:
		require.Equal(t, p.fill(*x.Text), w.Body.String(), what)
	default:
		d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
		var got any
		require.NoError(t, d.Decode(&got), what)
		if x.Label == "graphql" { // the order of errors is open
			errs, _ := got.(map[string]any)["errors"].([]any)
			slices.SortFunc(errs, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
		require.Empty(t, p.differ(x.Want, got, ""), what)
	}
}

// differ returns where got is not what was wanted.
func (p *replay) differ(want, got any, at string) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s: want %v, got %v", at, want, got)
		}
		for k := range w {
			// A page token is the server's own affair, and a later request
			// sends back the one that it got.
			if token, ok := g[k].(string); ok && k == "next_page_token" && token != "" && w[k] != "" {
				p.tokens[w[k].(string)] = token
				continue
			}
			if d := p.differ(w[k], g[k], at+"."+k); d != "" {
				return d
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s: want %v, got %v", at, want, got)
		}
		byKey(w)
		byKey(g)
		for i := range w {
			if d := p.differ(w[i], g[i], fmt.Sprintf("%s[%d]", at, i)); d != "" {
				return d
			}
		}
		return ""
	case string:
		if p.same(w, got) {
			return ""
		}
	default:
		if want == got {
			return ""
		}
	}
	return fmt.Sprintf("%s: want %v, got %v", at, want, got)
}

// byKey sorts tags, params and metrics, whose order MLflow leaves open.
func byKey(list []any) {
	key := func(v any) string {
		m, _ := v.(map[string]any)
		s, _ := m["key"].(string)
		return s
	}
	slices.SortStableFunc(list, func(a, b any) int { return strings.Compare(key(a), key(b)) })
}

// same compares a string, and learns what its placeholders stand for.
func (p *replay) same(want string, got any) bool {
	if want == "$TIME$" {
		if s, ok := got.(string); ok { // of GraphQL
			got, _ = strconv.ParseFloat(s, 64)
		}
		ms, ok := got.(float64)
		return ok && ms > 1.5e12
	}
	s, ok := got.(string)
	if !ok || want == "$NAME$" {
		return ok && madeUp.MatchString(s)
	}
	var unknown []string
	pattern, rest := "^", want
	for _, loc := range placeholder.FindAllStringIndex(want, -1) {
		name := want[loc[0]:loc[1]]
		at := strings.Index(rest, name)
		pattern += regexp.QuoteMeta(rest[:at])
		if id, ok := p.ids[name]; ok {
			pattern += regexp.QuoteMeta(id)
		} else {
			pattern += `([\w-]+)`
			unknown = append(unknown, name)
		}
		rest = rest[at+len(name):]
	}
	m := regexp.MustCompile(pattern + regexp.QuoteMeta(rest) + "$").FindStringSubmatch(s)
	if m == nil {
		return false
	}
	for i, name := range unknown {
		p.ids[name] = m[i+1]
	}
	return true
}
