// Package migrate brings what another tool has recorded into a database, with
// its ids and times, so that every question gets the answer that it got there.
//
//	src, err := sqlite.Open(ctx, "mlflow.db", nil)
//	defer src.Close()
//	report, err := migrate.Import(ctx, db, src, nil)
//
// A [Source] yields experiments, runs with their points, logged models,
// registered models and files one after the other, in the types of packages
// runstone and lineage. [Import] reads it once from front to end, holds one run
// or one registered model in memory at a time, of a run at most some million
// points, and writes no rows of its own: each record goes in through one of
// [runstone.DB.ImportExperiment], ImportRun, ImportLoggedModel and ImportModel.
// These write a record whole or find that it is there already, so that an
// import that was killed goes on where it was when it is called again, and a
// second one changes nothing.
//
// # What is kept
//
// All ids, names, times, life cycles, stages and version numbers, and every
// point of every metric. What the database has under an id with other content
// is never overwritten: see [Conflict].
//
// # Artifacts
//
// An experiment has a location below which the files of its runs and models
// are. If the source can read there ([Source.Reach]), its files are copied and
// the location becomes one that this database serves: mlflow-artifacts:/<path>
// stays what it is, all others become mlflow-artifacts:/<experiment id>, and
// locations of models and sources of versions below them follow. If not, the
// location is kept as it was, for clients that can read there themselves, and
// the report says so.
package migrate
