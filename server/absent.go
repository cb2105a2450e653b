package server

import (
	"context"
	"encoding/json"
)

// What MLflow's web UI and clients ask of features that are not here: the answer
// is that of an MLflow server in which nobody has used them. All else of those
// features is 404.

// nothing is an empty list, which MLflow leaves out of its answers.
func (s *Server) nothing(context.Context, args) (any, error) { return empty{}, nil }

// noTelemetry tells the UI to send nothing about its users.
func (s *Server) noTelemetry(context.Context, args) (any, error) {
	return json.RawMessage(`{"disable_ui_telemetry": true, "disable_ui_events": [], "ui_rollout_percentage": 0}`), nil
}

func (s *Server) noGateway(context.Context, args) (any, error) {
	return json.RawMessage(`{"endpoints": []}`), nil
}

// noAssistant is the settings of a chat for which there is no model.
func (s *Server) noAssistant(context.Context, args) (any, error) {
	return json.RawMessage(`{"providers": {}, "projects": {}, "remote_access_allowed": false, "can_edit_server_settings": false}`), nil
}

func (s *Server) noProviders(context.Context, args) (any, error) {
	return json.RawMessage(`{"providers": []}`), nil
}
