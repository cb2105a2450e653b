package server

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/artifact"
	gobench "github.com/runstonedb/runstone/bench"
)

// benchTexts are the results of n runs; half way the level of Step rises by a
// fifth. At the end come what cannot be read and a run of another machine.
func benchTexts(n int) []string {
	r := rand.New(rand.NewPCG(3, 4))
	out := make([]string, n)
	for i := range out {
		level := 12_000.0
		if i >= n/2 {
			level *= 1.2
		}
		day := time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
		var b strings.Builder
		fmt.Fprintf(&b, "# date: %s\n# end: %s\n# commit: %040x\n# commit-time: %s\n# branch: main\n# cpus: 8\n\ngoos: linux\ngoarch: amd64\npkg: example.com/x\ncpu: Example\n", day, day, i+0xabcdef0, day)
		for range 7 {
			fmt.Fprintf(&b, "BenchmarkStep-8 100 %.3f ns/op 5 allocs/op\nBenchmarkFlat-8 100 %.3f ns/op\n", level+20*r.NormFloat64(), 50+r.NormFloat64())
		}
		out[i] = b.String()
	}
	return out
}

func (b *bench) logBench(experiment string, texts ...string) []string {
	b.t.Helper()
	ids := make([]string, len(texts))
	for i, text := range texts {
		r, err := gobench.Parse(strings.NewReader(text))
		require.NoError(b.t, err)
		ids[i], err = gobench.Log(b.t.Context(), b.db, r, &gobench.LogOptions{Experiment: experiment})
		require.NoError(b.t, err)
	}
	return ids
}

// own asks our own API and decodes the answer.
func (b *bench) own(path string, query url.Values, answer any) {
	b.t.Helper()
	w := b.do("GET", uiAPI+path+"?"+query.Encode(), "")
	require.Equal(b.t, http.StatusOK, w.Code, "%s: %s", path, w.Body)
	require.NoError(b.t, json.Unmarshal(w.Body.Bytes(), answer))
}

func (b *bench) experimentNamed(name string) string {
	b.t.Helper()
	e, err := b.db.ExperimentByName(b.t.Context(), name)
	require.NoError(b.t, err)
	return e.ID
}

type benchList struct {
	Experiment string
	Runs       []benchHead
	Series     []benchSeries
	Partial    bool
	Skipped    int
}

func TestUIBenchList(t *testing.T) {
	b := newBench(t, nil)
	ids := b.logBench("", benchTexts(24)...)
	exp := b.experimentNamed(gobench.Experiment)
	other := b.logBench("", strings.NewReplacer("cpu: Example", "cpu: Other", "# cpus: 8", "# cpus: 4").Replace(benchTexts(1)[0]))
	broken, err := b.db.CreateRun(t.Context(), runstone.NewRun{ExperimentID: exp, Name: "broken", Tags: []runstone.KV{{Key: gobench.TagFormat, Value: "1"}}})
	require.NoError(t, err)

	for range 2 { // the second time from what was kept
		var list benchList
		b.own("/bench-list", url.Values{"experiment_id": {exp}}, &list)
		require.Equal(t, gobench.Experiment, list.Experiment)
		require.Equal(t, 1, list.Skipped, "a run without results")
		require.False(t, list.Partial)
		require.Len(t, list.Runs, 25)
		heads := map[string]benchHead{}
		for _, h := range list.Runs {
			heads[h.Run] = h
		}
		require.Equal(t, benchHead{Run: ids[3], Name: fmt.Sprintf("%040x", 3+0xabcdef0)[:12], Commit: fmt.Sprintf("%040x", 3+0xabcdef0), Branch: "main",
			Start: time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC).UnixMilli(), Machine: "linux/amd64, Example, 8 CPUs", Series: 3}, heads[ids[3]])
		require.Equal(t, "linux/amd64, Other, 4 CPUs", heads[other[0]].Machine)
		require.NotContains(t, heads, broken.ID)
		require.Len(t, list.Series, 6, "three series on two machines")
		found := map[string]benchSeries{}
		for _, s := range list.Series {
			found[s.Name+" "+s.Unit+" "+s.Machine] = s
		}
		step := found["Step-8 ns/op linux/amd64, Example, 8 CPUs"]
		require.Equal(t, 24, step.Runs)
		require.Len(t, step.Spark, 24)
		require.Equal(t, 1, step.Changes)
		require.Equal(t, -1, step.Last.Judged)
		require.True(t, step.Last.Up)
		require.Equal(t, 12, step.Last.Since)
		require.Regexp(t, `^\+(19|20)\.\d\d%$`, step.Last.Percent)
		require.Regexp(t, `^14\.\d+µs/op$`, step.Latest)
		require.Nil(t, found["Flat-8 ns/op linux/amd64, Example, 8 CPUs"].Last)
		require.Equal(t, 1, found["Step-8 ns/op linux/amd64, Other, 4 CPUs"].Runs)
	}

	// A text that was replaced is read again.
	info, err := b.db.RunInfo(t.Context(), ids[3])
	require.NoError(t, err)
	file := filepath.Join(b.db.Dir(), "artifacts", strings.TrimPrefix(info.ArtifactURI, "mlflow-artifacts:/"), gobench.Artifact)
	require.NoError(t, os.WriteFile(file, []byte("BenchmarkNew 1 7 ns/op\n"), 0o600))
	var list benchList
	b.own("/bench-list", url.Values{"experiment_id": {exp}}, &list)
	require.Len(t, list.Series, 7)
	b.own("/bench-list", url.Values{"experiment_id": {exp}, "last": {"5"}}, &list)
	require.Len(t, list.Runs, 5)
	b.own("/bench-list", url.Values{"experiment_id": {"0"}}, &list)
	require.Empty(t, list.Series)
}

