package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/artifact"
	"github.com/spf13/cobra"
)

// States of a file in "artifacts verify".
const (
	fileSound      = "sound"
	fileDamaged    = "damaged"
	fileUnrecorded = "unrecorded"
)

type fileState struct {
	Path  string `json:"path"`
	State string `json:"state"`
	Error string `json:"error,omitempty"`
}

func (a *app) artifactsVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify RUN", Short: "Compare a run's files with their recorded digests", Args: cobra.ExactArgs(1),
		Long: `Read the files of a run and compare them with the digests that were recorded
when they were stored. A file that another tool put into the folder has no
record and is only listed. Files that are gone are found by "runstone verify
--artifacts", which looks at the whole database.`,
		ValidArgsFunction: a.completeArgs(a.runIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				run, err := findRun(ctx, db, args[0])
				if err != nil {
					return err
				}
				counts, list := map[string]int64{}, jsonList{a: a}
				err = eachFile(ctx, db, run.ID, "", true, func(f artifact.File) error {
					if f.IsDir {
						return nil
					}
					s, err := stateOf(ctx, db, &run, f.Path)
					if err != nil {
						return err
					}
					counts[s.State]++
					switch {
					case a.json:
						return list.add(s)
					case s.State != fileSound:
						fmt.Fprintf(a.stdout, "%s  %s  %s\n", s.State, oneCell(f.Path), s.Error)
					}
					return nil
				})
				if err != nil {
					return err
				}
				if a.json {
					err = list.end()
				} else {
					_, err = fmt.Fprintf(a.stdout, "%d sound, %d damaged, %d without a record\n", counts[fileSound], counts[fileDamaged], counts[fileUnrecorded])
				}
				if err == nil && counts[fileDamaged] > 0 {
					err = &fault{code: exitCorrupt, msg: fmt.Sprintf("%s of run %s damaged", plural(counts[fileDamaged], "file"), shortID(run.ID)),
						hint: "put the files again from their source"}
				}
				return err
			})
		},
	}
}

func stateOf(ctx context.Context, db *runstone.DB, run *runstone.RunInfo, name string) (fileState, error) {
	s := fileState{Path: name, State: fileSound}
	p, err := artifactPath(run, name)
	if err != nil {
		return s, err
	}
	rec, err := db.ArtifactRecord(ctx, p.String())
	if errors.Is(err, runstone.ErrNotFound) {
		s.State = fileUnrecorded
		return s, nil
	}
	if err != nil {
		return s, err
	}
	err = db.Artifacts().Verify(p, rec.Digest)
	if errors.Is(err, artifact.ErrDigest) {
		s.State, s.Error = fileDamaged, oneLine(err.Error())
		return s, nil
	}
	return s, err
}
