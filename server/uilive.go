package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"slices"
	"time"

	"github.com/runstonedb/runstone"
)

// Live updates of the web UI, by server-sent events:
//
//	event: change
//	data: {"runs": ["8f…"], "list": true}
//
// runs are those whose points, name or status changed; list tells that a run of the
// experiments was made, deleted or restored. Who listens asks again for what it
// shows. The first event names the runs that have not ended: what was asked for while
// the listener came may lack their last points. A listener has no goroutine but that
// of its request, which looks twice a second, or less often where looking takes long.

const (
	maxListeners   = 64
	maxWatched     = 200 // runs of a listener
	livePeriod     = 500 * time.Millisecond
	liveShare      = 5 // looking takes at most this part of the time
	liveKeepalive  = 15 * time.Second
	liveTimeout    = 20 * time.Second // for taking an event
	liveEndedEvery = 8                // looks between two at runs that have ended
)

// livePath is where listeners come to, who have places of their own.
const livePath = "/live"

// stoppingKey is the context's key of a channel that is closed when Serve ends.
type stoppingKey struct{}

// watch is what a listener saw last.
type watch struct {
	s           *Server
	experiments []string
	runs        []string
	seed        maphash.Seed
	seen        map[string]uint64 // digest by run
	ended       map[string]bool
	total       int
	newest      string
	looks       int
}

type liveEvent struct {
	Runs []string `json:"runs"`
	List bool     `json:"list"`
}

func (s *Server) uiLive(w http.ResponseWriter, r *http.Request, _ string) {
	a := queryArgs(r)
	t := &watch{s: s, experiments: a.strs("experiment_ids"), runs: a.strs("run_ids"), seed: maphash.MakeSeed(), seen: map[string]uint64{}, ended: map[string]bool{}}
	if len(t.runs)+len(t.experiments) == 0 || len(t.runs) > maxWatched || len(t.experiments) > maxWatched {
		a.fail(badRequest("A listener hears of 1 to %d run_ids and experiment_ids each.", maxWatched))
	}
	err := a.done()
	var first liveEvent
	if err == nil {
		first, err = t.look(r.Context())
	}
	if err != nil {
		s.writeError(w, r, err, false)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // proxies pass events on at once
	c := http.NewResponseController(w)
	send := func(text string) bool {
		_ = c.SetWriteDeadline(time.Now().Add(liveTimeout)) // tests have no deadlines
		_, err := w.Write([]byte(text))
		return err == nil && c.Flush() == nil
	}
	if !send("retry: 2000\n\n" + first.text()) {
		return
	}
	stopping, _ := r.Context().Value(stoppingKey{}).(<-chan struct{})
	timer := time.NewTimer(livePeriod)
	defer timer.Stop()
	told := time.Now()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-stopping:
			return
		case <-timer.C:
		}
		if s.outdated(r.Context()) { // the listener comes again and says who it is
			return
		}
		begun := time.Now()
		e, err := t.look(r.Context())
		if err != nil { // the listener comes again and hears what is wrong
			return
		}
		text := e.text()
		if text == "" && time.Since(told) > liveKeepalive {
			text = ": alive\n\n"
		}
		if text != "" {
			told = time.Now()
			if !send(text) {
				return
			}
		}
		timer.Reset(max(livePeriod, liveShare*time.Since(begun)))
	}
}

// text is the event as it is sent, empty where nothing changed.
func (e liveEvent) text() string {
	if !e.List && len(e.Runs) == 0 {
		return ""
	}
	data, err := json.Marshal(e)
	if err != nil { // it holds ids only
		return ""
	}
	return fmt.Sprintf("event: change\ndata: %s\n\n", data)
}

// outdated reports whether users, or what they may, have changed since a request
// began.
func (s *Server) outdated(ctx context.Context) bool {
	u := userOf(ctx)
	if u == nil {
		return false
	}
	now, err := s.opt.Access.User(u.Name)
	return err != nil || now != u
}

// look returns what changed since the last look; the first, which runs have not
// ended.
func (t *watch) look(ctx context.Context) (e liveEvent, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	ids := t.runs
	if len(t.experiments) > 0 {
		page, err := t.search(ctx, "", 1)
		if err != nil {
			return e, err
		}
		newest := ""
		if len(page.Items) > 0 {
			newest = page.Items[0]
		}
		e.List = t.looks > 0 && (page.Total != t.total || newest != t.newest)
		t.total, t.newest = page.Total, newest
		running, err := t.search(ctx, "status = 'RUNNING'", maxWatched)
		if err != nil {
			return e, err
		}
		ids = slices.Concat(ids, running.Items)
		for id := range t.seen { // what ran at the last look has ended since
			if !t.ended[id] && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	for _, id := range ids {
		if t.ended[id] && t.looks%liveEndedEvery != 0 {
			continue
		}
		sum, ended, err := t.digest(ctx, id)
		if errors.Is(err, runstone.ErrNotFound) {
			continue
		}
		if err != nil {
			return e, err
		}
		old, known := t.seen[id]
		if (!known && (t.looks > 0 || !ended) || known && old != sum) && !slices.Contains(e.Runs, id) {
			e.Runs = append(e.Runs, id)
		}
		t.seen[id], t.ended[id] = sum, ended
	}
	t.looks++
	return e, nil
}

func (t *watch) search(ctx context.Context, text string, limit int) (*runstone.Page[string], error) {
	return t.s.db.SearchRunIDs(ctx, text, &runstone.SearchOptions{Experiments: t.experiments, Limit: limit, Total: limit == 1})
}

// digest sums up what there is of a run.
func (t *watch) digest(ctx context.Context, id string) (sum uint64, ended bool, err error) {
	info, err := t.s.db.RunInfo(ctx, id)
	if err != nil {
		return 0, false, err
	}
	metrics, err := t.s.db.Metrics(ctx, id)
	if err != nil {
		return 0, false, err
	}
	var h maphash.Hash
	h.SetSeed(t.seed)
	maphash.WriteComparable(&h, info)
	for i := range metrics {
		maphash.WriteComparable(&h, metrics[i].Count)
		maphash.WriteComparable(&h, metrics[i].Latest.Step)
	}
	return h.Sum64(), info.Status > runstone.Scheduled, nil
}
