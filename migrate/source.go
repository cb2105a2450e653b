package migrate

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
)

// Source is a store of experiments that is read once. Its iterators end at the
// first error, which they yield with a nil value. What they yield belongs to
// the caller unless it says otherwise. Import uses a Source from one goroutine
// but for [File.Open], and calls Points, Files and Reach while it iterates over
// the others.
//
// Nothing is made up: a source yields what the store would answer to a client
// of MLflow, deleted things included. Text that is not UTF-8 is yielded as it
// is. Records that it cannot make sense of are left out and said in Notes.
type Source interface {
	// Totals says how much there is, as far as that is cheap to know; 0 is
	// unknown. It is for showing progress.
	Totals(ctx context.Context) (Counts, error)

	// Experiments yields all experiments, the oldest first.
	Experiments(ctx context.Context) iter.Seq2[*runstone.Experiment, error]

	// Runs yields the runs of an experiment, the oldest first where that is
	// known. Params, tags, inputs and outputs come with them, points do not.
	Runs(ctx context.Context, experiment string) iter.Seq2[*runstone.ImportedRun, error]

	// Points yields all points of a run. Asked again it yields the same points
	// in the same order; what was logged meanwhile may come behind them. Points
	// that were logged together by several series are best yielded together in
	// one slice, so that the series share their steps and times. A slice has at
	// most some 100,000 points and is valid until the iterator goes on.
	Points(ctx context.Context, run *runstone.ImportedRun) iter.Seq2[[]runstone.SeriesColumns, error]

	// LoggedModels yields the logged models of an experiment, their params and
	// tags sorted by key. What runs logged about them comes with Points.
	LoggedModels(ctx context.Context, experiment string) iter.Seq2[*lineage.LoggedModel, error]

	// Models yields the registered models with their versions.
	Models(ctx context.Context) iter.Seq2[*Model, error]

	// Reach says whether Files can read below a location of an experiment, as
	// the store has it. If not, the error says why, in words for people, and
	// wraps [ErrUnreachable]. Other errors end the import.
	Reach(ctx context.Context, location string) error

	// Files yields the files, not the folders, below a location that Reach has
	// said yes to, or below a folder of one: the ArtifactURI of a run or a
	// logged model. A missing folder has no files.
	Files(ctx context.Context, uri string) iter.Seq2[File, error]

	// Notes says what was left out so far, and what the user should know.
	Notes() []Note

	Close() error
}

// ErrUnreachable says that artifacts are where the source cannot read.
var ErrUnreachable = errors.New("migrate: artifacts are out of reach")

// Model is a registered model with its versions, sorted by number. The model's
// LatestVersions is not used; LastVersion may be higher than the number of the
// last version, where later ones were deleted. Aliases are the model's.
type Model struct {
	lineage.RegisteredModel
	Versions []*lineage.ModelVersion
}

// File is a file of an artifact folder.
type File struct {
	Path string // below the folder, segments joined by '/'
	Size int64  // bytes; -1 is unknown
	// Open opens it for reading. It may be called from another goroutine,
	// until the source is closed.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Note is something about a source or an import that a user should know.
type Note struct {
	Kind Kind   `json:"kind,omitempty"` // of what it is about; "" is the source as a whole
	ID   string `json:"id,omitempty"`   // of what it is about; "" is several
	Text string `json:"text"`           // one sentence without its full stop
	N    int64  `json:"n"`              // of how many things it is true, at least 1
}
