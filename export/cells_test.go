package export

import (
	"bytes"
	"encoding/csv"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestCells(t *testing.T) {
	columns := []string{"name", "b, \"c\"", "max(metrics.x)", "a", "a", "none", "mixed"}
	rows := [][]any{
		{"x\ny", int64(math.MinInt64), 1.5, true, nil, nil, "s"},
		{"", int64(2), int64(3), nil, false, nil, true},
		{nil, nil, math.NaN(), false, nil, nil, 2.5},
	}
	var b bytes.Buffer
	require.NoError(t, Cells(&b, CSV, columns, rows))
	got, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Equal(t, [][]string{
		{"name", "b, \"c\"", "max(metrics.x)", "a", "a_2", "none", "mixed"},
		{"x\ny", "-9223372036854775808", "1.5", "true", "", "", "s"},
		{"", "2", "3.0", "", "false", "", "true"},
		{"", "", "NaN", "false", "", "", "2.5"},
	}, got)

	b.Reset()
	require.NoError(t, Cells(&b, Parquet, columns, rows))
	f, err := parquet.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))
	require.NoError(t, err)
	var names, kinds []string
	for _, field := range f.Schema().Fields() {
		names, kinds = append(names, field.Name()), append(kinds, field.Type().String())
	}
	require.Equal(t, []string{"name", "b, \"c\"", "max(metrics.x)", "a", "a_2", "none", "mixed"}, names)
	require.Equal(t, []string{"STRING", "INT(64,true)", "DOUBLE", "BOOLEAN", "BOOLEAN", "STRING", "STRING"}, kinds)
	r := f.RowGroups()[0].Rows()
	defer r.Close()
	buf := make([]parquet.Row, 3)
	n, _ := r.ReadRows(buf)
	require.Equal(t, 3, n)
	require.Equal(t, "x\ny", buf[0][0].String())
	require.EqualValues(t, math.MinInt64, buf[0][1].Int64())
	require.InDelta(t, 3, buf[1][2].Double(), 0)
	require.True(t, math.IsNaN(buf[2][2].Double()))
	require.True(t, buf[0][4].IsNull() && buf[2][5].IsNull() && buf[2][0].IsNull())
	require.False(t, buf[1][0].IsNull(), "an empty text is not a missing one")
	require.Equal(t, []string{"s", "true", "2.5"}, []string{buf[0][6].String(), buf[1][6].String(), buf[2][6].String()})

	require.NoError(t, Cells(&b, Parquet, []string{"only"}, nil))
	require.Error(t, Cells(&b, CSV, []string{"a"}, [][]any{{}}))
	require.Error(t, Cells(&b, "orc", nil, nil))
}

// TestFields: whatever is written as a field of CSV is read back, and a real
// number never looks like an integer.
func TestFields(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, v := rapid.String().Draw(rt, "text"), rapid.Float64().Draw(rt, "value")
		line := append(appendText(nil, s), ',')
		line = append(appendReal(line, v), '\n')
		got, err := csv.NewReader(bytes.NewReader(line)).Read()
		require.NoError(rt, err)
		require.Len(rt, got, 2)
		require.Equal(rt, strings.ReplaceAll(s, "\r\n", "\n"), got[0]) // the reader's own habit
		back, err := strconv.ParseFloat(got[1], 64)
		require.NoError(rt, err)
		if !math.IsNaN(v) {
			require.Equal(rt, math.Float64bits(v), math.Float64bits(back))
		}
		_, err = strconv.ParseInt(got[1], 10, 64)
		require.Error(rt, err)
	})
}
