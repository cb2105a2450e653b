package plan

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
)

// What no text may cost. Slow is of the fastest of several tries, so that a
// machine with other work to do does not count.
const (
	campaignSlow   = 250 * time.Millisecond
	campaignHung   = 30 * time.Second
	campaignMemory = 64 << 20
	campaignShards = 2
)

// campaign sends mutated texts through parser, printer and planner, in every
// domain and as an order. An execution is one text in one of these.
type campaign struct {
	seed   uint64
	seeds  []string
	source Source // of runs
	rows   Source // of everything else

	// alone is held by everybody who executes, and alone by who measures what
	// an execution allocates.
	alone              sync.RWMutex
	executions, left   atomic.Int64
	accepted, ran      atomic.Int64
	mu                 sync.Mutex
	slowest            time.Duration
	slowestText        string
	largest            uint64
	largestText, wrong string
}

// TestCampaign runs the executions that RUNSTONE_FUZZ_SEARCH says, or a few; and
// the seed is RUNSTONE_FUZZ_SEED.
func TestCampaign(t *testing.T) {
	n, long := int64(60_000), false
	if s := os.Getenv("RUNSTONE_FUZZ_SEARCH"); s != "" {
		v, err := strconv.ParseInt(s, 10, 64)
		require.NoError(t, err)
		n, long = v, true
	}
	c := &campaign{seed: 1, seeds: goldenTexts(t), source: campaignRuns(), rows: Rows(campaignRows())}
	if s := os.Getenv("RUNSTONE_FUZZ_SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
		c.seed = v
	}
	c.left.Store(n)
	start := heldMemory()
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(int64(start) + campaignMemory*3/4))
	began := time.Now()
	peak, took := c.run(t, start, long), time.Since(began)
	require.Empty(t, c.wrong)
	require.LessOrEqual(t, peak, uint64(campaignMemory), "bytes beyond the start")
	require.Positive(t, c.accepted.Load())
	require.Positive(t, c.ran.Load())
	if !long {
		return
	}
	done, accepted := c.executions.Load(), c.accepted.Load()
	fmt.Printf("executions  %d in %v, seed %d\naccepted    %d, of these run over rows %d\nrefused     %d\n",
		done, took.Round(time.Second), c.seed, accepted, c.ran.Load(), done-accepted)
	fmt.Printf("memory      %d bytes at most beyond the start\nslowest     %v: %s\nlargest     %d bytes allocated: %s\n",
		peak, c.slowest, clip(c.slowestText), c.largest, clip(c.largestText))
}

func clip(s string) string {
	if len(s) > 200 {
		return fmt.Sprintf("%q… (%d bytes)", s[:200], len(s))
	}
	return strconv.Quote(s)
}

// run executes until none are left and returns the most memory that was held
// beyond that at the start.
func (c *campaign) run(t *testing.T, start uint64, long bool) (peak uint64) {
	var work sync.WaitGroup
	var now [campaignShards]atomic.Pointer[executing]
	for i := range campaignShards {
		work.Go(func() {
			m := &mutator{r: rand.New(rand.NewPCG(c.seed, uint64(i))), seeds: c.seeds}
			for c.left.Load() > 0 && !c.failed() {
				c.text(m, &now[i])
			}
		})
	}
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	told := time.Now()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case <-done:
			tick.Stop()
			return peak
		case <-tick.C:
		}
		if held := heldMemory(); held > start {
			peak = max(peak, held-start)
		}
		for i := range now {
			if e := now[i].Load(); e != nil && time.Since(e.since) > campaignHung {
				panic("does not end: " + e.text)
			}
		}
		if long && time.Since(told) > 30*time.Second {
			told = time.Now()
			t.Logf("%d executions, %d bytes", c.executions.Load(), peak)
		}
	}
}

// heldMemory is what the process has of the system.
func heldMemory() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

type executing struct {
	text  string
	since time.Time
}

func (c *campaign) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wrong != ""
}

func (c *campaign) fail(text string, why any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrong == "" {
		c.wrong = fmt.Sprintf("%v\n%q", why, text)
	}
}

// orders is the domain that stands for an order_by clause of runs.
const orders = tree.Datasets + 1

// text makes a text and executes it everywhere.
func (c *campaign) text(m *mutator, now *atomic.Pointer[executing]) {
	text := m.text()
	for d := tree.Runs; d <= orders; d++ {
		run := m.r.IntN(4) == 0
		now.Store(&executing{text, time.Now()})
		c.alone.RLock()
		took, accepted := c.execute(d, text, run)
		c.alone.RUnlock()
		now.Store(nil)
		c.left.Add(-1)
		c.executions.Add(1)
		if accepted {
			c.accepted.Add(1)
			if run && d != orders {
				c.ran.Add(1)
			}
		}
		if took > time.Millisecond || len(text) > 2000 || m.r.IntN(20_000) == 0 {
			c.measure(d, text, took, run)
		}
	}
}

