package artifact

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// PutOptions say what a body may be. The zero value takes any body.
type PutOptions struct {
	MaxBytes int64  // a longer body is ErrTooLarge; 0 = no limit
	Size     int64  // a body of another length is ErrDigest; 0 = any length
	Digest   Digest // a body of other bytes is ErrDigest; "" = any bytes
}

// Info is what Put stored.
type Info struct {
	Size   int64 // bytes
	Digest Digest
}

// Put stores body as the file p, making the directories above it, and
// replaces a file that is there. When it returns nil the file is on disk
// under its name; on any error nothing of it is visible, and a file that was
// there before is untouched (one exception: when syncing the directory after
// the rename fails, the file is there but may not outlive a power cut).
// Readers see the old bytes or the new ones; of several Puts to one name the
// last to finish stays.
//
// The body is copied and digested in pieces of 128 KiB. ctx is looked at
// between pieces, so it does not end a Read of body that blocks.
//
// Errors: [ErrTooLarge], [ErrDigest], [ErrIsDir] when p is a directory,
// [ErrNotDir] when p is below a file, a [*PathError] for the root, and those
// of ctx, of body and of the file system, such as [syscall.ENOSPC].
func (r *Root) Put(ctx context.Context, p Path, body io.Reader, opt PutOptions) (Info, error) {
	if p.IsRoot() {
		return Info{}, &PathError{"", "the root is not a file"}
	}
	info, err := r.put(ctx, p, body, opt)
	if err != nil {
		return Info{}, fmt.Errorf("put %s: %w", quote(p.s), err)
	}
	return info, nil
}

func (r *Root) put(ctx context.Context, p Path, body io.Reader, opt PutOptions) (Info, error) {
	if opt.Digest != "" {
		if _, err := ParseDigest(string(opt.Digest)); err != nil {
			return Info{}, err
		}
	}
	if opt.MaxBytes > 0 && opt.Size > opt.MaxBytes {
		return Info{}, fmt.Errorf("%w: over %d bytes", ErrTooLarge, opt.MaxBytes)
	}
	// Ask before the upload what would only fail after it.
	if err := r.placeable(p); err != nil {
		return Info{}, err
	}
	temp := r.tempName()
	defer r.release(temp)
	info, err := r.fill(ctx, temp, body, opt, true)
	if err == nil {
		err = r.publish(temp, p)
	}
	if err != nil {
		if rm := r.root.Remove(temp); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
			err = errors.Join(err, bare(rm))
		}
		return Info{}, err
	}
	return info, nil
}

// fill writes body to the new file temp.
func (r *Root) fill(ctx context.Context, temp string, body io.Reader, opt PutOptions, sync bool) (Info, error) {
	f, err := r.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, r.mode.file)
	if err != nil {
		return Info{}, bare(err)
	}
	info, err := r.copy(ctx, f, body, opt)
	if err == nil && sync {
		if err = f.Sync(); err != nil {
			err = bare(err)
		}
	}
	if cerr := f.Close(); err == nil && cerr != nil {
		err = bare(cerr)
	}
	return info, err
}

