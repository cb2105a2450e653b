package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/migrate"
	"github.com/runstonedb/runstone/store"
)

// loggedModels finds or makes the logged models of an experiment.
func (x *exporter) loggedModels(ctx context.Context, id string, to *experiment) error {
	var ours []*lineage.LoggedModel
	err := x.db.View(ctx, func(tx *store.Tx) error {
		for m, err := range lineage.LoggedModelsOf(tx, id) {
			if err != nil {
				return err
			}
			if !m.Deleted {
				ours = append(ours, m)
			}
		}
		return nil
	})
	if err != nil || len(ours) == 0 {
		return err
	}
	t := x.report.Tallies[migrate.LoggedModels]
	if !x.logged {
		t.Skipped += int64(len(ours))
		x.note(migrate.LoggedModels, "the server is older than MLflow 3 and has no logged models")
		return nil
	}
	there := map[string]*loggedModel{}
	err = x.c.loggedModels(ctx, to.ID, func(page []loggedModel) bool {
		for i := range page {
			if of := find(page[i].Info.Tags, tagModel); of != "" {
				m := page[i]
				there[of] = &m
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, m := range ours {
		if err := x.loggedModel(ctx, m, there[m.ModelID], to); err != nil && !x.refused(migrate.LoggedModels, m.ModelID, err) {
			return fmt.Errorf("logged model %s: %w", m.ModelID, err)
		}
	}
	return nil
}

func (x *exporter) loggedModel(ctx context.Context, m *lineage.LoggedModel, have *loggedModel, to *experiment) error {
	t := x.report.Tallies[migrate.LoggedModels]
	added, changed := have == nil, false
	if added {
		if err := x.revive(ctx, to); err != nil {
			return err
		}
		in := map[string]any{
			"experiment_id": to.ID, "name": m.Name, "model_type": m.ModelType, "source_run_id": x.runs[m.SourceRunID],
			"params": pairs(m.Params), "tags": append(pairs(m.Tags), keyValue{tagModel, m.ModelID}),
		}
		var out struct {
			Model loggedModel `json:"model"`
		}
		if err := x.c.post(ctx, api+"/logged-models", in, &out); err != nil {
			return err
		}
		have = &out.Model
	}
	newID := have.Info.ID
	if newID == "" || strings.ContainsAny(newID, "/?#") {
		return errors.New("the server made a model without an id")
	}
	x.models[m.ModelID], x.uris[m.ArtifactURI] = newID, have.Info.ArtifactURI
	var tags []keyValue
	for _, kv := range m.Tags {
		if kv.Key != tagOfVersions && find(have.Info.Tags, kv.Key) != kv.Value && !added {
			tags = append(tags, keyValue(kv))
		}
	}
	if len(tags) > 0 {
		if err := x.c.call(ctx, http.MethodPatch, api+"/logged-models/"+newID+"/tags", map[string]any{"tags": tags}, nil); err != nil {
			return err
		}
		changed = true
	}
	files, err := x.ourFiles(m.ArtifactURI)
	if err != nil {
		return err
	}
	if err := x.sendFiles(ctx, migrate.LoggedModels, files, have.Info.ArtifactURI); err != nil {
		return err
	}
	if m.Status != loggedStatus(have.Info.Status) {
		status := map[string]any{"model_id": newID, "status": "LOGGED_MODEL_" + m.Status}
		if err := x.c.call(ctx, http.MethodPatch, api+"/logged-models/"+newID, status, nil); err != nil {
			return err
		}
		changed = true
	}
	switch {
	case added:
		t.Added++
	case changed:
		t.Updated++
	default:
		t.Same++
	}
	return nil
}

// tagOfVersions is a tag that a server keeps of a logged model by itself.
const tagOfVersions = "mlflow.modelVersions"

// ourFile is an artifact here.
type ourFile struct {
	path string // below the folder of its run or model
	size int64
	at   artifact.Path
}

// ourFiles lists the artifacts below a location, if it is one of this database.
func (x *exporter) ourFiles(uri string) (out []ourFile, err error) {
	root := x.db.Artifacts()
	served, ok := migrate.ServedPath(uri)
	if x.opt.NoArtifacts || root == nil {
		return nil, nil
	}
	if !ok {
		x.note(migrate.Artifacts, "artifacts that are not in this database were left out: "+scheme(uri))
		return nil, nil
	}
	top, err := artifact.ParsePath(strings.Trim(served, "/"))
	if err != nil {
		return nil, err
	}
	var walk func(dir artifact.Path) error
	walk = func(dir artifact.Path) error {
		files, err := root.List(dir)
		if errors.Is(err, artifact.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, f := range files {
			p, err := artifact.ParsePath(f.Path)
			if err != nil {
				x.note(migrate.Artifacts, "files with names that cannot be sent were left out")
				continue
			}
			if f.IsDir {
				if err := walk(p); err != nil {
					return err
				}
				continue
			}
			out = append(out, ourFile{path: strings.TrimPrefix(f.Path, top.String()+"/"), size: f.Size, at: p})
		}
		return nil
	}
	return out, walk(top)
}

func scheme(uri string) string {
	s, _, ok := strings.Cut(uri, ":")
	if !ok {
		return "a local path"
	}
	return s
}

// sendFiles sends the files that are not below a location of the server. A file
// of the same length is taken for the same.
func (x *exporter) sendFiles(ctx context.Context, kind migrate.Kind, files []ourFile, location string) error {
	if len(files) == 0 {
		return nil
	}
	t := x.report.Tallies[migrate.Artifacts]
	root, ok := x.c.served(location)
	if !ok {
		t.Skipped += int64(len(files))
		x.note(kind, "the server does not take their artifacts, because it does not serve any")
		return nil
	}
	there := map[string]int64{}
	l := x.c.servedLister(root)
	err := l.walk(ctx, func(f fileInfo) bool {
		there[f.Path] = int64(f.Size)
		return true
	}, func(string) {})
	if err != nil {
		return err
	}
	for _, f := range files {
		size, known := there[f.path]
		if known && size == f.size {
			t.Same++
			continue
		}
		if err := x.sendFile(ctx, &f, path.Join(root, f.path)); err != nil {
			return fmt.Errorf("artifact %s: %w", f.path, err)
		}
		if x.report.ArtifactBytes += f.size; known {
			t.Updated++
		} else {
			t.Added++
		}
		x.progress()
	}
	return nil
}

func (x *exporter) sendFile(ctx context.Context, f *ourFile, to string) error {
	var open io.Closer
	defer func() {
		if open != nil {
			open.Close()
		}
	}()
	res, err := x.c.send(ctx, http.MethodPut, host+"/"+escape(to), nil, "application/octet-stream", func() (io.Reader, int64, error) {
		if open != nil {
			open.Close()
		}
		file, err := x.db.Artifacts().Open(f.at)
		if err != nil {
			return nil, 0, err
		}
		open = file
		if f.size == 0 {
			return http.NoBody, 0, nil
		}
		return io.NopCloser(file), f.size, nil
	})
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// moved returns what a source of a version is called on the server: it may name
// a run, a logged model or a folder of one.
func (x *exporter) moved(source string) string {
	if id, ok := strings.CutPrefix(source, "models:/"); ok {
		if to := x.models[id]; to != "" {
			return "models:/" + to
		}
		return source
	}
	if rest, ok := strings.CutPrefix(source, "runs:/"); ok {
		id, below, _ := strings.Cut(rest, "/")
		if to := x.runs[id]; to != "" {
			return strings.TrimSuffix("runs:/"+to+"/"+below, "/")
		}
		return source
	}
	for above := source; len(above) > 1; {
		if to, ok := x.uris[above]; ok {
			return to + source[len(above):]
		}
		i := strings.LastIndexByte(above, '/')
		if i < 0 {
			break
		}
		above = above[:i]
	}
	return source
}
