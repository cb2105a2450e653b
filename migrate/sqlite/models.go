package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"iter"
	"slices"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/migrate"
)

// stageDeleted is the stage of a version that was deleted: its number is not
// given again, and nothing else of it is left.
const stageDeleted = "Deleted_Internal"

func (s *Source) Models(ctx context.Context) iter.Seq2[*migrate.Model, error] {
	return func(yield func(*migrate.Model, error) bool) {
		if !s.conn.has("registered_models", "name") {
			return
		}
		var names []string
		query := "SELECT name FROM registered_models WHERE " + s.conn.own("registered_models") + " ORDER BY rowid"
		err := s.conn.each(ctx, query, nil, func(row []driver.Value) error {
			names = append(names, text(row[0]))
			return nil
		})
		if err != nil {
			yield(nil, explain(s.path, err))
			return
		}
		for _, name := range names {
			m, err := s.model(ctx, name)
			if err != nil {
				yield(nil, explain(s.path, err))
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (s *Source) model(ctx context.Context, name string) (*migrate.Model, error) {
	m := &migrate.Model{}
	err := s.conn.each(ctx, "SELECT "+s.conn.pick("registered_models", "name", "description", "creation_time", "last_updated_time")+
		" FROM registered_models WHERE name = ? AND "+s.conn.own("registered_models"), []any{name}, func(row []driver.Value) error {
		m.Name, m.Description, m.CreatedAt, m.UpdatedAt = text(row[0]), text(row[1]), integer(row[2]), integer(row[3])
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.versions(ctx, m); err != nil {
		return nil, err
	}
	if s.conn.has("registered_model_tags", "name", "key", "value") {
		err := s.conn.each(ctx, "SELECT key, value FROM registered_model_tags WHERE name = ? AND "+s.conn.own("registered_model_tags"), []any{name}, func(row []driver.Value) error {
			m.Tags = append(m.Tags, lineage.Tag{Key: text(row[0]), Value: text(row[1])})
			return nil
		})
		if err != nil {
			return nil, err
		}
		sortTags(m.Tags)
	}
	if s.conn.has("registered_model_aliases", "name", "alias", "version") {
		err := s.conn.each(ctx, "SELECT alias, version FROM registered_model_aliases WHERE name = ? AND "+s.conn.own("registered_model_aliases"), []any{name}, func(row []driver.Value) error {
			m.Aliases = append(m.Aliases, lineage.Alias{Name: text(row[0]), Version: int(integer(row[1]))})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	// An alias of a deleted version stays in the table and names nothing.
	m.Aliases = slices.DeleteFunc(m.Aliases, func(a lineage.Alias) bool {
		return !slices.ContainsFunc(m.Versions, func(v *lineage.ModelVersion) bool { return v.Version == a.Version })
	})
	slices.SortFunc(m.Aliases, func(a, b lineage.Alias) int { return cmp.Compare(a.Name, b.Name) })
	return m, nil
}

func (s *Source) versions(ctx context.Context, m *migrate.Model) error {
	if !s.conn.has("model_versions", "name", "version") {
		return nil
	}
	byNumber := map[int64]*lineage.ModelVersion{}
	query := "SELECT " + s.conn.pick("model_versions", "version", "creation_time", "last_updated_time", "description", "user_id", "current_stage",
		"source", "storage_location", "run_id", "run_link", "status", "status_message") + " FROM model_versions WHERE name = ? AND " + s.conn.own("model_versions") + " ORDER BY version"
	err := s.conn.each(ctx, query, []any{m.Name}, func(row []driver.Value) error {
		m.LastVersion = max(m.LastVersion, int(integer(row[0])))
		if text(row[5]) == stageDeleted {
			return nil
		}
		v := &lineage.ModelVersion{
			Model: m.Name, Version: int(integer(row[0])), CreatedAt: integer(row[1]), UpdatedAt: integer(row[2]), Description: text(row[3]),
			UserID: text(row[4]), Stage: text(row[5]), Source: text(row[6]), StorageLocation: text(row[7]), RunID: text(row[8]),
			RunLink: text(row[9]), Status: text(row[10]), StatusMessage: text(row[11]),
		}
		m.Versions, byNumber[int64(v.Version)] = append(m.Versions, v), v
		return nil
	})
	if err != nil || !s.conn.has("model_version_tags", "name", "version", "key", "value") {
		return err
	}
	err = s.conn.each(ctx, "SELECT version, key, value FROM model_version_tags WHERE name = ? AND "+s.conn.own("model_version_tags"), []any{m.Name}, func(row []driver.Value) error {
		if v := byNumber[integer(row[0])]; v != nil {
			v.Tags = append(v.Tags, lineage.Tag{Key: text(row[1]), Value: text(row[2])})
		}
		return nil
	})
	for _, v := range m.Versions {
		sortTags(v.Tags)
	}
	return err
}
