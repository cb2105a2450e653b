package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/store"
	"github.com/spf13/cobra"
)

func (a *app) inspectBlock() *cobra.Command {
	var number int
	var all bool
	cmd := &cobra.Command{
		Use: "block RUN METRIC", Short: "Show the blocks of a metric, or the bytes of one", Args: cobra.ExactArgs(2),
		Long: `List the blocks that hold a metric of a run: points, steps, codecs, the bytes of
each part, whether it is sound. Metrics that are logged together share a clock,
the block of steps and times; its bytes are shown whole with each. The last lines
may be a tail, points short of a block, and points that only a journal holds.

With --block the bytes of one of them: every part with its offset in the row and
what it says. The numbers are those of the list.`,
		Example: `  runstone inspect block 3f2a loss
  runstone inspect block 3f2a loss --block 0 --all`,
		ValidArgsFunction: a.completeArgs(a.runIDs, a.metricNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			one := cmd.Flags().Changed("block")
			if one && number < 0 {
				return usagef("--block takes a number from 0 on, not %d", number)
			}
			if all && !one {
				return usagef("--all goes with --block")
			}
			return a.read(cmd.Context(), func(ctx context.Context, db *runstone.DB) error {
				run, err := findRun(ctx, db, args[0])
				if err == nil {
					err = findMetric(ctx, db, run.ID, args[1])
				}
				if err != nil {
					return err
				}
				if one {
					return a.showBlock(ctx, db, run.ID, args[1], number, all)
				}
				return a.listBlocks(ctx, db, run.ID, args[1])
			})
		},
	}
	cmd.Flags().IntVar(&number, "block", 0, "show the bytes of the block with this number in the list; 0 is the first")
	cmd.Flags().BoolVar(&all, "all", false, "with --block: all bytes, not the first of each part")
	return cmd
}

type blockView struct {
	Block int    `json:"block"`
	Kind  string `json:"kind"`
	seriesView
	Group   uint32      `json:"group"`
	Column  uint16      `json:"column"`
	Width   int         `json:"series"`
	Number  uint32      `json:"number"`
	Points  int         `json:"points"`
	MinStep int64       `json:"min_step"`
	MaxStep int64       `json:"max_step"`
	MinTime int64       `json:"min_time"`
	MaxTime int64       `json:"max_time"`
	Clock   *columnView `json:"clock"`
	Values  *columnView `json:"values"`
	Each    float64     `json:"bytes_per_point"` // the clock's share of one series too
	Error   string      `json:"error,omitempty"`
}

type columnView struct {
	Key    string           `json:"key"`
	Bytes  int              `json:"row_bytes"`
	Sound  bool             `json:"sound"`
	Codecs string           `json:"codecs"`
	Parts  []columnPartView `json:"parts"`
}

type columnPartView struct {
	Part   string `json:"part"`
	Codec  string `json:"codec,omitempty"`
	Offset int    `json:"offset"`
	Bytes  int    `json:"bytes"`
	Note   string `json:"note,omitempty"`
	Hex    string `json:"hex,omitempty"` // the first bytes, or all
}

// shownBytes is how much of a part a dump shows without --all: four lines.
const (
	lineBytes  = 16
	shownBytes = 4 * lineBytes
)

// viewColumn shows hex of at most so many bytes of each part.
func viewColumn(c *store.ColumnBytes, hexBytes int) *columnView {
	if c == nil {
		return nil
	}
	v := &columnView{Key: hex.EncodeToString(c.Key), Bytes: len(c.Row), Sound: c.Sound, Codecs: c.Codecs, Parts: []columnPartView{}}
	parts := c.Parts
	if !c.Sound { // nobody knows where its parts are
		parts = []store.ColumnPart{{Name: "row", Bytes: len(c.Row), Note: "damaged"}}
	}
	for _, p := range parts {
		b := c.Row[p.Offset : p.Offset+p.Bytes]
		v.Parts = append(v.Parts, columnPartView{p.Name, p.Codec, p.Offset, p.Bytes, p.Note, hex.EncodeToString(b[:min(len(b), hexBytes)])})
	}
	return v
}

func viewBlock(i int, b *store.SeriesBlock, hexBytes int) *blockView {
	v := &blockView{
		Block: i, Kind: b.Kind, seriesView: viewSeries(b.SeriesName), Group: b.Group, Column: b.Column, Width: b.Width, Number: b.Number,
		Points: b.Points, MinStep: b.MinStep, MaxStep: b.MaxStep, MinTime: b.MinTime, MaxTime: b.MaxTime,
		Clock: viewColumn(b.Clock, hexBytes), Values: viewColumn(b.Values, hexBytes),
	}
	if v.Clock != nil && v.Values != nil && b.Points > 0 {
		clock := float64(v.Clock.Bytes+len(b.Clock.Key)) / float64(b.Width)
		v.Each = (clock + float64(v.Values.Bytes+len(b.Values.Key))) / float64(b.Points)
	}
	if b.Err != nil {
		v.Error = oneLine(b.Err.Error())
	}
	return v
}

