// Package sqlite reads the database that an MLflow server or client keeps its
// store in when it is told sqlite:///<path>, for an import.
//
// The file is only read, in one transaction, so that everything comes from one
// moment even when a server goes on writing. What is there is found out from
// the tables and columns themselves, not from the version of the schema: so
// any MLflow 2 or 3 will do, a later one too as long as it keeps these columns:
//
//	experiments            experiment_id, name  (+ artifact_location, times, …)
//	runs                   run_uuid, experiment_id, status  (+ name, times, …)
//	metrics                run_uuid, key, value, timestamp  (+ step, is_nan)
//	params, tags           run_uuid, key, value
//
// and reads these tables where they are: experiment_tags, datasets, inputs,
// input_tags, logged_models and their params, tags and metrics,
// registered_models and their tags and aliases, model_versions and their tags.
//
// Points come in the order in which they were logged. The SQL store keeps no
// repeated points and no infinities, which it made the largest number there is.
package sqlite