// measure looks closer at an execution that took long, or any.
func (c *campaign) measure(d tree.Domain, text string, took time.Duration, run bool) {
	c.alone.Lock()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	again, _ := c.execute(d, text, run)
	runtime.ReadMemStats(&after)
	for took = min(took, again); took > campaignSlow/8 && took < again*3; {
		before := took
		for range 4 {
			again, _ = c.execute(d, text, run)
			took = min(took, again)
		}
		if took >= before {
			break
		}
	}
	c.alone.Unlock()
	allocated := after.TotalAlloc - before.TotalAlloc
	c.mu.Lock()
	if took > c.slowest {
		c.slowest, c.slowestText = took, text
	}
	if allocated > c.largest {
		c.largest, c.largestText = allocated, text
	}
	c.mu.Unlock()
	if took > campaignSlow {
		c.fail(text, fmt.Sprint("took ", took))
	}
	if allocated > campaignMemory {
		c.fail(text, fmt.Sprint("allocated ", allocated))
	}
}

// execute does all that a request with the text would do.
func (c *campaign) execute(d tree.Domain, text string, run bool) (took time.Duration, accepted bool) {
	defer func() {
		if p := recover(); p != nil {
			c.fail(text, fmt.Sprintf("panic in domain %d: %v\n%s", d, p, debug.Stack()))
		}
	}()
	start := time.Now()
	var why error
	if d == orders {
		accepted, why = order(text)
	} else {
		accepted, why = c.query(d, text, run)
	}
	if why != nil {
		c.fail(text, why)
	}
	return time.Since(start), accepted
}

// order is a clause of order_by.
func order(text string) (accepted bool, why error) {
	sorts, err := query.ParseOrderBy(tree.Runs, []string{text})
	if err != nil {
		return false, rightError(err, text)
	}
	printed := sorts[0].String()
	again, err := query.ParseOrderBy(tree.Runs, []string{printed})
	if err != nil && len(printed) <= query.MaxFilter/4 {
		return false, fmt.Errorf("printed as %q: %w", printed, err)
	}
	if err == nil && fingerprint(again) != fingerprint(sorts) {
		return false, fmt.Errorf("printed as %q", printed)
	}
	_, err = New(&tree.Query{OrderBy: sorts}, testNow)
	return true, err
}

func (c *campaign) query(d tree.Domain, text string, run bool) (accepted bool, why error) {
	q, err := query.Parse(d, text)
	if err != nil {
		return false, rightError(err, text)
	}
	printed := q.String()
	if len(printed) <= query.MaxFilter/4 {
		again, err := query.Parse(d, printed)
		if err != nil {
			return false, fmt.Errorf("printed as %q: %w", printed, err)
		}
		if fingerprint(q) != fingerprint(again) || again.String() != printed {
			return false, fmt.Errorf("printed as %q, then as %q", printed, again)
		}
	}
	p, err := New(q, testNow)
	if err != nil {
		return false, fmt.Errorf("no plan: %w", err)
	}
	if !run {
		return true, nil
	}
	src := c.rows
	if d == tree.Runs {
		src = c.source
	}
	res, err := p.Run(context.Background(), src, &Options{Total: true, Explain: true})
	switch {
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, ErrQuery):
		return true, nil
	case err != nil:
		return true, err
	case res.Next == "":
		return true, nil
	}
	_, err = p.Run(context.Background(), src, &Options{Cursor: res.Next})
	return true, err
}

// rightError holds an error to what every error promises.
func rightError(err error, text string) error {
	var pe *query.ParseError
	if !errors.As(err, &pe) || pe.Pos < 0 || pe.End < pe.Pos || pe.End > len(text) || pe.Text != text ||
		strings.Contains(pe.Error(), "\n") || strings.Count(pe.Caret(), "\n") != 1 || len(pe.Msg) > 1100 {
		return fmt.Errorf("not a right error: %w", err)
	}
	return nil
}

// goldenTexts are the filters of the golden files of package query.
func goldenTexts(t *testing.T) (out []string) {
	files, err := filepath.Glob("../testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, part := range strings.Split(string(data), "\n-- ") {
			name, body, _ := strings.Cut(part, " --\n")
			if name == "want" {
				continue
			}
			if s, err := strconv.Unquote(body); err == nil {
				body = s
			}
			out = append(out, body)
		}
	}
	return out
}
