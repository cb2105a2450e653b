// Package export writes a database as files that other programs read: a folder
// of Parquet or CSV in the layout that DuckDB, Spark and pandas call hive.
//
//	experiments/part-0.parquet                  an experiment a row
//	runs/experiment=<id>/part-0.parquet         a run a row
//	series/experiment=<id>/part-0.parquet       a metric of a run a row: count, first, latest, extremes
//	metrics/experiment=<id>/part-<n>.parquet    a point a row
//	datasets/experiment=<id>/part-0.parquet     a dataset that a run used a row
//	logged_models/experiment=<id>/part-0.parquet
//	models/part-0.parquet                       a registered model a row
//	versions/part-0.parquet                     a model version a row
//	runstone-export.json                        what was written, see [Report]
//
// The columns are the structs of rows.go; docs/EXPORT.md describes them for
// people. Rows are in order of run, then metric, model and dataset, then step,
// time and value, so that readers skip most row groups of a metric's file when
// they look for one run. A table without rows has one file with its columns.
//
// Points are streamed: memory holds a row group of each open table and, of a
// series whose steps descend, at most some hundred thousand points.
package export
