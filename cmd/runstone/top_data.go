package main

import (
	"cmp"
	"context"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
)

// What "runstone top" shows of a database at a moment.

const (
	systemPrefix = "system/" // of metrics of the machine, as MLflow names them
	topSparkSize = 16        // columns of a sparkline
	topNames     = 200       // metrics that m goes through
	paceWindow   = 5 * time.Second
)

// topRun is a run as it was read.
type topRun struct {
	*runstone.RunData
	experiment string // its name
	points     int64
	step       int64   // the greatest of its metrics, but those of the machine
	pace       float64 // points per second: of the last seconds while it runs, else on the whole
	spark      []float64
}

// topData is what is seen at once.
type topData struct {
	at      time.Time
	took    time.Duration
	runs    []*topRun // those that run first, then the newest
	total   int       // how many match
	names   []string  // metrics, those of most runs first
	detail  *topRun   // the run that is looked at alone
	buckets []runstone.Bucket
	sparks  map[string][]float64 // of the detail's metrics
}

// topAsk is what is to be read.
type topAsk struct {
	filter string
	metric string // for sparklines; "" is the first of names
	detail string // id of a run that is looked at alone
	curve  string // its metric that is drawn
	seen   []string
}

// topLoader reads a database again and again.
type topLoader struct {
	dir         string
	experiments []string // names or ids
	limit       int
	paces       map[string][]paceMark // by run
	sparks      map[string]keptSpark  // by run and metric
	known       map[string]string     // experiments by id
}

// paceMark is how many points there were at a moment.
type paceMark struct {
	at     time.Time
	points int64
}

type keptSpark struct {
	count  int64
	values []float64
}

func newTopLoader(dir string, experiments []string, limit int) *topLoader {
	return &topLoader{dir: dir, experiments: experiments, limit: limit,
		paces: map[string][]paceMark{}, sparks: map[string]keptSpark{}, known: map[string]string{}}
}

// topFilter refuses a query that is more than a condition.
func topFilter(text string) error {
	q, err := query.Parse(tree.Runs, text)
	if err != nil {
		return err
	}
	if q.Select != nil || q.GroupBy != nil || q.OrderBy != nil || q.Limit > 0 || q.Offset > 0 {
		return refusedf("leave out SELECT, GROUP BY, ORDER BY and LIMIT", "only a condition chooses what is watched")
	}
	return nil
}

// load reads a private copy of the database as it is now, beside whoever writes.
func (l *topLoader) load(ctx context.Context, ask *topAsk) (*topData, error) {
	if err := topFilter(ask.filter); err != nil {
		return nil, err
	}
	d := &topData{at: time.Now(), sparks: map[string][]float64{}}
	err := with(ctx, l.dir, &runstone.Options{ReadOnly: true, SearchCache: 1}, func(ctx context.Context, db *runstone.DB) error {
		return l.fill(ctx, db, ask, d)
	})
	d.took = time.Since(d.at)
	return d, err
}

func (l *topLoader) fill(ctx context.Context, db *runstone.DB, ask *topAsk, d *topData) error {
	opt := runstone.SearchOptions{Limit: l.limit}
	for _, name := range l.experiments {
		e, err := findExperiment(ctx, db, name)
		if err != nil {
			return err
		}
		opt.Experiments = append(opt.Experiments, e.ID)
	}
	running := "status = 'RUNNING'"
	if ask.filter != "" {
		running = "(" + ask.filter + ") AND " + running
	}
	first, err := db.SearchRuns(ctx, running, &opt)
	if err != nil {
		return err
	}
	opt.Total = true
	newest, err := db.SearchRuns(ctx, ask.filter, &opt)
	if err != nil {
		return err
	}
	d.total = newest.Total
	seen := map[string]bool{}
	for _, r := range slices.Concat(first.Items, newest.Items) {
		if seen[r.ID] || len(d.runs) == l.limit && r.ID != ask.detail {
			continue
		}
		seen[r.ID] = true
		t, err := l.run(ctx, db, r, d.at)
		if err != nil {
			return err
		}
		d.runs = append(d.runs, t)
	}
	d.names = commonMetrics(d.runs)
	if ask.detail != "" {
		return l.fillDetail(ctx, db, ask, d)
	}
	metric := ask.metric
	if metric == "" && len(d.names) > 0 {
		metric = d.names[0]
	}
	for _, r := range d.runs {
		if r.spark, err = l.spark(ctx, db, r, metric); err != nil {
			return err
		}
	}
	l.forget(seen)
	return nil
}

