package runstone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/plan"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/runstonedb/runstone/store"
)

// searchRows answers a query over rows that are few enough to be read one by
// one. read adds those that the search may see, as long as its context lasts; item
// makes of a row what the page holds.
func searchRows[R plan.Row, T any](ctx context.Context, db *DB, q *tree.Query, opt *SearchOptions,
	read func(ctx context.Context, s *store.Store, tx *store.Tx, add func(R)) error, item func(R) T) (*Page[T], error) {
	var rows []R
	bounded, rest := ctx, *opt
	if opt.Time > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, opt.Time)
		defer cancel()
	}
	began := time.Now()
	s, done, err := db.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	err = s.View(bounded, func(tx *store.Tx) error {
		return read(bounded, s, tx, func(r R) { rows = append(rows, r) })
	})
	late := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	if err != nil && !late {
		return nil, err
	}
	if opt.Time > 0 { // what was read is searched if that is quickly done
		rest.Time = max(opt.Time-time.Since(began), rowsGrace)
	}
	found, err := rest.run(ctx, q, db.now(), plan.Rows(rows), &plan.Stats{})
	if found == nil {
		return nil, err
	}
	if late && err == nil {
		err = &PartialError{Limit: "time", Rows: len(rows)}
	}
	p, perr := newPage[T](found, func(row uint32) (string, error) {
		return fmt.Sprint(rows[row].Field(plan.Ref{Entity: tree.Attribute, Key: rowID[q.Domain]}).Any()), nil
	})
	if perr != nil {
		return nil, perr
	}
	for _, hit := range found.Hits {
		p.Items = append(p.Items, item(rows[hit.Row]))
	}
	return p, err
}

// rowsGrace is what a search may take of rows that took all its time to read.
const rowsGrace = 20 * time.Millisecond

// rowID is the attribute that names a row in a table.
var rowID = map[tree.Domain]string{
	tree.Experiments: "experiment_id", tree.RegisteredModels: "name", tree.ModelVersions: "name",
	tree.LoggedModels: "model_id", tree.Datasets: "name",
}

// SearchExperiments returns a page of the experiments that match a query.
// opt.Experiments is not used.
func (db *DB) SearchExperiments(ctx context.Context, text string, opt *SearchOptions) (*Page[*Experiment], error) {
	if opt == nil {
		opt = &SearchOptions{}
	}
	q, err := opt.parse(tree.Experiments, text)
	if err != nil {
		return nil, err
	}
	return searchRows(ctx, db, q, opt, func(ctx context.Context, _ *store.Store, tx *store.Tx, add func(*experimentFields)) error {
		last, err := tx.LastOrd(kindExperiment)
		if err != nil {
			return err
		}
		for ord := uint32(1); ord <= last; ord++ {
			e, err := experimentAt(tx, ord)
			if errors.Is(err, ErrNotFound) { // interned by lineage only
				continue
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			if opt.View.sees(e.Deleted) {
				add((*experimentFields)(e))
			}
		}
		return nil
	}, func(e *experimentFields) *Experiment { return (*Experiment)(e) })
}

// experimentFields is an experiment as a query sees it.
type experimentFields Experiment

// Field implements [plan.Row].
func (e *experimentFields) Field(ref plan.Ref) plan.Value {
	if ref.Entity == tree.Tag {
		if v, ok := e.Tags[ref.Key]; ok {
			return plan.Str(v)
		}
		return plan.Value{}
	}
	switch ref.Key {
	case "name":
		return plan.Str(e.Name)
	case "experiment_id":
		return plan.Str(e.ID)
	case "lifecycle_stage":
		return plan.Str(lifecycle(e.Deleted))
	case "creation_time":
		return plan.Whole(e.Created.UnixMilli())
	case "last_update_time":
		return plan.Whole(e.Updated.UnixMilli())
	}
	return plan.Value{}
}

func lifecycle(deleted bool) string {
	if deleted {
		return "deleted"
	}
	return "active"
}

// SearchModels returns a page of the registered models that match a query.
// MLflow's prompts are left out unless the query asks for them. opt.Experiments
// and opt.View are not used.
func (db *DB) SearchModels(ctx context.Context, text string, opt *SearchOptions) (*Page[*lineage.RegisteredModel], error) {
	if opt == nil {
		opt = &SearchOptions{}
	}
	q, err := opt.parse(tree.RegisteredModels, text)
	if err != nil {
		return nil, err
	}
	prompts := query.WantsPrompts(q)
	return searchRows(ctx, db, q, opt, func(ctx context.Context, _ *store.Store, tx *store.Tx, add func(*modelFields)) error {
		for m, err := range lineage.Models(tx) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			if prompts || !m.IsPrompt() {
				add((*modelFields)(m))
			}
		}
		return nil
	}, func(m *modelFields) *lineage.RegisteredModel { return (*lineage.RegisteredModel)(m) })
}

