package plan

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
)

// wideBatch is many rows at once: m.… has several values in each row, p.… a long
// string of its own, everything else numbers. Columns take a while to come.
type wideBatch struct {
	rowBatch[Row]
	n, points int
	wait      time.Duration
	long      string
	columns   map[Ref]*index.Column
	stats     *Stats
	curves    int
}

func (b *wideBatch) Batches(context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for range 2 {
			if !yield(b, nil) {
				return
			}
		}
	}
}

func (b *wideBatch) Len() int         { return b.n }
func (b *wideBatch) Row(i int) uint32 { return uint32(i) }

func (b *wideBatch) Column(_ context.Context, ref Ref) (*index.Column, error) {
	if c := b.columns[ref]; c != nil {
		return c, nil
	}
	c := &index.Column{}
	switch {
	case strings.HasSuffix(ref.Key, "_id"):
		c.Type, c.Codes = index.Strings, make([]uint32, b.n)
		for i := range c.Codes {
			c.Codes[i] = uint32(i)
			c.Dict = append(c.Dict, fmt.Sprint(i))
		}
	case ref.Entity == tree.Param:
		c.Type, c.Codes = index.Strings, make([]uint32, b.n)
		for i := range c.Codes {
			c.Codes[i] = uint32(i)
			c.Dict = append(c.Dict, fmt.Sprint(b.long, i))
		}
	case strings.HasPrefix(ref.Key, "m"):
		c.Type, c.Floats, c.Starts = index.Floats, make([]float64, b.n*b.points), make([]uint32, b.n+1)
		for i := range c.Starts {
			c.Starts[i] = uint32(i * b.points)
		}
	default:
		c.Type, c.Floats = index.Floats, make([]float64, b.n)
		for i := range c.Floats {
			c.Floats[i] = float64(i)
		}
	}
	time.Sleep(b.wait)
	b.columns[ref] = c
	return c, nil
}

func (b *wideBatch) Series(_ context.Context, _ *tree.Series, sel index.Bits) (*index.Column, error) {
	n := sel.Count()
	b.curves += n
	b.stats.Bytes += int64(1000 * n)
	c := &index.Column{Type: index.Floats, Floats: make([]float64, b.n)}
	sel.Each(func(i int) { c.Floats[i] = float64(i) })
	return c, nil
}

func (b *wideBatch) Points(_ context.Context, _ *tree.Quantified, sel index.Bits) error {
	n := sel.Count()
	b.curves += n
	b.stats.Bytes += int64(1000 * n)
	keepIf(sel, func(i int) bool { return i%2 == 0 })
	return nil
}

func newWide(n int) *wideBatch {
	return &wideBatch{n: n, points: 1, columns: map[Ref]*index.Column{}, stats: &Stats{}}
}

func planOf(t require.TestingT, text string) *Plan {
	q, err := query.Parse(tree.Runs, text)
	require.NoError(t, err)
	p, err := New(q, testNow)
	require.NoError(t, err)
	return p
}

