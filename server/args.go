package server

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone/lineage"
)

// args are the arguments of a request, by the names of MLflow's messages: the
// members of a JSON body, or the query of a GET. What is wrong with them is
// found by the methods that read them; the first mistake stays in err.
//
// A null is an absent value. Fields that nobody reads are ignored.
type args struct {
	v     value
	query bool   // members are lists of the strings given
	in    string // what the part is in: "metrics" for an element of that list, "model." for a member, "" at the top
	nth   int    // which element, from 1; 0 outside a list
	err   *error // shared by all parts of a request
}

// path is what stands before the names of arguments in messages, such as
// "metrics[3].".
func (a *args) path() string {
	if a.nth == 0 {
		return a.in
	}
	return a.in + "[" + strconv.Itoa(a.nth-1) + "]."
}

// maxQuery bounds the parts of a URL's query; MLflow sends some 100 at most.
const maxQuery = 2000

// parseArgs reads the arguments of a request from its body or its query.
func parseArgs(r *http.Request, body string) (args, error) {
	if wantsQuery(r) {
		a := queryArgs(r)
		return a, a.done()
	}
	v, err := parseJSON(body)
	if err == nil && v.kind == kindString { // some clients encode twice
		v, err = parseJSON(v.text)
	}
	switch {
	case errors.Is(err, errDepth):
		return args{}, badRequest("The request body is nested too deeply.")
	case errors.Is(err, errValues):
		return args{}, badRequest("The request body has more than %d values. Please split it up across multiple requests.", maxValues)
	case err != nil || v.kind == kindNull: // MLflow takes what is not JSON as no arguments
		v = value{kind: kindObject}
	case v.kind != kindObject:
		return args{}, badRequest("The request body must be a JSON object.")
	}
	return args{v: v, err: new(error)}, nil
}

// wantsQuery reports whether a request has its arguments in its URL.
func wantsQuery(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.RawQuery != ""
}

// checkContentType wants JSON where a browser could send a form from any page.
func checkContentType(r *http.Request) error {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return nil
	}
	ct := r.Header.Get("Content-Type")
	if ct == "" {
		return badRequest("Bad Request. Content-Type header is missing.")
	}
	if ct, _, _ = strings.Cut(ct, ";"); strings.TrimSpace(ct) != "application/json" {
		return badRequest("Bad Request. Content-Type must be one of ['application/json'].")
	}
	return nil
}

func queryArgs(r *http.Request) args {
	v := value{kind: kindObject}
	if strings.Count(r.URL.RawQuery, "&") >= maxQuery {
		err := badRequest("The query has more than %d parts.", maxQuery)
		return args{v: v, query: true, err: &err}
	}
	for name, values := range r.URL.Query() {
		list := value{kind: kindList}
		for _, s := range values {
			list.list = append(list.list, value{kind: kindString, text: strings.ToValidUTF8(s, "\uFFFD")})
		}
		v.members = append(v.members, member{name, list})
	}
	return args{v: v, query: true, err: new(error)}
}

// set puts an argument that the path of the URL holds, in front of any other of
// its name.
func (a *args) set(name, text string) {
	v := value{kind: kindString, text: text}
	if a.query {
		v = value{kind: kindList, list: []value{v}}
	}
	a.v.members = append(a.v.members, member{name, v})
}

// get returns an argument, or nil when it is absent or null.
func (a *args) get(name string) *value {
	v := a.v.get(name)
	if v != nil && a.query {
		v = &v.list[0]
	}
	if v == nil || v.kind == kindNull {
		return nil
	}
	return v
}

func (a *args) has(name string) bool { return a.get(name) != nil }

// fail keeps the first error.
func (a *args) fail(err error) {
	if *a.err == nil {
		*a.err = err
	}
}

const seeDocs = "See the API docs for more information about request parameters."

func (a *args) wrongType(name string, v *value) {
	a.fail(badRequest("Invalid value %s for parameter '%s' supplied:  Hint: Value was of type '%s'. %s", v, a.path()+name, v.typeName(), seeDocs))
}

func (a *args) missing(name string) {
	a.fail(badRequest("Missing value for required parameter '%s'. %s", a.path()+name, seeDocs))
}

// str returns a string, "" when it is absent.
func (a *args) str(name string) string {
	v := a.get(name)
	if v == nil {
		return ""
	}
	if v.kind != kindString {
		a.wrongType(name, v)
		return ""
	}
	return v.text
}

// need returns a string that must not be empty.
func (a *args) need(name string) string {
	s := a.str(name)
	if s == "" {
		a.missing(name)
	}
	return s
}

// runID returns the id of the run that a request is about.
func (a *args) runID() string {
	for _, name := range []string{"run_id", "run_uuid"} {
		if s := a.str(name); s != "" {
			return a.known(s)
		}
	}
	a.missing("run_id")
	return ""
}

// needRun is runID where the old name is not taken.
func (a *args) needRun() string { return a.known(a.need("run_id")) }

// known refuses an id that is too long to be one, before messages repeat it.
func (a *args) known(id string) string {
	if len(id) > maxEcho {
		a.fail(missingThing("Run with id=%s not found", cutEcho(id)))
		return ""
	}
	return id
}

