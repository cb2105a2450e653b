package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const topLong = `Watch runs as they go: those that are running first, then the newest, with their
status, time, step, last values, the trend of a metric, points per second and,
where a run logs them, the metrics of its machine. Enter shows a run alone, with
the curve of each metric. The keys stand in the last line; ? lists them.

It reads the database beside whoever writes it, about twice a second, less often
where reading takes long, and changes nothing.

With --once, and where the answer goes elsewhere than to a terminal, it prints
one table and ends; with --json an array of objects.`

type topFlags struct {
	experiments, metrics []string
	filter               string
	limit                int
	once                 bool
}

// topPeriod is how long there is at least between two reads, and topShare which
// part of the time reading may take.
const (
	topPeriod = 500 * time.Millisecond
	topShare  = 3
	topPoll   = 100 * time.Millisecond // between looks at the size of the terminal
)

func (a *app) topCommand() *cobra.Command {
	var fl topFlags
	cmd := &cobra.Command{
		Use: "top", Short: "Watch runs in the terminal", Args: noArgs, Long: topLong,
		Example: `  runstone top
  runstone top --experiment diagnostics --metric val_loss --metric acc
  runstone top --filter "params.model = 'xgb' AND status = 'RUNNING'"
  runstone top --once --json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if fl.limit < 1 || fl.limit > 1000 {
				return usagef("--limit is 1 to 1000")
			}
			return a.runTop(cmd.Context(), &fl)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&fl.experiments, "experiment", "e", nil, "only runs of this experiment, by name or id; may be repeated")
	f.StringVar(&fl.filter, "filter", "", "only runs that match, see docs/QUERY.md")
	f.StringArrayVarP(&fl.metrics, "metric", "m", nil, "show this metric, the first with its trend; may be repeated (default: those that most runs have)")
	f.IntVar(&fl.limit, "limit", 50, "at most so many runs")
	f.BoolVar(&fl.once, "once", false, "print one table and end")
	a.completeFlag(cmd, "experiment", a.experimentNames)
	a.completeFlag(cmd, "metric", a.anyMetric)
	return cmd
}

// anyMetric completes the metrics that runs have.
func (a *app) anyMetric(ctx context.Context, db *runstone.DB, _ []string, prefix string) ([]string, error) {
	page, err := db.RunFields(ctx, &runstone.FieldOptions{Entities: []string{"metrics"}, Match: prefix, Limit: maxCompletions, Time: 2 * time.Second})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range page.Fields {
		if strings.HasPrefix(f.Key, prefix) {
			out = append(out, f.Key)
		}
	}
	return out, nil
}

func (a *app) runTop(ctx context.Context, fl *topFlags) error {
	dir, err := a.find()
	if err != nil {
		return err
	}
	m := &topModel{dir: dir, metrics: fl.metrics, filter: fl.filter}
	l := newTopLoader(dir, fl.experiments, fl.limit)
	// What is wrong with the arguments is told before there is a screen.
	ask := m.ask()
	data, err := l.load(ctx, &ask)
	if err != nil {
		return err
	}
	m.take(data)
	in, ok := a.in.(*os.File)
	if width, _ := a.terminal(); fl.once || a.json || width == 0 || !ok || !term.IsTerminal(int(in.Fd())) {
		return a.printTopRuns(m)
	}
	if err := a.stdout.Flush(); err != nil {
		return err
	}
	s, err := openScreen(in, a.out.(*os.File))
	if err != nil {
		return err
	}
	defer s.close() // also when there is a panic
	p := noPaint
	if a.colors() {
		p = paint
	}
	return watchTop(ctx, s, m, l, p)
}

// topAnswer is what a loader found.
type topAnswer struct {
	*topData
	err error
}

// watchTop draws and reads until the person quits or ctx ends. Its two goroutines,
// for keys and for the database, end before it does.
func watchTop(ctx context.Context, s *screen, m *topModel, l *topLoader, p painter) error {
	inner, cancel := context.WithCancel(ctx)
	keys, asks, answers := make(chan topKeys), make(chan topAsk, 1), make(chan topAnswer, 1)
	ended := make(chan struct{}, 2)
	go func() {
		defer func() { ended <- struct{}{} }()
		readKeys(inner, s.in, keys)
	}()
	go func() {
		defer func() { ended <- struct{}{} }()
		for ask := range asks {
			answers <- l.answer(inner, &ask)
		}
	}()
	defer func() {
		cancel()
		close(asks)
		for range 2 {
			<-ended
		}
	}()
	poll := time.NewTicker(topPoll)
	defer poll.Stop()
	reading, again, due := false, false, time.Now().Add(topPeriod)
	for {
		m.resize(s.size())
		if err := s.draw(m.lines(p)); err != nil {
			return err
		}
		if !reading && !time.Now().Before(due) {
			reading = true
			asks <- m.ask()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case k := <-keys:
			if k.err != nil {
				return k.err
			}
			for _, name := range k.names {
				if m.key(name) {
					again, due = reading, time.Now()
				}
			}
			if m.quit {
				return nil
			}
		case found := <-answers:
			m.answer(&found)
			reading, due = false, time.Now().Add(topPeriod)
			switch {
			case again: // it answers what was asked before a key
				again, due = false, time.Now()
			case found.topData != nil:
				due = time.Now().Add(max(topPeriod, (topShare-1)*found.took))
			}
		case <-poll.C:
		}
	}
}

// answer is load whose panics are errors: the screen must be left first.
func (l *topLoader) answer(ctx context.Context, ask *topAsk) (found topAnswer) {
	defer func() {
		if p := recover(); p != nil {
			found = topAnswer{err: &topPanic{fmt.Sprintf("%v\n%s", p, debug.Stack())}}
		}
	}()
	d, err := l.load(ctx, ask)
	if err != nil {
		d = nil
	}
	return topAnswer{d, err}
}

// topPanic is a mistake of the program while it read.
type topPanic struct{ text string }

func (p *topPanic) Error() string { return p.text }

// answer takes what was read, or why it was not.
func (m *topModel) answer(found *topAnswer) {
	var bug *topPanic
	switch {
	case errors.As(found.err, &bug):
		panic(bug.text)
	case found.err != nil:
		m.problem = oneLine(asFault(found.err).msg)
		if m.detail != "" && errors.Is(found.err, runstone.ErrNotFound) { // it was purged
			m.detail, m.curve = "", ""
		}
	default:
		m.take(found.topData)
	}
}

// topKeys are keys that came at once.
type topKeys struct {
	names []string
	err   error
}

// readKeys sends keys until ctx ends.
func readKeys(ctx context.Context, in *os.File, keys chan<- topKeys) {
	buf := make([]byte, 256)
	for ctx.Err() == nil {
		ready, err := awaitInput(in, topPoll)
		if err == nil && !ready {
			continue
		}
		n := 0
		if err == nil {
			n, err = in.Read(buf)
		}
		select {
		case keys <- topKeys{parseKeys(buf[:n]), err}:
		case <-ctx.Done():
		}
		if err != nil {
			return
		}
	}
}

// topRunView is a run as --json prints it.
type topRunView struct {
	ID         string            `json:"run_id"`
	Name       string            `json:"run_name"`
	Experiment string            `json:"experiment"`
	Status     string            `json:"status"`
	Start      int64             `json:"start_time"`
	End        *int64            `json:"end_time"`
	Duration   int64             `json:"duration_ms"`
	Step       *int64            `json:"step"`
	Points     int64             `json:"points"`
	Pace       *number           `json:"points_per_second"`
	Metrics    map[string]number `json:"metrics"` // last values
	Trend      []number          `json:"trend"`   // of the first metric
}

func viewTopRun(r *topRun, now time.Time) topRunView {
	v := topRunView{
		ID: r.ID, Name: r.Name, Experiment: r.experiment, Status: r.Status.String(), Start: r.Start,
		Duration: r.Duration(now).Milliseconds(), Points: r.points, Metrics: map[string]number{}, Trend: []number{},
	}
	if r.End != 0 {
		v.End = &r.End
	}
	if r.step != math.MinInt64 {
		v.Step = &r.step
	}
	if pace := number(r.pace); !math.IsNaN(r.pace) {
		v.Pace = &pace
	}
	for i := range r.Metrics {
		if last, ok := r.Metric(r.Metrics[i].Metric); ok {
			v.Metrics[r.Metrics[i].Metric] = number(last)
		}
	}
	for _, x := range r.spark {
		v.Trend = append(v.Trend, number(x))
	}
	return v
}

// printTop prints what there is now.
func (a *app) printTopRuns(m *topModel) error {
	rows := m.rows()
	if a.json {
		list := jsonList{a: a}
		for _, r := range rows {
			if err := list.add(viewTopRun(r, m.data.at)); err != nil {
				return err
			}
		}
		return list.end()
	}
	m.width = math.MaxInt32 // the table itself finds room
	cols := m.columns()
	var head []string
	for _, c := range cols {
		h := oneCell(c.head)
		if c.right {
			h = ">" + h
		}
		head = append(head, h)
	}
	t := newTable(head...)
	for _, r := range rows {
		cells := make([]string, len(cols))
		for i, c := range cols {
			cells[i] = c.cell(r)
		}
		t.add(cells...)
	}
	if n := len(rows); n < m.data.total {
		a.note("%d of %s; --limit shows more", n, plural(int64(m.data.total), "run"))
	}
	return a.print(t)
}