// TestUIBenchTrend: what is answered is what package bench says.
func TestUIBenchTrend(t *testing.T) {
	b := newBench(t, nil)
	b.logBench("speed", benchTexts(24)...)
	exp := b.experimentNamed("speed")
	var got struct {
		Trend   json.RawMessage
		Factor  float64
		Axis    string
		Latest  string
		Texts   []string
		Names   []string
		Changes []benchChangeText
	}
	query := url.Values{"experiment_id": {exp}, "package": {"example.com/x"}, "name": {"Step-8"}, "unit": {"ns/op"}, "machine": {"linux/amd64, Example, 8 CPUs"}}
	b.own("/bench-trend", query, &got)
	opt := &gobench.TrendOptions{Experiment: "speed", Changes: benchChanges, Match: func(id *gobench.ID) bool { return id.Name == "Step-8" && id.Unit == "ns/op" }}
	trends, err := gobench.Trends(t.Context(), b.db, opt)
	require.NoError(t, err)
	require.Len(t, trends, 1)
	want, err := json.Marshal(trends[0])
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(got.Trend))
	require.Equal(t, 0.001, got.Factor)
	require.Equal(t, "µs/op", got.Axis)
	require.Len(t, got.Texts, 24)
	require.Equal(t, fmt.Sprintf("%040x", 0xabcdef0)[:12], got.Names[0])
	require.Len(t, got.Changes, 1)
	require.Equal(t, gobench.Format(trends[0].Changes[0].From, "ns/op"), got.Changes[0].From)
	p := trends[0].Points[5]
	require.True(t, p.Min < p.Lo || p.Min == p.Lo, p)
	require.True(t, p.Lo <= p.Median && p.Median <= p.Hi && p.Hi <= p.Max, p)
	require.Contains(t, []float64{0.01, 0.001}, trends[0].Changes[0].P)

	for name, value := range map[string]string{"name": "No", "unit": "B/op", "machine": "linux/amd64", "package": "x"} {
		bad := url.Values{}
		for k, v := range query {
			bad[k] = v
		}
		bad.Set(name, value)
		w := b.do("GET", uiAPI+"/bench-trend?"+bad.Encode(), "")
		require.Equal(t, http.StatusNotFound, w.Code, "%s: %s", name, w.Body)
	}
}

// TestUIBenchCompare: as "runstone bench compare --json", with the texts.
func TestUIBenchCompare(t *testing.T) {
	b := newBench(t, nil)
	texts := benchTexts(24)
	ids := b.logBench("speed", texts...)
	exp := b.experimentNamed("speed")
	type answer struct {
		A, B  benchSide
		Units []struct {
			gobench.Unit
			Tidy    string
			Cells   [][4]string
			Judged  []int
			Geomean []string
		}
		Text string
	}
	var got answer
	b.own("/bench-compare", url.Values{"experiment_id": {exp}, "a": {"latest~23"}, "b": {"latest"}}, &got)
	require.Equal(t, ids[0], got.A.Run)
	require.Equal(t, ids[23], got.B.Run)
	require.Equal(t, "latest~23", got.A.Spec)
	first, err := gobench.Parse(strings.NewReader(texts[0]))
	require.NoError(t, err)
	second, err := gobench.Parse(strings.NewReader(texts[23]))
	require.NoError(t, err)
	want := gobench.Compare(first, second, nil)
	require.Len(t, got.Units, len(want.Units))
	for i := range want.Units {
		require.Equal(t, want.Units[i], got.Units[i].Unit)
		require.Equal(t, want.Units[i].Rows[0].Cells(), got.Units[i].Cells[0])
	}
	require.Equal(t, "ns/op", got.Units[0].Unit.Unit)
	require.Equal(t, "sec/op", got.Units[0].Tidy)
	require.Equal(t, []int{-1, 0}, got.Units[0].Judged)
	require.Len(t, got.Units[0].Geomean, 3)
	require.Nil(t, got.Units[1].Geomean)
	require.Contains(t, got.Text, "A "+ids[0][:8])
	require.Contains(t, got.Text, got.Units[0].Cells[0][0])
	require.Contains(t, got.Text, "geomean")

	for _, spec := range []string{ids[5], ids[5][:8], fmt.Sprintf("%040x", 5+0xabcdef0), "tag:mlflow.source.git.branch=main~18", "before:" + ids[6]} {
		b.own("/bench-compare", url.Values{"experiment_id": {exp}, "a": {spec}, "b": {"branch:main"}}, &got)
		require.Equal(t, ids[5], got.A.Run, spec)
	}
	elsewhere := b.logBench("others", "BenchmarkX 1 5 ns/op\n")
	for spec, problem := range map[string]string{
		"latest~99": "there are only 24 benchmark runs", "latest~x": "a number follows the ~", ids[0] + "~1": "~ follows latest", "0000000": "several runs or commits",
		"branch:no": "there is no benchmark run", elsewhere[0]: "no run or commit", elsewhere[0][:6]: "no run or commit",
	} {
		var answer struct{ Problem string }
		b.own("/bench-compare", url.Values{"experiment_id": {exp}, "a": {spec}, "b": {"latest"}}, &answer)
		require.Contains(t, answer.Problem, problem, spec)
	}
	for _, spec := range []string{strings.Repeat("x", 501), ""} {
		w := b.do("GET", uiAPI+"/bench-compare?"+url.Values{"experiment_id": {exp}, "a": {spec}, "b": {"latest"}}.Encode(), "")
		require.Equal(t, 400, w.Code)
	}
	w := b.do("GET", uiAPI+"/bench-compare?"+url.Values{"experiment_id": {exp}, "a": {"latest"}, "b": {"latest"}, "alpha": {"1"}}.Encode(), "")
	require.Equal(t, 400, w.Code)
}

