package server

import (
	"context"
	"net/http"
	"net/url"

	"github.com/runstonedb/runstone/artifact"
)

// maxExpiration is how long URLs of object stores are good at most, in seconds.
const maxExpiration = 7 * 24 * 3600

// presignUpload and presignDownload answer as MLflow does over artifacts that
// are not in an object store which it can open: there are no such URLs. Those
// for parts and downloads that this server signs are under mlflow-artifacts.
func (s *Server) presignUpload(ctx context.Context, a args) (any, error) {
	run, model, name := a.known(a.str("run_id")), a.str("model_id"), a.need("path")
	_ = a.int("expiration", 0)
	if (run == "") == (model == "") {
		a.fail(badRequest("Exactly one of run_id and model_id must be provided."))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	if _, err := artifact.ParsePath(name); err != nil {
		return nil, err
	}
	uri := ""
	if run != "" {
		info, err := s.db.RunInfo(ctx, run)
		if err != nil {
			return nil, err
		}
		uri = info.ArtifactURI
	} else {
		m, err := s.logged(ctx, model, false)
		if err != nil {
			return nil, err
		}
		uri = m.ArtifactURI
	}
	if scheme := servedScheme(uri); scheme != "" {
		return nil, badRequest("Presigned upload is not supported for proxied artifact storage (artifact URI scheme: %s). This endpoint requires a direct cloud storage artifact URI.", scheme)
	}
	return nil, &wireError{http.StatusNotImplemented, "NOT_IMPLEMENTED", "Presigned upload is not supported for the current artifact repository"}
}

func (s *Server) presignDownload(ctx context.Context, a args) (any, error) {
	run, name, expiration := a.needRun(), a.need("path"), a.int("expiration", 300)
	if err := a.done(); err != nil {
		return nil, err
	}
	if _, err := artifact.ParsePath(name); err != nil {
		return nil, err
	}
	if expiration < 1 || expiration > maxExpiration {
		return nil, badRequest("expiration must be between 1 and %d seconds (got %d).", maxExpiration, expiration)
	}
	info, err := s.db.RunInfo(ctx, run)
	if err != nil {
		return nil, err
	}
	if scheme := servedScheme(info.ArtifactURI); scheme != "" {
		return nil, badRequest("Presigned download is not supported for runs with proxied artifact storage (artifact URI scheme: %s). This endpoint requires a run with a direct cloud storage artifact URI.", scheme)
	}
	return nil, &wireError{http.StatusNotImplemented, "NOT_IMPLEMENTED", "Presigned download is not supported for the current artifact repository"}
}

// servedScheme returns the scheme of a location that a server of MLflow's kind
// serves, "" for others.
func servedScheme(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	switch u.Scheme {
	case "http", "https", "mlflow-artifacts":
		return u.Scheme
	}
	return ""
}