// modelFields is a registered model as a query sees it.
type modelFields lineage.RegisteredModel

// Field implements [plan.Row].
func (m *modelFields) Field(ref plan.Ref) plan.Value {
	if ref.Entity == tree.Tag {
		return tagOf(m.Tags, ref.Key)
	}
	switch ref.Key {
	case "name":
		return plan.Str(m.Name)
	case "creation_timestamp":
		return plan.Whole(m.CreatedAt)
	case "last_updated_timestamp":
		return plan.Whole(m.UpdatedAt)
	}
	return plan.Value{}
}

func tagOf(tags []lineage.Tag, key string) plan.Value {
	if v, ok := lineage.FindTag(tags, key); ok {
		return plan.Str(v)
	}
	return plan.Value{}
}

// SearchVersions returns a page of the model versions that match a query. See
// [DB.SearchModels] for prompts and options.
func (db *DB) SearchVersions(ctx context.Context, text string, opt *SearchOptions) (*Page[*lineage.ModelVersion], error) {
	if opt == nil {
		opt = &SearchOptions{}
	}
	q, err := opt.parse(tree.ModelVersions, text)
	if err != nil {
		return nil, err
	}
	prompts := query.WantsPrompts(q)
	return searchRows(ctx, db, q, opt, func(ctx context.Context, _ *store.Store, tx *store.Tx, add func(*versionFields)) error {
		for v, err := range lineage.Versions(tx) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			if prompts || !v.IsPrompt() {
				add((*versionFields)(v))
			}
		}
		return nil
	}, func(v *versionFields) *lineage.ModelVersion { return (*lineage.ModelVersion)(v) })
}

// versionFields is a model version as a query sees it.
type versionFields lineage.ModelVersion

// Field implements [plan.Row].
func (v *versionFields) Field(ref plan.Ref) plan.Value {
	if ref.Entity == tree.Tag {
		return tagOf(v.Tags, ref.Key)
	}
	switch ref.Key {
	case "name":
		return plan.Str(v.Model)
	case "version_number":
		return plan.Whole(int64(v.Version))
	case "run_id":
		return plan.Str(v.RunID)
	case "source_path":
		return plan.Str(v.Source)
	case "stage":
		return plan.Str(v.Stage)
	case "creation_timestamp":
		return plan.Whole(v.CreatedAt)
	case "last_updated_timestamp":
		return plan.Whole(v.UpdatedAt)
	}
	return plan.Value{}
}

// DatasetRef names a dataset; an empty digest is any.
type DatasetRef struct{ Name, Digest string }

// LoggedModelSearch are the options of [DB.SearchLoggedModels].
type LoggedModelSearch struct {
	SearchOptions
	// Order, unless it is nil, takes the place of OrderBy.
	Order []query.OrderField
	// Datasets limits the metrics that count to those about one of them.
	Datasets []DatasetRef
}

// FoundModel is a logged model and its metrics.
type FoundModel struct {
	Model   *lineage.LoggedModel
	Metrics []ModelMetric
}

// SearchLoggedModels returns a page of the logged models of opt.Experiments that
// match a query and are not deleted. opt.View is not used.
func (db *DB) SearchLoggedModels(ctx context.Context, text string, opt *LoggedModelSearch) (*Page[FoundModel], error) {
	if opt == nil {
		opt = &LoggedModelSearch{}
	}
	q, err := opt.parse(tree.LoggedModels, text)
	if err == nil && opt.Order != nil {
		q.OrderBy, err = query.NewLoggedModelOrder(opt.Order)
	}
	if err != nil {
		return nil, err
	}
	metrics := len(opt.Datasets) > 0 && !usesMetrics(q.Filter)
	return searchRows(ctx, db, q, &opt.SearchOptions, func(ctx context.Context, s *store.Store, tx *store.Tx, add func(*loggedFields)) error {
		models, err := loggedModels(ctx, tx, opt.Experiments)
		if err != nil {
			return err
		}
		for _, m := range models {
			f := &loggedFields{FoundModel: FoundModel{Model: m}, datasets: opt.Datasets}
			if f.Metrics, err = modelMetrics(ctx, s, tx, m.ModelID); err != nil {
				return err
			}
			// Without a clause on metrics, the datasets ask for models that
			// have any metric about them.
			if !metrics || slices.ContainsFunc(f.Metrics, f.asked) {
				add(f)
			}
		}
		return nil
	}, func(f *loggedFields) FoundModel { return f.FoundModel })
}

func usesMetrics(filter tree.Expr) bool {
	uses := false
	if filter != nil {
		tree.Walk(filter, func(x tree.Expr) bool {
			f, ok := x.(*tree.Field)
			uses = uses || ok && f.Entity == tree.Metric
			return !uses
		})
	}
	return uses
}

