package runstone

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// RunStatus is the state of a run's execution.
type RunStatus uint8

// The states of a run, with MLflow's numbers.
const (
	Running   RunStatus = 1
	Scheduled RunStatus = 2
	Finished  RunStatus = 3
	Failed    RunStatus = 4
	Killed    RunStatus = 5
)

var statusNames = [...]string{"", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"}

// String returns MLflow's name of the state.
func (s RunStatus) String() string {
	if s.valid() {
		return statusNames[s]
	}
	return fmt.Sprintf("RunStatus(%d)", uint8(s))
}

func (s RunStatus) valid() bool { return s >= Running && s <= Killed }

// ended reports whether a run in this state has come to its end.
func (s RunStatus) ended() bool { return s >= Finished }

// ParseRunStatus is the inverse of String. [ErrInvalid].
func ParseRunStatus(name string) (RunStatus, error) {
	for i, n := range statusNames {
		if i > 0 && n == name {
			return RunStatus(i), nil
		}
	}
	return 0, invalid("Invalid run status '%s'. Valid values are RUNNING, SCHEDULED, FINISHED, FAILED, KILLED", name)
}

// RunInfo is what every listing of runs shows.
type RunInfo struct {
	ID           string // 32 hex digits, unless the caller chose it
	Name         string
	ExperimentID string
	User         string
	Status       RunStatus
	Start        int64 // Unix ms
	End          int64 // Unix ms, 0 while there is none
	Deleted      bool
	ArtifactURI  string
}

// RunData is a run as it was when it was read.
type RunData struct {
	RunInfo
	Params  map[string]string
	Tags    map[string]string
	Metrics []MetricSummary // in order of their names
	Inputs  []lineage.Input // datasets
	Models  RunModels
}

// RunModels are the logged models that a run used and made, by id.
type RunModels struct {
	Inputs  []string
	Outputs []lineage.Output
}

// Metric returns the latest value of a metric, and false when there is none.
func (r *RunData) Metric(name string) (float64, bool) {
	var best *MetricSummary
	for i := range r.Metrics {
		if m := &r.Metrics[i]; m.Metric == name && (best == nil || m.After(&best.Summary)) {
			best = m
		}
	}
	if best == nil {
		return 0, false
	}
	return best.Latest.Value, true
}

// MetricSummary is a metric of a run: its name (Metric), the logged model and
// dataset that it is about if any (Model, Dataset, DatasetDigest), and what is
// known of its points: Count, NaN, PosInf, NegInf, Latest, First, Min, MinStep,
// Max, MaxStep, MinTime, MaxTime, Sum (of the finite values) and Mean().
type MetricSummary = store.NamedSummary

// NewRun describes a run for [DB.CreateRun].
type NewRun struct {
	ID           string // "" makes one
	ExperimentID string
	// Experiment names the experiment instead of ExperimentID; it is made if
	// it is not there.
	Experiment string
	Name       string // "" makes one up
	User       string
	Status     RunStatus // 0 is Running
	Start      int64     // Unix ms; 0 is kept when ZeroStart is set
	ZeroStart  bool
	Tags       []KV
}

// Tags with a meaning of their own, as MLflow has them.
const (
	TagRunName = "mlflow.runName"
	TagParent  = "mlflow.parentRunId"
	TagUser    = "mlflow.user"
)

// CreateRun makes a run and returns it. A run that goes on is as durable as what
// is logged to it ([Options].Durability), one that has ended is [Synced].
// Errors: [ErrNotFound] for the experiment, [ErrInvalid] when it is deleted,
// [ErrExists] for a taken ID.
func (db *DB) CreateRun(ctx context.Context, n NewRun) (RunInfo, error) {
	o := &createRun{
		ID: n.ID, ExperimentID: n.ExperimentID, Experiment: n.Experiment, Name: n.Name, User: n.User,
		Status: uint8(n.Status), Start: n.Start, Tags: n.Tags, At: db.now(), root: db.root,
	}
	if o.ID == "" {
		o.ID = newID()
	}
	if o.Status == 0 {
		o.Status = uint8(Running)
	}
	if o.Start == 0 && !n.ZeroStart {
		o.Start = o.At
	}
	if err := o.prepare(); err != nil {
		return RunInfo{}, err
	}
	if db.store == nil {
		if err := db.foresee(ctx, o); err != nil {
			return RunInfo{}, err
		}
	}
	d := db.opt.Durability
	if RunStatus(o.Status).ended() {
		d = Synced
	}
	if err := db.do(ctx, d, o); err != nil {
		return RunInfo{}, err
	}
	return o.info, nil
}

type createRun struct {
	ID           string
	ExperimentID string
	Experiment   string
	Name, User   string
	Status       uint8
	Start        int64
	Tags         []KV
	At           int64

	info RunInfo
	root artifact.Location // as createExperiment has it
}

func (o *createRun) kind() opKind { return kindCreateRun }

// prepare checks the op and settles the run's name, which is also a tag.
func (o *createRun) prepare() error {
	if !validRunID(o.ID) {
		return invalid("Invalid run ID: '%s'", cut(o.ID, 100))
	}
	if !RunStatus(o.Status).valid() {
		return invalid("Invalid run status %d", o.Status)
	}
	if len(o.User) > maxText {
		return invalid("'user_id' exceeds the maximum length of %d bytes", maxText)
	}
	o.Tags = append([]KV(nil), o.Tags...)
	tagged := ""
	for i := range o.Tags {
		t := &o.Tags[i]
		if err := checkTagText(t); err != nil {
			return err
		}
		if t.Key == TagRunName {
			tagged = t.Value
		}
	}
	o.Name = cut(o.Name, MaxTagValue)
	switch {
	case o.Name != "" && tagged != "" && o.Name != tagged:
		return invalid("Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='%s', mlflow.runName='%s').", o.Name, tagged)
	case o.Name == "" && tagged != "":
		o.Name = tagged
	case o.Name == "":
		o.Name = madeUpName(o.ID)
	}
	if tagged == "" {
		o.Tags = append(o.Tags, KV{Key: TagRunName, Value: o.Name})
	}
	return nil
}

func (o *createRun) apply(tx *store.Tx) error {
	if err := o.prepare(); err != nil {
		return err
	}
	if o.Experiment != "" {
		e := &createExperiment{Name: o.Experiment, At: o.At, root: o.root}
		if err := e.apply(tx); err != nil {
			return err
		}
		o.ExperimentID = e.id
	}
	exp, row, err := loadExperiment(tx, o.ExperimentID)
	if err != nil {
		return err
	}
	if row.Deleted {
		return inactiveExperiment(o.ExperimentID)
	}
	if _, taken, err := tx.Ord(kindRun, o.ID); err != nil {
		return err
	} else if taken {
		return store.Errorf(ErrExists, "Run with id=%s already exists", o.ID)
	}
	run, err := tx.Intern(kindRun, o.ID)
	if err != nil {
		return err
	}
	if err := saveTags(tx, run, o.Tags); err != nil {
		return err
	}
	if err := index.AddRun(tx, exp, run); err != nil {
		return err
	}
	o.info.ExperimentID = o.ExperimentID
	o.fill(row.Location)
	return saveRun(tx, run, &runRow{Experiment: exp, Name: o.Name, User: o.User, Status: o.Status, Start: o.Start})
}

// foresee fills in what the holder of a shared database will make of the op, as
// far as can be seen now.
func (db *DB) foresee(ctx context.Context, o *createRun) error {
	return db.viewWith(ctx, db.glance, func(tx *store.Tx) error {
		id := o.ExperimentID
		if o.Experiment != "" {
			ord, ok, err := experimentByName(tx, o.Experiment)
			if err == nil && !ok { // the holder makes it
				if id, err = freeExperimentID(tx, o.Experiment); err == nil {
					o.info.ExperimentID = id
					o.fill(servedRoot + id)
				}
				return err
			}
			if err == nil {
				id, err = tx.Text(kindExperiment, ord)
			}
			if err != nil {
				return err
			}
		}
		_, row, err := loadExperiment(tx, id)
		if err != nil {
			return err
		}
		if row.Deleted {
			return inactiveExperiment(id)
		}
		o.info.ExperimentID = id
		o.fill(row.Location)
		return nil
	})
}

func (o *createRun) fill(location string) {
	o.info.ID, o.info.Name, o.info.User = o.ID, o.Name, o.User
	o.info.Status, o.info.Start = RunStatus(o.Status), o.Start
	o.info.ArtifactURI = runArtifactURI(location, o.ID)
}

func runArtifactURI(location, run string) string {
	return strings.TrimSuffix(location, "/") + "/" + run + "/artifacts"
}

// validRunID takes MLflow's form of run ids.
func validRunID(id string) bool {
	if len(id) == 0 || len(id) > 256 {
		return false
	}
	for i, c := range []byte(id) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '_' && c != '-') {
			return false
		}
	}
	return true
}

