// Package rest speaks the REST API of a running MLflow server: [Open] reads one
// as the source of an import, and [Export] brings what a database has into one.
//
// What a server answers is not trusted. Only the one origin that was named is
// contacted, and redirects are refused; answers and their nesting are bounded;
// names of artifacts are checked by package artifact; a file must be as long as
// the server said. Refusals for load (429, 5xx) and lost connections are tried
// again a few times, with growing pauses.
//
// # What a server does not tell
//
// Through its API a server does not say when a run was deleted, which versions
// of a model were deleted, which logged models were, and of the points of a
// metric it tells of each logged model only the latest that is about it.
//
// # Export
//
// MLflow's API gives every run, logged model and experiment an id of its own.
// The ids here become tags there:
//
//	runstone.experimentId   of an experiment
//	runstone.runId          of a run
//	runstone.modelId        of a logged model
//	runstone.version        of a model version: its number
//	runstone.exported       of a run: digest of what was exported, set last
//
// By them an export finds what it brought before: a second one changes nothing,
// and one that was interrupted goes on. What is named in values, such as the
// parent of a run and the source of a version, follows the new ids.
package rest
