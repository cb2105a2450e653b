// Package runstone is an embedded tracking database for machine-learning and
// benchmark experiments: runs with params, tags and high-frequency metrics,
// artifacts, datasets and a model registry in one directory, with no server.
//
//	db, err := runstone.Open("data", nil)
//	defer db.Close()
//	run, err := db.StartRun(ctx, "diagnostics", nil)
//	err = run.Log(ctx, step, runstone.Metrics{"loss": loss})
//	err = run.End(ctx, runstone.Finished)
//
// Beyond that: [DB.Search] finds runs by a query over params, metrics and tags,
// [DB.SearchRuns] also groups them; [DB.Points] and [DB.Downsample] read curves,
// [DB.Ever] and its like ask about every step of them; [Run.LogArtifact] keeps
// files; RunOptions.Parent nests runs; [DB.RegisterModel] makes versions of a
// model; a nil *[Run] switches tracking off.
//
// Any number of processes may open one directory at once. The first holds it;
// the changes of the others go through inboxes that the holder applies, see
// [DB.Shared].
//
// This package owns the rows of experiments and runs:
//
//	'e' experiment             → experiment: name, location, life cycle
//	'E' hash(name)             → experiment
//	'f' experiment, tag key    → tag of an experiment
//	'r' run                    → run: experiment, name, status, times, life cycle
//	'p' run, param key         → param
//	'a' run, tag key           → tag
//	'I' run                    → points that an import has brought, while it lasts
//	'A' hash(path)             → artifact: path, size, digest
//
// where everything but hashes is a uint32 ordinal of a dictionary in package
// store, and the body of a param or a tag is its text. Registry, models and
// datasets are in package lineage, metric series in package store, the members
// of an experiment and the run table in package index.
package runstone