// RunUpdate changes a run; zero fields stay as they are.
type RunUpdate struct {
	Status RunStatus
	End    int64 // Unix ms
	Name   string
}

// UpdateRun changes an active run and returns it.
func (db *DB) UpdateRun(ctx context.Context, id string, u RunUpdate) (RunInfo, error) {
	o := &updateRun{ID: id, Status: uint8(u.Status), End: u.End, Name: cut(u.Name, MaxTagValue)}
	if u.Status != 0 && !u.Status.valid() {
		return RunInfo{}, invalid("Invalid run status %d", u.Status)
	}
	if err := db.do(ctx, Synced, o); err != nil {
		return RunInfo{}, err
	}
	return o.info, nil
}

type updateRun struct {
	ID     string
	Status uint8
	End    int64
	Name   string

	info RunInfo
}

func (o *updateRun) kind() opKind { return kindUpdateRun }

func (o *updateRun) apply(tx *store.Tx) error {
	run, row, err := loadActiveRun(tx, o.ID)
	if err != nil {
		return err
	}
	if o.Status != 0 {
		row.Status = o.Status
	}
	if o.End != 0 {
		row.End = o.End
	}
	if o.Name != "" {
		row.Name = o.Name
		if err := saveTags(tx, run, []KV{{Key: TagRunName, Value: o.Name}}); err != nil {
			return err
		}
	}
	if err := saveRun(tx, run, row); err != nil {
		return err
	}
	o.info, err = row.info(tx, o.ID)
	return err
}

