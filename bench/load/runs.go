package load

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/runstonedb/runstone"
)

// Runs is a workload of very many finished runs that have one point of each
// metric, for searching: what matters of them is their fields.
//
// A run has 10 params with few values each, of which lr is '0.01' in a tenth of
// the runs; 8 metrics, of which auc is uniform from 0.5 to 1, so that a fifth
// are above 0.9, and loss is from 0 up without repetitions; and 5 tags, the
// name of the run among them. Runs are spread over ten experiments and start a
// second after one another. Everything about a run comes from its number.
type Runs struct {
	Runs int
	// Names is how many metric names there are in all of the runs: each run has
	// 20 of them, auc and loss among them. 0 is the eight that every run has.
	Names int
}

// RunFields is one run of [Runs].
type RunFields struct {
	ID, Name   string
	Experiment int   // its number
	Start, End int64 // Unix ms
	Params     []runstone.KV
	Tags       []runstone.KV // without the name
	Metrics    []runstone.Metric
}

// RunsUser is who the runs belong to.
const RunsUser = "load"

// experiments is how many experiments there are.
const experiments = 10

// Experiments returns the names of the experiments, by number.
func (w Runs) Experiments() []string {
	names := make([]string, experiments)
	for i := range names {
		names[i] = fmt.Sprintf("search-%d", i)
	}
	return names
}

// choices are the params and what they can be.
var choices = [...]struct {
	name   string
	values []string
}{
	{"lr", []string{"0.01", "0.1", "0.05", "0.02", "0.005", "0.002", "0.001", "0.0005", "0.0002", "0.0001"}},
	{"optimizer", []string{"sgd", "adam", "adamw", "lion"}},
	{"batch_size", []string{"16", "32", "64", "128", "256", "512"}},
	{"model", []string{"resnet18", "resnet50", "vit-s", "vit-b", "convnext", "mixer", "unet", "mlp"}},
	{"layers", []string{"2", "4", "6", "8", "12", "24"}},
	{"dropout", []string{"0.0", "0.1", "0.2", "0.3", "0.5"}},
	{"epochs", []string{"5", "10", "20", "50", "100"}},
	{"weight_decay", []string{"0.0", "1e-05", "0.0001", "0.001", "0.01", "0.1"}},
	{"schedule", []string{"constant", "linear", "cosine", "step"}},
	{"fold", []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}},
}

// marks are the tags and what they can be.
var marks = [...]struct {
	name   string
	values []string
}{
	{"mlflow.source.name", []string{"train.py", "sweep.py", "notebook.ipynb"}},
	{"team", []string{"vision", "language", "health", "robotics", "platform"}},
	{"host", []string{"gpu-01", "gpu-02", "gpu-03", "gpu-04", "gpu-05", "gpu-06", "gpu-07", "gpu-08"}},
	{"stage", []string{"explore", "tune", "final"}},
}

var latest = [...]string{"auc", "loss", "accuracy", "f1", "val_loss", "grad_norm", "throughput", "epoch_seconds"}

// perRun is how many metrics a run has where there are many names.
const perRun = 20

// Run returns run number i, from 0.
func (w Runs) Run(i int) RunFields {
	seed := random(uint64(i)*0xd1342543de82ef95 + 0x2545f4914f6cdd1d)
	r := random(seed.next()) // numbers that follow each other would share numbers
	f := RunFields{
		ID: fmt.Sprintf("%016x%016x", r.next(), r.next()), Name: "run-" + strconv.Itoa(i),
		Experiment: int(r.next() % experiments),
		Start:      1_760_000_000_000 + 1000*int64(i) + int64(r.next()%1000),
		Params:     make([]runstone.KV, len(choices)),
		Tags:       make([]runstone.KV, len(marks)),
	}
	f.End = f.Start + 1000 + int64(r.next()%3_600_000)
	for k, c := range choices {
		f.Params[k] = runstone.KV{Key: c.name, Value: c.values[r.next()%uint64(len(c.values))]}
	}
	for k, c := range marks {
		f.Tags[k] = runstone.KV{Key: c.name, Value: c.values[r.next()%uint64(len(c.values))]}
	}
	add := func(name string, v float64) {
		f.Metrics = append(f.Metrics, runstone.Metric{Name: name, Value: v, Step: 100, Time: f.End})
	}
	auc, loss := 0.5+r.uniform()/2, 4*r.uniform()
	add("auc", auc)
	add("loss", loss)
	if w.Names == 0 {
		add("accuracy", float64(r.next()%10_001)/10_000)
		add("f1", r.uniform())
		add("val_loss", float64(float32(loss*(1+0.1*r.uniform()))))
		add("grad_norm", float64(float32(1+0.3*r.normal())))
		add("throughput", 1000+500*r.uniform())
		add("epoch_seconds", float64(30+r.next()%600))
		return f
	}
	// The others follow each other in a ring of names, so that a name is on as
	// many runs as any.
	others := w.Names - 2
	first := int(r.next() % uint64(others))
	for k := range perRun - 2 {
		add(OtherMetric((first+k)%others), r.uniform())
	}
	return f
}

// OtherMetric is a name beside auc and loss where there are many, from 0.
func OtherMetric(k int) string { return fmt.Sprintf("eval/task-%05d", k) }

// ParamNames and TagNames are what every run has, MetricNames too where
// [Runs.Names] is 0.
func (Runs) ParamNames() (names []string) {
	for _, c := range choices {
		names = append(names, c.name)
	}
	return names
}

// TagNames returns the names of the tags, that of the run's name aside.
func (Runs) TagNames() (names []string) {
	for _, c := range marks {
		names = append(names, c.name)
	}
	return names
}

// MetricNames returns the names of the eight metrics.
func (Runs) MetricNames() []string { return latest[:] }

// uniform returns a number from 0 to 1, 1 excluded, with all its bits in use.
func (r *random) uniform() float64 { return float64(r.next()>>11) / (1 << 53) }

// loaders is how many runs are logged at the same time: what waits for the
// disk shares one write.
const loaders = 64

// Load logs the runs to db, many at the same time and so nearly in order, and
// returns the ids of the experiments by number.
func (w Runs) Load(ctx context.Context, db *runstone.DB) (ids []string, err error) {
	for _, name := range w.Experiments() {
		id, err := db.CreateExperiment(ctx, name, nil)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	var next atomic.Int64
	errs := make([]error, loaders)
	var wg sync.WaitGroup
	for k := range errs {
		wg.Go(func() {
			for errs[k] == nil {
				i := int(next.Add(1)) - 1
				if i >= w.Runs {
					return
				}
				f := w.Run(i)
				if errs[k] = f.log(ctx, db, ids[f.Experiment]); errs[k] != nil {
					next.Store(int64(w.Runs)) // the others stop too
				}
			}
		})
	}
	wg.Wait()
	return ids, errors.Join(errs...)
}

// log makes the run as a client does: start, fields, end.
func (f *RunFields) log(ctx context.Context, db *runstone.DB, experiment string) error {
	_, err := db.CreateRun(ctx, runstone.NewRun{
		ID: f.ID, ExperimentID: experiment, Name: f.Name, User: RunsUser, Start: f.Start, Tags: f.Tags,
	})
	if err == nil {
		err = db.LogBatch(ctx, f.ID, runstone.Batch{Metrics: f.Metrics, Params: f.Params})
	}
	if err == nil {
		_, err = db.UpdateRun(ctx, f.ID, runstone.RunUpdate{Status: runstone.Finished, End: f.End})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	return nil
}
