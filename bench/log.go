package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/artifact"
)

// Experiment is where benchmark runs go when nobody says.
const Experiment = "benchmarks"

// Artifact is the name of the file of a run that holds its text.
const Artifact = "bench.txt"

// Tags of a benchmark run beyond those that every run has.
const (
	TagFormat     = "runstone.bench" // "1": the run has an Artifact of this form
	TagCommitTime = "runstone.bench.commit-time"
	TagFailures   = "runstone.bench.failures" // lines of the text that report one
	tagCommit     = "mlflow.source.git.commit"
	tagBranch     = "mlflow.source.git.branch"
	tagSourceName = "mlflow.source.name"
	tagSourceType = "mlflow.source.type"
	tagDirty      = "runstone.git.dirty"
	tagHost       = "runstone.host"
	tagPlatform   = "runstone.platform"
	tagGo         = "runstone.go.version"
)

// LogOptions are for [Log]; nil is none of them.
type LogOptions struct {
	Experiment string // by name; "" is Experiment
	Name       string // of the run; "" is that of its commit, or made up
	Tags       map[string]string
}

// Log stores results as a run and returns its id: the text as the artifact
// [Artifact], which alone counts when it is read again; the file keys as
// params; the origin as tags; and each series as the metric [ID.Metric], with
// the repetition as the step. [Results.SetOrigin] tells a text where it is
// from.
//
// The id follows from the text, so that logging the same again makes no second
// run but fails with [runstone.ErrExists], and returns the id all the same. A
// run whose text reports a failure ends as FAILED.
func Log(ctx context.Context, db *runstone.DB, r *Results, opt *LogOptions) (string, error) {
	if opt == nil {
		opt = &LogOptions{}
	}
	run := newRun(r, &r.Origin, opt)
	sum := sha256.Sum256(r.text)
	run.ID = hex.EncodeToString(sum[:16])
	info, err := create(ctx, db, run)
	if errors.Is(err, runstone.ErrExists) {
		info, err = unfinished(ctx, db, run.ID, err)
	}
	if err != nil {
		return run.ID, err
	}
	err = fill(ctx, db, &info, r)
	end := runstone.RunUpdate{Status: runstone.Finished, End: r.Origin.End.UnixMilli()}
	if r.Origin.End.IsZero() {
		end.End = max(info.Start, 1)
	}
	if err != nil || len(r.Failures) > 0 {
		end.Status = runstone.Failed
	}
	if _, uerr := db.UpdateRun(context.WithoutCancel(ctx), info.ID, end); err == nil {
		err = uerr
	}
	return info.ID, err
}

// create makes a run. A shared database hears of a run that is there only when
// its owner takes the change, so it is asked first.
func create(ctx context.Context, db *runstone.DB, run runstone.NewRun) (runstone.RunInfo, error) {
	if db.Shared() {
		_, err := db.RunInfo(ctx, run.ID)
		switch {
		case err == nil:
			return runstone.RunInfo{}, fmt.Errorf("run %s: %w", run.ID, runstone.ErrExists)
		case !errors.Is(err, runstone.ErrNotFound):
			return runstone.RunInfo{}, err
		}
	}
	return db.CreateRun(ctx, run)
}

// unfinished returns a run that is there already when what logged it was
// stopped on the way, and otherwise the error that it is there.
func unfinished(ctx context.Context, db *runstone.DB, id string, exists error) (runstone.RunInfo, error) {
	info, err := db.RunInfo(ctx, id)
	if err != nil {
		return info, err
	}
	if info.Status != runstone.Running || info.Deleted {
		return info, exists
	}
	return info, nil
}

func newRun(r *Results, o *Origin, opt *LogOptions) runstone.NewRun {
	n := runstone.NewRun{Experiment: opt.Experiment, Name: opt.Name, User: userName(), Start: o.Start.UnixMilli()}
	if n.Experiment == "" {
		n.Experiment = Experiment
	}
	if o.Start.IsZero() {
		n.Start = 0
	}
	if n.Name == "" && o.Commit != "" {
		n.Name = o.Commit[:min(12, len(o.Commit))]
		if o.Dirty == "true" {
			n.Name += "+changes"
		}
	}
	tags := originTags(r, o)
	tags[runstone.TagUser] = n.User
	for k, v := range opt.Tags {
		tags[k] = v
	}
	for k, v := range tags {
		if v != "" {
			n.Tags = append(n.Tags, runstone.KV{Key: k, Value: v})
		}
	}
	slices.SortFunc(n.Tags, func(a, b runstone.KV) int { return strings.Compare(a.Key, b.Key) })
	return n
}

