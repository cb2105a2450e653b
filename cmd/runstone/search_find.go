package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
)

// finder answers a query over things of one kind.
type finder func(ctx context.Context, db *runstone.DB, text string, fl *searchFlags) (*finding, error)

// searchKind is how things of one kind are found and shown.
type searchKind[T any] struct {
	domain tree.Domain
	noun   string
	search func(context.Context, *runstone.DB, string, *runstone.SearchOptions) (*runstone.Page[T], error)
	// columns are those of every list; row returns their cells.
	columns []string
	row     func(T) []any
	// view is what --json prints.
	view func(T) any
}

// find searches and, unless the query chooses columns by itself, also shows
// what it names: that is asked for with a SELECT.
func (k *searchKind[T]) find(ctx context.Context, db *runstone.DB, text string, fl *searchFlags) (*finding, error) {
	q, err := query.Parse(k.domain, text)
	if err != nil {
		return nil, err
	}
	opt := fl.opt
	opt.Total, opt.Explain = true, fl.explain
	if q.Limit > 0 && !fl.limited {
		opt.Limit = 0
	}
	own := len(q.Select)+len(q.GroupBy) > 0
	if !own {
		text = k.withNamed(text, q, opt.OrderBy)
	}
	page, err := k.search(ctx, db, text, &opt)
	f := &finding{noun: k.noun}
	var partial *runstone.PartialError
	if errors.As(err, &partial) && page != nil {
		f.partial = "the search ran into its bound of " + partial.Limit
	} else if err != nil {
		return nil, err
	}
	f.total, f.next, f.explain, f.hints = page.Total, page.Next, page.Explain, page.Hints
	if own {
		f.columns, f.rows = page.Columns, page.Table
		if len(q.GroupBy) > 0 {
			f.noun, f.perGroup = "group", q.PerGroup
		} else if !slices.Contains(f.columns, k.columns[0]) {
			f.columns = append([]string{k.columns[0]}, f.columns...)
			for i, item := range page.Items {
				f.rows[i] = append(k.row(item)[:1], f.rows[i]...)
			}
		}
		return f, nil
	}
	f.columns, f.objects = append(slices.Clone(k.columns), page.Columns...), []any{}
	for i, item := range page.Items {
		row := k.row(item)
		if i < len(page.Table) {
			row = append(row, page.Table[i]...)
		}
		f.rows, f.objects = append(f.rows, row), append(f.objects, k.view(item))
	}
	return f, nil
}

// withNamed adds a SELECT of the terms that the filter and the order name, and
// that the list does not show already. A query that does not take it stays.
func (k *searchKind[T]) withNamed(text string, q *tree.Query, orderBy []string) string {
	var terms []string
	add := func(text string, x tree.Expr) {
		for _, t := range namedTerms(text, x) {
			if !slices.Contains(k.columns, t) && !slices.Contains(terms, t) && len(terms) < query.MaxItems {
				terms = append(terms, t)
			}
		}
	}
	if q.Filter != nil {
		add(text, q.Filter)
	}
	for _, s := range q.OrderBy {
		add(text, s.X)
	}
	for _, clause := range orderBy {
		// A mistake in it is found when the search is made.
		sorts, err := query.ParseOrderBy(k.domain, []string{clause})
		if err == nil {
			for _, s := range sorts {
				add(clause, s.X)
			}
		}
	}
	if len(terms) == 0 {
		return text
	}
	with := text + " SELECT " + strings.Join(terms, ", ")
	if _, err := query.Parse(k.domain, with); err != nil {
		return text
	}
	return with
}

// namedTerms are the fields, and the functions of metrics, in an expression, as
// they stand in its text. Those of other runs and fields with several values
// are left out.
func namedTerms(text string, x tree.Expr) (terms []string) {
	tree.Walk(x, func(x tree.Expr) bool {
		switch f := x.(type) {
		case *tree.Relative, *tree.Quantified:
			return false
		case *tree.Field:
			if f.Many {
				return false
			}
		case *tree.Series:
		default:
			return true
		}
		if s := x.At(); s.Pos >= 0 && s.Pos < s.End && s.End <= len(text) {
			terms = append(terms, text[s.Pos:s.End])
		}
		return false
	})
	return terms
}
