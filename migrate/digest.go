package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/lineage"
)

// recordSum adds up the SHA-256 of records, so that their order does not count.
// Where files are is not part of a record: that differs from store to store.
type recordSum [2]uint64

// String returns the sum as 32 hex digits.
func (s *recordSum) String() string {
	b := binary.BigEndian.AppendUint64(nil, s[0])
	return hex.EncodeToString(binary.BigEndian.AppendUint64(b, s[1]))
}

func (s *recordSum) add(r *canon) {
	sum := sha256.Sum256(r.b)
	s[0] += binary.BigEndian.Uint64(sum[:])
	s[1] += binary.BigEndian.Uint64(sum[8:])
}

// canon is the canonical form of a record: its fields in order, texts with
// their length before them.
type canon struct{ b []byte }

func (c *canon) texts(texts ...string) *canon {
	for _, t := range texts {
		c.b = append(binary.AppendUvarint(c.b, uint64(len(t))), t...)
	}
	return c
}

func (c *canon) ints(ns ...int64) *canon {
	for _, n := range ns {
		c.b = binary.AppendVarint(c.b, n)
	}
	return c
}

func (c *canon) bool(v bool) *canon {
	if v {
		return c.ints(1)
	}
	return c.ints(0)
}

func (c *canon) tags(tags []lineage.Tag) *canon {
	c.ints(int64(len(tags)))
	for _, t := range tags {
		c.texts(t.Key, t.Value)
	}
	return c
}

func (s *recordSum) experiment(e *runstone.Experiment) {
	c := (&canon{}).texts(e.ID, e.Name).bool(e.Deleted).ints(e.Created.UnixMilli(), e.Updated.UnixMilli())
	for _, k := range slices.Sorted(maps.Keys(e.Tags)) {
		c.texts(k, e.Tags[k])
	}
	s.add(c)
}

func (s *recordSum) run(r *runstone.ImportedRun, points runstone.PointSum) {
	c := (&canon{}).texts(r.ID, r.ExperimentID, r.Name, r.User, r.Status.String()).bool(r.Deleted).
		ints(r.Start, r.End, r.DeletedAt).tags(r.Params).tags(r.Tags).ints(int64(points.A), int64(points.B))
	inputs := slices.Clone(r.Inputs)
	slices.SortFunc(inputs, func(a, b lineage.Input) int {
		return strings.Compare(a.Dataset.Name+"\x00"+a.Dataset.Digest, b.Dataset.Name+"\x00"+b.Dataset.Digest)
	})
	c.ints(int64(len(inputs)))
	for _, i := range inputs {
		d := &i.Dataset
		c.texts(d.Name, d.Digest, d.SourceType, d.Source, d.Schema, d.Profile).tags(i.Tags)
	}
	c.ints(int64(len(r.Models.Inputs))).texts(slices.Sorted(slices.Values(r.Models.Inputs))...)
	outputs := slices.Clone(r.Models.Outputs)
	slices.SortFunc(outputs, func(a, b lineage.Output) int { return strings.Compare(a.ModelID, b.ModelID) })
	for _, o := range outputs {
		c.texts(o.ModelID).ints(o.Step)
	}
	s.add(c)
}

func (s *recordSum) logged(m *lineage.LoggedModel) {
	s.add((&canon{}).texts(m.ModelID, m.ExperimentID, m.Name, m.ModelType, m.SourceRunID, m.Status, m.StatusMessage).
		bool(m.Deleted).ints(m.CreatedAt, m.UpdatedAt).tags(m.Params).tags(m.Tags))
}

func (s *recordSum) model(m *Model) {
	c := (&canon{}).texts(m.Name, m.Description).ints(m.CreatedAt, m.UpdatedAt).tags(m.Tags)
	for _, a := range m.Aliases {
		c.texts(a.Name).ints(int64(a.Version))
	}
	s.add(c)
}

func (s *recordSum) version(v *lineage.ModelVersion) {
	s.add((&canon{}).texts(v.Model, v.Stage, v.Status, v.StatusMessage, v.Description, v.UserID, v.RunID, v.RunLink, v.ModelID).
		ints(int64(v.Version), v.CreatedAt, v.UpdatedAt).tags(v.Tags))
}

func (s *recordSum) file(name string, info artifact.Info) {
	s.add((&canon{}).texts(name, string(info.Digest)).ints(info.Size))
}

// digestOf reads a body to its end.
func digestOf(ctx context.Context, body io.Reader) (artifact.Info, error) {
	h := sha256.New()
	n, err := io.Copy(h, readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return body.Read(p)
	}))
	return artifact.Info{Size: n, Digest: artifact.Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))}, err
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
