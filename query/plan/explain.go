package plan

import (
	"fmt"
	"strings"
	"text/tabwriter"

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

// ExplainPart is a part of the filter.
type ExplainPart struct {
	Text string `json:"text"`
	// How is column, strings, pattern, arithmetic, semi-join, lineage, series
	// or points: the dearest of what it takes.
	How string `json:"how"`
	// In rows were looked at in Batches, Out of them are left. Skipped batches
	// had none by their zones, of Passed ones all rows satisfy.
	In      int `json:"in"`
	Out     int `json:"out"`
	Batches int `json:"batches"`
	Skipped int `json:"skipped"`
	Passed  int `json:"passed"`
}

// ExplainKin is a relation: Rows satisfied what is inside it, and are related to
// runs with so many IDs.
type ExplainKin struct {
	Text string `json:"text"`
	Rows int    `json:"rows"`
	IDs  int    `json:"ids"`
}

// partCount counts what an [ExplainPart] tells.
type partCount struct{ in, out, batches, skipped, passed int }

func (r *exec) explain() *Explain {
	e := r.seen
	e.Kept, e.Stats = r.kept, r.opt.Stats
	for i, p := range r.plan.parts {
		c := r.parts[i]
		e.Parts = append(e.Parts, ExplainPart{
			Text: tree.Text(p.x), How: costNames[p.cost()],
			In: c.in, Out: c.out, Batches: c.batches, Skipped: c.skipped, Passed: c.passed,
		})
	}
	for i, k := range r.plan.kin {
		ids := r.kin[i].yes.Count()
		if k.rel.Kin == tree.AllChild {
			r.kin[i].no.Each(func(id int) {
				if inSet(r.kin[i].yes, uint32(id)) {
					ids--
				}
			})
		}
		e.Kin = append(e.Kin, ExplainKin{Text: tree.Text(k.rel), Rows: r.kin[i].rows, IDs: ids})
	}
	return &e
}

// maxText is how much of a condition a line shows.
const maxText = 60

// String is for people: a table and a few lines below it.
func (e *Explain) String() string {
	var b, table strings.Builder
	if len(e.Parts) > 0 {
		table.WriteString("filter\tby\trows in\trows out\tbatches\tskipped\tpassed\n")
	}
	for _, p := range e.Parts {
		fmt.Fprintf(&table, "%s\t%s\t%d\t%d\t%d\t%d\t%d\n", short(p.Text), p.How, p.In, p.Out, p.Batches, p.Skipped, p.Passed)
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = w.Write([]byte(table.String())) // a strings.Builder takes everything
	_ = w.Flush()
	for _, k := range e.Kin {
		fmt.Fprintf(&b, "%s: true inside for %d rows, joined by %d ids\n", short(k.Text), k.Rows, k.IDs)
	}
	fmt.Fprintf(&b, "%d batches of %d rows seen", e.Batches, e.Rows)
	if e.Passes > 0 {
		fmt.Fprintf(&b, ", also by %d passes for relatives", e.Passes)
	}
	fmt.Fprintf(&b, "; %d skipped by zones, %d beaten by the page\n", e.Skipped, e.Beaten)
	if e.Groups > 0 {
		fmt.Fprintf(&b, "%d groups\n", e.Groups)
	}
	fmt.Fprintf(&b, "%d bytes of values kept\n", e.Kept)
	if s := e.Stats; s != nil {
		fmt.Fprintf(&b, "%d segments and %d live rows; %d columns read, %d found decoded; %d bytes\n",
			s.Segments, s.Live, s.ColumnsRead, s.ColumnsCached, s.Bytes)
		if s.Curves > 0 {
			fmt.Fprintf(&b, "%d curves of %d blocks: %d decided by their zones, %d decoded\n", s.Curves, s.Blocks, s.Decided, s.Decoded)
		}
	}
	return b.String()
}

func short(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > maxText {
		return string(r[:maxText-1]) + "…"
	}
	return s
}