func (r *runRow) info(tx *store.Tx, id string) (RunInfo, error) {
	return (&runLoader{tx: tx}).info(r, id)
}

// DeleteRun marks a run deleted; a run that is stays so.
func (db *DB) DeleteRun(ctx context.Context, id string) error {
	return db.do(ctx, Synced, &runLife{ID: id, Deleted: true, At: db.now()})
}

// RestoreRun undoes DeleteRun. [ErrConflict] when [DB.Purge] has begun with the
// run.
func (db *DB) RestoreRun(ctx context.Context, id string) error {
	return db.do(ctx, Synced, &runLife{ID: id, At: db.now()})
}

type runLife struct {
	ID      string
	Deleted bool
	At      int64
}

func (o *runLife) kind() opKind { return kindRunLife }

func (o *runLife) apply(tx *store.Tx) error {
	run, row, err := loadRun(tx, o.ID)
	if err != nil || row.Deleted == o.Deleted {
		return err
	}
	if row.purging() {
		return store.Errorf(ErrConflict, "run %s is being removed for good", o.ID)
	}
	row.setDeleted(o.Deleted, o.At)
	return saveRun(tx, run, row)
}

func (r *runRow) setDeleted(deleted bool, at int64) {
	r.Deleted, r.DeletedAt, r.WithExperiment = deleted, 0, false
	if deleted {
		r.DeletedAt = at
	}
}

// applyToRuns deletes or restores the runs of an experiment with it.
func (o *experimentLife) applyToRuns(tx *store.Tx, exp uint32) error {
	for run, err := range index.Runs(tx, exp) {
		if err != nil {
			return err
		}
		var row runRow
		if err := tx.Load(runKey(run), 1, &row); err != nil {
			return present(err, "run", fmt.Sprint(run))
		}
		if row.Deleted == o.Deleted || !o.Deleted && (!row.WithExperiment || row.purging()) {
			continue
		}
		row.setDeleted(o.Deleted, o.At)
		row.WithExperiment = o.Deleted
		if err := saveRun(tx, run, &row); err != nil {
			return err
		}
	}
	return nil
}

// RunInfo returns a run's attributes by id, deleted or not. [ErrNotFound].
func (db *DB) RunInfo(ctx context.Context, id string) (RunInfo, error) {
	var info RunInfo
	err := db.View(ctx, func(tx *store.Tx) error {
		_, row, err := loadRun(tx, id)
		if err == nil {
			info, err = row.info(tx, id)
		}
		return err
	})
	return info, err
}

// Run returns a run by id, deleted or not. [ErrNotFound].
func (db *DB) Run(ctx context.Context, id string) (*RunData, error) {
	s, done, err := db.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	var data *RunData
	err = s.View(ctx, func(tx *store.Tx) error {
		run, err := runOrd(tx, id)
		if err == nil {
			data, err = (&runLoader{ctx: ctx, s: s, tx: tx}).load(run)
		}
		return err
	})
	return data, err
}

// Duration is how long a run took, or has taken at now.
func (r *RunInfo) Duration(now time.Time) time.Duration {
	end := r.End
	if end == 0 {
		end = now.UnixMilli()
	}
	return time.Duration(end-r.Start) * time.Millisecond
}
