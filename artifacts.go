package runstone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/store"
)

// ArtifactInfo is what is recorded of an artifact that went in through this
// database. Files that other tools put into the folder have no record.
type ArtifactInfo struct {
	Path   string // below the artifact root
	Size   int64
	Digest artifact.Digest
	At     time.Time
}

// PutArtifact stores a file below the artifact root ([Run.LogArtifact] is the
// way for a file of a run), visible only when it is
// whole and on stable storage, and records its size and digest. MLflow's
// layout puts the files of a run under <experiment id>/<run id>/artifacts.
func (db *DB) PutArtifact(ctx context.Context, p string, body io.Reader, opt artifact.PutOptions) (artifact.Info, error) {
	if db.opt.ReadOnly {
		return artifact.Info{}, ErrReadOnly
	}
	ap, err := artifact.ParsePath(p)
	if err != nil {
		return artifact.Info{}, err
	}
	info, err := db.artifacts.Put(ctx, ap, &roomyReader{r: body, room: db.room}, opt)
	if err != nil {
		return info, err
	}
	return info, db.RecordArtifact(ctx, p, info)
}

// room refuses bytes that would leave the database without space to work in.
func (db *DB) room(n int64) error {
	if db.inbox != nil {
		return db.inbox.Room(n)
	}
	return db.store.Room(n)
}

// roomyReader reads as long as there is room for what it reads.
type roomyReader struct {
	r      io.Reader
	room   func(n int64) error
	credit int64
}

// roomStep is how many bytes one look at the free space is good for.
const roomStep = 1 << 20

func (r *roomyReader) Read(p []byte) (int, error) {
	if r.credit <= 0 {
		if err := r.room(roomStep); err != nil {
			return 0, err
		}
		r.credit = roomStep
	}
	n, err := r.r.Read(p[:min(int64(len(p)), r.credit)])
	r.credit -= int64(n)
	return n, err
}

// RecordArtifact records a file below the artifact root that came there in
// another way than [DB.PutArtifact]. The file itself is not looked at.
func (db *DB) RecordArtifact(ctx context.Context, p string, info artifact.Info) error {
	ap, err := artifact.ParsePath(p)
	if err != nil {
		return err
	}
	if db.opt.ReadOnly {
		return ErrReadOnly
	}
	return db.do(ctx, Synced, &recordArtifact{Path: ap.String(), Size: info.Size, Digest: string(info.Digest), At: db.now()})
}

type recordArtifact struct {
	Path   string
	Size   int64
	Digest string
	At     int64
}

func (o *recordArtifact) kind() opKind { return kindRecordArtifact }

func (o *recordArtifact) apply(tx *store.Tx) error {
	return tx.Save(artifactKey(o.Path), 1, artifactRow{o.Path, o.Size, o.Digest, o.At})
}

// DeleteArtifacts removes a file or a folder below the artifact root, and the
// records of what was in it.
func (db *DB) DeleteArtifacts(ctx context.Context, p string) error {
	if db.opt.ReadOnly {
		return ErrReadOnly
	}
	ap, err := artifact.ParsePath(p)
	if err != nil {
		return err
	}
	o := &forgetArtifacts{}
	for f, err := range db.artifacts.Walk(ap) {
		if err != nil {
			return err
		}
		if !f.IsDir {
			o.Paths = append(o.Paths, f.Path)
		}
	}
	if err := db.artifacts.Delete(ap); err != nil {
		return err
	}
	return db.do(ctx, Synced, o)
}

type forgetArtifacts struct{ Paths []string }

func (o *forgetArtifacts) kind() opKind { return kindForgetArtifacts }

func (o *forgetArtifacts) apply(tx *store.Tx) error {
	for _, p := range o.Paths {
		if err := tx.Delete(artifactKey(p)); err != nil {
			return err
		}
	}
	return nil
}

// ArtifactRecord returns what is recorded of a file below the artifact root.
// [ErrNotFound] when nothing is.
func (db *DB) ArtifactRecord(ctx context.Context, p string) (ArtifactInfo, error) {
	var row artifactRow
	err := db.View(ctx, func(tx *store.Tx) error {
		err := tx.Load(artifactKey(p), 1, &row)
		if errors.Is(err, ErrNotFound) {
			return notFound("no record of artifact '%s'", p)
		}
		if err == nil && row.Path != p {
			err = fmt.Errorf("artifact paths %q and %q share a key: %w", p, row.Path, ErrCorrupt)
		}
		return err
	})
	return ArtifactInfo{row.Path, row.Size, artifact.Digest(row.Digest), time.UnixMilli(row.At)}, err
}

// artifactDir returns the folder of a run's artifacts below the artifact root.
func (r *RunInfo) artifactDir() (string, error) {
	l, err := artifact.ParseLocation(r.ArtifactURI)
	if err != nil {
		return "", err
	}
	if l.Kind != artifact.KindProxied {
		return "", invalid("the artifacts of run %s are not in this database but at %s", r.ID, r.ArtifactURI)
	}
	return strings.TrimPrefix(l.Path.String(), "/"), nil
}

// LogArtifact stores a file of the run under a slash-separated name.
func (r *Run) LogArtifact(ctx context.Context, name string, body io.Reader) error {
	if r == nil {
		return nil
	}
	p, err := r.db.artifactPath(&r.info, name)
	if err != nil {
		return err
	}
	_, err = r.db.PutArtifact(ctx, p, body, artifact.PutOptions{})
	return err
}

// LogFile stores a copy of a local file of the run, under its base name in the
// artifact folder dir, "" for the run's own.
func (r *Run) LogFile(ctx context.Context, file, dir string) error {
	if r == nil {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.LogArtifact(ctx, path.Join(dir, path.Base(strings.ReplaceAll(file, `\`, "/"))), f)
}

func (db *DB) artifactPath(r *RunInfo, name string) (string, error) {
	p, err := artifact.ParsePath(name)
	if err != nil {
		return "", err
	}
	dir, err := r.artifactDir()
	if err != nil || p.IsRoot() {
		return dir, err
	}
	return dir + "/" + p.String(), nil
}

// ListArtifacts returns what is directly in a folder of a run's artifacts, by
// name; "" is the run's own folder. Paths are relative to that.
func (db *DB) ListArtifacts(ctx context.Context, run, dir string) ([]artifact.File, error) {
	info, err := db.RunInfo(ctx, run)
	if err != nil || db.artifacts == nil {
		return nil, err
	}
	p, err := db.artifactPath(&info, dir)
	if err != nil {
		return nil, err
	}
	ap, err := artifact.ParsePath(p)
	if err != nil {
		return nil, err
	}
	files, err := db.artifacts.List(ap)
	base, berr := info.artifactDir()
	if err = errors.Join(err, berr); err != nil {
		return nil, err
	}
	for i := range files {
		files[i].Path = strings.TrimPrefix(files[i].Path, base+"/")
	}
	return files, nil
}

// OpenArtifact opens a file of a run for reading.
func (db *DB) OpenArtifact(ctx context.Context, run, name string) (*os.File, error) {
	info, err := db.RunInfo(ctx, run)
	if err != nil {
		return nil, err
	}
	p, err := db.artifactPath(&info, name)
	if err != nil {
		return nil, err
	}
	ap, err := artifact.ParsePath(p)
	if err != nil {
		return nil, err
	}
	if db.artifacts == nil {
		return nil, notFound("no artifact '%s'", name)
	}
	return db.artifacts.Open(ap)
}
