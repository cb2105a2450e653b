package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/migrate"
)

const (
	maxDepth   = 64
	maxEntries = 1 << 22 // of a run
	maxFile    = 1 << 40 // bytes
)

// served returns the path of a location that this server serves itself.
func (c *client) served(location string) (string, bool) {
	p, ok := migrate.ServedPath(location)
	if !ok {
		return "", false
	}
	u, err := url.Parse(location)
	if err != nil || u.Host != "" && u.Host != c.base.Host {
		return "", false
	}
	return strings.Trim(p, "/"), true
}

func (s *Source) Reach(ctx context.Context, location string) error {
	p, ok := s.c.served(location)
	if !ok {
		return nil // through the run that they belong to, if the server can
	}
	var out listing
	err := s.c.get(ctx, host, url.Values{"path": {p}}, &out)
	switch statusOf(err) {
	case 0:
		return err
	case http.StatusNotFound: // nothing there yet, or not for us
		return nil
	}
	return fmt.Errorf("the server does not give them: %w: %w", err, migrate.ErrUnreachable)
}

// lister lists a folder of artifacts and opens a file of them, both by their
// paths.
type lister struct {
	list func(ctx context.Context, dir, token string) (listing, error)
	open func(ctx context.Context, name string) (*http.Response, error)
}

// served lists and opens what the server serves below a path.
func (c *client) servedLister(root string) lister {
	return lister{
		list: func(ctx context.Context, dir, _ string) (out listing, err error) {
			err = c.get(ctx, host, url.Values{"path": {path.Join(root, dir)}}, &out)
			return out, err
		},
		open: func(ctx context.Context, name string) (*http.Response, error) {
			return c.send(ctx, http.MethodGet, host+"/"+escape(path.Join(root, name)), nil, "", nil)
		},
	}
}

// lister returns how to read the artifacts at a URI.
func (s *Source) lister(uri string) (lister, error) {
	if p, ok := s.c.served(uri); ok {
		return s.c.servedLister(p), nil
	}
	at := s.uris[uri]
	switch {
	case at.run != "":
		return lister{
			list: func(ctx context.Context, dir, token string) (out listing, err error) {
				q := url.Values{"run_id": {at.run}}
				setUnlessEmpty(q, "path", dir)
				setUnlessEmpty(q, "page_token", token)
				err = s.c.get(ctx, api+"/artifacts/list", q, &out)
				return out, err
			},
			open: func(ctx context.Context, name string) (*http.Response, error) {
				return s.c.send(ctx, http.MethodGet, "/get-artifact", url.Values{"run_id": {at.run}, "path": {name}}, "", nil)
			},
		}, nil
	case at.model != "":
		return lister{
			list: func(ctx context.Context, dir, token string) (out listing, err error) {
				q := url.Values{}
				setUnlessEmpty(q, "artifact_directory_path", dir)
				setUnlessEmpty(q, "page_token", token)
				err = s.c.get(ctx, api+"/logged-models/"+escape(at.model)+"/artifacts/directories", q, &out)
				return out, err
			},
			open: func(ctx context.Context, name string) (*http.Response, error) {
				return s.c.send(ctx, http.MethodGet, ajax+"/logged-models/"+escape(at.model)+"/artifacts/files", url.Values{"artifact_file_path": {name}}, "", nil)
			},
		}, nil
	}
	return lister{}, fmt.Errorf("the server serves them for no run: %w", migrate.ErrUnreachable)
}

func setUnlessEmpty(q url.Values, key, value string) {
	if value != "" {
		q.Set(key, value)
	}
}

func (s *Source) Files(ctx context.Context, uri string) iter.Seq2[migrate.File, error] {
	return func(yield func(migrate.File, error) bool) {
		l, err := s.lister(uri)
		if err == nil {
			err = l.walk(ctx, func(f fileInfo) bool {
				return yield(migrate.File{Path: f.Path, Size: int64(f.Size), Open: func(ctx context.Context) (io.ReadCloser, error) {
					res, err := l.open(ctx, f.Path) //nolint:bodyclose // who reads closes
					if err != nil {
						return nil, err
					}
					return &body{ReadCloser: res.Body, left: int64(f.Size), name: f.Path}, nil
				}}, nil)
			}, func(string) { s.leave(migrate.Artifacts, "files whose names cannot be kept were left out") })
		}
		if status := statusOf(err); status != 0 { // such as a bucket that the server cannot read
			err = fmt.Errorf("the server does not give them: %w: %w", err, migrate.ErrUnreachable)
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(migrate.File{}, err)
		}
	}
}

// walk calls fn for all files. bad is told of names that are none.
func (l *lister) walk(ctx context.Context, fn func(fileInfo) bool, bad func(name string)) error {
	entries := 0
	var walk func(dir string, depth int) error
	walk = func(dir string, depth int) error {
		if depth > maxDepth {
			return errors.New("the server's folders do not end")
		}
		var folders []string
		err := pages(ctx, func(token string) (string, error) {
			out, err := l.list(ctx, dir, token)
			if dir == "" && statusOf(err) == http.StatusNotFound {
				return "", nil
			}
			if err != nil {
				return "", err
			}
			if entries += len(out.Files); entries > maxEntries {
				return "", errors.New("the server's list of files does not end")
			}
			for _, f := range out.Files {
				name, ok := inFolder(dir, f.Path)
				switch {
				case !ok:
					bad(f.Path)
				case f.IsDir:
					folders = append(folders, name)
				case f.Size < 0 || f.Size > maxFile:
					bad(f.Path)
				default:
					f.Path = name
					if !fn(f) {
						return "", errStop
					}
				}
			}
			return out.Next, nil
		})
		for _, f := range folders {
			if err != nil {
				return err
			}
			err = walk(f, depth+1)
		}
		return err
	}
	return walk("", 0)
}

// inFolder returns the path of an entry of a folder's list, which has its whole
// path or only its name. One that is not directly in the folder is refused.
func inFolder(dir, entry string) (string, bool) {
	name := entry
	if dir != "" {
		name = strings.TrimPrefix(entry, dir+"/")
	}
	if strings.Contains(name, "/") {
		return "", false
	}
	full := path.Join(dir, name)
	_, err := artifact.ParsePath(full)
	return full, err == nil && name != "" && name != "." && full != dir
}

// body is a file on its way. It must have as many bytes as were announced.
type body struct {
	io.ReadCloser
	left int64
	name string
}

// Read is for [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 || b.left > 0 && errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("%s: the server sends another number of bytes than it announced", b.name)
	}
	return n, err
}
