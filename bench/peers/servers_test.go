package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/bench/load"
)

// TestServersGiveTheSameAnswers puts every workload to the servers for a moment:
// each answer is compared with what was logged, in all of them.
func TestServersGiveTheSameAnswers(t *testing.T) {
	runstone, fml, mlflow := "../../bin/runstone", "../../.cache/servers/bin/fml", "../../.cache/venv-mlflow3/bin/mlflow"
	for _, path := range []string{runstone, fml, mlflow} {
		require.FileExists(t, path, "make test-peers makes it")
	}
	for _, names := range []string{"runstone,fasttrackml", "mlflow"} {
		t.Run(names, func(t *testing.T) {
			t.Parallel() // MLflow takes long to start, and no time to speak of here
			dir, stores := t.TempDir(), t.TempDir()
			args := []string{"-tables", "servers", "-only", names, "-runstone", runstone, "-fml", fml, "-mlflow", mlflow,
				"-served", "300", "-history", "3001", "-writing", "100ms", "-dir", dir, "-stores", stores}
			out, err := command(t, args...)
			require.NoError(t, err, out)
			require.NotContains(t, out, "failed", "%s", out)
			for name := range strings.SplitSeq(names, ",") {
				require.Contains(t, out, "\n"+name+" ")
				require.DirExists(t, filepath.Join(stores, "store-"+name+"-300"))
			}
			require.GreaterOrEqual(t, strings.Count(out, "\n  history of 3001 "), 2*(1+strings.Count(names, ",")))
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// Any other server can be measured by its command, and one that does not start
// is a row.
func TestServersByCommand(t *testing.T) {
	runstone, err := filepath.Abs("../../bin/runstone")
	require.NoError(t, err)
	out, err := command(t, "-tables", "servers", "-served", "20", "-writing", "20ms", "-loads", "log-metric", "-dir", t.TempDir(),
		"-server", "mine="+runstone+" server --port {port} -d {dir}/db", "-server", "broken="+runstone+" server --port no")
	require.NoError(t, err, out)
	require.Contains(t, out, "\n  log-metric                    8 ")
	require.NotContains(t, out, "\n  log-batch")
	require.Regexp(t, `\nbroken +failed: .*the server ended: .*--port`, out)
}

// A server that answers wrongly must not look fast.
func TestWrongAnswersAreFound(t *testing.T) {
	f := load.Runs{}.Run(7)
	right := func() *wireRun {
		var r wireRun
		r.Info.Name, r.Info.Start = f.Name, f.Start
		r.Data.Params, r.Data.Tags = pairs(&f, false), pairs(&f, true)
		for _, m := range f.Metrics {
			r.Data.Metrics = append(r.Data.Metrics, wirePoint{m.Name, m.Value, m.Time, m.Step})
		}
		return &r
	}
	require.NoError(t, sameFields(right(), &f))
	for name, spoil := range map[string]func(*wireRun){
		"another run":     func(r *wireRun) { r.Info.Name = "run-8" },
		"another time":    func(r *wireRun) { r.Info.Start++ },
		"no param":        func(r *wireRun) { r.Data.Params = r.Data.Params[1:] },
		"another tag":     func(r *wireRun) { r.Data.Tags[3].Value += "x" },
		"a metric's step": func(r *wireRun) { r.Data.Metrics[7].Step = 0 },
		"no metric":       func(r *wireRun) { r.Data.Metrics = r.Data.Metrics[:7] },
	} {
		r := right()
		spoil(r)
		require.Error(t, sameFields(r, &f), name)
	}
}

func TestNextToken(t *testing.T) {
	long := strings.Repeat(" ", 2000)
	for page, want := range map[string]string{
		`{}`:                          "",
		`{"metrics": [` + long + `]}`: "",
		`{"metrics": [], "next_page_token": "ab="}`:                    "ab=",
		`{"next_page_token":"ab=","metrics":[` + long + `]}`:           "ab=",
		`{"metrics": [` + long + "],\n  \"next_page_token\": \"a\"\n}": "a",
	} {
		got, err := nextToken([]byte(page))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := nextToken([]byte(`{"next_page_token": "a`))
	require.Error(t, err)
}

func TestServedIsShown(t *testing.T) {
	fast := served{Fresh: 4, Health: 5, Search: 6, Idle: 7, Memory: 8, Started: 1, Loads: []serverLoad{
		{Name: "a", Clients: 1, Requests: 10, Units: 10, Wall: time.Second, P50: 2 * time.Millisecond, P99: 4 * time.Millisecond},
		{Name: "b", Clients: 8, Requests: 10, Units: 10, Wall: time.Second, P50: 1, P99: 2}}}
	slow := served{Fresh: 5, Health: 4, Search: 9, Idle: 3, Memory: 9, Started: 1, Loads: []serverLoad{
		{Name: "a", Clients: 1, Requests: 5, Units: 5, Wall: time.Second, P50: 6 * time.Millisecond, P99: 2 * time.Millisecond},
		{Name: "b", Clients: 8, Failed: "an answer\nis wrong"}}}
	want := served{Fresh: 4, Health: 4, Search: 6, Idle: 3, Memory: 8, Started: 2, Loads: []serverLoad{
		{Name: "a", Clients: 1, Requests: 10, Units: 10, Wall: time.Second, P50: 2 * time.Millisecond, P99: 2 * time.Millisecond}, slow.Loads[1]}}
	require.Equal(t, &outcome{Served: &want}, (&outcome{Served: &fast}).best(&outcome{Served: &slow}))
	require.Equal(t, &want, bestServed(slow, &fast))

	var out bytes.Buffer
	r := report{w: &out}
	lines := []line{{name: "runstone", outcome: &outcome{Served: &fast}}, {name: "other", outcome: &outcome{Served: &slow}}}
	for _, l := range lines {
		serversRow(&r, l)
	}
	serversRatios(&r, lines)
	require.NoError(t, r.err)
	require.Contains(t, out.String(), "failed: an answer; is wrong\n")
	require.Regexp(t, `\n  a +1 +2.00 +3.00 +0.50\n$`, out.String())
}