// TestTimeInsideBatch: each of these would take minutes to hours over its one
// batch.
func TestTimeInsideBatch(t *testing.T) {
	many := func() *wideBatch {
		b := newWide(4096)
		b.points = 1000
		return b
	}
	long := func() *wideBatch {
		b := newWide(1 << 11)
		b.long = strings.Repeat("x", 4000)
		return b
	}
	longest := func() *wideBatch {
		b := newWide(3)
		b.long = strings.Repeat("x", 1<<20)
		return b
	}
	sums := strings.Repeat("sqrt(log(metrics.a) * exp(metrics.b)) > -1 AND ", 180) + "metrics.a = -1"
	for text, src := range map[string]*wideBatch{
		"metrics.m1 != metrics.m2 OR metrics.m1 = metrics.m2 + 1 OR metrics.m1 < metrics.m2": many(),
		"metrics.m1 BETWEEN metrics.m2 + 1 AND metrics.m3":                                   many(),
		"params.a ~ '(x?){200}y'":                                                                  long(),
		"params.a ~ '(.?){200}y'":                                                                  longest(),
		"NOT params.a ~ '(x?){150}y' OR params.b ~ '(.?){20}$'":                                    long(),
		"ANY child(params.a ~ '(x?){200}y')":                                                       long(),
		"GROUP BY metrics.a SELECT count() HAVING count() > 1 LIMIT 1":                             newWide(1 << 20),
		"params.a ~ '(x?){200}y' GROUP BY metrics.a SELECT count()":                                long(),
		"NOT (" + strings.ReplaceAll(sums, "AND", "OR") + ") OR " + sums:                           newWide(1 << 20),
		"ORDER BY metrics.a + metrics.b, metrics.b * metrics.c, metrics.d + metrics.e, -metrics.f": newWide(1 << 20),
	} {
		p := planOf(t, text)
		src.wait = 2 * time.Millisecond
		began := time.Now()
		res, err := p.Run(context.Background(), src, &Options{Time: 4 * time.Millisecond, Total: true})
		var partial *PartialError
		require.ErrorAs(t, err, &partial, text)
		require.Equal(t, "time", partial.Limit)
		require.NotNil(t, res)
		t.Log(time.Since(began), clip(text))
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Millisecond)
		_, err = p.Run(ctx, src, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded, text)
		cancel()
	}
}

// TestBytesInsideBatch: points are asked of a few rows at a time if bytes are
// limited, and the answer is the same if they suffice.
func TestBytesInsideBatch(t *testing.T) {
	for _, text := range []string{
		"slope(metrics.a) > 2", "EVER(metrics.a > 1) OVER LAST 5 STEPS", "ORDER BY slope(metrics.a) DESC", "SELECT run_id, slope(metrics.a)",
		"GROUP BY floor(slope(metrics.a) / 100) SELECT count()",
	} {
		p := planOf(t, text)
		src := newWide(4000)
		_, err := p.Run(context.Background(), src, &Options{Bytes: 600_000, Stats: src.stats})
		var partial *PartialError
		require.ErrorAs(t, err, &partial, text)
		require.Equal(t, "bytes", partial.Limit)
		require.LessOrEqual(t, src.curves, 600+pointRows, text)
		answers := [2]*Result{}
		for i, limit := range []int64{0, 1 << 40} {
			src := newWide(1000)
			answers[i], err = p.Run(context.Background(), src, &Options{Bytes: limit, Stats: src.stats})
			require.NoError(t, err)
		}
		require.Equal(t, answers[0], answers[1], text)
	}
}

// TestKept: ids of relatives and groups may not take any amount of memory, and
// what is asked of them twice is held once.
func TestKept(t *testing.T) {
	src := newWide(1 << 14)
	text := strings.Repeat("ANY child(metrics.a >= 0) ", 100) + "parent.metrics.a >= 0"
	res, err := planOf(t, text).Run(context.Background(), src, &Options{Explain: true, Total: true})
	require.NoError(t, err)
	require.Equal(t, 2<<14, res.Total)
	require.Less(t, res.Explain.Kept, int64(5<<20))
	_, err = planOf(t, text).Run(context.Background(), src, &Options{Bytes: 100_000})
	var partial *PartialError
	require.ErrorAs(t, err, &partial)

	r := newExec(context.Background(), planOf(t, "SELECT run_id"), &Options{})
	r.kept = MaxKept + 1
	require.NoError(t, r.check(), "hits may take what they take")
	r.bounded = true
	require.ErrorAs(t, r.check(), &partial)
	r.opt.Bytes = 2 * MaxKept
	require.NoError(t, r.check())
}