func originTags(r *Results, o *Origin) map[string]string {
	tags := map[string]string{
		TagFormat: "1", tagSourceName: "go test -bench", tagSourceType: "LOCAL",
		tagCommit: o.Commit, tagBranch: o.Branch, tagDirty: o.Dirty, tagHost: o.Host, tagGo: o.Go,
	}
	if !o.CommitTime.IsZero() {
		tags[TagCommitTime] = o.CommitTime.Format(time.RFC3339)
	}
	if os, arch := r.Keys["goos"], r.Keys["goarch"]; os != "" && arch != "" {
		tags[tagPlatform] = os + "/" + arch
		if o.CPUs > 0 {
			tags[tagPlatform] += fmt.Sprintf(", %d CPUs", o.CPUs)
		}
	}
	if len(r.Failures) > 0 {
		tags[TagFailures] = fmt.Sprint(len(r.Failures))
	}
	return tags
}

func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// fill puts text, params and metrics into a run. What is there already stays.
func fill(ctx context.Context, db *runstone.DB, info *runstone.RunInfo, r *Results) error {
	if err := putText(ctx, db, info, r.text); err != nil {
		return err
	}
	have, err := db.Metrics(ctx, info.ID)
	if err != nil && !db.Shared() { // a shared database may not see the run yet
		return err
	}
	if len(have) > 0 {
		return nil
	}
	b := runstone.Batch{Metrics: points(r, info.Start)}
	for k, v := range r.Keys {
		b.Params = append(b.Params, runstone.KV{Key: Escape(k), Value: v})
	}
	slices.SortFunc(b.Params, func(a, b runstone.KV) int { return strings.Compare(a.Key, b.Key) })
	return db.LogBatch(ctx, info.ID, b)
}

func putText(ctx context.Context, db *runstone.DB, info *runstone.RunInfo, text []byte) error {
	l, err := artifact.ParseLocation(info.ArtifactURI)
	if err != nil {
		return err
	}
	name, err := artifact.ParsePath(Artifact)
	if err != nil {
		return err
	}
	p, err := l.Path.Join(name)
	if err != nil {
		return err
	}
	_, err = db.PutArtifact(ctx, p.String(), bytes.NewReader(text), artifact.PutOptions{})
	return err
}

// points are the measurements, by repetition and then by series: those of one
// repetition share their step and time on disk.
func points(r *Results, at int64) []runstone.Metric {
	names := make([]string, len(r.Series))
	longest, total := 0, 0
	for i, s := range r.Series {
		names[i] = s.Metric()
		longest, total = max(longest, len(s.Values)), total+len(s.Values)
	}
	out := make([]runstone.Metric, 0, total)
	for step := range longest {
		for i, s := range r.Series {
			if step < len(s.Values) {
				out = append(out, runstone.Metric{Name: names[i], Value: s.Values[step], Step: int64(step), Time: max(at, 0)})
			}
		}
	}
	return out
}

// ErrNotBenchmark is what Load returns for a run without a text of benchmark
// results.
var ErrNotBenchmark = errors.New("not a benchmark run")

// Load returns the results of a run, from its text. Errors: those of [Parse],
// [ErrNotBenchmark], [runstone.ErrNotFound] for the run.
func Load(ctx context.Context, db *runstone.DB, run string) (*Results, error) {
	f, err := db.OpenArtifact(ctx, run, Artifact)
	if errors.Is(err, artifact.ErrNotFound) {
		return nil, fmt.Errorf("run %s: %w: it has no file %s", run, ErrNotBenchmark, Artifact)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := Parse(io.Reader(f))
	if err != nil {
		return nil, fmt.Errorf("run %s: %s: %w", run, Artifact, err)
	}
	return r, nil
}

// Runs iterates over the benchmark runs of an experiment, the newest first.
// fn returns false to stop. An experiment that is not there has none.
func Runs(ctx context.Context, db *runstone.DB, experiment string, fn func(*runstone.RunData) bool) error {
	if experiment == "" {
		experiment = Experiment
	}
	e, err := db.ExperimentByName(ctx, experiment)
	if errors.Is(err, runstone.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	opt := &runstone.SearchOptions{Experiments: []string{e.ID}}
	for r, err := range db.Search(ctx, "tags.`"+TagFormat+"` = '1'", opt) {
		if err != nil {
			return err
		}
		if !fn(r) {
			return nil
		}
	}
	return nil
}
