package server

import (
	"context"
	"time"

	"github.com/runstonedb/runstone"
)

// Who uses the bytes, for the web UI. Reading all rows and folders costs seconds,
// so that one measurement is shared and kept for a while.

const (
	storageTime = 8 * time.Second // for a measurement
	storageKeep = 30 * time.Second
	storageTop  = 100 // experiments and runs that are named
)

// storageAges are the ages of deletions that are told apart, in days.
var storageAges = []int{0, 7, 30, 90}

// storageSeen is the last measurement. One at a time measures; others wait for it.
type storageSeen struct {
	work places    // of one
	last *uiStored // of who has the place
}

type uiStored struct {
	At    int64          `json:"at"`      // Unix ms
	Took  int64          `json:"took_ms"` // of the measurement
	Rows  []uiTable      `json:"tables"`
	Files []uiFiles      `json:"files"`
	Exps  []uiExpBytes   `json:"experiments"`
	Runs  []uiRunBytes   `json:"runs"`
	Old   []uiOldBytes   `json:"deleted"`
	Parts []string       `json:"partial"` // of "rows", "files", "artifacts" and "runs", what was not read to its end
	Total uiStoredTotals `json:"total"`
}

type uiStoredTotals struct {
	Experiments int   `json:"experiments"`
	Runs        int   `json:"runs"`
	Rows        int64 `json:"rows"`
	Artifacts   int64 `json:"artifacts"`
	Loose       int64 `json:"loose"`
	LooseFiles  int64 `json:"loose_files"`
	Live        int64 `json:"live"`
	Dead        int64 `json:"dead"`
	Points      int64 `json:"points"`
}

type uiTable struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	Points int64  `json:"points"`
}

type uiFiles struct {
	Kind      string `json:"kind"`
	Files     int64  `json:"files"`
	Bytes     int64  `json:"bytes"`
	Allocated int64  `json:"allocated"`
}

type uiUsed struct {
	Rows      int64 `json:"rows"`
	Artifacts int64 `json:"artifacts"`
	Files     int64 `json:"files"`
	Points    int64 `json:"points"`
}

type uiExpBytes struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Runs int    `json:"runs"`
	uiUsed
	Deleted uiUsed `json:"deleted"`
}

type uiRunBytes struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Experiment string `json:"experiment_id"`
	Deleted    bool   `json:"deleted"`
	uiUsed
}

type uiOldBytes struct {
	Days int `json:"days"`
	Runs int `json:"runs"`
	uiUsed
}

func newUsed(u runstone.UsedBytes) uiUsed { return uiUsed{u.Rows, u.Artifacts, u.Files, u.Points} }

// uiStorage answers the last measurement, or with "fresh" or when that is old a
// new one.
func (s *Server) uiStorage(ctx context.Context, a args) (any, error) {
	asked, fresh := time.Now().UnixMilli(), a.bool("fresh")
	if err := a.done(); err != nil {
		return nil, err
	}
	if err := s.stored.work.take(ctx, 1); err != nil {
		return nil, err
	}
	defer s.stored.work.leave(1)
	if last := s.stored.last; last != nil {
		if last.At >= asked || !fresh && time.Since(time.UnixMilli(last.At)) < storageKeep {
			return last, nil
		}
	}
	opt := &runstone.UsageOptions{Time: storageTime, Top: storageTop}
	for _, days := range storageAges {
		opt.Ages = append(opt.Ages, time.Duration(days)*24*time.Hour)
	}
	began := time.Now()
	u, err := s.db.Usage(ctx, opt)
	if err != nil {
		return nil, err
	}
	s.stored.last = newStored(u)
	s.stored.last.Took = time.Since(began).Milliseconds()
	return s.stored.last, nil
}

func newStored(u *runstone.Usage) *uiStored {
	v := &uiStored{
		At: time.Now().UnixMilli(), Rows: []uiTable{}, Files: []uiFiles{}, Exps: []uiExpBytes{}, Runs: []uiRunBytes{}, Old: []uiOldBytes{}, Parts: []string{},
		Total: uiStoredTotals{
			Experiments: u.TotalExperiments, Runs: u.TotalRuns, Rows: u.Total.Rows, Artifacts: u.Total.Artifacts,
			Loose: u.Loose.Artifacts, LooseFiles: u.Loose.Files, Live: u.Rows.Stored, Dead: u.Dead, Points: u.Rows.Points,
		},
	}
	for i := range u.Rows.Tables {
		t := &u.Rows.Tables[i]
		if t.Rows > 0 {
			v.Rows = append(v.Rows, uiTable{t.Name, runstone.TableGroup(t.Byte), t.Rows, t.Bytes(), t.Points})
		}
	}
	for _, f := range u.Files {
		if f.Files > 0 {
			v.Files = append(v.Files, uiFiles(f))
		}
	}
	for i := range u.Experiments {
		e := &u.Experiments[i]
		v.Exps = append(v.Exps, uiExpBytes{e.ID, e.Name, e.Runs, newUsed(e.UsedBytes), newUsed(e.Deleted)})
	}
	for i := range u.Runs {
		r := &u.Runs[i]
		v.Runs = append(v.Runs, uiRunBytes{r.ID, r.Name, r.ExperimentID, r.Deleted, newUsed(r.UsedBytes)})
	}
	for _, d := range u.Deleted {
		v.Old = append(v.Old, uiOldBytes{int(d.Age.Hours()) / 24, d.Runs, newUsed(d.UsedBytes)})
	}
	for i, partial := range []bool{u.Rows.Partial, u.FilesPartial, u.ArtifactsPartial, u.RunsPartial} {
		if partial {
			v.Parts = append(v.Parts, [...]string{"rows", "files", "artifacts", "runs"}[i])
		}
	}
	return v
}
