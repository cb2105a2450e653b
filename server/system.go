package server

import (
	"net/http"
)

func (s *Server) health(w http.ResponseWriter, _ *http.Request, _ string) {
	writeText(w, http.StatusOK, "OK")
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request, _ string) {
	writeText(w, http.StatusOK, s.opt.MLflowVersion)
}

// serverInfo tells clients what they may try. A feature that is not here is
// announced as absent.
type serverInfo struct {
	StoreType          string          `json:"store_type"`
	Workspaces         bool            `json:"workspaces_enabled"`
	TraceArchival      bool            `json:"trace_archival_enabled"`
	MultipartUploads   bool            `json:"multipart_uploads_enabled"`
	MultipartDownloads bool            `json:"multipart_downloads_enabled"`
	Artifacts          bool            `json:"artifact_serving_enabled"`
	PresignedRun       bool            `json:"presigned_upload_run_id_supported"`
	PresignedModel     bool            `json:"presigned_upload_model_id_supported"`
	PresignedDownloads bool            `json:"model_artifact_presigned_downloads_supported"`
	Features           map[string]bool `json:"features_enabled"`
	Auth               string          `json:"tracking_auth"`
	PresignedOnly      bool            `json:"artifacts_presigned_only"`
}

func (s *Server) info(w http.ResponseWriter, r *http.Request, _ string) {
	s.writeJSON(w, r, serverInfo{
		StoreType: "SqlStore", Artifacts: !s.opt.NoArtifacts,
		// Downloads by signed URLs cost a request more for every file, so clients
		// use them when they are told to.
		MultipartUploads: !s.opt.NoArtifacts && s.knowsAddress(r),
		Features:         map[string]bool{"gateway": false, "scheduled_issue_detection": false},
	})
}