func (r *Root) copy(ctx context.Context, f *os.File, body io.Reader, opt PutOptions) (Info, error) {
	buf := r.buffer()
	defer r.bufs.Put(buf)
	h := sha256.New()
	var size int64
	for idle := 0; ; {
		if err := ctx.Err(); err != nil {
			return Info{}, err
		}
		n, err := body.Read(*buf)
		if n < 0 || n > len(*buf) {
			return Info{}, fmt.Errorf("body: read returned %d bytes for %d", n, len(*buf))
		}
		size += int64(n)
		switch {
		case opt.MaxBytes > 0 && size > opt.MaxBytes:
			return Info{}, fmt.Errorf("%w: over %d bytes", ErrTooLarge, opt.MaxBytes)
		case opt.Size > 0 && size > opt.Size:
			return Info{}, fmt.Errorf("%w: over the %d bytes announced", ErrDigest, opt.Size)
		}
		if n > 0 {
			idle = 0
			h.Write((*buf)[:n])
			if _, err := f.Write((*buf)[:n]); err != nil {
				return Info{}, bare(err)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return Info{}, fmt.Errorf("body: %w", err)
		}
		if n == 0 {
			if idle++; idle == 100 {
				return Info{}, fmt.Errorf("body: %w", io.ErrNoProgress)
			}
		}
	}
	// A cancel that came with the end of the body still counts: the caller
	// may have cut the body short by it.
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	if opt.Size > 0 && size != opt.Size {
		return Info{}, fmt.Errorf("%w: %d bytes of the %d announced", ErrDigest, size, opt.Size)
	}
	d := digestOf(h)
	if opt.Digest != "" && d != opt.Digest {
		return Info{}, fmt.Errorf("%w: want %s, have %s", ErrDigest, opt.Digest, d)
	}
	return Info{Size: size, Digest: d}, nil
}

// placeable reports why no file can be put at p, as far as is known now.
func (r *Root) placeable(p Path) error {
	dir, base := p.split()
	d, err := r.openDir(dir)
	if errors.Is(err, ErrNotFound) {
		return nil // to be created
	}
	if err != nil {
		return err
	}
	defer d.Close()
	if info, err := d.Lstat(base); err == nil && info.IsDir() {
		return ErrIsDir
	}
	return nil
}

// publish gives temp the name p, durably.
func (r *Root) publish(temp string, p Path) error {
	dir, _ := p.split()
	// Between making a directory and renaming into it, a Delete or a failed
	// Put may take it away again; each round needs another one that does.
	const rounds = 100
	var err error
	for range rounds {
		if err = r.tryPublish(temp, p, dir); !errors.Is(err, ErrNotFound) {
			return err
		}
		if _, gone := r.root.Lstat(temp); gone != nil {
			return err // swept away by another process
		}
	}
	return err
}

func (r *Root) tryPublish(temp string, p Path, dir string) error {
	made := ""
	d, err := r.openDir(dir) // refuses links on the way
	if errors.Is(err, ErrNotFound) {
		if made, err = r.makeDirs(dir); err == nil {
			d, err = r.openDir(dir)
		}
	}
	if err == nil {
		err = r.rename(temp, p, d)
		d.Close()
	}
	if err != nil && made != "" {
		r.prune(dir, made)
	}
	if err != nil {
		return bare(err)
	}
	return nil
}

// rename gives temp the name p, which is in the directory d.
func (r *Root) rename(temp string, p Path, d *os.Root) error {
	r.names.RLock()
	err := r.root.Rename(temp, p.os())
	r.names.RUnlock()
	if err != nil {
		if perr := r.placeable(p); perr != nil {
			return perr
		}
		return err
	}
	return syncDir(d)
}

// prune removes the directories from dir up to made that hold nothing. A file
// that took such a name by now stays.
func (r *Root) prune(dir, made string) {
	r.names.Lock()
	defer r.names.Unlock()
	for len(dir) >= len(made) {
		name := filepath.FromSlash(dir)
		info, err := r.root.Lstat(name)
		if err == nil && (!info.IsDir() || r.root.Remove(name) != nil) {
			return // in use
		}
		dir, _ = Path{dir}.split()
	}
}

// tempName reserves a new temporary name. The caller releases it.
func (r *Root) tempName() string {
	name := tempPrefix + rand.Text()
	r.mu.Lock()
	r.live[name] = struct{}{}
	r.mu.Unlock()
	return name
}

func (r *Root) release(name string) {
	r.mu.Lock()
	delete(r.live, name)
	r.mu.Unlock()
}

func (r *Root) isLive(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.live[name]
	return ok
}

// Sweep removes the temporary entries that were last written to more than
// olderThan ago and returns how many. Those of this Root's own running calls
// are kept whatever their age; choose olderThan so that an upload another
// process still has running is not taken for a dead one (it would fail, and
// leave nothing). The first error ends the sweep.
func (r *Root) Sweep(olderThan time.Duration) (int, error) {
	d, err := r.root.Open(".")
	if err != nil {
		return 0, fmt.Errorf("artifact: sweep: %w", bare(err))
	}
	names, err := d.Readdirnames(-1)
	d.Close()
	if err != nil {
		return 0, fmt.Errorf("artifact: sweep: %w", bare(err))
	}
	limit := time.Now().Add(-olderThan)
	swept := 0
	for _, name := range names {
		if !strings.HasPrefix(name, tempPrefix) || r.isLive(name) {
			continue
		}
		info, err := r.root.Lstat(name)
		if err == nil && info.ModTime().After(limit) {
			continue
		}
		if err == nil {
			err = r.removeTemp(name)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // its owner was faster
		}
		if err != nil {
			return swept, fmt.Errorf("artifact: sweep: %w", bare(err))
		}
		swept++
	}
	return swept, nil
}
