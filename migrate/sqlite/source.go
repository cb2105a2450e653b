package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/migrate"
)

// Options are for [Open]; nil is none of them.
type Options struct {
	// Artifacts are folders that artifacts may be read from, beside the one of
	// the database file: what a server serves as mlflow-artifacts:/, or the
	// folders that locations name.
	Artifacts []string
}

// Source is an MLflow store in an SQLite database. It is a [migrate.Source].
type Source struct {
	path    string
	conn    *conn
	folders *migrate.Folders
	runs    map[int64][]int64 // rowids of the runs of experiments
	notes   []migrate.Note

	about bool // points may be about logged models, see aboutModels
	keys  map[string]string
}

var _ migrate.Source = (*Source)(nil)

// Open opens the database at path. Errors: [ErrNotMLflow], [fs.ErrNotExist], and
// what SQLite says of a damaged file.
func Open(ctx context.Context, path string, opt *Options) (*Source, error) {
	if opt == nil {
		opt = &Options{}
	}
	c, err := open(ctx, path)
	if err != nil {
		return nil, err
	}
	s := &Source{path: path, conn: c, keys: map[string]string{}}
	if err := s.prepare(ctx, opt); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Source) prepare(ctx context.Context, opt *Options) (err error) {
	if s.folders, err = openFolders(s.path, opt.Artifacts); err != nil {
		return err
	}
	// What tells runs of an experiment apart is not indexed.
	s.runs = map[int64][]int64{}
	err = s.conn.each(ctx, "SELECT rowid, experiment_id FROM runs ORDER BY rowid", nil, func(row []driver.Value) error {
		id := integer(row[1])
		s.runs[id] = append(s.runs[id], integer(row[0]))
		return nil
	})
	if err == nil {
		err = s.aboutModels(ctx)
	}
	if err == nil {
		err = s.look(ctx)
	}
	return explainNil(s.path, err)
}

func explainNil(path string, err error) error {
	if err == nil {
		return nil
	}
	return explain(path, err)
}

// openFolders opens the folders that artifacts may be read from. A server serves
// those in mlartifacts where it is started, unless it is told otherwise.
func openFolders(path string, named []string) (*migrate.Folders, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	home := filepath.Dir(abs)
	served := slices.Clone(named)
	if info, err := os.Stat(filepath.Join(home, "mlartifacts")); err == nil && info.IsDir() && len(named) == 0 {
		served = append(served, filepath.Join(home, "mlartifacts"))
	}
	return migrate.OpenFolders(served, append(slices.Clone(named), home))
}

// Close closes the database.
func (s *Source) Close() error {
	err := s.conn.close()
	if s.folders != nil {
		err = errors.Join(err, s.folders.Close())
	}
	return err
}

// look notes what the database holds that is not read.
func (s *Source) look(ctx context.Context) error {
	revision := ""
	if s.conn.has("alembic_version", "version_num") {
		err := s.conn.each(ctx, "SELECT version_num FROM alembic_version", nil, func(row []driver.Value) error {
			revision = text(row[0])
			return nil
		})
		if err != nil {
			return err
		}
	}
	if !slices.Contains(revisions[:], revision) {
		s.note("", fmt.Sprintf("the schema %q is newer than MLflow %s or not MLflow's own; what it has that this version does not was not looked for", revision, newest), 1)
	}
	for _, t := range []struct {
		kind  migrate.Kind
		table string
	}{{migrate.Experiments, "experiments"}, {migrate.Models, "registered_models"}} {
		if !s.conn.has(t.table, "workspace") {
			continue
		}
		if err := s.count(ctx, t.kind, t.table, "of other workspaces than default were left out", "workspace <> 'default'"); err != nil {
			return err
		}
	}
	for _, t := range []struct{ table, what string }{
		{"trace_info", "traces were left out"}, {"assessments", "assessments were left out"}, {"webhooks", "webhooks were left out"},
		{"evaluation_datasets", "evaluation datasets were left out"}, {"scorers", "scorers were left out"},
		{"endpoints", "gateway endpoints were left out"}, {"secrets", "secrets were left out"},
	} {
		if _, ok := s.conn.columns[t.table]; !ok {
			continue
		}
		if err := s.count(ctx, "", t.table, t.what, "1"); err != nil {
			return err
		}
	}
	return nil
}

func (s *Source) count(ctx context.Context, kind migrate.Kind, table, what, where string) error {
	return s.conn.each(ctx, "SELECT count(*) FROM "+table+" WHERE "+where, nil, func(row []driver.Value) error {
		if n := integer(row[0]); n > 0 {
			s.note(kind, what, n)
		}
		return nil
	})
}

func (s *Source) note(kind migrate.Kind, what string, n int64) {
	s.notes = append(s.notes, migrate.Note{Kind: kind, Text: what, N: n})
}

// Notes is for [migrate.Source], as all methods below are.
func (s *Source) Notes() []migrate.Note { return append(slices.Clone(s.notes), s.folders.Notes()...) }

func (s *Source) Reach(_ context.Context, location string) error { return s.folders.Reach(location) }

func (s *Source) Files(ctx context.Context, uri string) iter.Seq2[migrate.File, error] {
	return s.folders.Files(ctx, uri)
}

