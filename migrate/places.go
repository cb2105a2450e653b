package migrate

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/artifact"
)

const servedScheme = "mlflow-artifacts:/"

// places remembers where the artifacts of experiments were and are now.
type places map[string]string // by key

// placeKey is a location without the spellings that mean the same, or "".
func placeKey(location string) string {
	if p, ok := ServedPath(location); ok {
		return servedScheme + strings.Trim(p, "/")
	}
	if p, ok := LocalPath(location); ok {
		return filepath.ToSlash(filepath.Clean(p))
	}
	return ""
}

// moved returns where a location is now.
func (p places) moved(location string) string {
	key := placeKey(location)
	for above := key; above != "" && above != "." && above != "/"; above = path.Dir(above) {
		if to, ok := p[above]; ok {
			return to + key[len(above):]
		}
	}
	return location
}

// settle decides where the artifacts of an experiment will be, changes its
// Location to that, and reports whether there are files to copy.
func (in *importer) settle(ctx context.Context, e *runstone.Experiment) (reach bool, err error) {
	from := e.Location
	served, isServed := ServedPath(from)
	if !in.opt.NoArtifacts && from != "" {
		err := in.src.Reach(ctx, from)
		if err != nil && !errors.Is(err, ErrUnreachable) {
			return false, fmt.Errorf("artifacts of experiment %s: %w", e.ID, err)
		}
		if reach = err == nil; !reach {
			in.note(Experiments, e.ID, "its artifacts were not copied: "+strings.TrimSuffix(err.Error(), ": "+ErrUnreachable.Error()))
		}
	}
	switch {
	case isServed:
		e.Location = servedScheme + strings.Trim(served, "/")
	case reach, from == "":
		e.Location = servedScheme + e.ID
	default:
		return reach, nil
	}
	if _, err := artifact.ParseLocation(e.Location); err != nil { // nobody could be served from there
		e.Location = servedScheme + e.ID
	}
	if in.places == nil {
		in.places = places{}
	}
	if key := placeKey(from); key != "" {
		in.places[key] = e.Location
	}
	return reach, nil
}

// files copies the files of a run or a logged model.
func (in *importer) files(ctx context.Context, kind Kind, id, from, to string) error {
	dir, ok := ServedPath(to)
	if !ok {
		in.note(kind, id, "its artifacts are not below those of its experiment, and were not copied")
		return nil
	}
	t := in.report.Tallies[Artifacts]
	for f, err := range in.src.Files(ctx, from) {
		if errors.Is(err, ErrUnreachable) {
			in.note(kind, id, "its artifacts were not copied: "+strings.TrimSuffix(err.Error(), ": "+ErrUnreachable.Error()))
			return nil
		}
		if err != nil {
			return fmt.Errorf("artifacts of %s %s: %w", singular(kind), id, err)
		}
		name := dir + "/" + f.Path
		if _, err := artifact.ParsePath(name); err != nil {
			t.Skipped++
			in.note(Artifacts, name, "a file was not copied: its name is not one that this database can keep")
			continue
		}
		info, added, err := in.file(ctx, name, &f)
		ok, err := in.outcome(Artifacts, name, added, func(s *recordSum) { s.file(name, info) }, err)
		if err != nil {
			return err
		}
		if ok {
			in.report.ArtifactBytes += info.Size
		}
		in.progress()
	}
	return nil
}

// file copies one file, or finds that it is there.
func (in *importer) file(ctx context.Context, name string, f *File) (artifact.Info, bool, error) {
	body, err := f.Open(ctx)
	if err != nil {
		return artifact.Info{}, false, err
	}
	defer body.Close()
	p, err := artifact.ParsePath(name)
	if err != nil {
		return artifact.Info{}, false, err
	}
	there, err := in.db.ArtifactRecord(ctx, name)
	recorded := err == nil
	if err != nil && !errors.Is(err, runstone.ErrNotFound) {
		return artifact.Info{}, false, err
	}
	exists, err := in.exists(p)
	if err != nil {
		return artifact.Info{}, false, err
	}
	if !exists && !in.report.DryRun {
		info, err := in.db.PutArtifact(ctx, name, body, artifact.PutOptions{Size: max(f.Size, 0)})
		return info, true, err
	}
	info, err := digestOf(ctx, body)
	if err != nil || !exists {
		return info, true, err
	}
	if !recorded { // somebody put it there by hand, or the process died before it was recorded
		if err := in.db.Artifacts().Verify(p, info.Digest); errors.Is(err, artifact.ErrDigest) {
			return info, false, &runstone.Error{Kind: runstone.ErrConflict, Msg: "its bytes differ"}
		} else if err != nil || in.report.DryRun {
			return info, true, err
		}
		return info, true, in.db.RecordArtifact(ctx, name, info)
	}
	if there.Digest != info.Digest || there.Size != info.Size {
		return info, false, &runstone.Error{Kind: runstone.ErrConflict, Msg: "its bytes differ"}
	}
	return info, false, nil
}

// exists reports whether there is a file at p in the database.
func (in *importer) exists(p artifact.Path) (bool, error) {
	root := in.db.Artifacts()
	if root == nil {
		return false, nil
	}
	f, err := root.Open(p)
	if errors.Is(err, artifact.ErrNotFound) || errors.Is(err, artifact.ErrNotDir) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}
