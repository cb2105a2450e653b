package mlruns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/migrate"
)

const (
	metaFile = "meta.yaml"
	trash    = ".trash"
	models   = "models" // registered models at the top, logged ones in an experiment
)

// reserved are folders of an experiment that are no runs.
var reserved = [...]string{"tags", "datasets", "traces", models}

// ErrNotStore is what [Open] returns for a folder that is no store of MLflow.
var ErrNotStore = errors.New("no MLflow store of files")

// Options are for [Open]; nil is none of them.
type Options struct {
	// Artifacts are folders that artifacts may be read from, beside the store
	// itself and a folder mlartifacts beside it.
	Artifacts []string
}

// Source is an MLflow store of files. It is a [migrate.Source].
type Source struct {
	dir     string // absolute
	root    *os.Root
	folders *migrate.Folders
	place   map[string]string   // folders of experiments, by id
	about   map[string][]string // models that points of runs are about, of one experiment
	within  string              // the experiment of about
	trashed map[string]string   // paths of deleted experiments, now and before
	notes   []migrate.Note
	left    map[migrate.Note]int64
}

var _ migrate.Source = (*Source)(nil)

// IsStore reports whether a folder looks like a store: it has an experiment, or
// the folder for deleted ones.
func IsStore(dir string) bool {
	if info, err := os.Stat(filepath.Join(dir, trash)); err == nil && info.IsDir() {
		return true
	}
	found, err := fs.Glob(os.DirFS(dir), "*/"+metaFile)
	return err == nil && len(found) > 0
}

// Open opens the store in a folder. Errors: [ErrNotStore] and those of the file
// system.
func Open(dir string, opt *Options) (*Source, error) {
	if opt == nil {
		opt = &Options{}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, err
	}
	s := &Source{dir: abs, root: root, place: map[string]string{}, trashed: map[string]string{}, left: map[migrate.Note]int64{}}
	if err := s.prepare(opt); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Source) prepare(opt *Options) (err error) {
	if !IsStore(s.dir) {
		return fmt.Errorf("%s: %w", s.dir, ErrNotStore)
	}
	served := slices.Clone(opt.Artifacts)
	if beside := filepath.Join(filepath.Dir(s.dir), "mlartifacts"); len(served) == 0 {
		if info, err := os.Stat(beside); err == nil && info.IsDir() {
			served = append(served, beside)
		}
	}
	within := append(slices.Clone(served), s.dir)
	if info, err := s.root.Stat(trash); err == nil && info.IsDir() {
		within = append(within, filepath.Join(s.dir, trash))
	}
	s.folders, err = migrate.OpenFolders(served, within)
	return err
}

// Close closes the folder.
func (s *Source) Close() error {
	err := s.root.Close()
	if s.folders != nil {
		err = errors.Join(err, s.folders.Close())
	}
	return err
}

// leave counts something that is left out.
func (s *Source) leave(kind migrate.Kind, text string) {
	s.left[migrate.Note{Kind: kind, Text: text}]++
}

// Notes is for [migrate.Source], as all methods below are.
func (s *Source) Notes() []migrate.Note {
	out := slices.Clone(s.notes)
	for n, count := range s.left {
		n.N = count
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b migrate.Note) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Text, b.Text))
	})
	return append(out, s.folders.Notes()...)
}

func (s *Source) Totals(context.Context) (migrate.Counts, error) {
	c := migrate.Counts{Records: map[migrate.Kind]int64{}}
	for _, parent := range []string{".", trash} {
		for _, id := range s.subfolders(parent) {
			if !isExperiment(parent, id) {
				continue
			}
			c.Records[migrate.Experiments]++
			for _, run := range s.subfolders(path.Join(parent, id)) {
				if !slices.Contains(reserved[:], run) {
					c.Records[migrate.Runs]++
				}
			}
		}
	}
	c.Records[migrate.Models] = int64(len(s.subfolders(models)))
	return c, nil
}

func isExperiment(parent, name string) bool {
	return parent == trash || name != trash && name != models
}

