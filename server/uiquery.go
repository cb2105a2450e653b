package server

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"
	"unicode/utf16"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
)

// The searches of the web UI: runs as columns, with any query and any values.
// See uipages.go for what they have in common.

// Limits of the web UI's searches.
const (
	maxUIRows    = 1000 // of a page
	maxUIColumns = 256  // that a page of runs is asked for
	uiTime       = 10 * time.Second
	uiBytes      = 512 << 20 // that a search may read and hold
	maxUIText    = 32 << 20  // bytes of the texts of an answer
)

// runColumns are in every answer, before those that were asked for.
var runColumns = [...]string{
	"run_id", "run_name", "status", "start_time", "end_time", "user_id", "experiment_id", "parent_id", "lifecycle_stage",
}

// perSelect is how many more columns go into one query.
const perSelect = query.MaxItems - len(runColumns)

// uiScope reads which runs a request is about.
func (s *Server) uiScope(a *args) *runstone.SearchOptions {
	ids := a.strs("experiment_ids")
	if len(ids) == 0 {
		a.missing("experiment_ids")
	}
	return &runstone.SearchOptions{
		Experiments: append([]string{}, ids...), View: a.view("view"), Time: s.uiTime, Bytes: uiBytes,
	}
}

// parseColumn reads the text of one column, which is any value of the language.
func parseColumn(text string) (tree.Item, error) {
	const before = "SELECT "
	q, err := query.Parse(tree.Runs, before+text)
	var p *query.ParseError
	switch {
	case errors.As(err, &p):
		p.Text, p.Pos, p.End = text, max(p.Pos-len(before), 0), max(p.End-len(before), 0)
		return tree.Item{}, err
	case err != nil:
		return tree.Item{}, err
	case len(q.Select) != 1 || q.Filter != nil || q.GroupBy != nil || q.OrderBy != nil || q.Limit > 0 || q.Offset > 0:
		return tree.Item{}, badRequest("A column is one value, which '%s' is not.", cutEcho(text))
	}
	q.Select[0].Name = tree.Text(q.Select[0].X)
	return q.Select[0], nil
}

// uiQuery answers a page of runs, or the table of a query with SELECT or GROUP BY.
// A text that cannot be read is no error of the page: the answer says where it is
// wrong, as that of uiCheck.
func (s *Server) uiQuery(ctx context.Context, a args) (any, error) {
	answer, err := s.uiRuns(ctx, a)
	var p *query.ParseError
	if errors.As(err, &p) {
		return struct {
			Problem *uiProblem `json:"problem"`
		}{newProblem(p)}, nil
	}
	return answer, err
}

