package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/runstonedb/runstone"
)

// Writers is a load of many small writes: so many goroutines, each with a run
// of its own, log one point after the other and wait for each. It ends after
// Points in all or after Time; zero is no end of that kind.
type Writers struct {
	Writers int
	Points  int
	Time    time.Duration
	// Progress hears of the points logged so far now and then, from any of the
	// goroutines; nil is nobody.
	Progress func(points int)
}

// WritersResult is what [MeasureWriters] found.
type WritersResult struct {
	Writers       int
	Points        int
	Wall          time.Duration
	P50, P99, Max time.Duration // of one point, from the call to its acknowledgement
}

// Rate returns points a second of all writers together.
func (r *WritersResult) Rate() float64 { return float64(r.Points) / r.Wall.Seconds() }

// WriteFunc logs one point and returns when it is durable.
type WriteFunc func(ctx context.Context, step, time int64, value float64) error

// MeasureWriters runs the load on e, whose runs take points at the same time,
// and counts what can be read back.
func MeasureWriters(ctx context.Context, e Engine, w Writers) (*WritersResult, error) {
	runs, writes := make([]Run, w.Writers), make([]WriteFunc, w.Writers)
	for i := range runs {
		run, err := e.StartRun(ctx, fmt.Sprintf("writer-%d", i))
		if err != nil {
			return nil, err
		}
		runs[i] = run
		writes[i] = onePoint(run)
	}
	r, done, err := w.Run(ctx, writes)
	if err != nil {
		return nil, err
	}
	for i, run := range runs {
		if err := run.End(ctx); err != nil {
			return nil, err
		}
		n := 0
		err := e.Points(ctx, run.ID(), writerMetric, func(steps, _ []int64, _ []float64) error {
			n += len(steps)
			return nil
		})
		if err == nil && n != done[i] {
			err = fmt.Errorf("writer %d: %d points read, %d acknowledged", i, n, done[i])
		}
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

const writerMetric = "train/loss"

func onePoint(run Run) WriteFunc {
	names, step, at, value := []string{writerMetric}, make([]int64, 1), make([]int64, 1), make([]float64, 1)
	values := [][]float64{value}
	return func(ctx context.Context, s, t int64, v float64) error {
		step[0], at[0], value[0] = s, t, v
		return run.Append(ctx, runstone.Columns{Names: names, Steps: step, Times: at, Values: values})
	}
}

// Run calls each of writes from a goroutine of its own and says how often each
// was called.
func (w Writers) Run(ctx context.Context, writes []WriteFunc) (r *WritersResult, done []int, err error) {
	done = make([]int, len(writes))
	took, errs := make([][]time.Duration, len(writes)), make([]error, len(writes))
	each := math.MaxInt
	if w.Points > 0 {
		each = max(1, w.Points/len(writes))
	}
	var wg sync.WaitGroup
	began := time.Now()
	for i, write := range writes {
		wg.Go(func() {
			rng := random(i + 1)
			for n := 0; n < each; n++ {
				at := time.Now()
				if w.Time > 0 && at.Sub(began) >= w.Time {
					return
				}
				if errs[i] = write(ctx, int64(n), at.UnixMilli(), 2+rng.normal()); errs[i] != nil {
					return
				}
				took[i] = append(took[i], time.Since(at))
				done[i]++
				if i == 0 && w.Progress != nil {
					w.Progress(done[i] * len(writes))
				}
			}
		})
	}
	wg.Wait()
	r = &WritersResult{Writers: len(writes), Wall: time.Since(began)}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	if r.Points = len(all); r.Points > 0 {
		r.P50, r.P99, r.Max = all[r.Points/2], all[r.Points*99/100], all[r.Points-1]
	}
	return r, done, nil
}
