package server

import (
	"context"
	"regexp"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/query/tree"
)

// What the web UI offers: the metrics, params and tags that there are, and the
// values that they have.

const (
	maxUIFields = 2000 // of a page
	maxUIValues = 200
	fieldsTime  = 2 * time.Second
)

type uiField struct {
	Entity string `json:"entity"`
	Key    string `json:"key"`
	Text   string `json:"text"` // as a query has it
	Runs   int    `json:"runs"`
	Varies bool   `json:"varies"`
}

var entities = map[string]tree.Entity{"metrics": tree.Metric, "params": tree.Param, "tags": tree.Tag}

// uiFields lists what the runs of some experiments have.
func (s *Server) uiFields(ctx context.Context, a args) (any, error) {
	scope := s.uiScope(&a)
	opt := &runstone.FieldOptions{
		Experiments: scope.Experiments, View: scope.View, Match: a.str("match"), Varying: a.bool("varying"),
		Offset: int(a.int("offset", 0)), Limit: a.cappedResults(500, maxUIFields), Time: fieldsTime,
	}
	if list := a.strs("entities"); len(list) > 0 {
		for _, e := range list {
			if entities[e] == 0 {
				a.fail(badRequest("'%s' is none of metrics, params and tags.", cutEcho(e)))
			}
		}
		opt.Entities = list
	}
	if opt.Limit <= 0 {
		a.fail(badRequest("A page has 1 to %d fields.", maxUIFields))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	page, err := s.db.RunFields(ctx, opt)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Fields  []uiField `json:"fields"`
		Total   int       `json:"total"`
		Runs    int       `json:"runs"`
		Partial bool      `json:"partial"`
	}{make([]uiField, len(page.Fields)), page.Total, page.Runs, page.Partial}
	for i, f := range page.Fields {
		text := tree.Text(&tree.Field{Entity: entities[f.Entity], Key: f.Key})
		answer.Fields[i] = uiField{f.Entity, f.Key, text, f.Runs, f.Varies}
	}
	return answer, nil
}

// uiValues lists the most frequent values of a field that contain a text.
func (s *Server) uiValues(ctx context.Context, a args) (any, error) {
	opt := s.uiScope(&a)
	opt.Time = fieldsTime
	name, match := a.need("field"), a.str("match")
	opt.Limit = a.cappedResults(20, maxUIValues)
	if opt.Limit <= 0 || len(match) > 200 {
		a.fail(badRequest("A list has 1 to %d values, which contain at most 200 bytes.", maxUIValues))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	it, err := parseColumn(name)
	if err != nil {
		return nil, err
	}
	f, ok := it.X.(*tree.Field)
	if !ok || f.Type() != tree.String {
		return nil, badRequest("'%s' is not a field of texts.", cutEcho(name))
	}
	q := tree.Query{Domain: tree.Runs, GroupBy: []tree.Expr{f}}
	count := &tree.Aggregate{Fn: tree.CountRows}
	q.Select = []tree.Item{{X: f, Name: tree.Text(f)}, {X: count, Name: tree.Text(count)}}
	q.OrderBy = []tree.Sort{{X: count, Desc: true}}
	q.Filter = &tree.Is{X: f, What: tree.Null, Not: true}
	if match != "" {
		q.Filter = &tree.Match{X: f, Kind: tree.IRegex, Pattern: regexp.QuoteMeta(match)}
	}
	page, partial, err := s.uiRows(ctx, q.String(), opt)
	if err != nil {
		return nil, err
	}
	return uiAnswer(page, partial), nil
}
