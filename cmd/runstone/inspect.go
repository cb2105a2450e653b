package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/store"
	"github.com/spf13/cobra"
)

const inspectLong = `Look at what a database is made of: its space by kind, its journals, the blocks
of a metric. It works beside a server and on what a crash left, and changes
nothing. Without a command it is "inspect space".

What is damaged is shown as far as it can be read; the exit code is then 6.`

func (a *app) inspectCommand() *cobra.Command {
	cmd := newGroup("inspect", "Look at space, journals and blocks", a.inspectSpace(), a.inspectJournal(), a.inspectBlock())
	cmd.Long = inspectLong
	var fl spaceFlags
	fl.register(a, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return group(cmd, args)
		}
		return a.space(cmd, &fl)
	}
	return cmd
}

type spaceFlags struct {
	top int
	by  string
}

func (fl *spaceFlags) register(a *app, cmd *cobra.Command) {
	cmd.Flags().IntVar(&fl.top, "top", 0, "name so many runs or metrics that take most; 0 names none")
	cmd.Flags().StringVar(&fl.by, "by", "run", "what --top names: run or metric")
	a.completeWords(cmd, "by", "run", "metric")
}

func (a *app) inspectSpace() *cobra.Command {
	var fl spaceFlags
	cmd := &cobra.Command{
		Use: "space", Short: "Show what takes how many bytes", Args: noArgs,
		Long: `Show what takes how many bytes: the rows of each table, with points and bytes a
point for metric data; the codecs of metric columns; the files of the directory.

It reads a private copy of the database, every row and every block of it. Rows
show as a reader sees them, so those that only a journal holds count too. Dead is
what the tables of the key space take beyond live rows: old versions that are not
compacted away yet, indexes and checksums. A file with holes is allocated less
than its size.`,
		Example: `  runstone inspect space --top 10 --by metric
  runstone inspect space --json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.space(cmd, &fl) },
	}
	fl.register(a, cmd)
	return cmd
}

// maxTop bounds --top.
const maxTop = 100_000

func (a *app) space(cmd *cobra.Command, fl *spaceFlags) error {
	opt := &runstone.SpaceOptions{Progress: a.progress("reading")}
	switch {
	case fl.top < 0 || fl.top > maxTop:
		return usagef("--top takes 0 to %d, not %d", maxTop, fl.top)
	case fl.by == "run":
		opt.TopRuns = fl.top
	case fl.by == "metric":
		opt.TopMetrics = fl.top
	default:
		return usagef("--by is run or metric, not %q", fl.by)
	}
	return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
		sp, err := db.Space(ctx, opt)
		a.clearProgress()
		if err != nil {
			return err
		}
		v := viewSpace(sp)
		if a.json {
			err = a.writeJSON(v)
		} else {
			err = a.printSpace(v)
		}
		if err == nil && sp.Damaged > 0 {
			err = damaged("%s of metric columns cannot be decoded", plural(sp.Damaged, "row"))
		}
		return err
	})
}

// damaged is an error for damage that was shown.
func damaged(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, runstone.ErrCorrupt)...)
}

// progress returns a function that shows a person how much of some work is
// done; nil when nobody looks.
func (a *app) progress(what string) func(done, total int64) {
	if !a.watched() {
		return nil
	}
	const width = 30
	var shown time.Time
	return func(done, total int64) {
		if total <= 0 || time.Since(shown) < 100*time.Millisecond {
			return
		}
		shown = time.Now()
		bar := make([]byte, width)
		for i := range bar {
			if bar[i] = '.'; int64(i)*total < done*width {
				bar[i] = '#'
			}
		}
		fmt.Fprintf(a.err, "\r%s [%s] %3d %%", what, bar, 100*done/total)
	}
}

func (a *app) clearProgress() {
	if a.watched() {
		fmt.Fprint(a.err, "\r\x1b[K")
	}
}

type spaceView struct {
	Tables  []tableView     `json:"tables"`
	Rows    rowsView        `json:"rows"`
	Metrics metricSpaceView `json:"metrics"`
	Codecs  []codecView     `json:"codecs"`
	Parts   []spacePartView `json:"parts"`
	Keys    keySpaceView    `json:"key_space"`
	Files   []filesView     `json:"files"`
	Total   filesView       `json:"total"`
	Damaged int64           `json:"damaged"`
	Runs    []topView       `json:"top_runs,omitempty"`
	Names   []topView       `json:"top_metrics,omitempty"`
}

type tableView struct {
	Byte   string  `json:"byte"`
	Name   string  `json:"table"`
	Rows   int64   `json:"rows"`
	Keys   int64   `json:"key_bytes"`
	Values int64   `json:"value_bytes"`
	Bytes  int64   `json:"bytes"`
	Share  float64 `json:"share"` // of the bytes of all rows
	Points int64   `json:"points"`
	Each   float64 `json:"bytes_per_point"`
}

type rowsView struct {
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"`
}

// metricSpaceView is about blocks and tails, keys and values of their rows.
type metricSpaceView struct {
	Series int64   `json:"series"`
	Points int64   `json:"points"`         // of all series, with those that only a journal holds
	Stored int64   `json:"points_in_rows"` // in blocks and tails
	Bytes  int64   `json:"bytes"`
	Each   float64 `json:"bytes_per_point"`
	Values int64   `json:"value_bytes"`
	Clocks int64   `json:"clock_bytes"`
	Pairs  int64   `json:"clock_points"` // (step, time) pairs
}

type codecView struct {
	Column  string  `json:"column"`
	Codec   string  `json:"codec"`
	Columns int64   `json:"columns"`
	Points  int64   `json:"points"`
	Bytes   int64   `json:"bytes"`
	Each    float64 `json:"bytes_per_point"`
}

type spacePartView struct {
	Kind  string `json:"kind"`
	Part  string `json:"part"`
	Bytes int64  `json:"bytes"`
}

type keySpaceView struct {
	Tables int64 `json:"table_files_bytes"`
	Live   int64 `json:"live_bytes"`
	Dead   int64 `json:"dead_bytes"`
}

type filesView struct {
	Kind      string `json:"kind"`
	Files     int64  `json:"files"`
	Bytes     int64  `json:"bytes"`
	Allocated int64  `json:"allocated"`
}

// topView is a run or a metric.
type topView struct {
	ID     string  `json:"run_id,omitempty"`
	Name   string  `json:"name"`
	Bytes  int64   `json:"bytes"`
	Points int64   `json:"points"`
	Each   float64 `json:"bytes_per_point"`
}

// each is bytes a point, 0 where there are none.
func each(bytes, points int64) float64 {
	if points == 0 {
		return 0
	}
	return float64(bytes) / float64(points)
}

func viewSpace(sp *runstone.Space) *spaceView {
	v := &spaceView{
		Metrics: metricSpaceView{Series: sp.Series, Points: sp.Points}, Damaged: sp.Damaged,
		Keys: keySpaceView{Live: sp.Stored, Dead: sp.Dead}, Total: filesView{Kind: "total"},
		Codecs: []codecView{}, Parts: []spacePartView{},
	}
	for i := range sp.Tables {
		v.Rows.Rows += sp.Tables[i].Rows
		v.Rows.Bytes += sp.Tables[i].Bytes()
	}
	for i := range sp.Tables {
		v.addTable(&sp.Tables[i])
	}
	v.Metrics.Bytes = v.Metrics.Values + v.Metrics.Clocks
	v.Metrics.Each = each(v.Metrics.Bytes, v.Metrics.Stored)
	for _, c := range sp.Codecs {
		v.Codecs = append(v.Codecs, codecView{c.Column, c.Codec, c.Columns, c.Points, c.Bytes, each(c.Bytes, c.Points)})
	}
	for _, p := range sp.Parts {
		v.Parts = append(v.Parts, spacePartView(p))
	}
	for _, f := range sp.Files {
		v.Files = append(v.Files, filesView(f))
		v.Total.Files, v.Total.Bytes, v.Total.Allocated = v.Total.Files+f.Files, v.Total.Bytes+f.Bytes, v.Total.Allocated+f.Allocated
		if f.Kind == store.KeySpaceTables {
			v.Keys.Tables = f.Bytes
		}
	}
	for _, r := range sp.Runs {
		v.Runs = append(v.Runs, topView{r.ID, r.Name, r.Bytes, r.Points, each(r.Bytes, r.Points)})
	}
	for _, m := range sp.Metrics {
		v.Names = append(v.Names, topView{"", m.Metric, m.Bytes, m.Points, each(m.Bytes, m.Points)})
	}
	return v
}

func (v *spaceView) addTable(t *store.TableSpace) {
	tv := tableView{
		Byte: byteName(t.Byte), Name: t.Name, Rows: t.Rows, Keys: t.Keys, Values: t.Values, Bytes: t.Bytes(),
		Points: t.Points, Each: each(t.Bytes(), t.Points),
	}
	if tv.Name == "" {
		tv.Name = "unknown"
	}
	if v.Rows.Bytes > 0 {
		tv.Share = float64(tv.Bytes) / float64(v.Rows.Bytes)
	}
	v.Tables = append(v.Tables, tv)
	switch t.Columns {
	case store.ClockColumns:
		v.Metrics.Clocks += tv.Bytes
		v.Metrics.Pairs += t.Points
	case store.ValueColumns:
		v.Metrics.Values += tv.Bytes
		v.Metrics.Stored += t.Points
	}
}

// byteName is a table byte as in the docs; those that no package uses may not
// be letters.
func byteName(b byte) string {
	if b > ' ' && b < 0x7f {
		return string(rune(b))
	}
	return fmt.Sprintf("0x%02x", b)
}

func (a *app) printSpace(v *spaceView) error {
	t := newTable("TABLE", "ROWS OF", ">ROWS", ">KEYS", ">VALUES", ">SHARE", ">POINTS", ">B/POINT")
	for _, r := range v.Tables {
		if r.Rows > 0 {
			t.add(r.Byte, r.Name, grouped(r.Rows), size(r.Keys), size(r.Values), percent(r.Share), count(r.Points), ratio(r.Each, r.Points))
		}
	}
	t.add("", "all", grouped(v.Rows.Rows), "", size(v.Rows.Bytes), "", "", "")
	if err := a.print(t); err != nil {
		return err
	}
	m := &v.Metrics
	fmt.Fprintln(a.stdout)
	a.fields("series", grouped(m.Series), "points", grouped(m.Points),
		"in rows", fmt.Sprintf("%s points, %s: %s bytes a point, %s of it clocks", grouped(m.Stored), size(m.Bytes), ratio(m.Each, m.Stored), ratio(each(m.Clocks, m.Stored), m.Stored)),
		"key space", fmt.Sprintf("%s of tables, %s of live rows, %s dead", size(v.Keys.Tables), size(v.Keys.Live), size(v.Keys.Dead)))
	if len(v.Codecs) > 0 {
		t = newTable("COLUMN", "CODEC", ">COLUMNS", ">POINTS", ">SIZE", ">B/POINT")
		for _, c := range v.Codecs {
			t.add(c.Column, c.Codec, grouped(c.Columns), grouped(c.Points), size(c.Bytes), ratio(c.Each, c.Points))
		}
		fmt.Fprintln(a.stdout)
		if err := a.print(t); err != nil {
			return err
		}
		t = newTable("PART", "OF", ">SIZE")
		for _, p := range v.Parts {
			t.add(p.Part, p.Kind+" columns", size(p.Bytes))
		}
		fmt.Fprintln(a.stdout)
		if err := a.print(t); err != nil {
			return err
		}
	}
	t = newTable("FILES OF", ">FILES", ">SIZE", ">ALLOCATED")
	for _, f := range append(v.Files, v.Total) {
		if f.Files > 0 {
			t.add(f.Kind, grouped(f.Files), size(f.Bytes), size(f.Allocated))
		}
	}
	fmt.Fprintln(a.stdout)
	if err := a.print(t); err != nil {
		return err
	}
	return a.printTop(v)
}

func (a *app) printTop(v *spaceView) error {
	t := newTable("RUN", "NAME", ">SIZE", ">POINTS", ">B/POINT")
	if v.Names != nil {
		t = newTable("METRIC", ">SIZE", ">POINTS", ">B/POINT")
	}
	for _, r := range v.Runs {
		t.add(shortID(r.ID), r.Name, size(r.Bytes), grouped(r.Points), ratio(r.Each, r.Points))
	}
	for _, m := range v.Names {
		t.add(m.Name, size(m.Bytes), grouped(m.Points), ratio(m.Each, m.Points))
	}
	if len(t.rows) == 0 {
		return nil
	}
	fmt.Fprintln(a.stdout)
	return a.print(t)
}

func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 1, 64) + " %" }

// count prints a number, and nothing for none.
func count(n int64) string {
	if n == 0 {
		return ""
	}
	return grouped(n)
}

// ratio prints bytes a point, and nothing where there are no points.
func ratio(v float64, points int64) string {
	if points == 0 {
		return ""
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}
