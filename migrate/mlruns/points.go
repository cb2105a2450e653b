package mlruns

import (
	"bufio"
	"context"
	"errors"
	"io"
	"iter"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/migrate"
	"github.com/runstonedb/runstone/migrate/internal/curves"
)

const (
	maxLine = 64 << 10
	// together is how many bytes of metrics of a run are read together, to find
	// those that share their steps and times.
	together = 64 << 20
)

// line is a line of a metric's file.
type line struct {
	runstone.Point
	run             string // of a file of a logged model
	dataset, digest string
}

// parseLine reads "time value [step [dataset digest]]", and of a logged model
// "time value step run [dataset digest]".
func parseLine(text string, ofModel bool) (l line, ok bool) {
	f := strings.Split(strings.TrimSpace(text), " ")
	var err error
	if len(f) < 2 {
		return l, false
	}
	if l.Time, err = strconv.ParseInt(f[0], 10, 64); err != nil {
		return l, false
	}
	if l.Value, err = strconv.ParseFloat(f[1], 64); err != nil && !errors.Is(err, strconv.ErrRange) {
		return l, false
	}
	if len(f) > 2 {
		if l.Step, err = strconv.ParseInt(f[2], 10, 64); err != nil {
			return l, false
		}
		f = f[3:]
	} else {
		f = nil
	}
	if ofModel {
		if len(f) == 0 {
			return l, false
		}
		l.run, f = f[0], f[1:]
	}
	switch {
	case len(f) == 2:
		l.dataset, l.digest = f[0], f[1]
	case len(f) > 2: // a name with blanks
		l.dataset, l.digest = strings.Join(f[:len(f)-1], " "), f[len(f)-1]
	case len(f) == 1:
		return l, false
	}
	return l, true
}

// lines calls fn for the lines of a metric's file until it returns false.
func (s *Source) lines(name string, ofModel bool, fn func(line) bool) error {
	f, err := s.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, maxLine)
	for {
		b, err := in.ReadSlice('\n')
		if len(b) > 0 && !errors.Is(err, bufio.ErrBufferFull) {
			l, ok := parseLine(string(b), ofModel)
			if !ok {
				s.leave(migrate.Runs, "points in lines that are none were left out")
			} else if !fn(l) {
				return nil
			}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			s.leave(migrate.Runs, "points in lines that are none were left out")
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
			if err != nil {
				return nonEOF(err)
			}
		case err != nil:
			return nonEOF(err)
		}
	}
}

func nonEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// findAbout finds out which logged models of an experiment have points of which
// runs.
func (s *Source) findAbout(experiment string) {
	s.about, s.within = map[string][]string{}, experiment
	dir := path.Join(s.place[experiment], models)
	for _, id := range s.subfolders(dir) {
		s.walk(migrate.LoggedModels, path.Join(dir, id, "metrics"), func(key string) {
			err := s.lines(path.Join(dir, id, "metrics", key), true, func(l line) bool {
				if of := s.about[l.run]; !slices.Contains(of, id) {
					s.about[l.run] = append(of, id)
				}
				return true
			})
			if err != nil {
				s.leave(migrate.LoggedModels, "metrics that could not be read were left out")
			}
		})
	}
}

// modelPoint tells a point that stands with a run and with a logged model.
type modelPoint struct {
	step, time      int64
	value           uint64 // bits; one for all NaN
	dataset, digest string
}

func (l *line) point() modelPoint {
	bits := math.Float64bits(l.Value)
	if math.IsNaN(l.Value) {
		bits = math.Float64bits(math.NaN())
	}
	return modelPoint{l.Step, l.Time, bits, l.dataset, l.digest}
}

// modelsOf returns the models that points of a metric of a run are about.
func (s *Source) modelsOf(run *runstone.ImportedRun, key string) map[modelPoint][]string {
	var about map[modelPoint][]string
	for _, id := range s.about[run.ID] {
		name := path.Join(s.place[run.ExperimentID], models, id, "metrics", key)
		if _, err := s.root.Stat(name); err != nil {
			continue
		}
		err := s.lines(name, true, func(l line) bool {
			if l.run != run.ID {
				return true
			}
			if about == nil {
				about = map[modelPoint][]string{}
			}
			about[l.point()] = append(about[l.point()], id)
			return true
		})
		if err != nil {
			s.leave(migrate.LoggedModels, "metrics that could not be read were left out")
		}
	}
	return about
}

func (s *Source) Points(ctx context.Context, run *runstone.ImportedRun) iter.Seq2[[]runstone.SeriesColumns, error] {
	return func(yield func([]runstone.SeriesColumns, error) bool) {
		if s.within != run.ExperimentID {
			s.findAbout(run.ExperimentID)
		}
		dir := path.Join(s.place[run.ExperimentID], run.ID, "metrics")
		var keys []string
		var size int64
		s.walk(migrate.Runs, dir, func(key string) {
			keys = append(keys, key)
			if info, err := s.root.Stat(path.Join(dir, key)); err == nil {
				size += info.Size()
			}
		})
		slices.Sort(keys)
		out := curves.Sorter{Yield: yield, Stream: size > together}
		for _, key := range keys {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			about := s.modelsOf(run, key)
			err := s.lines(path.Join(dir, key), false, func(l line) bool {
				n := runstone.SeriesName{Metric: key, Dataset: l.dataset, DatasetDigest: l.digest}
				// The store has a line for each of several models.
				if ids := about[l.point()]; len(ids) > 0 {
					n.Model = ids[0]
					about[l.point()] = ids[1:]
				}
				return out.Add(n, l.Point)
			})
			if out.Stopped {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if size > together && !out.Flush() {
				return
			}
		}
		out.Flush()
	}
}
