package runstone

import (
	"context"
	"io"

	"github.com/runstonedb/runstone/artifact"
)

// An Upload is a file below the artifact root that arrives in parts. See
// [artifact.Upload], whose methods these are.
type Upload struct {
	db   *DB
	u    *artifact.Upload
	path string
}

// NewUpload begins to store a file below the artifact root, as [DB.PutArtifact]
// does of a file in one.
func (db *DB) NewUpload(p string) (*Upload, error) {
	if db.opt.ReadOnly {
		return nil, ErrReadOnly
	}
	ap, err := artifact.ParsePath(p)
	if err != nil {
		return nil, err
	}
	u, err := db.artifacts.NewUpload(ap)
	if err != nil {
		return nil, err
	}
	return &Upload{db, u, ap.String()}, nil
}

// Path returns the path of the file below the artifact root.
func (u *Upload) Path() string { return u.path }

// PutPart stores part n, counted from 1.
func (u *Upload) PutPart(ctx context.Context, n int, body io.Reader, opt artifact.PutOptions) (artifact.Info, error) {
	return u.u.PutPart(ctx, n, &roomyReader{r: body, room: u.db.room}, opt)
}

// Complete makes the file of its parts, given by their digests, visible on
// stable storage, and records its size and digest.
func (u *Upload) Complete(ctx context.Context, parts []artifact.Digest) (artifact.Info, error) {
	if _, longest := u.u.Size(); longest > 0 {
		if err := u.db.room(longest); err != nil {
			return artifact.Info{}, err
		}
	}
	info, err := u.u.Complete(ctx, parts)
	if err != nil {
		return info, err
	}
	return info, u.db.RecordArtifact(ctx, u.path, info)
}

// Abort drops the upload and its parts.
func (u *Upload) Abort() error { return u.u.Abort() }