func (s *Source) Totals(ctx context.Context) (migrate.Counts, error) {
	c := migrate.Counts{Records: map[migrate.Kind]int64{}}
	for _, runs := range s.runs {
		c.Records[migrate.Runs] += int64(len(runs))
	}
	// Counting the points would read their whole index.
	err := s.conn.each(ctx, "SELECT max(rowid) FROM metrics", nil, func(row []driver.Value) error {
		c.Points = integer(row[0])
		return nil
	})
	return c, explainNil(s.path, err)
}

func (s *Source) Experiments(ctx context.Context) iter.Seq2[*runstone.Experiment, error] {
	return func(yield func(*runstone.Experiment, error) bool) {
		var all []*runstone.Experiment
		byID := map[string]*runstone.Experiment{}
		query := "SELECT " + s.conn.pick("experiments", "experiment_id", "name", "artifact_location", "lifecycle_stage", "creation_time", "last_update_time") +
			" FROM experiments WHERE " + s.conn.own("experiments") + " ORDER BY experiment_id"
		err := s.conn.each(ctx, query, nil, func(row []driver.Value) error {
			e := &runstone.Experiment{
				ID: text(row[0]), Name: text(row[1]), Location: text(row[2]), Deleted: deleted(row[3]),
				Created: time.UnixMilli(integer(row[4])), Updated: time.UnixMilli(integer(row[5])), Tags: map[string]string{},
			}
			all, byID[e.ID] = append(all, e), e
			return nil
		})
		if err == nil && s.conn.has("experiment_tags", "experiment_id", "key", "value") {
			err = s.conn.each(ctx, "SELECT experiment_id, key, value FROM experiment_tags", nil, func(row []driver.Value) error {
				if e := byID[text(row[0])]; e != nil {
					e.Tags[text(row[1])] = text(row[2])
				}
				return nil
			})
		}
		if err != nil {
			yield(nil, explain(s.path, err))
			return
		}
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func deleted(stage driver.Value) bool { return text(stage) == "deleted" }

// LoggedModels reads the models of an experiment at once: there are few, and
// their params and tags are short.
func (s *Source) LoggedModels(ctx context.Context, experiment string) iter.Seq2[*lineage.LoggedModel, error] {
	return func(yield func(*lineage.LoggedModel, error) bool) {
		if !s.conn.has("logged_models", "model_id", "experiment_id") {
			return
		}
		all, err := s.loggedModels(ctx, experiment)
		if err != nil {
			yield(nil, explain(s.path, err))
			return
		}
		for _, m := range all {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (s *Source) loggedModels(ctx context.Context, experiment string) (all []*lineage.LoggedModel, err error) {
	byID := map[string]*lineage.LoggedModel{}
	query := "SELECT " + s.conn.pick("logged_models", "model_id", "name", "artifact_location", "creation_timestamp_ms", "last_updated_timestamp_ms",
		"status", "lifecycle_stage", "model_type", "source_run_id", "status_message") + " FROM logged_models WHERE experiment_id = ? ORDER BY rowid"
	err = s.conn.each(ctx, query, []any{experiment}, func(row []driver.Value) error {
		m := &lineage.LoggedModel{
			ModelID: text(row[0]), ExperimentID: experiment, Name: text(row[1]), ArtifactURI: text(row[2]),
			CreatedAt: integer(row[3]), UpdatedAt: integer(row[4]), Status: loggedStatus(integer(row[5])), Deleted: deleted(row[6]),
			ModelType: text(row[7]), SourceRunID: text(row[8]), StatusMessage: text(row[9]),
		}
		all, byID[m.ModelID] = append(all, m), m
		return nil
	})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	for _, t := range []struct{ table, key, value string }{
		{"logged_model_params", "param_key", "param_value"}, {"logged_model_tags", "tag_key", "tag_value"},
	} {
		if !s.conn.has(t.table, "model_id", t.key, t.value) {
			continue
		}
		query := fmt.Sprintf("SELECT t.model_id, t.%s, t.%s FROM %s t JOIN logged_models m ON m.model_id = t.model_id WHERE m.experiment_id = ?", t.key, t.value, t.table)
		err := s.conn.each(ctx, query, []any{experiment}, func(row []driver.Value) error {
			m := byID[text(row[0])]
			if m == nil {
				return nil
			}
			list := &m.Params
			if t.key == "tag_key" {
				list = &m.Tags
			}
			*list = append(*list, lineage.Tag{Key: text(row[1]), Value: text(row[2])})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, m := range all {
		sortTags(m.Params)
		sortTags(m.Tags)
	}
	return all, nil
}

// loggedStatus names a status that the store keeps as a number. What MLflow
// calls unspecified is as good as pending.
func loggedStatus(n int64) string {
	switch n {
	case 0, 1:
		return lineage.LoggedPending
	case 2:
		return lineage.LoggedReady
	case 3:
		return lineage.LoggedFailed
	}
	return fmt.Sprint(n)
}

func sortTags(tags []lineage.Tag) {
	slices.SortFunc(tags, func(a, b lineage.Tag) int { return strings.Compare(a.Key, b.Key) })
}
