package block

import (
	"encoding/csv"
	"errors"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sealAt is where the store cuts blocks.
const sealAt = 4096

// series is one curve of a corpus: its times are 0 where the source has none.
type series struct {
	name         string
	steps, times []int64
	values       []float64
}

// readCorpus reads a file of lines series,step,timestamp_ms,value.
func readCorpus(t testing.TB, path string) []series {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	r := csv.NewReader(f)
	r.ReuseRecord = true
	_, err = r.Read()
	require.NoError(t, err)
	var all []series
	byName := map[string]int{}
	for {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		i, ok := byName[line[0]]
		if !ok {
			i = len(all)
			all = append(all, series{name: string([]byte(line[0]))})
			byName[all[i].name] = i
		}
		step, err := strconv.ParseInt(line[1], 10, 64)
		require.NoError(t, err)
		var ms int64
		if line[2] != "" {
			ms, err = strconv.ParseInt(line[2], 10, 64)
			require.NoError(t, err)
		}
		v, err := strconv.ParseFloat(line[3], 64)
		require.NoError(t, err)
		all[i].steps = append(all[i].steps, step)
		all[i].times = append(all[i].times, ms)
		all[i].values = append(all[i].values, v)
	}
}

// tally sums the blocks of many series.
type tally struct {
	points, valueBytes, clockBytes, gorillaBytes int
	encode, decode                               time.Duration
}

// add round-trips a series in blocks of sealAt points.
func (y *tally) add(t *testing.T, s series) {
	t.Helper()
	for at := 0; at < len(s.values); at += sealAt {
		end := min(at+sealAt, len(s.values))
		values := s.values[at:end]
		begin := time.Now()
		src := AppendValues(nil, values)
		mid := time.Now()
		got, err := DecodeValues(nil, src)
		y.encode += mid.Sub(begin)
		y.decode += time.Since(mid)
		require.NoError(t, err, s.name)
		requireSameBits(t, values, got)
		z, err := ReadZone(src)
		require.NoError(t, err, s.name)
		requireSameZone(t, ZoneOf(values), z)
		clock := AppendClock(nil, s.steps[at:end], s.times[at:end])
		steps, times, err := DecodeClock(nil, nil, clock)
		require.NoError(t, err, s.name)
		require.Equal(t, s.steps[at:end], steps, s.name)
		require.Equal(t, s.times[at:end], times, s.name)
		y.points += len(values)
		y.valueBytes += len(src)
		y.gorillaBytes += gorillaBytes(values)
		y.clockBytes += len(clock)
	}
}

func (y *tally) log(t *testing.T, what string) {
	t.Helper()
	n := float64(y.points)
	t.Logf("%-40s %7d points  value %.3f B  gorilla %.3f B  ratio %.3f  clock %.3f B  encode %.0f ns  decode %.0f ns", what, y.points,
		float64(y.valueBytes)/n, float64(y.gorillaBytes)/n, float64(y.valueBytes)/float64(y.gorillaBytes), float64(y.clockBytes)/n,
		float64(y.encode)/n, float64(y.decode)/n)
}

func (y *tally) join(other tally) {
	y.points += other.points
	y.valueBytes += other.valueBytes
	y.gorillaBytes += other.gorillaBytes
	y.clockBytes += other.clockBytes
	y.encode += other.encode
	y.decode += other.decode
}

// classOf names what a series of values is, by what made it.
func classOf(s series) string {
	name := strings.ToLower(s.name)
	integer, decimal, single := true, true, true
	for _, v := range s.values {
		_, ok := narrow(v)
		single = single && ok
		integer = integer && v == math.Trunc(v)
		decimal = decimal && math.Abs(v) < 1e9 && math.Round(v*1e6)/1e6 == v
	}
	switch {
	case isConstant(s.values):
		return "constant"
	case strings.Contains(name, "lr") || strings.Contains(name, "learning_rate"):
		return "learning rate"
	case strings.Contains(name, "gpu") || strings.Contains(name, "system"):
		return "system"
	case integer:
		return "integer"
	case decimal:
		return "decimal of 6 digits"
	case single:
		return "float32"
	}
	return "float64"
}

// TestCorpus round-trips real curves from a folder that the caller names.
// TestGenerated covers the same kinds and runs always.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("RUNSTONE_CORPUS")
	if dir == "" {
		t.Skip("RUNSTONE_CORPUS names no folder of curves; TestGenerated covers their kinds")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "no curves in %s", dir)
	var all tally
	classes := map[string]*tally{}
	for _, path := range files {
		var one tally
		for _, s := range readCorpus(t, path) {
			var y tally
			y.add(t, s)
			class := classOf(s)
			if classes[class] == nil {
				classes[class] = new(tally)
			}
			classes[class].join(y)
			one.join(y)
		}
		one.log(t, filepath.Base(path))
		all.join(one)
	}
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		classes[class].log(t, class)
	}
	all.log(t, "all")
	require.Less(t, float64(all.valueBytes)/float64(all.gorillaBytes), 0.5)
}
