package server

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/lineage"
)

// tagPrompt marks a prompt.
const tagPrompt = "mlflow.prompt.is_prompt"

// promptSources are what MLflow's clients write where a prompt has no files.
var promptSources = []string{"dummy-source", "prompt-template"}

// checkSource takes the source of a new model version that names something of
// this server: files of the run or logged model that the request names, a run,
// a version, a logged model; or a remote location below the artifact root or
// whose scheme is allowed, which nothing here ever opens. No tag relaxes it: a prompt has one of two
// fixed words as its source.
func (s *Server) checkSource(ctx context.Context, n *lineage.NewVersion) error {
	if slices.ContainsFunc(n.Tags, func(t lineage.Tag) bool { return t.Key == tagPrompt && strings.EqualFold(t.Value, "true") }) {
		if slices.Contains(promptSources, n.Source) {
			return nil
		}
		return badRequest("Invalid prompt source: '%s'. Prompt sources must use an MLflow placeholder.", cutEcho(n.Source))
	}
	if p, ok := s.placeOf(n.Source); ok {
		if p.direct && s.opt.RootFiles == nil && !p.path.IsRoot() {
			return nil
		}
		return s.checkOwner(ctx, n, p)
	}
	scheme, _, _ := strings.Cut(n.Source, ":")
	if scheme = strings.ToLower(scheme); slices.Contains([]string{"http", "https", "ftp", "sftp", "hdfs", "viewfs"}, scheme) {
		return refusedScheme(scheme)
	}
	l, err := artifact.ParseLocation(n.Source)
	switch {
	case err != nil && strings.HasPrefix(n.Source, "models:"):
		return nil // package lineage words what is wrong with it
	case err != nil && (strings.HasPrefix(n.Source, "/") || scheme == "file") && !climbs(n.Source):
		return localSource(n)
	case err != nil:
		return badRequest("Invalid model version source: '%s'. If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references present. Please provide an absolute path.", cutEcho(n.Source))
	}
	switch l.Kind {
	case artifact.KindLocal:
		return localSource(n)
	case artifact.KindForeign:
		return refusedScheme(l.Scheme)
	case artifact.KindRemote:
		if !slices.Contains(s.opt.SourceSchemes, l.Scheme) {
			return refusedScheme(l.Scheme)
		}
	case artifact.KindLoggedModel:
		if n.ModelID != l.ID {
			return notOwned(n, "model_id")
		}
	}
	return nil
}

// climbs reports whether a source has relative parts that show.
func climbs(source string) bool {
	return strings.Contains(source, "..") || strings.Contains(strings.ToLower(source), "%2e") || strings.ContainsAny(source, "\x00\\")
}

func refusedScheme(scheme string) error {
	return badRequest("'source' cannot use the '%s' scheme: the '%s' scheme addresses a host other than the tracking server's configured artifact storage, so the server would connect to the host named in the URI. Set the MLFLOW_ALLOWED_HOST_ADDRESSED_ARTIFACT_SCHEMES environment variable on the server to allow it.", scheme, scheme)
}

func localSource(n *lineage.NewVersion) error {
	source := n.Source
	if n.RunID != "" {
		source = strings.TrimPrefix(source, "file://")
	}
	return badRequest("Invalid model version source: '%s'. To use a local path as a model version source, the run_id request parameter has to be specified and the local path has to be contained within the artifact directory of the run specified by the run_id.", cutEcho(source))
}

func notOwned(n *lineage.NewVersion, param string) error {
	return badRequest("Invalid model version source: '%s'. The %s request parameter must identify the resource that contains the source.", cutEcho(n.Source), param)
}

// checkOwner wants a path among the files of the run or logged model that the
// request names.
func (s *Server) checkOwner(ctx context.Context, n *lineage.NewVersion, p place) error {
	var owners []string
	param := "run_id"
	if n.ModelID != "" {
		m, err := s.logged(ctx, n.ModelID, false)
		if err == nil {
			owners = append(owners, m.ArtifactURI)
		} else if !errors.Is(err, runstone.ErrNotFound) {
			return err
		}
		param = "model_id"
	}
	if n.RunID != "" {
		info, err := s.db.RunInfo(ctx, n.RunID)
		if err == nil {
			owners = append(owners, info.ArtifactURI)
		} else if !errors.Is(err, runstone.ErrNotFound) {
			return err
		}
		param = "run_id"
	}
	for _, uri := range owners {
		if dir, ok := s.placeOf(uri); ok && !dir.path.IsRoot() && dir.contains(p) {
			return nil
		}
	}
	if p.direct {
		return localSource(n)
	}
	return notOwned(n, param)
}
