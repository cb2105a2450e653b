package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/artifact"
	"github.com/spf13/cobra"
)

func (a *app) artifactsCommand() *cobra.Command {
	return newGroup("artifacts", "List, fetch and store files of runs",
		a.artifactsList(), a.artifactsGet(), a.artifactsPut(), a.artifactsRemove(), a.artifactsVerify())
}

type fileView struct {
	Path     string `json:"path"`
	IsDir    bool   `json:"is_dir"`
	Size     int64  `json:"file_size"`
	Modified int64  `json:"modified"`
}

func (a *app) artifactsList() *cobra.Command {
	var recursive bool
	cmd := &cobra.Command{
		Use: "list RUN [FOLDER]", Short: "List the files of a run", Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.completeArgs(a.runIDs, a.artifactPaths),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder := ""
			if len(args) == 2 {
				folder = strings.Trim(args[1], "/")
			}
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				run, err := findRun(ctx, db, args[0])
				if err != nil {
					return err
				}
				list, now := jsonList{a: a}, time.Now()
				t := newTable("PATH", ">SIZE", "MODIFIED")
				err = eachFile(ctx, db, run.ID, folder, recursive, func(f artifact.File) error {
					if a.json {
						return list.add(fileView{f.Path, f.IsDir, f.Size, f.ModTime.UnixMilli()})
					}
					name, bytes := f.Path, size(f.Size)
					if f.IsDir {
						name, bytes = name+"/", ""
					}
					t.add(name, bytes, ago(now, f.ModTime.UnixMilli()))
					return nil
				})
				switch {
				case err != nil:
					return err
				case a.json:
					return list.end()
				}
				return a.print(t)
			})
		},
	}
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "go into folders")
	return cmd
}

// eachFile calls fn for what is in a folder of a run, folders before what they
// hold.
func eachFile(ctx context.Context, db *runstone.DB, run, folder string, recursive bool, fn func(artifact.File) error) error {
	files, err := db.ListArtifacts(ctx, run, folder)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(f); err != nil {
			return err
		}
		if recursive && f.IsDir {
			if err := eachFile(ctx, db, run, f.Path, true, fn); err != nil {
				return err
			}
		}
	}
	return nil
}

// artifactPaths offers files and folders of the run that is the first argument.
func (a *app) artifactPaths(ctx context.Context, db *runstone.DB, args []string, prefix string) ([]string, error) {
	run, err := findRun(ctx, db, args[0])
	if err != nil {
		return nil, err
	}
	dir, _ := path.Split(prefix)
	files, err := db.ListArtifacts(ctx, run.ID, strings.Trim(dir, "/"))
	var out []string
	for _, f := range files {
		if f.IsDir {
			f.Path += "/"
		}
		if strings.HasPrefix(f.Path, prefix) {
			out = append(out, f.Path)
		}
	}
	return out, err
}

func (a *app) artifactsGet() *cobra.Command {
	return &cobra.Command{
		Use: "get RUN PATH [DEST]", Short: "Copy a file or a folder of a run", Args: cobra.RangeArgs(2, 3),
		Long: `Copy a file or a folder of a run to DEST, the present directory if there is
none. DEST may be a directory, a new name, or - for stdout. A file that is there
is not replaced.`,
		ValidArgsFunction: a.completeArgs(a.runIDs, a.artifactPaths, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			dest := "."
			if len(args) == 3 {
				dest = args[2]
			}
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				run, err := findRun(ctx, db, args[0])
				if err != nil {
					return err
				}
				return a.getArtifact(ctx, db, run.ID, strings.Trim(args[1], "/"), dest)
			})
		},
	}
}

func (a *app) getArtifact(ctx context.Context, db *runstone.DB, run, name, dest string) error {
	src, err := db.OpenArtifact(ctx, run, name)
	if errors.Is(err, artifact.ErrIsDir) && dest != "-" {
		return a.getFolder(ctx, db, run, name, dest)
	}
	if asNotFound(err) {
		return notFoundf(fmt.Sprintf("\"runstone artifacts list -r %s\" shows what it has", shortID(run)), "run %s has no artifact %q", shortID(run), name)
	}
	if err != nil {
		return err
	}
	defer src.Close()
	if dest == "-" {
		_, err := io.Copy(a.stdout, src)
		return err
	}
	if info, err := os.Stat(dest); err == nil && info.IsDir() {
		dest = filepath.Join(dest, path.Base(name))
	}
	n, err := saveFile(dest, src)
	if err != nil {
		return err
	}
	return a.done(map[string]any{"path": dest, "size": n}, "%s (%s)", dest, size(n))
}

