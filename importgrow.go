package runstone

import (
	"context"
	"iter"
	"slices"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// continues reports whether the source may have more of a run that had not ended
// when it was imported: it has everything that is here. What was changed here since is
// then here only, and the run is in conflict as any other.
func (r *ImportedRun) continues(old *RunData) bool {
	if old.Status.ended() || old.End != 0 || old.Deleted || r.Deleted ||
		old.ExperimentID != r.ExperimentID || old.Name != r.Name || old.User != r.User || old.Start != r.Start {
		return false
	}
	return hasTexts(r.Params, old.Params) && hasTexts(r.Tags, old.Tags) &&
		hasAll(r.Inputs, old.Inputs, sameInput) &&
		hasAll(r.Models.Inputs, old.Models.Inputs, func(a, b string) bool { return a == b }) &&
		hasAll(r.Models.Outputs, old.Models.Outputs, func(a, b lineage.Output) bool { return a == b })
}

func hasTexts(kvs []KV, old map[string]string) bool {
	found := 0
	for _, kv := range kvs {
		v, ok := old[kv.Key]
		if ok && v != kv.Value {
			return false
		}
		if ok {
			found++
		}
	}
	return found == len(old)
}

func hasAll[T any](all, old []T, same func(T, T) bool) bool {
	for _, o := range old {
		if !slices.ContainsFunc(all, func(a T) bool { return same(a, o) }) {
			return false
		}
	}
	return true
}

// heldPoints are the points that are here of a run: so many of each series, which the
// source yields first.
type heldPoints struct {
	left  map[SeriesName]int64
	found int64    // of them, in the source
	sum   PointSum // of these
}

func (h *heldPoints) count(ctx context.Context, s *store.Store, run uint32) error {
	sums, err := s.Summaries(ctx, run)
	h.left = make(map[SeriesName]int64, len(sums))
	for i := range sums {
		h.left[sums[i].SeriesName] = sums[i].Count
	}
	return err
}

// cut takes the points that are here from what was read of the source.
func (h *heldPoints) cut(b *seriesBuffer) {
	for i := range b.series {
		s := &b.series[i]
		n := min(h.left[s.name], int64(len(s.values)))
		if n == 0 {
			continue
		}
		h.left[s.name] -= n
		h.found += n
		h.sum.add(s.sum, s.steps[:n], s.times[:n], s.values[:n])
		s.steps, s.times, s.values = s.steps[n:], s.times[n:], s.values[n:]
		b.n -= int(n)
	}
}

// grow adds what the source has more. The fields and the end of the run go in with
// the last points: until then it is one that continues, and the next call goes on.
func (in *runImporter) grow(points iter.Seq2[[]SeriesColumns, error]) error {
	if in.db.opt.ReadOnly {
		in.out.New = in.out.Points - in.here.found
		return nil
	}
	in.here = &heldPoints{}
	if err := in.here.count(in.ctx, in.s, in.ord); err != nil {
		return err
	}
	in.out.Points, in.out.Sum = 0, PointSum{} // the source may have more by now
	next, stop := iter.Pull2(points)
	defer stop()
	for more := true; more; in.points.clear() {
		var err error
		if more, err = in.gather(next); err != nil {
			return err
		}
		in.points.addTo(&in.out.Sum)
		in.out.Points += int64(in.points.n)
		in.here.cut(&in.points)
		pieces, models, err := in.pieces()
		if err != nil {
			return err
		}
		err = in.db.imports(in.ctx, func(tx *store.Tx, _ bool) error {
			if err := in.append(tx, pieces, models); err != nil || more {
				return err
			}
			return in.endGrowth(tx)
		})
		if err != nil {
			return err
		}
		in.out.New += int64(in.points.n)
	}
	return nil
}

func (in *runImporter) endGrowth(tx *store.Tx) error {
	var row runRow
	if err := tx.Load(runKey(in.ord), 1, &row); err != nil {
		return err
	}
	if err := in.writeFields(tx); err != nil {
		return err
	}
	row.Status, row.End = uint8(in.run.Status), in.run.End
	return saveRun(tx, in.ord, &row)
}
