package migrate

import (
	"fmt"

	"github.com/runstonedb/runstone"
)

// Kind is a kind of records.
type Kind string

// The kinds, in the order in which they are imported.
const (
	Experiments  Kind = "experiments"
	Runs         Kind = "runs"
	LoggedModels Kind = "logged models"
	Artifacts    Kind = "artifacts" // files
	Models       Kind = "registered models"
	Versions     Kind = "model versions"
)

// Kinds are all kinds in order.
var Kinds = [...]Kind{Experiments, Runs, LoggedModels, Artifacts, Models, Versions}

// Counts are numbers of records in a source.
type Counts struct {
	Records map[Kind]int64
	Points  int64
}

// Tally is what became of the records of a kind.
type Tally struct {
	Added     int64 `json:"added"`
	Same      int64 `json:"same"`      // were there, with the same content
	Conflicts int64 `json:"conflicts"` // were there with other content, and were left so
	Skipped   int64 `json:"skipped"`   // belong to something that was not imported, or cannot be kept
	// Digest is a checksum over all records of the kind that the source has but
	// the skipped ones, whatever their order: 32 hex digits. Equal stores have
	// equal digests.
	Digest string `json:"digest"`
}

// Report says what an import did.
type Report struct {
	Tallies map[Kind]*Tally `json:"records"`
	// Points, Params, Tags and Inputs are those of the runs that were added or
	// the same; Bytes are those of artifacts.
	Points        int64      `json:"points"`
	PointsAdded   int64      `json:"points_added"`
	Params        int64      `json:"params"`
	Tags          int64      `json:"tags"`
	Inputs        int64      `json:"inputs"`
	ArtifactBytes int64      `json:"artifact_bytes"`
	Conflicts     []Conflict `json:"conflicts,omitempty"` // the first [MaxListed]
	Notes         []Note     `json:"notes,omitempty"`
	DryRun        bool       `json:"dry_run,omitempty"`
}

// MaxListed is how many conflicts, and notes of one text, a report names one by
// one.
const MaxListed = 100

// Changed reports whether the import changed the database, or would have.
func (r *Report) Changed() bool {
	for _, t := range r.Tallies {
		if t.Added > 0 {
			return true
		}
	}
	return false
}

// Conflict is a record whose id, name or number the database has with other
// content. Nothing of it was imported. As an error it wraps
// [runstone.ErrConflict].
type Conflict struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`
	What string `json:"what"` // differs, for people
}

func (c *Conflict) Error() string {
	return fmt.Sprintf("%s %s is there with other content: %s", singular(c.Kind), c.ID, c.What)
}

// Unwrap returns [runstone.ErrConflict].
func (c *Conflict) Unwrap() error { return runstone.ErrConflict }

func singular(k Kind) string {
	if k == "" {
		return "source"
	}
	return string(k[:len(k)-1])
}
