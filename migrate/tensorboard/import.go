package tensorboard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/runstonedb/runstone"
)

// Tags of an imported run.
const (
	// TagFolder is the folder that a run comes from, below the one imported.
	TagFolder = "runstone.tensorboard"
	// tagFile leads the name of an event file: the tag is the offset up to which
	// the file is imported.
	tagFile = TagFolder + "."
)

// Options are for [Import] and [Follow]; nil is none of them.
type Options struct {
	// Experiment is the name of the experiment that runs go to, which is made if
	// it is not there; "" is the base name of the folder.
	Experiment string
	// Interval is how often Follow looks for what is new; 0 is a second.
	Interval time.Duration
	// Progress is told of the report so far, from time to time; nil is fine.
	Progress func(*Report)
}

// Report says what an import did. What it says of files is about their part that
// was not imported before.
type Report struct {
	Experiment string `json:"experiment"`
	Runs       int64  `json:"runs"` // there are
	Added      int64  `json:"runs_added"`
	Files      int64  `json:"files"`
	Bytes      int64  `json:"bytes"` // read
	Points     int64  `json:"points"`
	Params     int64  `json:"params"`
	Texts      int64  `json:"texts"`
	// Skipped are values that are not kept, by kind.
	Skipped map[string]int64 `json:"skipped,omitempty"`
	// Orphaned are points that a program logged again after a restart.
	Orphaned int64 `json:"orphaned_points"`
	// Late are restarts whose orphaned points an earlier import had already.
	Late int64 `json:"late_restarts"`
	// CorruptRecords are records with a wrong checksum or that are no events,
	// CorruptBytes lie between records, and TooLong are records too long to be
	// looked at.
	CorruptRecords int64 `json:"corrupt_records"`
	CorruptBytes   int64 `json:"corrupt_bytes"`
	TooLong        int64 `json:"records_too_long"`
	// Unfinished are bytes at the ends of files that are no whole record yet.
	Unfinished int64 `json:"unfinished_bytes"`
	// Problems are folders and files that could not be read, and runs that could
	// not be kept, the first 100 of them.
	Problems []string `json:"problems,omitempty"`
}

const maxProblems = 100

func (r *Report) skip(what string) {
	if r.Skipped == nil {
		r.Skipped = map[string]int64{}
	}
	r.Skipped[what]++
}

// importer imports one folder, once or again and again.
type importer struct {
	db     *runstone.DB
	root   *os.Root
	opt    Options
	report Report
	runs   map[string]*run // by path
	told   map[string]bool // problems
	live   bool            // runs with new data are Running
	batch  runstone.Batch  // space for one
}

// Import brings the runs below the folder dir into an experiment. Doing it
// again adds what is new. Damage in files does not end it: see the report, which
// also comes with an error.
func Import(ctx context.Context, db *runstone.DB, dir string, opt *Options) (*Report, error) {
	im, err := newImporter(db, dir, opt)
	if err != nil {
		return nil, err
	}
	defer im.root.Close()
	return &im.report, im.pass(ctx)
}

// Follow is Import that goes on with what is new until ctx is done, which is no
// error. A run that gets new data meanwhile is Running until the end.
func Follow(ctx context.Context, db *runstone.DB, dir string, opt *Options) (*Report, error) {
	im, err := newImporter(db, dir, opt)
	if err != nil {
		return nil, err
	}
	defer im.root.Close()
	for {
		if err = im.pass(ctx); err != nil {
			break
		}
		im.live = true
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(im.opt.Interval):
		}
		if err != nil {
			break
		}
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil
	}
	im.live = false
	for _, r := range im.runs {
		if eerr := im.settle(context.WithoutCancel(ctx), r); err == nil {
			err = eerr
		}
	}
	return &im.report, err
}

func newImporter(db *runstone.DB, dir string, opt *Options) (*importer, error) {
	im := &importer{db: db, runs: map[string]*run{}, told: map[string]bool{}}
	if opt != nil {
		im.opt = *opt
	}
	if im.opt.Interval <= 0 {
		im.opt.Interval = time.Second
	}
	if im.opt.Experiment == "" {
		full, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		im.opt.Experiment = filepath.Base(full)
	}
	im.report.Experiment = im.opt.Experiment
	root, err := os.OpenRoot(dir)
	im.root = root
	return im, err
}

// pass looks at every folder once.
func (im *importer) pass(ctx context.Context) error {
	folders, err := find(ctx, im.root, im.problem)
	if err != nil {
		return err
	}
	im.report.Unfinished = 0
	for i := range folders {
		if err := im.folder(ctx, &folders[i]); err != nil {
			return fmt.Errorf("%s: %w", folders[i].path, err)
		}
		if im.opt.Progress != nil {
			im.opt.Progress(&im.report)
		}
	}
	im.report.Runs = int64(len(im.runs))
	return nil
}

// problem notes something that was left out, once.
func (im *importer) problem(path string, err error) {
	text := fmt.Sprintf("%s: %v", path, err)
	if im.told[text] || len(im.told) >= maxProblems {
		return
	}
	im.told[text] = true
	im.report.Problems = append(im.report.Problems, text)
}