func asNotFound(err error) bool {
	return errors.Is(err, artifact.ErrNotFound) || errors.Is(err, runstone.ErrNotFound) || errors.Is(err, artifact.ErrNotDir)
}

func (a *app) getFolder(ctx context.Context, db *runstone.DB, run, folder, dest string) error {
	if info, err := os.Stat(dest); err == nil && info.IsDir() && folder != "" {
		dest = filepath.Join(dest, path.Base(folder))
	}
	var files, bytes int64
	err := eachFile(ctx, db, run, folder, true, func(f artifact.File) error {
		if f.IsDir {
			return nil
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(f.Path, folder), "/")
		if !filepath.IsLocal(filepath.FromSlash(rel)) {
			return refusedf("fetch it by itself", "%q is no file name here", f.Path)
		}
		src, err := db.OpenArtifact(ctx, run, f.Path)
		if err != nil {
			return err
		}
		defer src.Close()
		to := filepath.Join(dest, filepath.FromSlash(rel))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		n, err := saveFile(to, src)
		files, bytes = files+1, bytes+n
		return err
	})
	if err != nil {
		return err
	}
	return a.done(map[string]any{"path": dest, "files": files, "size": bytes}, "%s (%s, %s)", dest, plural(files, "file"), size(bytes))
}

// saveFile writes a new file; on an error none is left.
func saveFile(name string, src io.Reader) (int64, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return 0, refusedf("remove it or choose another name", "%s is there already", name)
	}
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(f, src)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(name)
	}
	return n, err
}

func (a *app) artifactsPut() *cobra.Command {
	return &cobra.Command{
		Use: "put RUN FILE [PATH]", Short: "Store a file with a run", Args: cobra.RangeArgs(2, 3),
		Long: `Store a copy of a file with a run, under PATH or else under the file's own
name, and record its digest. FILE may be - for stdin, which needs a PATH. A file
of that name is replaced.`,
		ValidArgsFunction: a.completeArgs(a.runIDs, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := path.Base(filepath.ToSlash(args[1]))
			if len(args) == 3 {
				name = args[2]
			} else if args[1] == "-" {
				return usagef("stdin has no name; give a PATH")
			}
			body := a.in
			if args[1] != "-" {
				f, err := openFile(args[1])
				if err != nil {
					return err
				}
				defer f.Close()
				body = f
			}
			return a.write(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				run, err := findRun(ctx, db, args[0])
				if err != nil {
					return err
				}
				p, err := artifactPath(&run, name)
				if err != nil {
					return err
				}
				info, err := db.PutArtifact(ctx, p.String(), body, artifact.PutOptions{})
				if err != nil {
					return err
				}
				return a.done(map[string]any{"path": name, "size": info.Size, "digest": info.Digest}, "%s  %s  %s", name, size(info.Size), info.Digest)
			})
		},
	}
}

// openFile opens a local file to be read, and refuses folders.
func openFile(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = refusedf("name one file", "%s is a folder", name)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// artifactPath is where a file of a run is below the root of artifacts.
func artifactPath(run *runstone.RunInfo, name string) (artifact.Path, error) {
	p, err := artifact.ParsePath(name)
	if err != nil {
		return p, err
	}
	l, err := artifact.ParseLocation(run.ArtifactURI)
	if err != nil {
		return p, err
	}
	if l.Kind != artifact.KindProxied {
		return p, refusedf("use the tools of that place", "the artifacts of run %s are at %s, not in this database", shortID(run.ID), run.ArtifactURI)
	}
	return l.Path.Join(p)
}

func (a *app) artifactsRemove() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "rm RUN PATH", Short: "Remove a file or a folder of a run", Args: cobra.ExactArgs(2),
		Long:              "Remove a file or a folder of a run. This cannot be undone.",
		ValidArgsFunction: a.completeArgs(a.runIDs, a.artifactPaths),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := strings.Trim(args[1], "/")
			if err := a.confirm(yes, fmt.Sprintf("artifact %q of run %s", name, args[0])); err != nil {
				return err
			}
			return a.write(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				run, err := findRun(ctx, db, args[0])
				if err != nil {
					return err
				}
				p, err := artifactPath(&run, name)
				if err != nil {
					return err
				}
				err = db.DeleteArtifacts(ctx, p.String())
				if asNotFound(err) {
					return notFoundf(fmt.Sprintf("\"runstone artifacts list -r %s\" shows what it has", shortID(run.ID)), "run %s has no artifact %q", shortID(run.ID), name)
				}
				if err != nil {
					return err
				}
				return a.done(map[string]any{"path": name, "deleted": true}, "removed %s", name)
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