// int returns an integer, or def when it is absent.
func (a *args) int(name string, def int64) int64 {
	v := a.get(name)
	if v == nil {
		return def
	}
	n, ok := v.int()
	if !ok {
		a.wrongType(name, v)
	}
	return n
}

func (a *args) needInt(name string) int64 {
	if !a.has(name) {
		a.missing(name)
	}
	return a.int(name, 0)
}

// int reads an integer: a number without a fraction, or one in a string.
func (v *value) int() (int64, bool) {
	switch v.kind {
	case kindInt:
		n, err := strconv.ParseInt(v.text, 10, 64)
		return n, err == nil
	case kindString:
		n, err := strconv.ParseInt(strings.TrimSpace(v.text), 10, 64)
		return n, err == nil
	case kindFloat:
		f, err := strconv.ParseFloat(v.text, 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
			return 0, false
		}
		return int64(f), true
	}
	return 0, false
}

func (a *args) needFloat(name string) float64 {
	v := a.get(name)
	if v == nil {
		a.missing(name)
		return 0
	}
	f, ok := v.float()
	if !ok {
		a.wrongType(name, v)
	}
	return f
}

// float reads a number, one in a string, or the names of NaN and ±Inf. What is
// out of range is ±Inf.
func (v *value) float() (float64, bool) {
	if v.kind == kindBool {
		if v.text == "true" {
			return 1, true
		}
		return 0, true
	}
	if v.kind != kindInt && v.kind != kindFloat && v.kind != kindString {
		return 0, false
	}
	text := strings.TrimSpace(v.text)
	if strings.ContainsAny(text, "xX_pP") { // Go's own forms
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

// bool returns a bool, false when it is absent. A query that says neither true
// nor false says false.
func (a *args) bool(name string) bool {
	v := a.get(name)
	switch {
	case v == nil:
		return false
	case a.query:
		return strings.EqualFold(v.text, "true")
	case v.kind == kindBool:
		return v.text == "true"
	case v.kind == kindInt && (v.text == "0" || v.text == "1"):
		return v.text == "1"
	}
	a.wrongType(name, v)
	return false
}

// enum returns the name of an enum's value, given by name or number; "" when
// it is absent or, as in MLflow, not one of them.
func (a *args) enum(name string, names ...string) string {
	v := a.get(name)
	if v == nil {
		return ""
	}
	n, isInt := v.int()
	for i, s := range names {
		if s != "" && (v.kind == kindString && v.text == s || isInt && n == int64(i)) {
			return s
		}
	}
	return ""
}

// items returns the elements of a list, nil when it is absent.
func (a *args) items(name string) []value {
	v := a.v.get(name)
	if v == nil || v.kind == kindNull {
		return nil
	}
	if v.kind != kindList {
		a.wrongType(name, v)
	}
	return v.list
}

// strs returns a list of strings.
func (a *args) strs(name string) []string {
	var out []string
	for i, v := range a.items(name) {
		if v.kind != kindString {
			a.wrongType(fmt.Sprintf("%s[%d]", name, i), &v)
			break
		}
		out = append(out, v.text)
	}
	return out
}

// ints returns the elements of a list of integers.
func (a *args) ints(name string) []int {
	var out []int
	for i, v := range a.items(name) {
		n, ok := v.int()
		if !ok || n < math.MinInt32 || n > math.MaxInt32 {
			a.wrongType(fmt.Sprintf("%s[%d]", name, i), &v)
			break
		}
		out = append(out, int(n))
	}
	return out
}

// objects returns the elements of a list of objects.
func (a *args) objects(name string) []args {
	items := a.items(name)
	in, out := a.path()+name, make([]args, 0, len(items))
	for i := range items {
		if items[i].kind != kindObject {
			a.wrongType(fmt.Sprintf("%s[%d]", name, i), &items[i])
			break
		}
		out = append(out, args{v: items[i], in: in, nth: i + 1, err: a.err})
	}
	return out
}

// object returns a part, with no arguments when it is absent.
func (a *args) object(name string) args {
	v := a.get(name)
	if v == nil {
		v = &value{kind: kindObject}
	} else if v.kind != kindObject {
		a.wrongType(name, v)
	}
	return args{v: *v, in: a.path() + name + ".", err: a.err}
}

// tags returns a list of objects with key and value.
func (a *args) tags(name string) []lineage.Tag {
	var out []lineage.Tag
	for _, t := range a.objects(name) {
		out = append(out, lineage.Tag{Key: t.need("key"), Value: t.str("value")})
	}
	return out
}

// experimentID returns the id of the experiment that a request is about.
func (a *args) experimentID() string {
	id := a.need("experiment_id")
	if id != "" && strings.Trim(id, "0123456789") != "" {
		a.fail(badRequest("Invalid experiment ID '%s'. Experiment ID must be a valid integer.", cutEcho(id)))
	}
	return id
}

// version returns the number of a model version, which the wire has as text.
func (a *args) version() int {
	s := a.need("version")
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		a.fail(badRequest("Parameter 'version' must be an integer, got '%s'.", cutEcho(s)))
	}
	return n
}

func cutEcho(s string) string {
	if len(s) > maxEcho {
		s = strings.ToValidUTF8(s[:maxEcho], "") + "…"
	}
	return s
}

// done returns the first mistake, after all arguments are read.
func (a *args) done() error { return *a.err }
