package runstone

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/store"
)

// UsageOptions are for [DB.Usage]; nil is the defaults.
type UsageOptions struct {
	Time time.Duration   // for the whole; 0 is 10 s
	Top  int             // experiments and runs to name; 0 is 50
	Ages []time.Duration // of deletions that Usage.Deleted tells apart
}

// Usage says who uses the bytes of a database, as far as the time of the call
// allowed to read.
type Usage struct {
	Rows  store.Space // by table; Rows.Partial when not all were read
	Files []store.FileSpace
	// FilesPartial and ArtifactsPartial are set when the walk of the directory, or
	// of the folder of artifacts, did not come to its end.
	FilesPartial, ArtifactsPartial bool
	// RunsPartial is set when not all runs were added up: what is said of
	// experiments, runs and deletions, Loose and Total are then of the first ones.
	RunsPartial                 bool
	Dead                        int64 // as in [Space]; 0 when not all rows were read
	Experiments                 []ExperimentUsage
	Runs                        []RunUsage
	TotalExperiments, TotalRuns int
	// Deleted says what deleted runs use, by the least age of their deletion that
	// was asked for, in that order.
	Deleted []DeletedUsage
	// Loose are artifacts of no run: of logged models, and files that other tools
	// put there.
	Loose UsedBytes
	// Total is what runs use, deleted ones too.
	Total UsedBytes
}

// UsedBytes are the bytes of rows and of artifacts.
type UsedBytes struct {
	Rows      int64
	Artifacts int64 // of files below the folder of artifacts
	Files     int64 // how many these are
	Points    int64
}

// Bytes is the size of rows and artifacts.
func (u UsedBytes) Bytes() int64 { return u.Rows + u.Artifacts }

func (u *UsedBytes) add(o UsedBytes) {
	u.Rows, u.Artifacts, u.Files, u.Points = u.Rows+o.Rows, u.Artifacts+o.Artifacts, u.Files+o.Files, u.Points+o.Points
}

// ExperimentUsage is what the runs of an experiment use.
type ExperimentUsage struct {
	UsedBytes
	ID, Name string
	Runs     int
	Deleted  UsedBytes // what deleted runs use of it
}

// RunUsage is what a run uses.
type RunUsage struct {
	UsedBytes
	ID, Name, ExperimentID string
	Deleted                bool
}

// DeletedUsage is what runs use that were deleted at least so long ago: what
// [DB.Purge] would free.
type DeletedUsage struct {
	UsedBytes
	Age  time.Duration
	Runs int
}

// Usage reads all rows and the names and sizes of all files, as long as it has
// time, and adds up what experiments, runs and deleted runs use. Artifacts elsewhere
// than in the folder of the database are not counted.
func (db *DB) Usage(ctx context.Context, opt *UsageOptions) (*Usage, error) {
	if opt == nil {
		opt = &UsageOptions{}
	}
	began, all := time.Now(), cmp.Or(opt.Time, 10*time.Second)
	part := func(share float64) time.Time { return began.Add(time.Duration(share * float64(all))) }
	s, done, err := db.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	rows, err := s.Space(ctx, &store.SpaceOptions{Tables: tablesAbove(), TopRuns: math.MaxInt, Until: part(0.5)})
	if err != nil {
		return nil, err
	}
	u := &usage{Usage: Usage{Rows: *rows}, runs: map[uint32]*UsedBytes{}}
	u.Rows.Runs = nil
	for _, r := range rows.Runs {
		u.runs[r.Run] = &UsedBytes{Rows: r.Bytes, Points: r.Points}
	}
	if err := u.files(ctx, db, s, part(0.65)); err != nil {
		return nil, err
	}
	err = s.View(ctx, func(tx *store.Tx) error {
		if err := u.artifacts(ctx, tx, db.artifacts, part(0.9)); err != nil {
			return err
		}
		return u.finish(ctx, tx, db.now(), cmp.Or(opt.Top, 50), opt.Ages, part(1))
	})
	return &u.Usage, err
}

// usage adds up by run.
type usage struct {
	Usage
	runs map[uint32]*UsedBytes
}

// files adds up the files of the directory by kind.
func (u *usage) files(ctx context.Context, db *DB, s *store.Store, until time.Time) (err error) {
	short, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	private := ""
	if s.ReadOnly() {
		private = s.Dir()
	}
	u.Files, err = store.Files(short, db.dir, private)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		u.FilesPartial, err = true, nil
	}
	for _, f := range u.Files {
		if f.Kind == store.KeySpaceTables && !u.Rows.Partial && !u.FilesPartial {
			u.Dead = max(0, f.Bytes-u.Rows.Stored)
		}
	}
	return err
}

