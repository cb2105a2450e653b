package plan

import (
	"fmt"
	"strings"

	"github.com/runstonedb/runstone/query/tree"
)

// Explain says how a query was answered.
type Explain struct {
	Parts []ExplainPart `json:"parts,omitempty"` // of the filter, in the order of evaluation
	Kin   []ExplainKin  `json:"relatives,omitempty"`
	// Batches and Rows were seen, over all passes. Skipped batches had no
	// matching row by their zones, and Beaten none for the page.
	Batches int `json:"batches"`
	Rows    int `json:"rows"`
	Skipped int `json:"skipped"`
	Beaten  int `json:"beaten"`
	Passes  int `json:"passes"` // for relatives, before that for the rows
	Groups  int `json:"groups,omitempty"`
	// Kept is how many bytes of values the search held.
	Kept  int64  `json:"kept"`
	Stats *Stats `json:"stats,omitempty"`
}

// ExplainPart is a part of the filter: bytes Pos ≤ i < End of its text.
type ExplainPart struct {
	Pos int    `json:"pos"`
	End int    `json:"end"`
	How string `json:"how"` // column, strings, pattern, arithmetic, semi-join, lineage, series or points
	// In rows were looked at in Batches, Out of them are left. Skipped batches
	// had none by their zones, of Passed ones all.
	In      int `json:"in"`
	Out     int `json:"out"`
	Batches int `json:"batches"`
	Skipped int `json:"skipped"`
	Passed  int `json:"passed"`
}

// ExplainKin is a relation: Rows satisfied what is inside it.
type ExplainKin struct {
	Pos  int `json:"pos"`
	End  int `json:"end"`
	Rows int `json:"rows"`
	IDs  int `json:"ids"`
}

// partCount counts what an [ExplainPart] tells.
type partCount struct{ in, out, batches, skipped, passed int }

func (r *exec) explain() *Explain {
	e := r.seen
	e.Kept, e.Stats = r.kept, r.opt.Stats
	for i, p := range r.plan.parts {
		c := r.parts[i]
		e.Parts = append(e.Parts, ExplainPart{
			Pos: p.span.Pos, End: p.span.End, How: costNames[p.cost()],
			In: c.in, Out: c.out, Batches: c.batches, Skipped: c.skipped, Passed: c.passed,
		})
	}
	for i, k := range r.plan.kin {
		ids := len(r.kin[i].yes)
		if k.rel.Kin == tree.AllChild {
			for id := range r.kin[i].no {
				if _, ok := r.kin[i].yes[id]; ok {
					ids--
				}
			}
		}
		e.Kin = append(e.Kin, ExplainKin{Pos: k.rel.Pos, End: k.rel.End, Rows: r.kin[i].rows, IDs: ids})
	}
	return &e
}

// String is for people.
func (e *Explain) String() string { return e.Text("") }

// Text is for people too, and quotes the text of the query.
func (e *Explain) Text(query string) string {
	var b strings.Builder
	quote := func(pos, end int) string {
		if pos < 0 || end > len(query) || pos >= end {
			return fmt.Sprintf("bytes %d-%d", pos, end)
		}
		return query[pos:end]
	}
	for _, k := range e.Kin {
		fmt.Fprintf(&b, "%s: %d rows inside, %d ids to join by\n", quote(k.Pos, k.End), k.Rows, k.IDs)
	}
	for _, p := range e.Parts {
		fmt.Fprintf(&b, "%s: by %s, %d rows in, %d out, %d batches read, %d skipped, %d passed by zones\n",
			quote(p.Pos, p.End), p.How, p.In, p.Out, p.Batches, p.Skipped, p.Passed)
	}
	fmt.Fprintf(&b, "%d batches, %d rows; %d skipped by zones, %d beaten by the page; %d passes for relatives\n",
		e.Batches, e.Rows, e.Skipped, e.Beaten, e.Passes)
	if e.Groups > 0 {
		fmt.Fprintf(&b, "%d groups\n", e.Groups)
	}
	fmt.Fprintf(&b, "%d bytes kept\n", e.Kept)
	if s := e.Stats; s != nil {
		fmt.Fprintf(&b, "%d segments, %d live rows; columns %d read, %d cached; %d bytes\n",
			s.Segments, s.Live, s.ColumnsRead, s.ColumnsCached, s.Bytes)
		fmt.Fprintf(&b, "%d curves, %d blocks: %d decided by zones, %d decoded\n", s.Curves, s.Blocks, s.Decided, s.Decoded)
	}
	return b.String()
}
