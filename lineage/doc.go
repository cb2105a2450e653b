// Package lineage keeps what came out of what: registered models and their
// versions, logged models, dataset snapshots, and the edges between them and
// runs.
//
// Every function works on a transaction of package store, so that a change of
// the registry, the edges it implies and whatever else the caller writes take
// effect together. Names are unique, numbers ascend and write-once fields stay,
// because each change reads the rows that decide it. Nothing reads a clock:
// times are Unix ms and come from the caller.
//
// Refusals are [store.Error] values worded as MLflow words them. Limits count
// characters, like MLflow's, unless they say bytes.
//
// # Rows
//
//	'M' model                                  → registered model: name, times, tags, aliases, numbers
//	'm' hash(name)                             → model
//	'V' model, version                         → model version
//	'v' 'r', hash(run id), model, version      → nothing; versions made from a run
//	'v' 's', model, stage, version             → nothing; versions in a stage
//	'H' model, change                          → change of the model or a version: who, when, why
//	'L' logged                                 → logged model: name, status, params, tags
//	'l' experiment, logged                     → nothing; logged models of an experiment
//	'D' dataset, 'h'                           → head of a dataset: name, digest, source
//	'D' dataset, 't'                           → its long texts: schema, profile
//	'd' 'i', experiment, hash(name, digest)    → dataset
//	'd' 'c', experiment, dataset, has, hash(context) → context under which runs used it
//	'K' run, role, object                      → edge: a step or the tags of an input
//	'k' role, object, run                      → nothing; edges from the other end
//	'S' key of a row, part                     → what did not fit into that row
//	's' table                                  → last ordinal given in a table
//
// where model, change, dataset, logged, experiment, run and version are uint32, part
// is uint16, stage, role and has (0 or 1) a byte. The object of an edge is a dataset or a
// logged model, as its role says. Ordinals of models and datasets come from the
// 's' rows, those of logged models and experiments are the dictionary ordinals
// of their ids, and those of runs belong to the caller. No ordinal is used
// twice. Changes of a model are numbered from 1 without gaps.
//
// Descriptions, tags and dataset profiles may be larger than a row. A row of
// 'M', 'V', 'L', 'D' and 'K' therefore holds the first 96 KiB of its body and
// the number of parts that follow in 'S'.
package lineage
