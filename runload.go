package runstone

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// runLoader reads whole runs in one view. It remembers what runs share.
type runLoader struct {
	ctx         context.Context
	s           *store.Store
	tx          *store.Tx
	cache       *runCache // nil is none
	snap        *index.Snapshot
	keep        bool // what is loaded
	experiments map[uint32]runHome
	params      keyNames
	tags        keyNames
	series      map[uint32]store.SeriesName

	keys  []uint32 // of the values being read
	ends  []int    // of each in texts
	texts []byte
	sums  []store.NamedSummary // of the run being read
	order []int                // of sums
}

// runHome is what a run has of its experiment.
type runHome struct{ id, location string }

// keyNames are names of params or of tags by ordinal.
type keyNames map[uint32]string

// load returns the run with an ordinal. [ErrNotFound] when it was purged.
func (l *runLoader) load(run uint32) (*RunData, error) {
	d, err := l.rows(run)
	if err == nil {
		err = l.metrics([]uint32{run}, []*RunData{d})
	}
	return d, err
}

// loadAll returns the runs in the order asked for, but those that were purged.
// The caller owns them.
func (l *runLoader) loadAll(runs []uint32) ([]*RunData, error) {
	// Each table is read from its beginning to its end.
	order := make([]int, len(runs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(runs[i], runs[j]) })
	found := make([]*RunData, len(runs))
	there, data := make([]uint32, 0, len(runs)), make([]*RunData, 0, len(runs))
	for _, i := range order {
		if err := l.ctx.Err(); err != nil {
			return nil, err
		}
		if d := l.cache.get(l.snap, runs[i]); d != nil {
			found[i] = d.clone()
			continue
		}
		d, err := l.rows(runs[i])
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found[i] = d
		there, data = append(there, runs[i]), append(data, d)
	}
	if err := l.metrics(there, data); err != nil {
		return nil, err
	}
	if l.keep {
		for i, d := range data {
			l.cache.put(l.snap, there[i], d)
		}
	}
	return slices.DeleteFunc(found, func(d *RunData) bool { return d == nil }), nil
}

// loadIDs returns the ids of runs.
func (l *runLoader) loadIDs(runs []uint32) ([]string, error) {
	ids := make([]string, len(runs))
	for i, run := range runs {
		var err error
		if ids[i], err = l.tx.Text(kindRun, run); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// rows reads all of a run but its metrics.
func (l *runLoader) rows(run uint32) (*RunData, error) {
	id, err := l.tx.Text(kindRun, run)
	if err != nil {
		return nil, err
	}
	var row runRow
	if err := l.tx.Load(runKey(run), 1, &row); err != nil {
		return nil, present(err, "run", id)
	}
	if row.Status == runPurged {
		return nil, notFound("Run with id=%s not found", id)
	}
	d := &RunData{}
	if d.RunInfo, err = l.info(&row, id); err != nil {
		return nil, err
	}
	if d.Params, err = l.values(&l.params, kindParam, paramKey(run, 0)[:5]); err != nil {
		return nil, err
	}
	if d.Tags, err = l.values(&l.tags, kindTag, tagKey(run, 0)[:5]); err != nil {
		return nil, err
	}
	edges, err := lineage.OfRun(l.tx, run)
	if err != nil {
		return nil, err
	}
	d.Inputs, d.Models = edges.Inputs, RunModels{edges.ModelInputs, edges.Outputs}
	return d, nil
}

// values reads params or tags. Their texts lie in one string.
func (l *runLoader) values(names *keyNames, kind store.Kind, prefix []byte) (map[string]string, error) {
	l.keys, l.ends, l.texts = l.keys[:0], l.ends[:0], l.texts[:0]
	for row, err := range l.tx.Prefix(prefix, false) {
		if err != nil {
			return nil, err
		}
		value, err := row.Bytes(1)
		if err != nil {
			return nil, err
		}
		l.texts = append(l.texts, value...)
		l.keys, l.ends = append(l.keys, lastOrd(row.Key)), append(l.ends, len(l.texts))
	}
	texts, from := string(l.texts), 0
	values := make(map[string]string, len(l.keys))
	for i, key := range l.keys {
		name, ok := (*names)[key]
		if !ok {
			var err error
			if name, err = l.tx.Text(kind, key); err != nil {
				return nil, err
			}
			if *names == nil {
				*names = keyNames{}
			}
			(*names)[key] = name
		}
		values[name] = texts[from:l.ends[i]]
		from = l.ends[i]
	}
	return values, nil
}

func (l *runLoader) info(row *runRow, id string) (RunInfo, error) {
	home, ok := l.experiments[row.Experiment]
	if !ok {
		var e experimentRow
		exp, err := l.tx.Text(kindExperiment, row.Experiment)
		if err == nil {
			err = present(l.tx.Load(experimentKey(row.Experiment), 1, &e), "experiment", exp)
		}
		if err != nil {
			return RunInfo{}, err
		}
		home = runHome{exp, e.Location}
		if l.experiments == nil {
			l.experiments = map[uint32]runHome{}
		}
		l.experiments[row.Experiment] = home
	}
	return RunInfo{
		ID: id, Name: row.Name, ExperimentID: home.id, User: row.User, Status: row.status(),
		Start: row.Start, End: row.End, Deleted: row.Deleted, ArtifactURI: runArtifactURI(home.location, id),
	}, nil
}

// metrics fills in those of runs in ascending order.
func (l *runLoader) metrics(runs []uint32, data []*RunData) error {
	l.sums = l.sums[:0]
	at := 0
	err := l.s.SummariesOf(l.ctx, runs, func(run, series uint32, m *store.Summary) error {
		for runs[at] != run {
			data[at].Metrics = l.takeSums()
			at++
		}
		name, ok := l.series[series]
		if !ok {
			var err error
			if name, err = l.s.SeriesName(series); err != nil {
				return err
			}
			if l.series == nil {
				l.series = map[uint32]store.SeriesName{}
			}
			l.series[series] = name
		}
		l.sums = append(l.sums, store.NamedSummary{SeriesName: name, Summary: *m})
		return nil
	})
	if err == nil && len(l.sums) > 0 {
		data[at].Metrics = l.takeSums()
	}
	return err
}

// takeSums returns what was gathered of a run, in order of the names.
func (l *runLoader) takeSums() []store.NamedSummary {
	if len(l.sums) == 0 {
		return nil
	}
	l.order = l.order[:0]
	for i := range l.sums {
		l.order = append(l.order, i)
	}
	slices.SortFunc(l.order, func(i, j int) int { return l.sums[i].Compare(&l.sums[j].SeriesName) })
	out := make([]store.NamedSummary, len(l.sums))
	for k, i := range l.order {
		out[k] = l.sums[i]
	}
	l.sums = l.sums[:0]
	return out
}
