package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/runstonedb/runstone/bench/load"
)

// bearing puts the workloads to a running server, one after the other.
type bearing struct {
	p           *process
	writing     time.Duration // how long each of them lasts
	history     int
	names       string // see programs.loads
	workload    load.Runs
	experiments []string // of the runs that are searched
	mine        string   // the experiment that is written to
	v           *served
}

// worker is one client of a workload: it returns what one more request was worth
// in units.
type worker struct {
	c    *client
	once func(i int) (units int, err error)
	done int // requests
	took []time.Duration
}

// manyClients is how many clients there are where there is not one.
const manyClients = 8

// all measures every workload with one client and with many. A workload whose
// answers are wrong says so in its place.
func (b *bearing) all(ctx context.Context) error {
	c, err := b.p.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if b.mine, err = c.createExperiment("load"); err != nil {
		return err
	}
	for _, w := range []struct {
		name    string
		measure func(ctx context.Context, name string, clients int) (*serverLoad, error)
	}{
		{"log-metric", b.singles}, {"log-batch of 1,000", b.batches}, {"create + 23 fields", b.creations},
		{"search, filter", b.filter}, {"search, newest", b.newest}, {fmt.Sprintf("history of %s", count(b.history)), b.long},
	} {
		if !slices.ContainsFunc(strings.Split(b.names, ","), func(begin string) bool { return strings.HasPrefix(w.name, begin) }) {
			continue
		}
		for _, clients := range []int{1, manyClients} {
			l, err := w.measure(ctx, w.name, clients)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				l = &serverLoad{Name: w.name, Clients: clients, Failed: err.Error()}
			}
			b.v.Loads = append(b.v.Loads, *l)
			b.v.Memory = max(b.v.Memory, b.p.memory())
		}
	}
	return nil
}

// most is how many requests a client makes at most, so that what was written can
// be read back in the time that there is.
const most = 20_000

// run lets clients make their requests for a while, each the next when it has
// the answer to the last.
func (b *bearing) run(ctx context.Context, name string, clients, atMost int, prepare func(k int, c *client) (func(i int) (int, error), error)) (*serverLoad, error) {
	workers := make([]worker, clients)
	for k := range workers {
		c, err := b.p.dial()
		if err != nil {
			return nil, err
		}
		defer c.Close()
		workers[k].c = c
		if workers[k].once, err = prepare(k, c); err != nil {
			return nil, err
		}
	}
	l := &serverLoad{Name: name, Clients: clients}
	errs, units := make([]error, clients), make([]int, clients)
	began := time.Now()
	var wg sync.WaitGroup
	for k := range workers {
		wg.Go(func() {
			w := &workers[k]
			for i := 0; i < atMost && (i == 0 || time.Since(began) < b.writing) && ctx.Err() == nil; i++ {
				before := w.c.tookAll
				n, err := w.once(i)
				if err != nil {
					errs[k] = err
					return
				}
				units[k] += n
				w.took = append(w.took, w.c.tookAll-before)
			}
		})
	}
	wg.Wait()
	l.Wall = time.Since(began)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var took []time.Duration
	for k := range workers {
		took = append(took, workers[k].took...)
		l.Units += units[k]
	}
	slices.Sort(took)
	l.Requests = len(took)
	l.P50, l.P99 = took[len(took)/2], took[len(took)*99/100]
	return l, nil
}

// startTime is when the points and runs of the workloads begin, Unix ms.
const startTime = 1_770_000_000_000

// valueOf is the value of a metric at a step: all bits in use, and known again.
func valueOf(metric int, step int64) float64 {
	return 1 / (1 + float64(metric) + float64(step%1009)/7)
}

// valueTexts are the values of metric 0..9 as JSON.
func valueTexts() (out [10][1009]string) {
	for m := range out {
		for s := range out[m] {
			out[m][s] = strconv.FormatFloat(valueOf(m, int64(s)), 'g', -1, 64)
		}
	}
	return out
}

func appendPoint(b []byte, key, value string, step int64) []byte {
	b = append(append(append(b, `"key": "`...), key...), `", "value": `...)
	b = append(append(b, value...), `, "timestamp": `...)
	b = strconv.AppendInt(b, startTime+step, 10)
	return strconv.AppendInt(append(b, `, "step": `...), step, 10)
}

