package artifact

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// An Upload is a file that arrives in parts, in any order and several at once.
// Its parts are files of one temporary entry, which no listing shows and which
// [Root.Sweep] removes when the process died; Complete joins them into the file
// that [Root.Put] would have made of all bytes in one.
//
// Its methods may be called at the same time. It ends with Complete or Abort.
type Upload struct {
	r    *Root
	path Path
	dir  string // the temporary entry

	mu    sync.Mutex
	parts map[int]Info // that have arrived whole
	size  int64        // of them together
	tries int          // names of parts given out
	ended bool
}

// NewUpload begins an upload of the file p. Errors are those of [Root.Put]
// that can be known now.
func (r *Root) NewUpload(p Path) (*Upload, error) {
	if p.IsRoot() {
		return nil, &PathError{"", "the root is not a file"}
	}
	err := r.placeable(p)
	if err == nil {
		u := &Upload{r: r, path: p, dir: r.tempName(), parts: map[int]Info{}}
		if err = r.root.Mkdir(u.dir, r.mode.dir); err == nil {
			return u, nil
		}
		r.release(u.dir)
	}
	return nil, fmt.Errorf("upload %s: %w", quote(p.s), bare(err))
}

func (u *Upload) part(name string) string { return filepath.Join(u.dir, name) }

// PutPart stores part n, counted from 1. A part that is there is replaced when
// the new one is whole, and stays when it is not: of several calls for one part
// the last to finish counts. opt.MaxBytes bounds all parts together. It fails
// like [Root.Put], and with [ErrNotFound] when the upload has ended.
func (u *Upload) PutPart(ctx context.Context, n int, body io.Reader, opt PutOptions) (Info, error) {
	info, err := u.putPart(ctx, n, body, opt)
	if err != nil {
		return Info{}, fmt.Errorf("part %d of %s: %w", n, quote(u.path.s), err)
	}
	return info, nil
}

func (u *Upload) putPart(ctx context.Context, n int, body io.Reader, opt PutOptions) (Info, error) {
	u.mu.Lock()
	if u.ended {
		u.mu.Unlock()
		return Info{}, ErrNotFound
	}
	u.tries++
	temp := u.part("t" + strconv.Itoa(u.tries))
	most := opt.MaxBytes
	if most > 0 {
		if opt.MaxBytes = most - u.size + u.parts[n].Size; opt.MaxBytes <= 0 {
			opt.MaxBytes = -1
		}
	}
	u.mu.Unlock()
	if opt.MaxBytes < 0 {
		return Info{}, fmt.Errorf("%w: over %d bytes", ErrTooLarge, most)
	}
	info, err := u.r.fill(ctx, temp, body, opt, false)
	if err == nil {
		err = u.keep(n, temp, info, most)
	}
	if err != nil {
		if rm := u.r.root.Remove(temp); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
			err = errors.Join(err, bare(rm))
		}
		return Info{}, err
	}
	return info, nil
}

// keep makes the file temp part n.
func (u *Upload) keep(n int, temp string, info Info, most int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	size := u.size - u.parts[n].Size + info.Size
	switch {
	case u.ended:
		return ErrNotFound
	case most > 0 && size > most:
		return fmt.Errorf("%w: over %d bytes", ErrTooLarge, most)
	}
	if err := u.r.root.Rename(temp, u.part(strconv.Itoa(n))); err != nil {
		return bare(err)
	}
	u.parts[n], u.size = info, size
	return nil
}

// Size returns the bytes of all parts that have arrived, and of the longest.
func (u *Upload) Size() (all, longest int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.parts {
		longest = max(longest, p.Size)
	}
	return u.size, longest
}

// Complete joins the parts into the file, which appears whole and on disk.
// digests are those of parts 1 to len(digests), which must be all there are;
// else the error is [ErrDigest] and the upload goes on. Any other error ends it
// and leaves nothing, as success does. While it runs it needs space for the
// longest part once more.
func (u *Upload) Complete(ctx context.Context, digests []Digest) (Info, error) {
	err := u.end(digests)
	if err == nil {
		defer u.r.release(u.dir)
		var info Info
		if info, err = u.join(ctx, len(digests)); err == nil {
			err = u.r.publish(u.part("1"), u.path)
		}
		if rm := u.r.removeTemp(u.dir); err == nil && rm != nil {
			err = bare(rm)
		}
		if err == nil {
			return info, nil
		}
	}
	return Info{}, fmt.Errorf("complete %s: %w", quote(u.path.s), err)
}

// end takes no more parts if those that are there are the right ones.
func (u *Upload) end(digests []Digest) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.ended:
		return ErrNotFound
	case len(digests) == 0 || len(digests) != len(u.parts):
		return fmt.Errorf("%w: %d parts have arrived, not %d", ErrDigest, len(u.parts), len(digests))
	}
	for i, d := range digests {
		if have, ok := u.parts[i+1]; !ok || have.Digest != d {
			return fmt.Errorf("%w: part %d is another", ErrDigest, i+1)
		}
	}
	u.ended = true
	return nil
}

// join appends parts 2 to n to part 1 and removes them on the way.
func (u *Upload) join(ctx context.Context, n int) (Info, error) {
	f, err := u.r.root.OpenFile(u.part("1"), os.O_RDWR, u.r.mode.file)
	if err != nil {
		return Info{}, bare(err)
	}
	h := sha256.New()
	buf := u.r.buffer()
	defer u.r.bufs.Put(buf)
	size, err := pour(ctx, h, f, *buf)
	for i := 2; err == nil && i <= n; i++ {
		var more int64
		more, err = u.append(ctx, io.MultiWriter(h, f), i, *buf)
		size += more
	}
	if err == nil && size != u.size {
		err = fmt.Errorf("%w: %d bytes of %d", ErrDigest, size, u.size)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return Info{}, bare(err)
	}
	return Info{Size: size, Digest: digestOf(h)}, nil
}

func (u *Upload) append(ctx context.Context, w io.Writer, n int, buf []byte) (int64, error) {
	name := u.part(strconv.Itoa(n))
	p, err := u.r.root.Open(name)
	if err != nil {
		return 0, err
	}
	size, err := pour(ctx, w, p, buf)
	p.Close()
	if err != nil {
		return size, err
	}
	return size, u.r.root.Remove(name)
}

// pour copies src to w in pieces of buf.
func pour(ctx context.Context, w io.Writer, src *os.File, buf []byte) (size int64, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return size, err
		}
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return size, err
			}
			size += int64(n)
		}
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}

// Abort drops the upload and what has arrived of it. An upload that has ended
// is [ErrNotFound].
func (u *Upload) Abort() error {
	u.mu.Lock()
	ended := u.ended
	u.ended = true
	u.mu.Unlock()
	err := error(ErrNotFound)
	if !ended {
		err = bare(u.r.removeTemp(u.dir))
		u.r.release(u.dir)
	}
	if err != nil {
		return fmt.Errorf("abort %s: %w", quote(u.path.s), err)
	}
	return nil
}
