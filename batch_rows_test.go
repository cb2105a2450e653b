package runstone

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/runstonedb/runstone/store"
)

// slowRows is what rows finds, without looking at the row before.
func slowRows(metrics []Metric) (out []clockRows) {
	for len(metrics) > 0 {
		n := 1
		for n < len(metrics) && n < store.MaxGroup && metrics[n].Step == metrics[0].Step && metrics[n].Time == metrics[0].Time && !containsSeries(metrics[:n], &metrics[n]) {
			n++
		}
		row := slices.Clone(metrics[:n])
		metrics = metrics[n:]
		slices.SortFunc(row, func(a, b Metric) int { return strings.Compare(seriesKey(&a), seriesKey(&b)) })
		var names []store.SeriesName
		for k := range row {
			names = append(names, row[k].series())
		}
		at := slices.IndexFunc(out, func(c clockRows) bool { return slices.Equal(c.names, names) })
		if at < 0 {
			at = len(out)
			out = append(out, clockRows{names: names, values: make([][]float64, n)})
		}
		c := &out[at]
		c.steps, c.times = append(c.steps, row[0].Step), append(c.times, row[0].Time)
		for k := range row {
			c.values[k] = append(c.values[k], row[k].Value)
		}
	}
	return out
}

func TestRowsOfABatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b Batch
		width := rapid.IntRange(1, 4).Draw(t, "width")
		for i := range rapid.IntRange(0, 40).Draw(t, "points") {
			m := Metric{Name: fmt.Sprint("m", i%width), Step: int64(i / width), Time: int64(i / width), Value: float64(i)}
			switch rapid.IntRange(0, 12).Draw(t, "odd") { // most are as a training loop logs them
			case 0:
				m.Name = rapid.SampledFrom([]string{"m0", "m1", "m2", "m9"}).Draw(t, "name")
			case 1:
				m.Step = int64(rapid.IntRange(0, 9).Draw(t, "step"))
			case 2:
				m.Time++
			case 3:
				m.Model = "model"
			case 4:
				m.Dataset, m.DatasetDigest = "set", "digest"
			}
			b.Metrics = append(b.Metrics, m)
		}
		require.Equal(t, slowRows(b.Metrics), b.rows())
	})
}
