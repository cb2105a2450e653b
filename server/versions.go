package server

import (
	"context"
	"strconv"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

type wireVersion struct {
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	Created     int64     `json:"creation_timestamp"`
	Updated     int64     `json:"last_updated_timestamp"`
	User        string    `json:"user_id,omitempty"`
	Stage       string    `json:"current_stage"`
	Description string    `json:"description"`
	Source      string    `json:"source"`
	Run         string    `json:"run_id"`
	Status      string    `json:"status"`
	Message     string    `json:"status_message,omitempty"`
	Tags        []wireTag `json:"tags,omitempty"`
	RunLink     string    `json:"run_link"`
	Aliases     []string  `json:"aliases,omitempty"`
}

type versionAnswer struct {
	Version wireVersion `json:"model_version"`
}

type versionsAnswer struct {
	Versions []wireVersion `json:"model_versions,omitempty"`
	Next     string        `json:"next_page_token,omitempty"`
}

// newWireVersion shows aliases where MLflow does: for one version, not in lists.
func newWireVersion(v *lineage.ModelVersion, aliases bool) wireVersion {
	w := wireVersion{
		Name: v.Model, Version: strconv.Itoa(v.Version), Created: v.CreatedAt, Updated: v.UpdatedAt, User: v.UserID,
		Stage: v.Stage, Description: v.Description, Source: v.Source, Run: v.RunID, Status: v.Status,
		Message: v.StatusMessage, Tags: wireTags(v.Tags), RunLink: v.RunLink,
	}
	if aliases {
		w.Aliases = v.Aliases
	}
	return w
}

// viewVersion answers with the version that fn finds.
func (s *Server) viewVersion(ctx context.Context, fn func(*store.Tx) (*lineage.ModelVersion, error)) (any, error) {
	return answerVersion(ctx, s.db.View, fn)
}

// changeVersion answers with the version that fn makes or changes.
func (s *Server) changeVersion(ctx context.Context, fn func(*store.Tx) (*lineage.ModelVersion, error)) (any, error) {
	return answerVersion(ctx, s.db.Update, fn)
}

func answerVersion(ctx context.Context, run func(context.Context, func(*store.Tx) error) error, fn func(*store.Tx) (*lineage.ModelVersion, error)) (any, error) {
	var v *lineage.ModelVersion
	err := run(ctx, func(tx *store.Tx) (err error) {
		v, err = fn(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return versionAnswer{newWireVersion(v, true)}, nil
}

func (s *Server) createVersion(ctx context.Context, a args) (any, error) {
	name := a.need("name")
	n := lineage.NewVersion{
		Source: a.need("source"), RunID: a.str("run_id"), Tags: a.tags("tags"), RunLink: a.str("run_link"),
		Description: a.str("description"), ModelID: a.str("model_id"),
	}
	by := a.author(ctx)
	if err := a.done(); err != nil {
		return nil, err
	}
	if err := s.checkSource(ctx, &n); err != nil {
		return nil, err
	}
	return s.changeVersion(ctx, func(tx *store.Tx) (*lineage.ModelVersion, error) {
		return lineage.CreateVersion(tx, by, name, n)
	})
}

func (s *Server) updateVersion(ctx context.Context, a args) (any, error) {
	name, version, description := a.need("name"), a.version(), a.str("description")
	by := a.author(ctx)
	if err := a.done(); err != nil {
		return nil, err
	}
	return s.changeVersion(ctx, func(tx *store.Tx) (*lineage.ModelVersion, error) {
		return lineage.UpdateVersion(tx, by, name, version, description)
	})
}

func (s *Server) deleteVersion(ctx context.Context, a args) (any, error) {
	name, version := a.need("name"), a.version()
	by := a.author(ctx)
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.Update(ctx, func(tx *store.Tx) error { return lineage.DeleteVersion(tx, by, name, version) })
}

func (s *Server) getVersion(ctx context.Context, a args) (any, error) {
	name, version := a.need("name"), a.version()
	if err := a.done(); err != nil {
		return nil, err
	}
	return s.viewVersion(ctx, func(tx *store.Tx) (*lineage.ModelVersion, error) { return lineage.GetVersion(tx, name, version) })
}

func (s *Server) downloadURI(ctx context.Context, a args) (any, error) {
	name, version := a.need("name"), a.version()
	if err := a.done(); err != nil {
		return nil, err
	}
	answer := struct {
		URI string `json:"artifact_uri"`
	}{}
	err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		answer.URI, err = lineage.DownloadURI(tx, name, version)
		return err
	})
	return answer, err
}

func (s *Server) transitionStage(ctx context.Context, a args) (any, error) {
	name, version, stage, archive := a.need("name"), a.version(), a.need("stage"), a.bool("archive_existing_versions")
	by := a.author(ctx)
	if err := a.done(); err != nil {
		return nil, err
	}
	return s.changeVersion(ctx, func(tx *store.Tx) (*lineage.ModelVersion, error) {
		return lineage.Transition(tx, by, name, version, stage, archive)
	})
}

func (s *Server) setVersionTag(ctx context.Context, a args) (any, error) {
	name, version, t := a.need("name"), a.version(), lineage.Tag{Key: a.need("key"), Value: a.str("value")}
	by := a.author(ctx)
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.Update(ctx, func(tx *store.Tx) error { return lineage.SetVersionTag(tx, by, name, version, t) })
}

func (s *Server) deleteVersionTag(ctx context.Context, a args) (any, error) {
	name, version, key := a.need("name"), a.version(), a.need("key")
	by := a.author(ctx)
	if err := a.done(); err != nil {
		return nil, err
	}
	return empty{}, s.db.Update(ctx, func(tx *store.Tx) error { return lineage.DeleteVersionTag(tx, by, name, version, key) })
}

func (s *Server) latestVersions(ctx context.Context, a args) (any, error) {
	name, stages := a.need("name"), a.strs("stages")
	if err := a.done(); err != nil {
		return nil, err
	}
	var answer versionsAnswer
	err := s.db.View(ctx, func(tx *store.Tx) error {
		found, err := lineage.LatestVersions(tx, name, stages)
		for _, v := range found {
			answer.Versions = append(answer.Versions, newWireVersion(v, true))
		}
		return err
	})
	return answer, err
}

func (s *Server) searchVersions(ctx context.Context, a args) (any, error) {
	opt, filter := a.registrySearch(10_000, 200_000)
	if err := a.done(); err != nil {
		return nil, err
	}
	found, err := s.seenVersions(ctx, filter, opt)
	if err == nil {
		err = onlyRows(found)
	}
	if err != nil {
		return nil, err
	}
	if opt.Limit == 0 {
		return versionsAnswer{Next: nextToken(opt.Offset, found.Total > opt.Offset)}, nil
	}
	answer := versionsAnswer{Next: searchToken(found.Next)}
	for _, v := range found.Items {
		answer.Versions = append(answer.Versions, newWireVersion(v, false))
	}
	return answer, nil
}
