package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/artifact"
	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	tb := newTable("ID", "NAME", ">SIZE")
	tb.add("1", "a rather long name of a run", "7")
	tb.add("22", "bell\x07\x1b[31m", "")
	for limit, want := range map[int]string{
		0: "" +
			"ID  NAME                         SIZE\n" +
			"1   a rather long name of a run     7\n" +
			"22  bell  [31m                      -\n",
		24: "" +
			"ID  NAME            SIZE\n" +
			"1   a rather long…     7\n" +
			"22  bell  [31m         -\n",
		3: "" + // columns do not vanish: a line that is too long is cut by the terminal
			"ID  NAME      SIZE\n" +
			"1   a rathe…     7\n" +
			"22  bell  […     -\n",
	} {
		var b strings.Builder
		require.NoError(t, tb.write(&b, limit))
		require.Equal(t, want, b.String(), "width %d", limit)
	}
	require.Equal(t, "…", truncate("été", 1))
	require.Equal(t, "été", truncate("été", 3))
	require.Equal(t, "é…", truncate("étés", 2))
}

func TestFormats(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "just now", 9 * time.Second: "just now", 59 * time.Second: "59s ago", time.Minute: "1m ago",
		3 * time.Hour: "3h ago", 50 * time.Hour: "2d ago",
	} {
		require.Equal(t, want, ago(now, now.Add(-d).UnixMilli()))
	}
	require.Equal(t, now.AddDate(0, -2, 0).Local().Format("2006-01-02"), ago(now, now.AddDate(0, -2, 0).UnixMilli()))
	require.Empty(t, ago(now, 0))
	for d, want := range map[time.Duration]string{
		5 * time.Millisecond: "5ms", 1500 * time.Millisecond: "1.5s", 65 * time.Second: "1m05s",
		2*time.Hour + 5*time.Minute: "2h05m", 49 * time.Hour: "2d01h", -time.Second: "",
	} {
		require.Equal(t, want, span(d))
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1<<20 - 1: "1.0 MiB", 5 << 30: "5.0 GiB", math.MaxInt64: "8192.0 PiB"} {
		require.Equal(t, want, size(n))
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", -123: "-123"} {
		require.Equal(t, want, grouped(n))
	}
	require.Equal(t, "1 run", plural(1, "run"))
	require.Equal(t, "0123abcd", shortID("0123abcd"+strings.Repeat("0", 24)))
	require.Equal(t, "my-run", shortID("my-run"))
	b, err := json.Marshal([]number{number(math.NaN()), number(math.Inf(1)), number(math.Inf(-1)), 0.1, 1e300})
	require.NoError(t, err)
	require.Equal(t, `["NaN","Infinity","-Infinity",0.1,1e+300]`, string(b))
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{errors.New("x"), exitError},
		{usagef("x"), exitUsage},
		{asUsage(notFoundf("", "x")), exitNotFound},
		{fmt.Errorf("open: %w", runstone.ErrNotFound), exitNotFound},
		{artifact.ErrNotFound, exitNotFound},
		{runstone.ErrInvalid, exitRefused},
		{runstone.ErrExists, exitRefused},
		{runstone.ErrLocked, exitLocked},
		{runstone.ErrCorrupt, exitCorrupt},
		{fmt.Errorf("%w: %w", runstone.ErrNotDatabase, runstone.ErrCorrupt), exitCorrupt},
		{runstone.ErrNoSpace, exitNoSpace},
		{runstone.ErrFuture, exitFuture},
		{artifact.ErrDigest, exitCorrupt},
	} {
		require.Equal(t, c.code, asFault(c.err).code, "%v", c.err)
	}
	require.Equal(t, "a b", oneLine("a\r\n\x1b b.;"))
}

func TestCurveColumns(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		points []vertex
		from   int64
		to     int64
		width  int
		want   []float64
	}{
		{[]vertex{{Step: 0, Value: 0}, {Step: 4, Value: 4}}, 0, 4, 5, []float64{0, 1, 2, 3, 4}},
		{[]vertex{{Step: 2, Value: 1}}, 0, 4, 5, []float64{nan, nan, 1, nan, nan}},
		{[]vertex{{Step: 0, Value: 1}}, 0, 0, 3, []float64{1, 1, nan}},
		{[]vertex{{Step: 0, Value: 0}, {Step: 50, Value: 9}, {Step: 51, Value: 1}, {Step: 100, Value: 0}}, 0, 100, 3, []float64{0, 9, 0}},
		{[]vertex{{Step: math.MinInt64, Value: 0}, {Step: math.MaxInt64, Value: 2}}, math.MinInt64, math.MaxInt64, 3, []float64{0, 1, 2}},
		{nil, 0, 1, 2, []float64{nan, nan}},
	} {
		for i := range c.points {
			plotX{of: xStep}.place(&c.points[i], 0)
		}
		got := columns(c.points, float64(c.from), float64(c.to), c.width)
		require.Equal(t, fmt.Sprint(c.want), fmt.Sprint(got))
	}
}

func TestLocalPath(t *testing.T) {
	for uri, want := range map[string]string{
		"data": "data", "/a b/c": "/a b/c", "file:///x/y": "/x/y", "file://localhost/x": "/x", "file:x": "x", "./a:b": "./a:b",
		"s3://b/k": "", "http://h/x": "", "file://host/x": "", "file:": "",
	} {
		got, ok := localPath(uri)
		require.Equal(t, want != "", ok, uri)
		require.Equal(t, want, got, uri)
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "localhost": true, "LOCALHOST": true, "::1": true, "[::1]": true, "::ffff:127.0.0.1": true,
		"0.0.0.0": false, "::": false, "": false, "example.org": false, "192.168.0.1": false, "localhost.evil.org": false,
	} {
		require.Equal(t, want, isLoopback(host), host)
	}
}
