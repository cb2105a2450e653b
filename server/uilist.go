package server

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/internal/lru"
	"github.com/runstonedb/runstone/query/tree"
)

// Pages far down a table. A search finds the run at place 90,000 by ordering
// 90,000 runs, each time again, while a person scrolls through hundreds of such
// pages. So the ids that a search finds are kept in their order, and a page is read
// by the ids that stand at its place. What a page shows of its runs is always read
// anew; only which runs stand where may be as old as listFresh, or listAge where
// neither the number of runs nor the first of them has changed.

const (
	listFrom  = 2000             // places from which on a page is read from a list
	listFresh = time.Second      // for which a list is taken as it is
	listAge   = 20 * time.Second // after which it is made anew
	listBytes = 128 << 20        // of all lists
)

// uiList is the ids of the runs that a search found. It does not change.
type uiList struct {
	text    string // all ids, one behind the other
	ends    []uint32
	made    time.Time
	checked time.Time
}

type uiLists struct{ lru *lru.Cache[string, uiList] }

func newUILists() *uiLists { return &uiLists{lru.New[string, uiList](listBytes)} }

func (l *uiList) at(i int) string {
	from := uint32(0)
	if i > 0 {
		from = l.ends[i-1]
	}
	return l.text[from:l.ends[i]]
}

// listKey is what a list is of: two requests with one key ask for the same runs in
// the same order.
func listKey(q *tree.Query, opt *runstone.SearchOptions) string {
	// Quoted, so that no text can pass for two.
	return fmt.Sprintf("%d %q %q %q", opt.View, q.String(), opt.Experiments, opt.OrderBy)
}

// uiDeep answers a page by its place in a list; nil where there is none, because
// the search does not end in time or finds more than is kept. partial is true where
// time ended before all rows were read.
func (s *Server) uiDeep(ctx context.Context, q *tree.Query, opt *runstone.SearchOptions, items []tree.Item) (page *runstone.Page[string], partial bool, err error) {
	l, err := s.listOf(ctx, q, opt)
	if l == nil || err != nil {
		return nil, false, err
	}
	page = &runstone.Page[string]{Total: -1}
	if opt.Total {
		page.Total = len(l.ends)
	}
	for i := opt.Offset; i < min(opt.Offset+opt.Limit, len(l.ends)); i++ {
		page.Table = append(page.Table, []any{l.at(i)})
	}
	for at := 1; at < len(items); at += perSelect {
		cut, err := s.uiMore(ctx, page, items[at:min(at+perSelect, len(items))], opt)
		if err != nil {
			return nil, false, err
		}
		partial = partial || cut
		if at == 1 { // who went away since has no status, nor who was not read in time
			there := page.Table[:0]
			for _, row := range page.Table {
				if row[2] != nil {
					there = append(there, row)
				}
			}
			page.Table = there
		}
	}
	return page, partial, nil
}

// listOf returns the kept list of a search, made or made anew where need be.
func (s *Server) listOf(ctx context.Context, q *tree.Query, opt *runstone.SearchOptions) (*uiList, error) {
	key, now := listKey(q, opt), time.Now()
	search := *opt
	search.Offset, search.Limit, search.Explain = 0, 1, false
	search.Total = true
	if l, ok := s.lists.lru.Get(key); ok && now.Sub(l.made) < listAge {
		if now.Sub(l.checked) < listFresh {
			return &l, nil
		}
		first, partial, err := s.uiRows(ctx, q.String(), &search)
		if err != nil {
			return nil, err
		}
		if !partial && first.Total == len(l.ends) && (len(first.Items) == 0 || first.Items[0] == l.at(0)) {
			l.checked = now
			s.lists.put(key, l)
			return &l, nil
		}
	}
	search.Limit, search.Total = 0, false
	all, partial, err := s.uiRows(ctx, q.String(), &search)
	if err != nil || partial {
		return nil, err
	}
	var b strings.Builder
	l := uiList{ends: make([]uint32, len(all.Items)), made: now, checked: time.Now()}
	for i, id := range all.Items {
		b.WriteString(id)
		if b.Len() > listBytes {
			return nil, nil
		}
		l.ends[i] = uint32(b.Len())
	}
	l.text = b.String()
	s.lists.put(key, l)
	return &l, nil
}

func (c *uiLists) put(key string, l uiList) {
	c.lru.Put(key, l, int64(len(key)+len(l.text)+4*len(l.ends)))
}
