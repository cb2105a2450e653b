// Package mlruns reads a folder in which MLflow keeps a store of experiments as
// files, by default called mlruns, as MLflow 1 to 3 write it:
//
//	<experiment>/meta.yaml                          an experiment; tags/<key> beside it
//	<experiment>/<run>/meta.yaml                    a run
//	<experiment>/<run>/{params,tags}/<key>          the value, the whole file
//	<experiment>/<run>/metrics/<key>                a line for each point: time value [step [dataset digest]]
//	<experiment>/<run>/inputs/<id>/meta.yaml        a dataset or a logged model that it used
//	<experiment>/<run>/outputs/<model>/meta.yaml    a logged model that it made
//	<experiment>/datasets/<id>/meta.yaml            a dataset
//	<experiment>/models/<model>/meta.yaml           a logged model; params, tags, metrics beside it
//	.trash/<experiment>/…                           a deleted experiment
//	models/<name>/meta.yaml                         a registered model; tags/<key>, aliases/<alias> beside it
//	models/<name>/version-<n>/meta.yaml             a version; tags/<key> beside it
//
// A key with slashes is a file in folders. Points about a logged model stand
// twice: with the run, and with the model in lines of time value step run
// [dataset digest]; here they are one.
//
// Nothing outside of the folder is read: links out of it are refused by
// [os.Root]. What MLflow's own store passes over with a warning, a folder
// without a whole meta.yaml or one that belongs elsewhere, is left out and
// counted in the notes.
package mlruns