// fillDetail reads the run that is looked at alone, also when it is not listed.
func (l *topLoader) fillDetail(ctx context.Context, db *runstone.DB, ask *topAsk, d *topData) error {
	if i := slices.IndexFunc(d.runs, func(r *topRun) bool { return r.ID == ask.detail }); i >= 0 {
		d.detail = d.runs[i]
	} else {
		r, err := db.Run(ctx, ask.detail)
		if err != nil {
			return err
		}
		if d.detail, err = l.run(ctx, db, r, d.at); err != nil {
			return err
		}
	}
	for _, name := range ask.seen {
		values, err := l.spark(ctx, db, d.detail, name)
		if err != nil {
			return err
		}
		d.sparks[name] = values
	}
	if ask.curve == "" {
		return nil
	}
	var err error
	d.buckets, err = db.Downsample(ctx, ask.detail, ask.curve, runstone.AllPoints(), smoothBuckets)
	return err
}

func (l *topLoader) run(ctx context.Context, db *runstone.DB, r *runstone.RunData, now time.Time) (*topRun, error) {
	t := &topRun{RunData: r, step: math.MinInt64}
	for i := range r.Metrics {
		m := &r.Metrics[i]
		t.points += m.Count
		if !strings.HasPrefix(m.Metric, systemPrefix) {
			t.step = max(t.step, m.Latest.Step)
		}
	}
	name, ok := l.known[r.ExperimentID]
	if !ok {
		e, err := db.Experiment(ctx, r.ExperimentID)
		if err != nil {
			return nil, err
		}
		name = e.Name
		l.known[r.ExperimentID] = name
	}
	t.experiment = name
	t.pace = l.pace(t, now)
	return t, nil
}

// pace is how many points per second came in during the last seconds, or on the
// whole when the run has ended or was not seen before.
func (l *topLoader) pace(t *topRun, now time.Time) float64 {
	if t.Status == runstone.Running {
		marks := append(l.paces[t.ID], paceMark{now, t.points})
		for len(marks) > 2 && now.Sub(marks[1].at) >= paceWindow {
			marks = marks[1:]
		}
		l.paces[t.ID] = marks
		if span := now.Sub(marks[0].at); span >= time.Second/2 {
			return float64(t.points-marks[0].points) / span.Seconds()
		}
	}
	if s := t.Duration(now).Seconds(); s > 0 {
		return float64(t.points) / s
	}
	return math.NaN()
}

// spark returns the last value of each part of a metric.
func (l *topLoader) spark(ctx context.Context, db *runstone.DB, r *topRun, metric string) ([]float64, error) {
	i := slices.IndexFunc(r.Metrics, func(m runstone.MetricSummary) bool { return m.Metric == metric })
	if i < 0 {
		return nil, nil
	}
	key, count := r.ID+"\x00"+metric, r.Metrics[i].Count
	if kept, ok := l.sparks[key]; ok && kept.count == count {
		return kept.values, nil
	}
	found, err := db.Downsample(ctx, r.ID, metric, runstone.AllPoints(), topSparkSize)
	if err != nil {
		return nil, err
	}
	values := make([]float64, len(found))
	for i := range found {
		values[i] = found[i].Last.Value
	}
	l.sparks[key] = keptSpark{count, values}
	return values, nil
}

// forget drops what is known of runs that are not listed any more.
func (l *topLoader) forget(seen map[string]bool) {
	for id := range l.paces {
		if !seen[id] {
			delete(l.paces, id)
		}
	}
	for key := range l.sparks {
		if id, _, _ := strings.Cut(key, "\x00"); !seen[id] {
			delete(l.sparks, key)
		}
	}
}

// commonMetrics are the metrics of runs, but those of the machine: curves before
// single values, and of these what most runs have first.
func commonMetrics(runs []*topRun) []string {
	counts, curves := map[string]int{}, map[string]int{}
	for _, r := range runs {
		last := ""
		for i := range r.Metrics {
			if name := r.Metrics[i].Metric; name != last && !strings.HasPrefix(name, systemPrefix) {
				counts[name]++
				last = name
				if r.Metrics[i].Count > 1 {
					curves[name] = 1
				}
			}
		}
	}
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(curves[b], curves[a]), cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	return names[:min(len(names), topNames)]
}

// system returns the greatest of the last values of metrics of the machine whose
// names match a pattern of package path.
func (r *topRun) system(pattern string) (float64, bool) {
	found, greatest := false, 0.0
	for i := range r.Metrics {
		m := &r.Metrics[i]
		if ok, _ := path.Match(systemPrefix+pattern, m.Metric); ok && (!found || m.Latest.Value > greatest) {
			found, greatest = true, m.Latest.Value
		}
	}
	return greatest, found
}
