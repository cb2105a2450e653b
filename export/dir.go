package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/runstonedb/runstone"
)

// reportName is the file that says what an export wrote. It comes last: where
// it is, the export is whole.
const reportName = "runstone-export.json"

const tempPrefix = ".runstone-export-"

// maxReport bounds that file when it is read.
const maxReport = 256 << 20

var (
	// ErrNotEmpty is for a folder that has files already.
	ErrNotEmpty = errors.New("export: the folder is not empty")
	// ErrForeign is for a folder with files in the way that no export wrote.
	// They are never removed.
	ErrForeign = errors.New("export: files that no export wrote are in the way")
)

// tableNames are the folders that an export may write.
var tableNames = []string{"experiments", "runs", "series", "metrics", "datasets", "logged_models", "models", "versions"}

// Dir writes a folder of files, see the package. It fills a folder below dir
// with a temporary name and moves the tables to their places when they are
// whole, so that an export that fails leaves an earlier one as it was. Errors:
// [ErrNotEmpty] for a folder with files unless Replace is set, [ErrForeign],
// *query.ParseError for the filter, [runstone.ErrNotFound] for an experiment.
func Dir(ctx context.Context, db *runstone.DB, dir string, opt *Options) (*Report, error) {
	x, err := newExporter(db, opt)
	if err != nil {
		return nil, err
	}
	if err := outside(db.Dir(), dir); err != nil {
		return nil, err
	}
	made, err := prepare(dir, x.opt.Replace)
	if err != nil {
		return nil, err
	}
	x.temp, err = os.MkdirTemp(dir, tempPrefix)
	if err == nil {
		if err = x.fill(ctx); err == nil {
			err = x.publish(dir)
		}
		if rerr := os.RemoveAll(x.temp); err == nil {
			err = rerr
		}
	}
	if err != nil {
		if made {
			_ = os.Remove(dir) // when nothing else came into it
		}
		return nil, err
	}
	x.progress(true)
	return &x.report, nil
}

// outside refuses a folder inside that of the database.
func outside(database, dir string) error {
	base, err := filepath.Abs(database)
	if err != nil {
		return err
	}
	to, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if rel, err := filepath.Rel(base, to); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return fmt.Errorf("%s is in the directory of the database: %w", dir, runstone.ErrInvalid)
	}
	return nil
}

// prepare makes the folder, or finds out whether it may be written to. made
// reports whether it was not there.
func prepare(dir string, replace bool) (made bool, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, os.MkdirAll(dir, 0o755)
	}
	if err != nil || len(entries) == 0 {
		return false, err
	}
	if !replace {
		return false, fmt.Errorf("%s: %w", dir, ErrNotEmpty)
	}
	return false, checkOwn(dir)
}

// checkOwn refuses a folder in which a table's place has files that the last
// export did not write.
func checkOwn(dir string) error {
	own, err := earlier(dir)
	if err != nil {
		return err
	}
	for _, table := range tableNames {
		err := filepath.WalkDir(filepath.Join(dir, table), func(p string, e fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case e.IsDir():
				return nil
			}
			if rel, err := filepath.Rel(dir, p); err != nil || !own[filepath.ToSlash(rel)] {
				return fmt.Errorf("%s: %w", p, ErrForeign)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// earlier returns the files that the last export into a folder wrote.
func earlier(dir string) (map[string]bool, error) {
	name := filepath.Join(dir, reportName)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxReport {
		return nil, fmt.Errorf("%s: %w", name, ErrForeign)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil || r.Version != reportVersion {
		return nil, fmt.Errorf("%s: %w", name, ErrForeign)
	}
	own := map[string]bool{}
	for _, t := range r.Tables {
		for _, f := range t.Files {
			own[f.Path] = true
		}
	}
	return own, nil
}

// publish moves what was written to its place.
func (x *exporter) publish(dir string) error {
	text, err := json.MarshalIndent(&x.report, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(x.temp, reportName), append(text, '\n'), 0o644); err != nil {
		return err
	}
	if err := checkOwn(dir); err != nil { // again: it has been a while
		return err
	}
	if err := x.sweep(dir); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, reportName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, table := range tableNames {
		to := filepath.Join(dir, table)
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(x.temp, table), to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Rename(filepath.Join(x.temp, reportName), filepath.Join(dir, reportName))
}

// sweep removes what exports left that were killed.
func (x *exporter) sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) && e.Name() != filepath.Base(x.temp) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