func (s *Server) uiRuns(ctx context.Context, a args) (any, error) {
	opt := s.uiScope(&a)
	opt.OrderBy, opt.After = a.strs("order_by"), a.str("after")
	opt.Offset, opt.Limit = int(a.int("offset", 0)), a.cappedResults(100, maxUIRows)
	opt.Total, opt.Explain = a.bool("total"), a.bool("explain")
	text, columns := a.str("query"), a.strs("columns")
	nested, parent := a.bool("top_only"), a.str("parent_id")
	if opt.Limit <= 0 || len(columns) > maxUIColumns {
		a.fail(badRequest("A page has 1 to %d runs and at most %d columns.", maxUIRows, maxUIColumns))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	q, err := query.Parse(tree.Runs, text)
	if err != nil {
		return nil, err
	}
	if q.GroupBy != nil || q.Select != nil {
		return s.uiTable(ctx, text, opt)
	}
	if nested {
		q.Filter = both(q.Filter, &tree.Is{X: parentField(), What: tree.Null})
	}
	if parent != "" {
		q.Filter = both(q.Filter, &tree.Compare{Op: tree.Eq, L: parentField(), R: quoted(parent)})
	}
	if q.Limit > 0 { // later pages are of what the query's own limit leaves
		opt.Limit = min(opt.Limit, q.Limit-opt.Offset)
		if opt.Limit <= 0 || opt.After != "" {
			return uiAnswer(&runstone.Page[string]{Columns: runColumns[:], Total: q.Limit}, false), nil
		}
	}
	items := make([]tree.Item, 0, len(runColumns)+len(columns))
	for _, name := range runColumns {
		it, err := parseColumn(name)
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	for _, c := range columns {
		it, err := parseColumn(c)
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	var page *runstone.Page[string]
	partial := false
	if opt.Offset >= listFrom && opt.After == "" && q.Limit == 0 && q.Offset == 0 {
		if page, partial, err = s.uiDeep(ctx, q, opt, items); err != nil {
			return nil, err
		}
	}
	if page == nil {
		if page, partial, err = s.uiTop(ctx, q, opt, items); err != nil {
			return nil, err
		}
	}
	page.Columns = append(append([]string{}, runColumns[:]...), columns...)
	var parents []string
	if nested {
		var cut bool
		if parents, cut, err = s.uiParents(ctx, page, opt); err != nil {
			return nil, err
		}
		partial = partial || cut
	}
	if err := fits(page.Table); err != nil {
		return nil, err
	}
	return uiAnswer(page, partial, parents...), nil
}

// uiTop answers a page by ordering the runs up to it.
func (s *Server) uiTop(ctx context.Context, q *tree.Query, opt *runstone.SearchOptions, items []tree.Item) (*runstone.Page[string], bool, error) {
	first := min(len(items), query.MaxItems)
	q.Select = items[:first]
	page, partial, err := s.uiRows(ctx, q.String(), opt)
	if err != nil {
		return nil, false, err
	}
	if q.Limit > 0 { // a cursor knows nothing of how much of it is left
		page.Total, page.Next = min(page.Total, q.Limit), ""
	}
	for at := first; at < len(items); at += perSelect {
		cut, err := s.uiMore(ctx, page, items[at:min(at+perSelect, len(items))], opt)
		if err != nil {
			return nil, false, err
		}
		partial = partial || cut
	}
	return page, partial, nil
}

func parentField() tree.Expr {
	return &tree.Field{Entity: tree.Attribute, Key: "parent_id", Kind: tree.String}
}

func quoted(s string) *tree.Literal { return &tree.Literal{Kind: tree.String, Str: s, Quote: '\''} }

// both joins a filter, which may be nil, with a condition.
func both(filter, more tree.Expr) tree.Expr {
	if filter == nil {
		return more
	}
	return &tree.And{Kids: []tree.Expr{filter, more}}
}

// withIDs is the condition that a run is one of a page, whose first column is ids.
func withIDs(page *runstone.Page[string]) tree.Expr {
	ids := &tree.In{X: &tree.Field{Entity: tree.Attribute, Key: "run_id", Kind: tree.String}}
	for _, row := range page.Table {
		id, _ := row[0].(string)
		ids.Values = append(ids.Values, quoted(id))
	}
	return ids
}

// uiParents returns which runs of a page have others nested in them. partial is
// true where time ended before all were found.
func (s *Server) uiParents(ctx context.Context, page *runstone.Page[string], opt *runstone.SearchOptions) (ids []string, partial bool, err error) {
	if len(page.Table) == 0 {
		return nil, false, nil
	}
	kids := &tree.Relative{Kin: tree.AnyChild, X: &tree.Is{X: parentField(), What: tree.Null, Not: true}}
	q := tree.Query{Domain: tree.Runs, Filter: both(withIDs(page), kids)}
	found, partial, err := s.uiRows(ctx, q.String(), &runstone.SearchOptions{
		Experiments: opt.Experiments, View: opt.View, Time: opt.Time, Bytes: opt.Bytes,
	})
	if err != nil {
		return nil, false, err
	}
	return found.Items, partial, nil
}

// fits refuses rows whose texts are more than an answer holds: one long tag may be
// asked for in many columns.
func fits(rows [][]any) error {
	n := 0
	for _, row := range rows {
		for _, c := range row {
			if text, ok := c.(string); ok {
				n += len(text)
			}
		}
	}
	if n > maxUIText {
		return badRequest("The answer would hold more than %d MiB of texts: ask for fewer runs or columns.", maxUIText>>20)
	}
	return nil
}

// uiRows runs a search with SELECT. partial is true where it ended at its time.
func (s *Server) uiRows(ctx context.Context, text string, opt *runstone.SearchOptions) (page *runstone.Page[string], partial bool, err error) {
	if err := mayAsk(ctx, text, opt.OrderBy); err != nil {
		return nil, false, err
	}
	page, err = s.db.SearchRunIDs(ctx, text, opt)
	var p *runstone.PartialError
	if partial = errors.As(err, &p) && page != nil; partial {
		err = nil
	}
	if u := userOf(ctx); page != nil && u != nil && !u.SeesAll(access.Experiment) {
		page.Hints, page.Explain = nil, nil // they are of the names and values of all experiments
	}
	if err == nil && page != nil {
		err = fits(page.Table)
	}
	return page, partial, err
}

// uiMore adds columns to the rows of a page, which a query has no room for. partial
// is true where time ended before all rows had theirs.
func (s *Server) uiMore(ctx context.Context, page *runstone.Page[string], items []tree.Item, opt *runstone.SearchOptions) (partial bool, err error) {
	if len(page.Table) == 0 {
		return false, nil
	}
	id, err := parseColumn("run_id")
	if err != nil {
		return false, err
	}
	q := tree.Query{Domain: tree.Runs, Filter: withIDs(page), Select: append([]tree.Item{id}, items...)}
	more, partial, err := s.uiRows(ctx, q.String(), &runstone.SearchOptions{
		Experiments: opt.Experiments, View: opt.View, Time: opt.Time, Bytes: opt.Bytes,
	})
	if err != nil {
		return false, err
	}
	found := make(map[any][]any, len(more.Table))
	for _, row := range more.Table {
		found[row[0]] = row[1:]
	}
	for i, row := range page.Table {
		cells, ok := found[row[0]]
		if !ok { // it went away meanwhile
			cells = make([]any, len(items))
		}
		page.Table[i] = append(row, cells...)
	}
	return partial, nil
}

// uiTable answers a query that says itself which columns there are.
func (s *Server) uiTable(ctx context.Context, text string, opt *runstone.SearchOptions) (any, error) {
	page, partial, err := s.uiRows(ctx, text, opt)
	if err != nil {
		return nil, err
	}
	return uiAnswer(page, partial), nil
}

// uiAnswer writes a page column by column:
//
//	{"columns": ["run_id", …], "values": [["8f…", …], …], "rows": 100, "ids": true,
//	 "total": 2310, "next": "…", "partial": false, "hints": […],
//	 "parents": ["8f…"], "explain": {…}, "explained": "…"}
//
// total is -1 when it was not asked for. A value is null, a string, a number, a
// bool, or "NaN", "Infinity" and "-Infinity" in {"f": …}. parents are the runs that
// have others nested in them, where only top ones were asked for. ids says that the rows
// are runs whose first columns are runColumns.
func uiAnswer(page *runstone.Page[string], partial bool, parents ...string) prepared {
	b := []byte(`{"columns":[`)
	for i, c := range page.Columns {
		b = comma(b, i)
		b = appendString(b, c)
	}
	b = append(b, `],"values":[`...)
	for i := range page.Columns {
		b = comma(b, i)
		b = append(b, '[')
		for k, row := range page.Table {
			b = comma(b, k)
			b = appendCell(b, row[i])
		}
		b = append(b, ']')
	}
	b = append(b, `],"rows":`...)
	b = strconv.AppendInt(b, int64(len(page.Table)), 10)
	b = append(b, `,"ids":`...)
	b = strconv.AppendBool(b, len(page.Columns) >= len(runColumns) && page.Columns[0] == runColumns[0] && page.Columns[7] == runColumns[7])
	b = append(b, `,"total":`...)
	b = strconv.AppendInt(b, int64(page.Total), 10)
	b = append(b, `,"partial":`...)
	b = strconv.AppendBool(b, partial)
	b = append(b, `,"next":`...)
	b = appendString(b, page.Next)
	b = append(b, `,"hints":[`...)
	for i, h := range page.Hints {
		b = comma(b, i)
		b = appendString(b, h)
	}
	b = append(b, `],"parents":[`...)
	for i, id := range parents {
		b = comma(b, i)
		b = appendString(b, id)
	}
	b = append(b, ']')
	if page.Explain != nil {
		text, err := json.Marshal(page.Explain)
		if err == nil { // it holds numbers and texts only
			b = append(append(b, `,"explain":`...), text...)
			b = appendString(append(b, `,"explained":`...), page.Explain.String())
		}
	}
	return append(b, '}')
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

func appendCell(b []byte, c any) []byte {
	switch v := c.(type) {
	case string:
		return appendString(b, v)
	case float64:
		switch {
		case math.IsNaN(v), math.IsInf(v, 0):
			b = append(b, `{"f":"`...)
			return append(appendFloat(b, v), `"}`...)
		}
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case bool:
		return strconv.AppendBool(b, v)
	}
	return append(b, "null"...)
}

// uiProblem is what is wrong with a query, with places in units of UTF-16, which
// a browser counts in.
type uiProblem struct {
	Message string `json:"message"`
	Pos     int    `json:"pos"`
	End     int    `json:"end"`
	Hint    string `json:"hint,omitempty"`
}

// unit turns a place in bytes into one in units of UTF-16.
func unit(text string, at int) int { return len(utf16.Encode([]rune(text[:min(at, len(text))]))) }

func newProblem(e *query.ParseError) *uiProblem {
	message := e.Msg
	if len(message) > maxMessage {
		message = cutEcho(message)
	}
	return &uiProblem{message, unit(e.Text, e.Pos), unit(e.Text, e.End), e.Hint}
}

// uiClause is where a condition of a query stands that AND joins with others, in
// units of UTF-16. Loose ones need parentheses before they are joined with another.
type uiClause struct {
	Pos   int  `json:"pos"`
	End   int  `json:"end"`
	Loose bool `json:"loose,omitempty"`
}

func newClauses(text string) ([]uiClause, error) {
	found, err := query.Conjuncts(tree.Runs, text)
	out := make([]uiClause, len(found))
	for i, c := range found {
		out[i] = uiClause{unit(text, c.Pos), unit(text, c.End), c.Loose}
	}
	return out, err
}

// uiCheck says while a query is typed whether it can be read, where its conditions
// stand, and how many runs match.
func (s *Server) uiCheck(ctx context.Context, a args) (any, error) {
	opt := s.uiScope(&a)
	opt.Limit, opt.Total, opt.Time = 1, true, 2*time.Second
	text, columns := a.str("query"), a.strs("columns")
	if len(columns) > maxUIColumns {
		a.fail(badRequest("At most %d columns are checked.", maxUIColumns))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	type answer struct {
		Problem *uiProblem `json:"problem,omitempty"`
		Column  int        `json:"column"` // that the problem is of, or -1
		Text    string     `json:"text,omitempty"`
		Table   bool       `json:"table"` // the query says which columns there are
		Groups  bool       `json:"groups"`
		Total   int        `json:"total"`
		Partial bool       `json:"partial"`
		Hints   []string   `json:"hints,omitempty"`
		Clauses []uiClause `json:"clauses,omitempty"`
	}
	bad := func(err error, column int) (any, error) {
		var p *query.ParseError
		if errors.As(err, &p) {
			return answer{Problem: newProblem(p), Column: column, Total: -1}, nil
		}
		w := toWire(err)
		if w.status != http.StatusBadRequest {
			return nil, err
		}
		return answer{Problem: &uiProblem{Message: w.message}, Column: column, Total: -1}, nil
	}
	for i, c := range columns {
		if _, err := parseColumn(c); err != nil {
			return bad(err, i)
		}
	}
	q, err := query.Parse(tree.Runs, text)
	if err != nil {
		return bad(err, -1)
	}
	clauses, err := newClauses(text)
	if err != nil {
		return bad(err, -1)
	}
	page, partial, err := s.uiRows(ctx, text, opt)
	if err != nil {
		return bad(err, -1)
	}
	return answer{
		Column: -1, Text: q.String(), Table: q.Select != nil || q.GroupBy != nil, Groups: q.GroupBy != nil,
		Total: page.Total, Partial: partial, Hints: page.Hints, Clauses: clauses,
	}, nil
}
