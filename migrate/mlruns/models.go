package mlruns

import (
	"cmp"
	"context"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/migrate"
)

func (s *Source) LoggedModels(ctx context.Context, experiment string) iter.Seq2[*lineage.LoggedModel, error] {
	return func(yield func(*lineage.LoggedModel, error) bool) {
		dir := path.Join(s.place[experiment], models)
		var all []*lineage.LoggedModel
		for _, id := range s.subfolders(dir) {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			m, err := s.readMeta(path.Join(dir, id, metaFile))
			switch {
			case err != nil:
				s.leave(migrate.LoggedModels, "models without a whole meta.yaml were left out")
				continue
			case m.text("model_id") != id || m.text("experiment_id") != experiment:
				s.leave(migrate.LoggedModels, "folders whose meta.yaml has the id of another model or experiment were left out")
				continue
			}
			all = append(all, &lineage.LoggedModel{
				ModelID: id, ExperimentID: experiment, Name: m.text("name"), ArtifactURI: m.text("artifact_location"),
				CreatedAt: m.integer("creation_timestamp"), UpdatedAt: m.integer("last_updated_timestamp"), Status: loggedStatus(m.text("status")),
				Deleted: m.text("lifecycle_stage") == "deleted", ModelType: m.text("model_type"), SourceRunID: m.text("source_run_id"),
				StatusMessage: m.text("status_message"),
				Params:        s.texts(migrate.LoggedModels, path.Join(dir, id, "params")), Tags: s.texts(migrate.LoggedModels, path.Join(dir, id, "tags")),
			})
		}
		slices.SortStableFunc(all, func(a, b *lineage.LoggedModel) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) })
		for _, m := range all {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// loggedStatus names a status that the store keeps as a number, or by name.
func loggedStatus(text string) string {
	switch text {
	case "", "0", "1":
		return lineage.LoggedPending
	case "2":
		return lineage.LoggedReady
	case "3":
		return lineage.LoggedFailed
	}
	return text
}

// stageDeleted is the stage of a version that was deleted: its number is not
// given again.
const stageDeleted = "Deleted_Internal"

func (s *Source) Models(ctx context.Context) iter.Seq2[*migrate.Model, error] {
	return func(yield func(*migrate.Model, error) bool) {
		var all []*migrate.Model
		for _, name := range s.subfolders(models) {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			m, err := s.readMeta(path.Join(models, name, metaFile))
			if err != nil || m.text("name") != name {
				s.leave(migrate.Models, "models without a whole meta.yaml of their name were left out")
				continue
			}
			model := &migrate.Model{}
			model.Name, model.Description = name, m.text("description")
			model.CreatedAt, model.UpdatedAt = m.integer("creation_timestamp"), m.integer("last_updated_timestamp")
			all = append(all, model)
		}
		slices.SortStableFunc(all, func(a, b *migrate.Model) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) })
		for _, m := range all {
			if s.fill(m); !yield(m, nil) {
				return
			}
		}
	}
}

// fill reads tags, versions and aliases of a registered model.
func (s *Source) fill(m *migrate.Model) {
	dir := path.Join(models, m.Name)
	m.Tags = s.texts(migrate.Models, path.Join(dir, "tags"))
	for _, name := range s.subfolders(dir) {
		number, ok := strings.CutPrefix(name, "version-")
		if !ok {
			continue
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			s.leave(migrate.Versions, "folders that are no versions were left out")
			continue
		}
		// The number of a damaged version is taken, too.
		m.LastVersion = max(m.LastVersion, n)
		v, err := s.readMeta(path.Join(dir, name, metaFile))
		if err != nil || v.text("version") != number {
			s.leave(migrate.Versions, "versions without a whole meta.yaml of their number were left out")
			continue
		}
		if v.text("current_stage") == stageDeleted {
			continue
		}
		m.Versions = append(m.Versions, &lineage.ModelVersion{
			Model: m.Name, Version: n, CreatedAt: v.integer("creation_timestamp"), UpdatedAt: v.integer("last_updated_timestamp"),
			Description: v.text("description"), UserID: v.text("user_id"), Stage: cmp.Or(v.text("current_stage"), lineage.StageNone),
			Source: v.text("source"), StorageLocation: v.text("storage_location"), RunID: v.text("run_id"), RunLink: v.text("run_link"),
			ModelID: v.text("model_id"), Status: cmp.Or(v.text("status"), lineage.VersionReady), StatusMessage: v.text("status_message"),
			Tags: s.texts(migrate.Versions, path.Join(dir, name, "tags")),
		})
	}
	slices.SortFunc(m.Versions, func(a, b *lineage.ModelVersion) int { return cmp.Compare(a.Version, b.Version) })
	for _, t := range s.texts(migrate.Models, path.Join(dir, "aliases")) {
		n, err := strconv.Atoi(strings.TrimSpace(t.Value))
		if err == nil && slices.ContainsFunc(m.Versions, func(v *lineage.ModelVersion) bool { return v.Version == n }) {
			m.Aliases = append(m.Aliases, lineage.Alias{Name: t.Key, Version: n})
		}
	}
}