// singles logs one point of one metric for each request, each client to a run
// of its own.
func (b *bearing) singles(ctx context.Context, name string, clients int) (*serverLoad, error) {
	texts := valueTexts()
	runs, logged := make([]string, clients), make([]int, clients)
	l, err := b.run(ctx, name, clients, most, func(k int, c *client) (func(int) (int, error), error) {
		id, err := c.createRun(b.mine, fmt.Sprint("single-", k), startTime, nil)
		runs[k] = id
		var body []byte
		return func(i int) (int, error) {
			body = append(append(append(body[:0], `{"run_id": "`...), id...), `", `...)
			body = append(appendPoint(body, "loss", texts[0][i%1009], int64(i)), '}')
			_, err := c.post("runs/log-metric", body)
			logged[k]++
			return 1, err
		}, err
	})
	if err != nil {
		return nil, err
	}
	for k, id := range runs {
		if err := b.check(id, 0, "loss", logged[k]); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// batches logs 100 steps of ten metrics for each request, each client to a run
// of its own.
func (b *bearing) batches(ctx context.Context, name string, clients int) (*serverLoad, error) {
	texts := valueTexts()
	runs, logged := make([]string, clients), make([]int, clients)
	l, err := b.run(ctx, name, clients, most/100, func(k int, c *client) (func(int) (int, error), error) {
		id, err := c.createRun(b.mine, fmt.Sprint("batch-", k), startTime, nil)
		runs[k] = id
		var body []byte
		return func(i int) (int, error) {
			body = appendBatch(body[:0], &texts, id, 10, 100, int64(i)*100)
			_, err := c.post("runs/log-batch", body)
			logged[k]++
			return 1000, err
		}, err
	})
	if err != nil {
		return nil, err
	}
	for k, id := range runs {
		for _, m := range []int{0, 9} {
			if err := b.check(id, m, fmt.Sprint("metric-", m), logged[k]*100); err != nil {
				return nil, err
			}
		}
	}
	return l, nil
}

func appendBatch(body []byte, texts *[10][1009]string, run string, metrics int, steps, first int64) []byte {
	body = append(append(append(body, `{"run_id": "`...), run...), `", "metrics": [`...)
	for step := first; step < first+steps; step++ {
		for m := range metrics {
			body = append(body, '{')
			body = append(appendPoint(body, "metric-"+strconv.Itoa(m), texts[m][step%1009], step), "}, "...)
		}
	}
	return append(body[:len(body)-2], "]}"...)
}

// check reads a metric back: as many points, each with its step, time and value.
func (b *bearing) check(run string, metric int, key string, want int) error {
	c, err := b.p.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	points, err := c.points(run, key)
	if err != nil {
		return err
	}
	slices.SortStableFunc(points, func(a, b wirePoint) int { return cmp.Compare(a.Step, b.Step) })
	if len(points) != want {
		return fmt.Errorf("%d points of %s were acknowledged and %d are there", want, key, len(points))
	}
	for i, p := range points {
		step := int64(i)
		if w := (wirePoint{key, valueOf(metric, step%1009), startTime + step, step}); p != w {
			return fmt.Errorf("point %d of %s is %+v and should be %+v", i, key, p, w)
		}
	}
	return nil
}

// creations makes runs: each is created with five tags and gets ten params and
// eight metrics by a batch, which are two requests.
func (b *bearing) creations(ctx context.Context, name string, clients int) (*serverLoad, error) {
	made := make([]int, clients)
	c, err := b.p.dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	experiment, err := c.createExperiment(fmt.Sprint("created-by-", clients))
	if err != nil {
		return nil, err
	}
	l, err := b.run(ctx, name, clients, most, func(k int, c *client) (func(int) (int, error), error) {
		return func(i int) (int, error) {
			f := b.workload.Run(k*most + i)
			id, err := c.createRun(experiment, f.Name, f.Start, append(pairs(&f, true), wirePair{"mlflow.user", load.RunsUser}))
			if err != nil {
				return 0, err
			}
			made[k]++
			return 1, c.call("runs/log-batch", fieldsOf(&f, id), nil)
		}, nil
	})
	if err != nil {
		return nil, err
	}
	want := map[string]load.RunFields{}
	for k, n := range made {
		for i := range n {
			f := b.workload.Run(k*most + i)
			want[f.Name] = f
		}
	}
	total := len(want)
	q := newest()
	q.limit = 1000
	for token := ""; ; {
		answer, err := c.searchAfter(q, []string{experiment}, token)
		if err != nil {
			return nil, err
		}
		var page wirePage
		if err := json.Unmarshal(answer, &page); err != nil {
			return nil, err
		}
		for i := range page.Runs {
			name := page.Runs[i].Info.Name
			f, ok := want[name]
			if !ok {
				return nil, fmt.Errorf("run %q is there and was not created, or is there twice", name)
			}
			delete(want, name)
			if err := sameFields(&page.Runs[i], &f); err != nil {
				return nil, err
			}
		}
		if token = page.Next; token == "" {
			break
		}
	}
	if len(want) > 0 {
		return nil, fmt.Errorf("%d of %d runs that were created are not there", len(want), total)
	}
	return l, nil
}

func (b *bearing) filter(ctx context.Context, name string, clients int) (*serverLoad, error) {
	return b.searches(ctx, name, clients, standard(), func(f *load.RunFields) (bool, float64) {
		return f.Metrics[0].Value > 0.9 && f.Params[0].Value == "0.01", f.Metrics[1].Value
	})
}

func (b *bearing) newest(ctx context.Context, name string, clients int) (*serverLoad, error) {
	return b.searches(ctx, name, clients, newest(), func(f *load.RunFields) (bool, float64) { return true, -float64(f.Start) })
}

// searches asks one question again and again. The first answer is compared with
// what is known of the runs, all others with the first.
func (b *bearing) searches(ctx context.Context, name string, clients int, q question, pass func(*load.RunFields) (bool, float64)) (*serverLoad, error) {
	type ranked struct {
		run load.RunFields
		by  float64
	}
	var want []ranked
	for i := range b.workload.Runs {
		f := b.workload.Run(i)
		if ok, by := pass(&f); ok {
			want = append(want, ranked{f, by})
		}
	}
	slices.SortFunc(want, func(a, b ranked) int { return cmp.Compare(a.by, b.by) })
	want = want[:min(len(want), q.limit)]
	return b.reads(ctx, name, clients, func(c *client) ([]byte, error) { return c.search(q, b.experiments) }, func(answer []byte) error {
		var page wirePage
		if err := json.Unmarshal(answer, &page); err != nil {
			return err
		}
		if len(page.Runs) != len(want) {
			return fmt.Errorf("%d runs found, and not %d", len(page.Runs), len(want))
		}
		for i := range want {
			if err := sameFields(&page.Runs[i], &want[i].run); err != nil {
				return fmt.Errorf("run %d of the answer: %w", i, err)
			}
		}
		return nil
	})
}

// long reads the history of a metric with many points again and again.
func (b *bearing) long(ctx context.Context, name string, clients int) (*serverLoad, error) {
	c, err := b.p.dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	run, err := c.createRun(b.mine, "long", startTime, nil)
	if err != nil {
		return nil, err
	}
	texts := valueTexts()
	var body []byte
	for at := 0; at < b.history; at += 1000 {
		body = appendBatch(body[:0], &texts, run, 1, int64(min(1000, b.history-at)), int64(at))
		if _, err := c.post("runs/log-batch", body); err != nil {
			return nil, err
		}
	}
	if err := b.check(run, 0, "metric-0", b.history); err != nil {
		return nil, err
	}
	return b.reads(ctx, name, clients, func(c *client) (all []byte, err error) {
		pages := 0
		err = c.history(run, "metric-0", func(page []byte) error {
			if pages++; pages == 1 {
				all = page // the usual case: there is one
			} else {
				all = append(slices.Clone(all), page...)
			}
			return nil
		})
		return all, err
	}, func([]byte) error { return nil })
}

// reads asks for one answer again and again.
func (b *bearing) reads(ctx context.Context, name string, clients int, ask func(*client) ([]byte, error), check func([]byte) error) (*serverLoad, error) {
	c, err := b.p.dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	answer, err := ask(c)
	if err != nil {
		return nil, err
	}
	want := slices.Clone(answer)
	if err := check(want); err != nil {
		return nil, err
	}
	return b.run(ctx, name, clients, most, func(_ int, c *client) (func(int) (int, error), error) {
		return func(int) (int, error) {
			answer, err := ask(c)
			if err == nil && !bytes.Equal(answer, want) {
				err = fmt.Errorf("an answer of %d bytes differs from the first, of %d", len(answer), len(want))
			}
			return 1, err
		}, nil
	})
}

// sameFields compares a run with what was logged.
func sameFields(r *wireRun, f *load.RunFields) error {
	if r.Info.Name != f.Name || r.Info.Start != f.Start {
		return fmt.Errorf("is %q of %d and should be %q of %d", r.Info.Name, r.Info.Start, f.Name, f.Start)
	}
	fields := map[string]string{}
	for _, p := range r.Data.Params {
		fields["param "+p.Key] = p.Value
	}
	for _, t := range r.Data.Tags {
		fields["tag "+t.Key] = t.Value
	}
	for _, kv := range f.Params {
		if v, ok := fields["param "+kv.Key]; !ok || v != kv.Value {
			return fmt.Errorf("%s: param %s is %q and should be %q", f.Name, kv.Key, v, kv.Value)
		}
	}
	for _, kv := range f.Tags {
		if v, ok := fields["tag "+kv.Key]; !ok || v != kv.Value {
			return fmt.Errorf("%s: tag %s is %q and should be %q", f.Name, kv.Key, v, kv.Value)
		}
	}
	points := map[string]wirePoint{}
	for _, m := range r.Data.Metrics {
		points[m.Key] = m
	}
	for _, m := range f.Metrics {
		if p := points[m.Name]; p != (wirePoint{m.Name, m.Value, m.Time, m.Step}) {
			return fmt.Errorf("%s: metric %s is %+v and should be %v at %d", f.Name, m.Name, p, m.Value, m.Step)
		}
	}
	return nil
}
