package runstone

import (
	"context"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
)

// experiment returns an experiment by ordinal.
func (r *runSource) experiment(ord uint32) (*Experiment, error) {
	if e := r.experiments[ord]; e != nil {
		return e, nil
	}
	e, err := experimentAt(r.tx, ord)
	if err == nil {
		if r.experiments == nil {
			r.experiments = map[uint32]*Experiment{}
		}
		r.experiments[ord] = e
	}
	return e, err
}

// ofExperiment makes a column of what text says of the experiment of each row.
func (r *runSource) ofExperiment(exps *index.Column, text func(*Experiment) string) (*index.Column, error) {
	if exps == nil {
		return nil, nil
	}
	c := &index.Column{Type: index.Strings, Has: exps.Has, Codes: make([]uint32, len(exps.Ints))}
	codes := map[int64]uint32{}
	for i, exp := range exps.Ints {
		if exps.Has != nil && !exps.Has.Has(i) {
			continue
		}
		code, ok := codes[exp]
		if !ok {
			e, err := r.experiment(uint32(exp))
			if err != nil {
				return nil, err
			}
			code = uint32(len(c.Dict))
			codes[exp], c.Dict = code, append(c.Dict, text(e))
		}
		c.Codes[i] = code
	}
	return c, nil
}

// computed are the attributes that follow from others.
func (r *runSource) computed(key string, n int, stored func(uint32) (*index.Column, error)) (*index.Column, error) {
	switch key {
	case "experiment_id", "experiment_name":
		exps, err := stored(attrExperiment)
		if err != nil {
			return nil, err
		}
		return r.ofExperiment(exps, func(e *Experiment) string {
			if key == "experiment_id" {
				return e.ID
			}
			return e.Name
		})
	case "lifecycle_stage":
		deleted, err := stored(attrDeleted)
		if err != nil {
			return nil, err
		}
		c := &index.Column{Type: index.Strings, Dict: []string{lifecycle(false), lifecycle(true)}, Codes: make([]uint32, n)}
		for i := range n {
			if isSet(deleted, i) {
				c.Codes[i] = 1
			}
		}
		return c, nil
	case "duration":
		start, err := stored(attrStart)
		if err != nil || start == nil {
			return nil, err
		}
		end, err := stored(attrEnd)
		if err != nil {
			return nil, err
		}
		c := &index.Column{Type: index.Ints, Has: start.Has, Ints: make([]int64, n)}
		for i, from := range start.Ints {
			to := r.now
			if has(end, i) {
				to = end.Ints[i]
			}
			c.Ints[i] = to - from
		}
		return c, nil
	case "artifact_uri":
		exps, err := stored(attrExperiment)
		if err != nil || exps == nil {
			return nil, err
		}
		ids, err := stored(attrID)
		if err != nil || ids == nil {
			return nil, err
		}
		c := &index.Column{Type: index.Strings, Has: exps.Has, Codes: make([]uint32, n)}
		for i := range n {
			if !has(exps, i) {
				continue
			}
			e, err := r.experiment(uint32(exps.Ints[i]))
			if err != nil {
				return nil, err
			}
			c.Codes[i] = uint32(len(c.Dict))
			c.Dict = append(c.Dict, runArtifactURI(e.Location, ids.Dict[ids.Codes[i]]))
		}
		return c, nil
	}
	return nil, nil
}

// has reports whether row i of a column with single values has one.
func has(c *index.Column, i int) bool { return c != nil && (c.Has == nil || c.Has.Has(i)) }

func isSet(c *index.Column, i int) bool { return has(c, i) && c.Ints[i] != 0 }

// models makes the column of a field of the versions that were made of each run.
func (r *runSource) models(ctx context.Context, key string, ids *index.Column, n int) (*index.Column, error) {
	if r.versions == nil {
		versions := map[string][]*lineage.ModelVersion{}
		for v, err := range lineage.Versions(r.tx) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return nil, err
			}
			if v.RunID != "" {
				versions[v.RunID] = append(versions[v.RunID], v)
			}
		}
		r.versions = versions
	}
	c := newTextLists(n)
	if key == "version" {
		c.Type = index.Ints
	}
	for i := range n {
		if has(ids, i) {
			for _, v := range r.versions[ids.Dict[ids.Codes[i]]] {
				switch key {
				case "name":
					c.add(v.Model)
				case "stage":
					c.add(v.Stage)
				case "version":
					c.Ints = append(c.Ints, int64(v.Version))
				case "alias":
					for _, a := range v.Aliases {
						c.add(a)
					}
				}
			}
		}
		c.Starts[i+1] = uint32(max(len(c.Codes), len(c.Ints)))
	}
	return &c.Column, nil
}