// loggedModels returns the logged models of some experiments, or of all.
func loggedModels(ctx context.Context, tx *store.Tx, experiments []string) (models []*lineage.LoggedModel, err error) {
	keep := func(m *lineage.LoggedModel, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && !m.Deleted {
			models = append(models, m)
		}
		return err
	}
	if experiments == nil {
		for m, err := range lineage.LoggedModels(tx) {
			if err := keep(m, err); err != nil {
				return nil, err
			}
		}
		return models, nil
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(experiments))) {
		for m, err := range lineage.LoggedModelsOf(tx, id) {
			if err := keep(m, err); err != nil {
				return nil, err
			}
		}
	}
	return models, nil
}

// loggedFields is a logged model as a query sees it.
type loggedFields struct {
	FoundModel
	datasets []DatasetRef // what its metrics must be about; none is anything
}

// asked reports whether a metric is about one of the datasets.
func (f *loggedFields) asked(m ModelMetric) bool {
	return len(f.datasets) == 0 || slices.ContainsFunc(f.datasets, func(d DatasetRef) bool {
		return d.Name == m.Dataset && (d.Digest == "" || d.Digest == m.DatasetDigest)
	})
}

// Field implements [plan.Row].
func (f *loggedFields) Field(ref plan.Ref) plan.Value {
	switch ref.Entity {
	case tree.Metric:
		return f.latest(ref)
	case tree.Param:
		return tagOf(f.Model.Params, ref.Key)
	case tree.Tag:
		return tagOf(f.Model.Tags, ref.Key)
	}
	switch ref.Key {
	case "name":
		return plan.Str(f.Model.Name)
	case "model_id":
		return plan.Str(f.Model.ModelID)
	case "model_type":
		return plan.Str(f.Model.ModelType)
	case "status":
		if f.Model.Status == lineage.LoggedFailed {
			return plan.Str("FAILED") // MLflow's other name of it
		}
		return plan.Str(f.Model.Status)
	case "artifact_location":
		return plan.Str(f.Model.ArtifactURI)
	case "source_run_id":
		return plan.Str(f.Model.SourceRunID)
	case "experiment_id":
		return plan.Str(f.Model.ExperimentID)
	case "creation_timestamp_ms":
		return plan.Whole(f.Model.CreatedAt)
	case "last_updated_timestamp_ms":
		return plan.Whole(f.Model.UpdatedAt)
	}
	return plan.Value{}
}

// Values implements [plan.ManyRow]: a metric has a value for each series, and a
// comparison asks for any of them, as MLflow does.
func (f *loggedFields) Values(ref plan.Ref) ([]plan.Value, bool) {
	if ref.Entity != tree.Metric {
		return nil, false
	}
	var out []plan.Value
	for i := range f.Metrics {
		if m := &f.Metrics[i]; m.Metric == ref.Key && f.asked(*m) {
			out = append(out, plan.Num(m.Latest.Value))
		}
	}
	return out, true
}

// latest is the value of a metric that counts for an order.
func (f *loggedFields) latest(ref plan.Ref) plan.Value {
	var best *ModelMetric
	for i := range f.Metrics {
		m := &f.Metrics[i]
		if m.Metric != ref.Key || !f.asked(*m) || ref.Dataset != "" && m.Dataset != ref.Dataset || ref.Digest != "" && m.DatasetDigest != ref.Digest {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(m.Latest.Step, best.Latest.Step), cmp.Compare(m.Latest.Time, best.Latest.Time),
			cmp.Compare(m.Latest.Value, best.Latest.Value)) > 0 {
			best = m
		}
	}
	if best == nil {
		return plan.Value{}
	}
	return plan.Num(best.Latest.Value)
}

// SearchDatasets returns a page of the datasets that runs used and that match a
// query, by default in the order in which they were first logged. opt.View is not
// used.
func (db *DB) SearchDatasets(ctx context.Context, text string, opt *SearchOptions) (*Page[lineage.DatasetHead], error) {
	if opt == nil {
		opt = &SearchOptions{}
	}
	q, err := opt.parse(tree.Datasets, text)
	if err != nil {
		return nil, err
	}
	return searchRows(ctx, db, q, opt, func(ctx context.Context, _ *store.Store, tx *store.Tx, add func(datasetFields)) error {
		for d, err := range lineage.Datasets(tx) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			if opt.Experiments == nil || slices.Contains(opt.Experiments, d.ExperimentID) {
				add(datasetFields{d})
			}
		}
		return nil
	}, func(d datasetFields) lineage.DatasetHead { return d.DatasetHead })
}

// datasetFields is a dataset as a query sees it.
type datasetFields struct{ lineage.DatasetHead }

// Field implements [plan.Row].
func (d datasetFields) Field(ref plan.Ref) plan.Value {
	switch ref.Key {
	case "name":
		return plan.Str(d.Name)
	case "digest":
		return plan.Str(d.Digest)
	case "source_type":
		return plan.Str(d.SourceType)
	case "source":
		return plan.Str(d.Source)
	case "experiment_id":
		return plan.Str(d.ExperimentID)
	}
	return plan.Value{}
}
