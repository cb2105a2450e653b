package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/store"
	"github.com/spf13/cobra"
)

func (a *app) inspectJournal() *cobra.Command {
	frames := 100
	cmd := &cobra.Command{
		Use: "journal [FILE|NUMBER]", Short: "Show what a journal or inbox says", Args: cobra.MaximumNArgs(1),
		Long: `Show the first page of a journal or inbox and its frames: where each is, what it
changes, and where reading ends and why. Without an argument list all of the
directory.

The file is read as it is, without a lock: also one that is being written, up to
its present end. A journal "ends torn" where bytes follow that no one was told
are safe: the rest of a write that a crash cut off, or one under way. Frames that
were acknowledged and cannot be read are damage, and the exit code is 6.`,
		Example: `  runstone inspect journal
  runstone inspect journal 12 --frames -1
  runstone inspect journal data/inbox/1bf8e1e2.rejected --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listJournals(cmd.Context())
			}
			path, err := a.findJournal(args[0])
			if err != nil {
				return err
			}
			return a.showJournal(cmd.Context(), path, frames)
		},
	}
	cmd.Flags().IntVar(&frames, "frames", frames, "print so many frames at most, -1 for all")
	return cmd
}

// findJournal finds a file by path, by name or by number.
func (a *app) findJournal(name string) (string, error) {
	dir := a.dir()
	if !strings.ContainsAny(name, `/\`) {
		if _, err := a.find(); err != nil {
			return "", err
		}
	}
	path, err := store.FindJournal(dir, name)
	if errors.Is(err, store.ErrNotFound) {
		return "", notFoundf(`"runstone inspect journal" lists those there are`, "there is no journal %q", name)
	}
	return path, err
}

type journalView struct {
	File     string     `json:"file"`
	Bytes    int64      `json:"bytes"`
	Number   uint64     `json:"number"` // 0 for an inbox
	Database string     `json:"database"`
	Writer   string     `json:"writer"`
	Created  int64      `json:"created"`
	Marks    []markView `json:"marks"`
}

type markView struct {
	Valid    bool   `json:"valid"`
	Newest   bool   `json:"newest"`
	Counter  uint64 `json:"counter"`
	Written  int64  `json:"written"`
	Synced   int64  `json:"synced"`
	Boot     string `json:"boot"`
	ThisBoot bool   `json:"this_boot"`
}

type kindView struct {
	Kind   string `json:"kind"`
	Frames int64  `json:"frames"`
	Bytes  int64  `json:"bytes"`
}

type endView struct {
	Offset int64  `json:"offset"`
	Left   int64  `json:"left"`
	Reason string `json:"reason"`
	Error  string `json:"error,omitempty"`
}

func viewJournal(i *store.JournalInfo) *journalView {
	v := &journalView{File: i.Path, Bytes: i.Size, Number: i.Number, Database: i.Database, Writer: i.Writer, Created: i.Created}
	for _, m := range i.Marks {
		v.Marks = append(v.Marks, markView(m))
	}
	return v
}

func viewEnd(e store.JournalEnd) endView {
	v := endView{Offset: e.Offset, Left: e.Left, Reason: e.Reason}
	if e.Err != nil {
		v.Error = oneLine(e.Err.Error())
	}
	return v
}

// kinds counts frames by kind, in the order in which the kinds came.
type kinds []kindView

func (k *kinds) add(f *store.JournalFrame) {
	for i := range *k {
		if v := &(*k)[i]; v.Kind == f.Kind {
			v.Frames++
			v.Bytes += f.Bytes
			return
		}
	}
	*k = append(*k, kindView{f.Kind, 1, f.Bytes})
}

func (k kinds) frames() (n int64) {
	for _, v := range k {
		n += v.Frames
	}
	return n
}

// listJournals prints a line for each journal and inbox of the directory.
func (a *app) listJournals(ctx context.Context) error {
	dir, err := a.find()
	if err != nil {
		return err
	}
	paths, err := store.Journals(dir)
	if err != nil {
		return err
	}
	type entry struct {
		journalView
		Kinds kinds   `json:"kinds"`
		End   endView `json:"end"`
	}
	list := jsonList{a: a}
	t := newTable("FILE", "CREATED", ">SIZE", ">FRAMES", "ENDS", "WHY")
	var bad int64
	for _, path := range paths {
		e := entry{journalView: journalView{File: path, Marks: []markView{}}, Kinds: kinds{}}
		v, err := store.ViewJournal(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the holder is done with it
		}
		if errors.Is(err, runstone.ErrCorrupt) { // a link or something stranger
			e.End = endView{Reason: store.JournalDamage, Error: oneLine(err.Error())}
		} else if err != nil {
			return err
		} else {
			for f, ferr := range v.Frames(ctx) {
				if err = ferr; err != nil {
					break
				}
				e.Kinds.add(f)
			}
			e.journalView, e.End = *viewJournal(&v.Info), viewEnd(v.End())
			if cerr := v.Close(); err == nil {
				err = cerr
			}
			if err != nil {
				return err
			}
		}
		if e.End.Reason == store.JournalDamage {
			bad++
		}
		if a.json {
			if err := list.add(e); err != nil {
				return err
			}
			continue
		}
		rel, rerr := filepath.Rel(dir, path)
		if rerr != nil {
			rel = path
		}
		t.add(rel, moment(e.Created), size(e.Bytes), grouped(e.Kinds.frames()), endWord(e.End.Reason), e.End.Error)
	}
	switch {
	case a.json:
		err = list.end()
	case len(t.rows) == 0:
		_, err = fmt.Fprintln(a.stdout, "no journal and no inbox: the database was closed, and nothing waits")
	default:
		err = a.print(t)
	}
	if err == nil && bad > 0 {
		err = damaged("%s of %s is damaged", plural(bad, "journal"), dir)
	}
	return err
}

func endWord(reason string) string {
	switch reason {
	case store.JournalWhole:
		return "whole"
	case store.JournalTorn:
		return "torn"
	}
	return "damaged"
}

// showJournal prints a journal up to its end, and at most so many frames of it.
func (a *app) showJournal(ctx context.Context, path string, most int) error {
	v, err := store.ViewJournal(path)
	if err != nil {
		return err
	}
	defer v.Close()
	var out journalPrinter = &textJournal{a: a, tables: runstone.TableNames()}
	if a.json {
		out = &jsonJournal{a: a, list: jsonList{a: a}, tables: runstone.TableNames()}
	}
	if err := out.head(&v.Info); err != nil {
		return err
	}
	var k kinds
	for f, err := range v.Frames(ctx) {
		if err != nil {
			return err
		}
		if k.add(f); most < 0 || k.frames() <= int64(most) {
			if err := out.frame(f); err != nil {
				return err
			}
		}
	}
	end := v.End()
	if err := out.end(k, most, end); err != nil {
		return err
	}
	if end.Reason == store.JournalDamage {
		return damagedBy(end.Err)
	}
	return nil
}

// damagedBy returns an error as the end of a call that showed it.
func damagedBy(err error) error {
	if errors.Is(err, runstone.ErrCorrupt) || errors.Is(err, runstone.ErrFuture) {
		return err
	}
	return fmt.Errorf("%w: %w", err, runstone.ErrCorrupt)
}

// journalPrinter prints a journal as it is read.
type journalPrinter interface {
	head(*store.JournalInfo) error
	frame(*store.JournalFrame) error
	end(k kinds, shown int, end store.JournalEnd) error
}

// textJournal prints for people. Columns have a fixed width: a long journal is
// not kept in memory.
type textJournal struct {
	a      *app
	tables map[byte]string
	begun  bool
}

func (p *textJournal) head(i *store.JournalInfo) error {
	number := strconv.FormatUint(i.Number, 10)
	if i.Number == 0 {
		number = "none: an inbox"
	}
	p.a.fields("file", i.Path, "size", grouped(i.Size)+" bytes", "number", number, "database", i.Database, "writer", i.Writer, "created", moment(i.Created))
	for n, m := range i.Marks {
		text := "not valid"
		if m.Valid {
			boot := "an earlier boot, or another machine"
			if m.ThisBoot {
				boot = "this boot"
			}
			text = fmt.Sprintf("counter %d, written to %d, synced to %d, boot %s (%s)", m.Counter, m.Written, m.Synced, m.Boot, boot)
		}
		if m.Newest {
			text += "; counts"
		}
		p.a.fields("mark "+"AB"[n:n+1], text)
	}
	return nil
}

func (p *textJournal) frame(f *store.JournalFrame) error {
	if !p.begun {
		p.begun = true
		fmt.Fprintf(p.a.stdout, "\n%12s  %8s  %-6s  %9s  %s\n", "OFFSET", "SEQ", "KIND", "BYTES", "WHAT")
	}
	_, err := fmt.Fprintf(p.a.stdout, "%12d  %8d  %-6s  %9d  %s\n", f.Offset, f.Seq, f.Kind, f.Bytes, oneCell(p.what(f)))
	return err
}

// what says what a frame changes.
func (p *textJournal) what(f *store.JournalFrame) string {
	var parts []string
	for _, t := range f.Tables {
		name := p.tables[t.Table]
		if name == "" {
			name = "table " + byteName(t.Table)
		}
		text := fmt.Sprintf("%s %d", name, t.Puts)
		switch {
		case t.Puts == 0:
			text = fmt.Sprintf("%s %d deleted", name, t.Deletes)
		case t.Deletes > 0:
			text += fmt.Sprintf(" and %d deleted", t.Deletes)
		}
		parts = append(parts, text)
	}
	for i := range f.Points {
		parts = append(parts, pointsText(&f.Points[i]))
	}
	switch {
	case f.Err != nil:
		parts = append(parts, "cannot be read: "+f.Err.Error())
	case f.Op != nil:
		parts = append(parts, runstone.OpName(f.Op))
	case f.Run != "":
		parts = append(parts, fmt.Sprintf("group %d is of run %s: %s", f.Group, shortID(f.Run), seriesText(f.Series)))
	case len(parts) == 0:
		parts = append(parts, "closed by its writer")
	}
	return strings.Join(parts, ", ")
}

func pointsText(p *store.JournalPoints) string {
	run := strconv.FormatUint(uint64(p.Run), 10)
	if p.RunID != "" {
		run = shortID(p.RunID)
	}
	text := fmt.Sprintf("run %s group %d: %s of %d series", run, p.Group, plural(int64(p.Points), "point"), p.Series)
	switch {
	case p.Points == 0:
		return text
	case p.MinStep == p.MaxStep:
		return fmt.Sprintf("%s, step %d", text, p.MinStep)
	}
	return fmt.Sprintf("%s, steps %d to %d", text, p.MinStep, p.MaxStep)
}

// maxShownSeries is how many names of a group a line shows.
const maxShownSeries = 8

func seriesText(all []store.SeriesName) string {
	var names []string
	for _, n := range all[:min(len(all), maxShownSeries)] {
		names = append(names, strings.TrimSpace(n.Metric+" "+n.Model+" "+n.Dataset))
	}
	text := strings.Join(names, ", ")
	if more := len(all) - maxShownSeries; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (p *textJournal) end(k kinds, most int, end store.JournalEnd) error {
	if more := k.frames() - int64(most); most >= 0 && more > 0 {
		fmt.Fprintf(p.a.stdout, "%12s  %s not shown; --frames -1 shows all\n", "...", plural(more, "frame"))
	}
	if len(k) > 0 {
		t := newTable("KIND", ">FRAMES", ">SIZE")
		for _, v := range k {
			t.add(v.Kind, grouped(v.Frames), size(v.Bytes))
		}
		fmt.Fprintln(p.a.stdout)
		if err := p.a.print(t); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("ends whole at byte %d", end.Offset)
	if end.Reason == store.JournalWhole && end.Left > 0 {
		text += fmt.Sprintf(", with room for %s", plural(end.Left, "byte"))
	}
	switch end.Reason {
	case store.JournalTorn:
		text = fmt.Sprintf("ends torn at byte %d: the %s behind it were never acknowledged", end.Offset, plural(end.Left, "byte"))
	case store.JournalDamage:
		text = fmt.Sprintf("damaged at byte %d, with %s behind it: %s", end.Offset, plural(end.Left, "byte"), oneLine(end.Err.Error()))
	}
	_, err := fmt.Fprintf(p.a.stdout, "\n%s\n", text)
	return err
}