// subfolders returns the names of the folders in a folder, sorted. One that is
// missing has none.
func (s *Source) subfolders(dir string) []string {
	entries, err := fs.ReadDir(s.root.FS(), dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

func (s *Source) Experiments(ctx context.Context) iter.Seq2[*runstone.Experiment, error] {
	return func(yield func(*runstone.Experiment, error) bool) {
		var all []*runstone.Experiment
		for _, parent := range []string{".", trash} {
			for _, id := range s.subfolders(parent) {
				if err := ctx.Err(); err != nil {
					yield(nil, err)
					return
				}
				if !isExperiment(parent, id) {
					continue
				}
				if e := s.experiment(path.Join(parent, id), id); e != nil {
					all = append(all, e)
				}
			}
		}
		slices.SortStableFunc(all, func(a, b *runstone.Experiment) int { return a.Created.Compare(b.Created) })
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// experiment reads an experiment, nil when it is left out.
func (s *Source) experiment(dir, id string) *runstone.Experiment {
	m, err := s.readMeta(path.Join(dir, metaFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.leave(migrate.Experiments, "folders without a meta.yaml were left out")
		return nil
	case err != nil:
		s.leave(migrate.Experiments, "experiments with a damaged meta.yaml were left out")
		return nil
	case m.text("experiment_id") != id:
		s.leave(migrate.Experiments, "folders whose meta.yaml has the id of another experiment were left out")
		return nil
	case s.place[id] != "" && s.place[id] != dir:
		s.leave(migrate.Experiments, "deleted experiments whose id an active one has were left out")
		return nil
	}
	s.place[id] = dir
	e := &runstone.Experiment{
		ID: id, Name: m.text("name"), Location: m.text("artifact_location"), Deleted: m.text("lifecycle_stage") == "deleted",
		Created: time.UnixMilli(m.integer("creation_time")), Updated: time.UnixMilli(m.integer("last_update_time")), Tags: map[string]string{},
	}
	for _, t := range s.texts(migrate.Experiments, path.Join(dir, "tags")) {
		e.Tags[t.Key] = t.Value
	}
	if p, ok := migrate.LocalPath(e.Location); ok && strings.HasPrefix(dir, trash+"/") {
		s.trashed[filepath.Clean(p)] = filepath.Join(s.dir, filepath.FromSlash(dir))
	}
	for _, t := range s.subfolders(path.Join(dir, "traces")) {
		_ = t
		s.leave("", "traces were left out")
	}
	return e
}

// texts reads the files below a folder, by key: params or tags.
func (s *Source) texts(kind migrate.Kind, dir string) []lineage.Tag {
	var out []lineage.Tag
	s.walk(kind, dir, func(key string) {
		b, err := s.readFile(path.Join(dir, key), maxText)
		if err != nil {
			s.leave(kind, "params and tags that could not be read were left out")
			return
		}
		out = append(out, lineage.Tag{Key: key, Value: string(b)})
	})
	sortTags(out)
	return out
}

// walk calls fn for the files below a folder, by their path in it.
func (s *Source) walk(kind migrate.Kind, dir string, fn func(key string)) {
	err := fs.WalkDir(s.root.FS(), dir, func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil && p == dir && errors.Is(err, fs.ErrNotExist):
			return fs.SkipAll
		case err != nil:
			return err
		case e.Type().IsRegular():
			fn(strings.TrimPrefix(p, dir+"/"))
		case !e.IsDir():
			s.leave(kind, "links and special files were left out")
		}
		return nil
	})
	if err != nil {
		s.leave(kind, "folders that could not be read were left out")
	}
}

func sortTags(tags []lineage.Tag) {
	slices.SortFunc(tags, func(a, b lineage.Tag) int { return strings.Compare(a.Key, b.Key) })
}

func (s *Source) Reach(_ context.Context, location string) error {
	return s.folders.Reach(s.untrash(location))
}

func (s *Source) Files(ctx context.Context, uri string) iter.Seq2[migrate.File, error] {
	return s.folders.Files(ctx, s.untrash(uri))
}

// untrash returns where a location in a deleted experiment is: its folder was
// moved when it was deleted, and says its old place.
func (s *Source) untrash(location string) string {
	p, ok := migrate.LocalPath(location)
	if !ok {
		return location
	}
	p = filepath.Clean(p)
	for above := p; len(above) > 1 && above != "."; above = filepath.Dir(above) {
		if to, ok := s.trashed[above]; ok {
			return to + p[len(above):]
		}
		if above == filepath.Dir(above) {
			break
		}
	}
	return location
}
