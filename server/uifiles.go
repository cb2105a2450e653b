package server

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// Files of models for the web UI: what a version is made of, and which models
// there are among the files of a run.

const (
	maxUIFiles  = 500    // that are named
	maxUIWalked = 20_000 // files and folders that are looked at
	maxUIModels = 200    // of a run
	modelFile   = "MLmodel"
)

// uiModelFiles says what files a version has and how large it is. A version whose
// files are elsewhere has a problem instead.
func (s *Server) uiModelFiles(ctx context.Context, a args) (any, error) {
	name, number := a.need("name"), a.version()
	if err := a.done(); err != nil {
		return nil, err
	}
	answer := struct {
		Location string     `json:"location"`
		Files    []wireFile `json:"files"`
		Count    int        `json:"count"`
		Bytes    int64      `json:"bytes"`
		Partial  bool       `json:"partial"` // there are more than were looked at
		Problem  string     `json:"problem,omitempty"`
	}{Files: []wireFile{}}
	uri, err := s.versionURI(ctx, name, number)
	if err != nil {
		return nil, err
	}
	answer.Location = uri
	dir, err := s.folder(uri)
	if err != nil {
		answer.Problem = toWire(err).message
		return answer, nil
	}
	walked := 0
	for f, err := range s.filesOf(dir).Walk(dir.path) {
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if walked++; walked > maxUIWalked {
			answer.Partial = true
			break
		}
		if f.IsDir {
			continue
		}
		answer.Count++
		answer.Bytes += f.Size
		if len(answer.Files) < maxUIFiles {
			answer.Files = append(answer.Files, wireFile{Path: strings.TrimPrefix(f.Path, dir.path.String()+"/"), Size: f.Size})
		}
	}
	return answer, nil
}

// uiRunModel is a folder of a run, or a logged model that it made, to make a
// version from.
type uiRunModel struct {
	Path    string `json:"path"`     // folder in the run's artifacts, "" when it is a logged model
	ModelID string `json:"model_id"` // logged model
	Name    string `json:"name"`
	Source  string `json:"source"` // as model-versions/create takes it
}

// uiRunModels lists the models of a run and the versions that were made of it. Of
// a run whose files are elsewhere only logged models are known.
func (s *Server) uiRunModels(ctx context.Context, a args) (any, error) {
	id := a.runID()
	if err := a.done(); err != nil {
		return nil, err
	}
	run, err := s.db.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Models   []uiRunModel  `json:"models"`
		Versions []wireVersion `json:"versions"`
		Partial  bool          `json:"partial"`
		Problem  string        `json:"problem,omitempty"`
	}{Models: []uiRunModel{}, Versions: []wireVersion{}}
	if answer.Models, err = s.uiLogged(ctx, run); err != nil {
		return nil, err
	}
	if dir, err := s.folder(run.ArtifactURI); err != nil {
		answer.Problem = toWire(err).message
	} else {
		found, partial, err := s.modelFolders(ctx, dir)
		if err != nil {
			return nil, err
		}
		answer.Partial = partial
		for _, folder := range found {
			name, source := path.Base(folder), run.ArtifactURI
			if folder != "" {
				source += "/" + folder
			} else {
				name = "model"
			}
			answer.Models = append(answer.Models, uiRunModel{Path: folder, Name: name, Source: source})
		}
	}
	u := userOf(ctx)
	err = s.db.View(ctx, func(tx *store.Tx) error {
		for v, err := range lineage.VersionsByRun(tx, id) {
			if err != nil {
				return err
			}
			if u == nil || onModel(u, v.Model, toRead) == nil {
				answer.Versions = append(answer.Versions, newWireVersion(v, true))
			}
		}
		return nil
	})
	return answer, err
}

// uiLogged returns the logged models that a run made and that are still there.
func (s *Server) uiLogged(ctx context.Context, run *runstone.RunData) ([]uiRunModel, error) {
	out := []uiRunModel{}
	for _, o := range run.Models.Outputs {
		m, err := s.logged(ctx, o.ModelID, false)
		if errors.Is(err, runstone.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if u := userOf(ctx); u != nil && onExperiment(u, m.ExperimentID, toRead) != nil {
			continue
		}
		if out = append(out, uiRunModel{ModelID: m.ModelID, Name: m.Name, Source: "models:/" + m.ModelID}); len(out) == maxUIModels {
			break
		}
	}
	return out, nil
}

// modelFolders finds the folders below dir that hold a model, the shortest path
// first. partial is true where there were too many files to look at all.
func (s *Server) modelFolders(ctx context.Context, dir place) (found []string, partial bool, err error) {
	walked, root := 0, dir.path.String()
	for f, err := range s.filesOf(dir).Walk(dir.path) {
		if err != nil {
			return nil, false, err
		}
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		if walked++; walked > maxUIWalked || len(found) == maxUIModels {
			partial = true
			break
		}
		if f.IsDir || path.Base(f.Path) != modelFile {
			continue
		}
		folder := strings.TrimPrefix(strings.TrimSuffix(strings.TrimSuffix(f.Path, modelFile), "/"), root)
		found = append(found, strings.TrimPrefix(folder, "/"))
	}
	slices.SortStableFunc(found, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
	return found, partial, nil
}

// versionURI returns where the files of a version are, of those below a run's
// folder their own place.
func (s *Server) versionURI(ctx context.Context, name string, number int) (uri string, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		uri, err = lineage.DownloadURI(tx, name, number)
		return err
	})
	if err != nil {
		return "", err
	}
	if l, err := artifact.ParseLocation(uri); err == nil && l.Kind == artifact.KindRun {
		return s.runURI(ctx, l)
	}
	return uri, nil
}
