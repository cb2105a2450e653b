// Package server answers MLflow's REST API over a database, so that unmodified
// MLflow clients work with it. docs/MLFLOW.md says what is there and what
// differs.
//
//	s, err := server.New(db, nil)
//	err = s.Serve(ctx, listener) // until ctx is done
//
// Every path is in the one table of route.go, with its limits, and in that of
// rules.go, with what a user needs where there are users (Options.Access); what is
// not in the table does not exist. A handler decodes arguments, calls
// the database and encodes the result. errors.go holds the only switch from
// errors to answers.
//
// The server follows no URI and no path that a client names: artifact paths
// are checked by package artifact, locations and sources become typed values or
// are refused. Files are opened in two folders that the administrator chose: the
// database's own and Options.RootFiles, which clients write to. Requests for an unknown Host, changes from a foreign page, and
// bodies over the limits are refused before any handler runs.
package server