// TestWideSums: what a batch takes of memory does not grow with the query.
func TestWideSums(t *testing.T) {
	sum := "metrics.a"
	for range 9 {
		sum = "(" + sum + " * 0.5 + " + sum + " / 2)"
	}
	right := strings.Repeat("metrics.a * 0 + (", 90) + "metrics.a" + strings.Repeat(")", 90)
	for text, most := range map[string]int{
		sum + " > 5": 12, right + " > 5": 4, strings.Repeat("metrics.a + 1 > 0 AND ", 1500) + "metrics.a > 5": 2,
		"GROUP BY run_id SELECT count() HAVING mean(metrics.a + 1) > 0" + strings.Repeat(" AND mean(metrics.a * 2 + 1) > 0", 400): 40,
	} {
		p := planOf(t, text)
		r := newExec(context.Background(), p, &Options{})
		src := newWide(1 << 12)
		r.start(src)
		sel, err := r.filter()
		require.NoError(t, err)
		if p.group == nil {
			require.Equal(t, 1<<12-6, sel.Count(), clip(text))
		} else {
			require.NoError(t, newGroupSets(p.group, &r.kept).add(r, sel))
		}
		require.LessOrEqual(t, cap(r.arena.floats), most*4<<12, clip(text))
		require.LessOrEqual(t, cap(r.arena.words), 1<<16, clip(text))
	}
}

// TestManyFields: thousands of fields are read, and few of them held.
func TestManyFields(t *testing.T) {
	text := ""
	for i := range 800 {
		text += fmt.Sprintf("metrics.a%d >= 0 slope(metrics.b%d) >= 0 ", i, i%300)
	}
	r := newExec(context.Background(), planOf(t, text), &Options{})
	for range 2 {
		r.start(newWide(100))
		sel, err := r.filter()
		require.NoError(t, err)
		require.Equal(t, 100, sel.Count())
		held := 0
		for i := range r.columns {
			held += int(bit(r.columns[i] != nil))
		}
		for i := range r.series {
			held += int(bit(r.series[i].rows != nil))
		}
		require.Equal(t, 2*heldColumns, held)
	}
}

// TestForgedCursors: whatever is in a cursor, it is refused or names a place.
func TestForgedCursors(t *testing.T) {
	src := campaignRuns()
	for _, text := range []string{
		"ORDER BY metrics.b DESC, params.k NULLS FIRST LIMIT 3", "GROUP BY params.k SELECT params.k, count() ORDER BY 2 LIMIT 2",
	} {
		p := planOf(t, text)
		first, err := p.Run(context.Background(), src, nil)
		require.NoError(t, err)
		good, err := decodeCursor(first.Next, p.hash, len(p.keys()))
		require.NoError(t, err)
		for i := range len(first.Next) {
			for _, c := range []string{"A", "_", "%", "\x00", ""} {
				_, err := p.Run(context.Background(), src, &Options{Cursor: first.Next[:i] + c + first.Next[i+1:]})
				if first.Next[i:i+1] != c {
					require.ErrorIs(t, err, ErrCursor)
				}
			}
			_, err := p.Run(context.Background(), src, &Options{Cursor: first.Next[i+1:]})
			if i < len(first.Next)-1 {
				require.ErrorIs(t, err, ErrCursor)
			}
		}
		// The checksum keeps nobody from writing what he likes.
		values := []Value{{}, Num(math.NaN()), Num(math.Inf(-1)), Whole(math.MinInt64), Str(""), Str("\xff"), {kind: 99}}
		for _, v := range values {
			for _, row := range []uint32{0, 1, math.MaxUint32} {
				c := cursor{row: row, keys: append([]Value{v}, good.keys[1:]...)}
				res, err := p.Run(context.Background(), src, &Options{Cursor: encodeCursor(p.hash, c)})
				if v.kind == 99 {
					require.ErrorIs(t, err, ErrCursor)
					continue
				}
				require.NoError(t, err)
				require.LessOrEqual(t, len(res.Hits), 3)
			}
		}
		long := append(appendCursor(nil, p.hash, cursor{})[:cursorHead], byte(String), 0xff, 0xff, 0xff, 0xff, 0x7f)
		_, err = p.Run(context.Background(), src, &Options{Cursor: sealed(long)})
		require.ErrorIs(t, err, ErrCursor)
	}
}

// keys are those of the order that a cursor is of.
func (p *Plan) keys() []sortKey {
	if p.group != nil {
		return p.group.after.order
	}
	return p.order
}

// sealed is the cursor of some bytes.
func sealed(body []byte) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(body, crc32.ChecksumIEEE(body)))
}
