package lineage

import (
	"errors"
	"fmt"
	"iter"

	"github.com/runstonedb/runstone/store"
)

// Dataset is a snapshot of data that runs of one experiment used. Within the
// experiment, Name and Digest say which; the rest is kept as first logged.
type Dataset struct {
	Name       string
	Digest     string // as the client made it
	SourceType string
	Source     string
	Schema     string
	Profile    string
}

// DatasetUse says under which context runs of an experiment used a dataset.
type DatasetUse struct {
	Name, Digest string
	Context      string // value of the input's tag mlflow.data.context
	HasContext   bool   // false where the input has no such tag
}

type datasetHead struct {
	Experiment         uint32
	Name, Digest       string
	SourceType, Source string
}

type datasetText struct{ Schema, Profile string }

type contextRow struct {
	Context string
	Has     bool
}

// findDataset returns the ordinal of a dataset, and false when there is none.
func findDataset(tx *store.Tx, experiment uint32, name, digest string) (uint32, bool, error) {
	ord, ok, err := lookup(tx, datasetIDKey(experiment, name, digest))
	if err != nil || !ok {
		return 0, false, err
	}
	head, err := loadDatasetHead(tx, ord)
	if err != nil {
		return 0, false, err
	}
	if head.Experiment != experiment || head.Name != name || head.Digest != digest {
		return 0, false, fmt.Errorf("dataset %d is not %q of digest %q: %w", ord, name, digest, store.ErrCorrupt)
	}
	return ord, true, nil
}

func loadDatasetHead(tx *store.Tx, ord uint32) (*datasetHead, error) {
	head := &datasetHead{}
	if err := loadSplit(tx, datasetHeadKey(ord), head); err != nil {
		return nil, fmt.Errorf("dataset %d: %w", ord, notMissing(err))
	}
	return head, nil
}

// loadDataset also reads the long texts, which have no row when empty.
func loadDataset(tx *store.Tx, ord uint32) (*Dataset, error) {
	head, err := loadDatasetHead(tx, ord)
	if err != nil {
		return nil, err
	}
	var text datasetText
	if err := loadSplit(tx, datasetTextKey(ord), &text); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("dataset %d: %w", ord, err)
	}
	return &Dataset{
		Name: head.Name, Digest: head.Digest, SourceType: head.SourceType, Source: head.Source,
		Schema: text.Schema, Profile: text.Profile,
	}, nil
}

// addDataset returns the ordinal of a dataset and adds it when it is new.
func addDataset(tx *store.Tx, experiment uint32, d *Dataset) (uint32, error) {
	ord, ok, err := findDataset(tx, experiment, d.Name, d.Digest)
	if err != nil || ok {
		return ord, err
	}
	if ord, err = nextOrd(tx, 'D'); err != nil {
		return 0, err
	}
	if err := tx.Save(datasetIDKey(experiment, d.Name, d.Digest), 1, ordRow{ord}); err != nil {
		return 0, err
	}
	head := datasetHead{experiment, d.Name, d.Digest, d.SourceType, d.Source}
	if err := saveSplit(tx, datasetHeadKey(ord), head); err != nil {
		return 0, err
	}
	if d.Schema == "" && d.Profile == "" {
		return ord, nil
	}
	return ord, saveSplit(tx, datasetTextKey(ord), datasetText{d.Schema, d.Profile})
}

// GetDataset returns a dataset of an experiment. Errors: store.ErrNotFound.
func GetDataset(tx *store.Tx, experimentID, name, digest string) (*Dataset, error) {
	experiment, ok, err := tx.Ord(KindExperiment, experimentID)
	if err != nil {
		return nil, err
	}
	var ord uint32
	if ok {
		if ord, ok, err = findDataset(tx, experiment, name, digest); err != nil {
			return nil, err
		}
	}
	if !ok {
		return nil, store.Errorf(store.ErrNotFound, "Dataset (name=%s, digest=%s) not found in experiment %s", name, digest, experimentID)
	}
	return loadDataset(tx, ord)
}

// DatasetHead is what identifies a dataset, and where it came from.
type DatasetHead struct {
	ExperimentID       string
	Name, Digest       string
	SourceType, Source string

	ord uint32
}

// Datasets iterates over the datasets of all experiments, in the order in which
// they were first logged.
func Datasets(tx *store.Tx) iter.Seq2[DatasetHead, error] {
	return func(yield func(DatasetHead, error) bool) {
		last, _, err := lookup(tx, table('s', 'D'))
		if err != nil {
			yield(DatasetHead{}, err)
			return
		}
		for ord := uint32(1); ord <= last; ord++ {
			d, err := datasetAt(tx, ord)
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

func datasetAt(tx *store.Tx, ord uint32) (DatasetHead, error) {
	head, err := loadDatasetHead(tx, ord)
	if err != nil {
		return DatasetHead{}, err
	}
	experiment, err := tx.Text(KindExperiment, head.Experiment)
	return DatasetHead{experiment, head.Name, head.Digest, head.SourceType, head.Source, ord}, err
}

// DatasetsOf iterates over the datasets of an experiment and the contexts in
// which its runs used them, each pair once, in the order in which the datasets
// were first logged. A pair stays when its runs are dropped.
func DatasetsOf(tx *store.Tx, experimentID string) iter.Seq2[DatasetUse, error] {
	return func(yield func(DatasetUse, error) bool) {
		experiment, ok, err := tx.Ord(KindExperiment, experimentID)
		if err != nil {
			yield(DatasetUse{}, err)
		}
		if err != nil || !ok {
			return
		}
		prefix := contextsKey(experiment)
		for r, err := range tx.Prefix(prefix, false) {
			var use DatasetUse
			if err == nil {
				use, err = decodeUse(tx, r, lastUint32(r.Key[:len(prefix)+4]))
			}
			if !yield(use, err) || err != nil {
				return
			}
		}
	}
}

func decodeUse(tx *store.Tx, r store.Row, ord uint32) (DatasetUse, error) {
	var c contextRow
	if err := r.Decode(1, &c); err != nil {
		return DatasetUse{}, err
	}
	head, err := loadDatasetHead(tx, ord)
	if err != nil {
		return DatasetUse{}, err
	}
	return DatasetUse{head.Name, head.Digest, c.Context, c.Has}, nil
}