func (a *app) listBlocks(ctx context.Context, db *runstone.DB, run, metric string) error {
	list := jsonList{a: a}
	t := newTable(">BLOCK", "KIND", ">GROUP", ">NUMBER", ">POINTS", "STEPS", "FROM", "TO", "CODEC", ">HEADER", ">ZONE", ">PYRAMID", ">BODY", ">CLOCK", ">B/POINT", "ROWS", "ABOUT")
	n, bad := 0, int64(0)
	for b, err := range db.Blocks(ctx, run, metric) {
		if err != nil {
			return err
		}
		v := viewBlock(n, b, 0)
		n++
		if b.Err != nil {
			bad++
		}
		if a.json {
			if err := list.add(v); err != nil {
				return err
			}
			continue
		}
		t.add(blockCells(v, b)...)
	}
	var err error
	if a.json {
		err = list.end()
	} else {
		err = a.print(t)
	}
	if err == nil && bad > 0 {
		err = damaged("%s of metric %q", plural(bad, "damaged block"), metric)
	}
	return err
}

func blockCells(v *blockView, b *store.SeriesBlock) []string {
	part := func(name string) string {
		if b.Values == nil || !b.Values.Sound {
			return ""
		}
		return strconv.Itoa(b.Values.Part(name))
	}
	codec, clock, rows, number := "", "", "sound", strconv.FormatUint(uint64(v.Number), 10)
	if v.Values != nil {
		codec = v.Values.Codecs
	}
	if v.Clock != nil {
		clock = strconv.Itoa(v.Clock.Bytes)
	}
	switch {
	case v.Error != "":
		rows = v.Error
	case v.Kind == "memory":
		rows, number = "only in a journal", ""
	}
	about := strings.TrimSpace(v.Model + " " + v.Dataset)
	return []string{
		strconv.Itoa(v.Block), v.Kind, strconv.FormatUint(uint64(v.Group), 10), number, grouped(int64(v.Points)),
		fmt.Sprintf("%d to %d", v.MinStep, v.MaxStep), moment(v.MinTime), moment(v.MaxTime), codec,
		part("header"), part("zone"), part("pyramid"), part("body"), clock, ratio(v.Each, int64(v.Points)), rows, about,
	}
}

// showBlock prints the bytes of the block with a number in the list.
func (a *app) showBlock(ctx context.Context, db *runstone.DB, run, metric string, number int, all bool) error {
	n := 0
	for b, err := range db.Blocks(ctx, run, metric) {
		if err != nil {
			return err
		}
		if n++; n <= number {
			continue
		}
		shown := shownBytes
		if all {
			shown = max(rowBytes(b.Clock), rowBytes(b.Values))
		}
		v := viewBlock(number, b, shown)
		if a.json {
			err = a.writeJSON(v)
		} else {
			err = a.printBlock(v, run)
		}
		if err == nil && b.Err != nil {
			err = damagedBy(b.Err)
		}
		return err
	}
	return notFoundf("leave --block out for the list", "metric %q of run %s has %s, and no block %d", metric, shortID(run), plural(int64(n), "block"), number)
}

func rowBytes(c *store.ColumnBytes) int {
	if c == nil {
		return 0
	}
	return len(c.Row)
}

func (a *app) printBlock(v *blockView, run string) error {
	steps := fmt.Sprintf("%s, steps %d to %d", plural(int64(v.Points), "point"), v.MinStep, v.MaxStep)
	a.fields("run", run, "metric", v.Metric, "block", fmt.Sprintf("%d: %s %d of group %d, column %d of %d", v.Block, v.Kind, v.Number, v.Group, v.Column, v.Width), "points", steps)
	if v.Error != "" {
		a.fields("damage", v.Error)
	}
	if v.Kind == "memory" {
		_, err := fmt.Fprintln(a.stdout, "\nonly a journal holds these points: there are no rows to show")
		return err
	}
	a.printColumn("clock", v.Clock)
	a.printColumn("values", v.Values)
	return nil
}

func (a *app) printColumn(name string, c *columnView) {
	if c == nil {
		fmt.Fprintf(a.stdout, "\n%s: the row is missing\n", name)
		return
	}
	fmt.Fprintf(a.stdout, "\n%s: a row of %s, key %s\n", name, plural(int64(c.Bytes), "byte"), c.Key)
	for _, p := range c.Parts {
		fmt.Fprintf(a.stdout, "%6d  %-8s %7d  %s\n", p.Offset, p.Part, p.Bytes, oneCell(p.Note))
		printHex(a, p.Offset, p.Hex)
		if more := p.Bytes - len(p.Hex)/2; more > 0 {
			fmt.Fprintf(a.stdout, "        ... %s more, --all shows them\n", plural(int64(more), "byte"))
		}
	}
}

// printHex prints lines of bytes with their offsets.
func printHex(a *app, offset int, digits string) {
	for at := 0; at < len(digits); at += 2 * lineBytes {
		line := digits[at:min(len(digits), at+2*lineBytes)]
		var b strings.Builder
		for i := 0; i < len(line); i += 2 {
			b.WriteByte(' ')
			b.WriteString(line[i : i+2])
		}
		fmt.Fprintf(a.stdout, "        %06x %s\n", offset+at/2, b.String())
	}
}
