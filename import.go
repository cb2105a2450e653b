package runstone

import "github.com/runstonedb/runstone/lineage"

// ImportedRun is a run as another store has it.
type ImportedRun struct {
	RunInfo
	DeletedAt int64 // Unix ms; 0 is unknown, or not deleted
	// Params and Tags are sorted by key.
	Params, Tags []KV
	Inputs       []lineage.Input
	Models       RunModels
}

// SeriesColumns are points of one series of a run, as columns of one length.
type SeriesColumns struct {
	SeriesName
	PointColumns
}
