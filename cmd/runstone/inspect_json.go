package main

import (
	"bytes"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/store"
)

// jsonJournal prints an object {"journal", "frames", "kinds", "end"}, one frame
// a line, as the frames come.
type jsonJournal struct {
	a      *app
	list   jsonList
	tables map[byte]string
}

type frameView struct {
	Offset int64         `json:"offset"`
	Bytes  int64         `json:"bytes"`
	Seq    uint64        `json:"seq"`
	Kind   string        `json:"kind"`
	Tables []changesView `json:"tables,omitempty"`
	Points []pointsView  `json:"points,omitempty"`
	Op     string        `json:"op,omitempty"`
	Group  *uint32       `json:"group,omitempty"`
	Run    string        `json:"run_id,omitempty"`
	Series []seriesView  `json:"series,omitempty"`
	Error  string        `json:"error,omitempty"`
}

type changesView struct {
	Byte    string `json:"byte"`
	Name    string `json:"table"`
	Puts    int    `json:"puts"`
	Deletes int    `json:"deletes"`
	Bytes   int64  `json:"bytes"`
}

type pointsView struct {
	Run     uint32 `json:"run,omitempty"` // ordinal, in a journal
	RunID   string `json:"run_id,omitempty"`
	Group   uint32 `json:"group"`
	Series  int    `json:"series"`
	Points  int    `json:"points"`
	MinStep int64  `json:"min_step"`
	MaxStep int64  `json:"max_step"`
	MinTime int64  `json:"min_time"`
	MaxTime int64  `json:"max_time"`
}

type seriesView struct {
	Metric  string `json:"metric"`
	Model   string `json:"model_id,omitempty"`
	Dataset string `json:"dataset,omitempty"`
	Digest  string `json:"dataset_digest,omitempty"`
}

func viewSeries(n store.SeriesName) seriesView {
	return seriesView{n.Metric, n.Model, n.Dataset, n.DatasetDigest}
}

// raw prints text and then v without a line break.
func (p *jsonJournal) raw(text string, v any) error {
	b, err := marshal(v)
	if err == nil {
		_, _ = p.a.stdout.WriteString(text)
		_, err = p.a.stdout.Write(bytes.TrimSuffix(b, []byte("\n")))
	}
	return err
}

func (p *jsonJournal) head(i *store.JournalInfo) error {
	if err := p.raw(`{"journal":`, viewJournal(i)); err != nil {
		return err
	}
	_, err := p.a.stdout.WriteString(`,"frames":`)
	return err
}

func (p *jsonJournal) frame(f *store.JournalFrame) error {
	v := frameView{Offset: f.Offset, Bytes: f.Bytes, Seq: f.Seq, Kind: f.Kind, Run: f.Run}
	for _, t := range f.Tables {
		v.Tables = append(v.Tables, changesView{byteName(t.Table), p.tables[t.Table], t.Puts, t.Deletes, t.Bytes})
	}
	for _, x := range f.Points {
		v.Points = append(v.Points, pointsView(x))
	}
	if f.Op != nil {
		v.Op = runstone.OpName(f.Op)
	}
	if f.Run != "" {
		v.Group = &f.Group
	}
	for _, n := range f.Series {
		v.Series = append(v.Series, viewSeries(n))
	}
	if f.Err != nil {
		v.Error = oneLine(f.Err.Error())
	}
	return p.list.add(v)
}

func (p *jsonJournal) end(k kinds, _ int, end store.JournalEnd) error {
	if err := p.list.end(); err != nil {
		return err
	}
	if k == nil {
		k = kinds{}
	}
	if err := p.raw(`,"kinds":`, k); err != nil {
		return err
	}
	if err := p.raw(`,"end":`, viewEnd(end)); err != nil {
		return err
	}
	_, err := p.a.stdout.WriteString("}\n")
	return err
}