// artifacts adds the files of runs, <experiment>/<run>/…, to these, and others
// to what is loose.
func (u *usage) artifacts(ctx context.Context, tx *store.Tx, root *artifact.Root, until time.Time) error {
	if root == nil {
		return nil
	}
	folder := "" // of the file before
	var owner *UsedBytes
	n := 0
	for f, err := range root.Walk(artifact.Path{}) {
		if n++; n%256 == 0 && time.Now().After(until) {
			u.ArtifactsPartial = true
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err != nil { // a folder that cannot be read; the walk ends there
			u.ArtifactsPartial = true
			return nil
		}
		if f.IsDir {
			continue
		}
		parts := strings.SplitN(f.Path, "/", 3)
		if len(parts) < 3 {
			parts = []string{"", ""}
		}
		if name := parts[0] + "/" + parts[1]; name != folder || owner == nil {
			folder = name
			if owner, err = u.owner(tx, parts[1]); err != nil {
				return err
			}
		}
		owner.Artifacts += f.Size
		owner.Files++
	}
	return nil
}

func (u *usage) owner(tx *store.Tx, id string) (*UsedBytes, error) {
	ord, ok, err := tx.Ord(kindRun, id)
	if err != nil || !ok || id == "" {
		return &u.Loose, err
	}
	if u.runs[ord] == nil {
		u.runs[ord] = &UsedBytes{}
	}
	return u.runs[ord], nil
}

// finish adds up by experiment and by age, and names the largest.
func (u *usage) finish(ctx context.Context, tx *store.Tx, now int64, top int, ages []time.Duration, until time.Time) error {
	for _, age := range ages {
		u.Deleted = append(u.Deleted, DeletedUsage{Age: age})
	}
	experiments := map[uint32]*ExperimentUsage{}
	var order []uint32 // of experiments
	type ordered struct {
		ord, experiment uint32
		deleted         bool
		used            *UsedBytes
		name            string
	}
	var runs []ordered
	n := 0
	for r, err := range tx.Prefix(runKey(0)[:1], false) { // in order, which point reads of many runs are not
		if n++; n%256 == 0 && time.Now().After(until) {
			u.RunsPartial = true
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		var row runRow
		if err == nil {
			err = r.Decode(1, &row)
		}
		if err != nil {
			return err
		}
		ord := binary.BigEndian.Uint32(r.Key[1:])
		used := u.runs[ord]
		if used == nil { // begun after the rows were read, or not reached
			used = &UsedBytes{}
		}
		delete(u.runs, ord)
		e := experiments[row.Experiment]
		if e == nil {
			e = &ExperimentUsage{}
			experiments[row.Experiment] = e
			order = append(order, row.Experiment)
		}
		e.add(*used)
		u.Total.add(*used)
		if row.Status == runPurged {
			continue
		}
		e.Runs++
		u.TotalRuns++
		if row.Deleted {
			e.Deleted.add(*used)
			for i := range u.Deleted {
				if d := &u.Deleted[i]; row.DeletedAt <= now-d.Age.Milliseconds() {
					d.add(*used)
					d.Runs++
				}
			}
		}
		runs = append(runs, ordered{ord, row.Experiment, row.Deleted, used, row.Name})
	}
	if !u.RunsPartial {
		for _, used := range u.runs { // of no run, which verify tells of
			u.Loose.add(*used)
		}
	}
	slices.SortFunc(runs, func(a, b ordered) int {
		return cmp.Or(-cmp.Compare(a.used.Bytes(), b.used.Bytes()), cmp.Compare(a.ord, b.ord))
	})
	for _, r := range runs[:min(len(runs), top)] {
		named := RunUsage{UsedBytes: *r.used, Name: r.name, Deleted: r.deleted}
		var err error
		if named.ID, err = tx.Text(kindRun, r.ord); err != nil {
			return err
		}
		if named.ExperimentID, err = tx.Text(kindExperiment, r.experiment); err != nil {
			return err
		}
		u.Runs = append(u.Runs, named)
	}
	u.TotalExperiments = len(order)
	slices.SortFunc(order, func(a, b uint32) int {
		return cmp.Or(-cmp.Compare(experiments[a].Bytes(), experiments[b].Bytes()), cmp.Compare(a, b))
	})
	for _, ord := range order[:min(len(order), top)] {
		e := experiments[ord]
		var err error
		if e.ID, err = tx.Text(kindExperiment, ord); err != nil {
			return err
		}
		_, row, err := loadExperiment(tx, e.ID)
		if err != nil {
			return err
		}
		e.Name = row.Name
		u.Experiments = append(u.Experiments, *e)
	}
	return nil
}