// TestUIBenchLimits: a list says when it is not all.
func TestUIBenchLimits(t *testing.T) {
	b := newBench(t, nil)
	var text strings.Builder
	for i := range maxBenchSeries + 10 {
		fmt.Fprintf(&text, "BenchmarkS%d 1 5 ns/op\n", i)
	}
	b.logBench("wide", text.String(), text.String()+"\n")
	var list benchList
	b.own("/bench-list", url.Values{"experiment_id": {b.experimentNamed("wide")}}, &list)
	require.True(t, list.Partial)
	require.Len(t, list.Series, maxBenchSeries)

	r := &benchReader{s: b.s, points: maxBenchPoints + 1}
	_, err := r.load(t.Context(), b.db, "x")
	require.ErrorIs(t, err, errBenchEnough)
	require.True(t, r.partial)
}

func TestUIBenchPermissions(t *testing.T) {
	g := newGuarded(t)
	ids := g.logBench("speed", benchTexts(2)...)
	exp := g.experimentNamed("speed")
	for _, path := range []string{
		"/bench-list?experiment_id=" + exp, "/bench-compare?a=latest&b=" + ids[0] + "&experiment_id=" + exp,
		"/bench-trend?" + url.Values{"experiment_id": {exp}, "package": {"example.com/x"}, "name": {"Step-8"}, "unit": {"ns/op"}, "machine": {"linux/amd64, Example, 8 CPUs"}}.Encode(),
	} {
		g.want(200, "reader", "GET", uiAPI+path, "")
		g.want(403, "eve", "GET", uiAPI+path, "")
		g.want(401, "", "GET", uiAPI+path, "")
	}
}

// TestUIBenchLargeAndBroken: a comparison of more rows than a page takes is cut and says so,
// and results that cannot be read are no error of the server.
func TestUIBenchLargeAndBroken(t *testing.T) {
	b := newBench(t, nil)
	var many strings.Builder
	many.WriteString("goos: linux\n")
	for i := range maxBenchSeries {
		fmt.Fprintf(&many, "BenchmarkA%d 1 %d ns/op 2 B/op\n", i, i+1)
	}
	ids := b.logBench("", many.String(), strings.Replace(many.String(), "linux", "plan9", 1))
	exp := b.experimentNamed(gobench.Experiment)
	var answer struct {
		Units   []benchTable
		Partial bool
		Problem string
	}
	b.own("/bench-compare", url.Values{"experiment_id": {exp}, "a": {ids[0]}, "b": {ids[1]}}, &answer)
	require.True(t, answer.Partial)
	require.Len(t, answer.Units, 1)
	require.Len(t, answer.Units[0].Rows, maxBenchSeries)
	broken, err := b.db.CreateRun(t.Context(), runstone.NewRun{ExperimentID: exp, Tags: []runstone.KV{{Key: gobench.TagFormat, Value: "1"}}})
	require.NoError(t, err)
	_, err = b.db.PutArtifact(t.Context(), exp+"/"+broken.ID+"/artifacts/"+gobench.Artifact, strings.NewReader("nothing\n"), artifact.PutOptions{})
	require.NoError(t, err)
	b.own("/bench-compare", url.Values{"experiment_id": {exp}, "a": {broken.ID}, "b": {ids[1]}}, &answer)
	require.Contains(t, answer.Problem, "cannot be read: no benchmark results")
}
