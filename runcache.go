package runstone

import (
	"maps"
	"slices"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/internal/lru"
	"github.com/runstonedb/runstone/store"
)

// runCache keeps runs that pages of searches had, each with the version of its
// segment in the run index. As long as the index has the run in that version it
// is as it was: whatever changes what [RunData] shows marks the run first, with
// [index.Touch], and when a fold takes the mark away the version is another one.
// What does not mark a run cannot change in it: ids and names that rows refer to,
// datasets, and the location of an experiment that has runs. A nil runCache keeps
// nothing.
type runCache struct {
	lru *lru.Cache[uint32, keptData]
}

type keptData struct {
	version index.Version
	data    *RunData // nobody else's
}

// mostKept is the longest page whose runs are kept. Longer ones are rarely asked
// for again, and would drive out those that are.
const mostKept = 1000

func newRunCache(limit int64) *runCache {
	if limit <= 0 {
		return nil
	}
	return &runCache{lru.New[uint32, keptData](limit)}
}

// pagesOf returns what is kept of the runs of a store, nil for nothing. Versions are
// those of one key space, so a shared database, which reads one private copy after
// the other, does without.
func (db *DB) pagesOf(s *store.Store) *runCache {
	if s == db.store {
		return db.pages
	}
	return nil
}

// get returns a run, nil if it is not kept as snap sees it. It is shared and must
// not be changed.
func (c *runCache) get(snap *index.Snapshot, run uint32) *RunData {
	if c == nil {
		return nil
	}
	version, ok := snap.Version(run)
	if !ok {
		return nil
	}
	if k, ok := c.lru.Get(run); ok && k.version == version {
		return k.data
	}
	return nil
}

// put keeps a copy of a run that was read in the transaction of snap, if the run
// is not being changed.
func (c *runCache) put(snap *index.Snapshot, run uint32, d *RunData) {
	if c == nil {
		return
	}
	if version, ok := snap.Version(run); ok {
		c.lru.Put(run, keptData{version, d.clone()}, d.cost())
	}
}

func (r *RunData) clone() *RunData {
	c := *r
	c.Params, c.Tags, c.Metrics = maps.Clone(r.Params), maps.Clone(r.Tags), slices.Clone(r.Metrics)
	c.Inputs = slices.Clone(r.Inputs)
	for i := range c.Inputs {
		c.Inputs[i].Tags = slices.Clone(c.Inputs[i].Tags)
	}
	c.Models = RunModels{slices.Clone(r.Models.Inputs), slices.Clone(r.Models.Outputs)}
	return &c
}

// cost is about what the run takes in memory. Texts count as if no other run
// shared them.
func (r *RunData) cost() int64 {
	const (
		own, entry      = 224, 64 // a map is at least half full
		summary, input  = 200, 120
		text, tagOrEdge = 16, 32
	)
	n := own + len(r.ID) + len(r.Name) + len(r.ExperimentID) + len(r.User) + len(r.ArtifactURI)
	for _, m := range []map[string]string{r.Params, r.Tags} {
		n += entry * (len(m) + 1)
		for k, v := range m {
			n += len(k) + len(v)
		}
	}
	for i := range r.Metrics {
		m := &r.Metrics[i]
		n += summary + len(m.Metric) + len(m.Model) + len(m.Dataset) + len(m.DatasetDigest)
	}
	for i := range r.Inputs {
		d := &r.Inputs[i].Dataset
		n += input + len(d.Name) + len(d.Digest) + len(d.SourceType) + len(d.Source) + len(d.Schema) + len(d.Profile)
		for _, t := range r.Inputs[i].Tags {
			n += tagOrEdge + len(t.Key) + len(t.Value)
		}
	}
	for _, id := range r.Models.Inputs {
		n += text + len(id)
	}
	for _, o := range r.Models.Outputs {
		n += tagOrEdge + len(o.ModelID)
	}
	return int64(n)
}
