package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/migrate"
	"github.com/runstonedb/runstone/server"
	"github.com/stretchr/testify/require"
)

// answer serves one text for each path, and 404 for others.
func answer(t *testing.T, texts map[string]string) (*httptest.Server, *Source) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := texts[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(srv.Close)
	c, err := newClient(srv.URL, &Options{Pause: time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return srv, &Source{c: c, uris: map[string]place{}, metrics: map[string][]string{}, left: map[migrate.Note]int64{}}
}

func TestAddress(t *testing.T) {
	for _, bad := range []string{"", "localhost:5000", "ftp://x", "http://", "http://x?q", "http://x#f", "file:///etc"} {
		_, err := newClient(bad, nil)
		require.Error(t, err, bad)
	}
	for _, bad := range []string{"http://ada:secret@h:port", "http://ada:secret%zz@h", "ftp://ada:secret@h"} {
		_, err := newClient(bad, nil)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret")
	}
	c, err := newClient("https://ada:secret@example.com/base/", nil)
	require.NoError(t, err)
	require.Equal(t, "https://example.com/base", c.String(), "without credentials")
	require.Equal(t, "ada", c.opt.Username)
}

func TestRetries(t *testing.T) {
	var asked atomic.Int32
	status := http.StatusServiceUnavailable
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(status)
			return
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer srv.Close()
	c, err := newClient(srv.URL, &Options{Pause: time.Millisecond})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.check(t.Context()))
	require.EqualValues(t, 3, asked.Load())

	asked.Store(0)
	status = http.StatusBadRequest
	require.Error(t, c.check(t.Context()))
	require.EqualValues(t, 1, asked.Load(), "a refusal is not tried again")

	asked.Store(0)
	status = http.StatusBadGateway
	require.Error(t, c.post(t.Context(), api+"/runs/create", map[string]any{}, nil))
	require.EqualValues(t, 1, asked.Load(), "it may have made the run")

	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.ErrorIs(t, c.check(ctx), context.Canceled)
}

func TestRedirect(t *testing.T) {
	var other atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { other.Add(1) }))
	defer elsewhere.Close()
	srv := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	_, err := Open(t.Context(), srv.URL, &Options{Pause: time.Millisecond})
	require.ErrorIs(t, err, errRedirect)
	require.Zero(t, other.Load())
}

func TestCredentials(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		if name+":"+password != "ada:secret" && r.Header.Get("Authorization") != "Bearer tok" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer srv.Close()
	_, err := Open(t.Context(), srv.URL, nil)
	require.ErrorIs(t, err, ErrUnauthorized)
	for _, opt := range []*Options{{Username: "ada", Password: "secret"}, {Token: "tok"}} {
		src, err := Open(t.Context(), srv.URL, opt)
		require.NoError(t, err)
		require.NoError(t, src.Close())
	}
	src, err := Open(t.Context(), strings.Replace(srv.URL, "http://", "http://ada:secret@", 1), nil)
	require.NoError(t, err)
	require.NoError(t, src.Close())
}

// TestHostileAnswers: answers that are not MLflow's are errors.
func TestHostileAnswers(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "<html>", "another type": `{"experiments": 5}`, "deep": strings.Repeat(`{"experiments":[`, 20000), "no number": `{"experiments":[{"creation_time":"x"}]}`,
		"endless": `{"experiments":[],"next_page_token":"same"}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, src := answer(t, map[string]string{api + "/experiments/search": text})
			for _, err := range src.Experiments(t.Context()) {
				require.Error(t, err)
				return
			}
			t.Fatal("no error")
		})
	}
}

func TestSays(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error_code": "X", "message": "bad\x1b[31m\nline" + strings.Repeat("y", 5000)})
	}))
	defer srv.Close()
	_, err := Open(t.Context(), srv.URL, nil)
	require.ErrorContains(t, err, "bad [31m line")
	require.Less(t, len(err.Error()), 1500)
}

// TestHostileFiles: names of files that would leave the folder, and wrong
// lengths.
func TestHostileFiles(t *testing.T) {
	names := []string{"..", "../x", "/etc/passwd", "a/b", "a\\b", "", ".", "%2e%2e", "a\x00b", "C:x"}
	files := []fileInfo{{Path: "good", Size: 3}, {Path: "short", Size: 9}, {Path: "long", Size: 1}, {Path: "huge", Size: 1 << 62}, {Path: "negative", Size: -1}}
	for _, n := range names {
		files = append(files, fileInfo{Path: n, Size: 3}, fileInfo{Path: n, IsDir: true})
	}
	list, err := json.Marshal(map[string]any{"files": files})
	require.NoError(t, err)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == host && r.URL.Query().Get("path") == "7" {
			_, _ = w.Write(list)
			return
		}
		_, _ = io.WriteString(w, "abc")
	}))
	defer srv.Close()
	c, err := newClient(srv.URL, nil)
	require.NoError(t, err)
	src := &Source{c: c, left: map[migrate.Note]int64{}}
	defer src.Close()
	got := map[string]string{}
	for f, err := range src.Files(t.Context(), "mlflow-artifacts:/7") {
		require.NoError(t, err)
		body, err := f.Open(t.Context())
		require.NoError(t, err)
		b, err := io.ReadAll(body)
		if err != nil {
			b = []byte("error")
		}
		got[f.Path] = string(b)
		body.Close()
	}
	require.Equal(t, map[string]string{"good": "abc", "short": "error", "long": "error"}, got)
	require.NotEmpty(t, src.Notes())
}

// TestOrigin: artifacts elsewhere are never asked for there.
func TestOrigin(t *testing.T) {
	var other atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { other.Add(1) }))
	defer elsewhere.Close()
	_, src := answer(t, map[string]string{})
	for _, uri := range []string{
		elsewhere.URL + "/api/2.0/mlflow-artifacts/artifacts/7", strings.Replace(elsewhere.URL, "http://", "mlflow-artifacts://", 1) + "/7", "s3://bucket/x", "file:///etc",
	} {
		require.NoError(t, src.Reach(t.Context(), uri))
		for _, err := range src.Files(t.Context(), uri) {
			require.ErrorIs(t, err, migrate.ErrUnreachable)
		}
	}
	require.Zero(t, other.Load())
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]int64{"5": 5, `"5"`: 5, "5.0": 5, "null": 0, "-3": -3, "9223372036854775807": math.MaxInt64} {
		var n integer
		require.NoError(t, json.Unmarshal([]byte(text), &n), text)
		require.EqualValues(t, want, n, text)
	}
	for _, x := range []float64{0, 0.1, -1e300, math.Inf(1), math.Inf(-1)} {
		b, err := json.Marshal(double(x))
		require.NoError(t, err)
		var back double
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, x, float64(back))
	}
	var n integer
	require.Error(t, json.Unmarshal([]byte("5.5"), &n))
}

// twin is a database behind a server of our own.
func twin(t *testing.T) (*runstone.DB, *httptest.Server) {
	t.Helper()
	db, err := runstone.Open(t.TempDir(), &runstone.Options{NoSystemInfo: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	h := handler(t, db)
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return db, srv
}

// TestRoundTrip: what is exported to a server, and imported from it again, is
// what it was but for ids; a second export changes nothing; one after changes
// brings those.
func TestRoundTrip(t *testing.T) {
	ctx := t.Context()
	db, _ := twin(t)
	target, srv := twin(t)
	_, err := target.CreateExperiment(ctx, "shifts the ids", nil)
	require.NoError(t, err)
	parent, err := db.CreateRun(ctx, runstone.NewRun{Experiment: "diag", Name: "parent", User: "ada", Start: 1000})
	require.NoError(t, err)
	child, err := db.CreateRun(ctx, runstone.NewRun{Experiment: "diag", Name: "child", User: "ada", Start: 500, Tags: []runstone.KV{{Key: runstone.TagParent, Value: parent.ID}}})
	require.NoError(t, err)
	m, err := db.CreateLoggedModel(ctx, lineage.LoggedModel{ExperimentID: parent.ExperimentID, Name: "lm", SourceRunID: parent.ID, Params: []lineage.Tag{{Key: "p", Value: "v"}}})
	require.NoError(t, err)
	b := runstone.Batch{Params: []runstone.KV{{Key: "lr", Value: "0.1"}}, Tags: []runstone.KV{{Key: "note", Value: "x"}}}
	for step := range int64(2500) {
		b.Metrics = append(b.Metrics, runstone.Metric{Name: "loss", Step: step, Time: 1000 + step, Value: 1 / float64(step+1)})
	}
	b.Metrics = append(b.Metrics, runstone.Metric{Name: "loss", Step: 3, Time: 7, Value: math.NaN()}, runstone.Metric{Name: "auc", Step: 1, Time: 5, Value: 0.5, Model: m.ModelID, Dataset: "d", DatasetDigest: "abc"})
	require.NoError(t, db.LogBatch(ctx, parent.ID, b))
	require.NoError(t, db.LogInputs(ctx, parent.ID, []lineage.Input{{Dataset: lineage.Dataset{Name: "d", Digest: "abc", SourceType: "local", Source: "{}"}}}, nil))
	require.NoError(t, db.LogOutputs(ctx, parent.ID, []lineage.Output{{ModelID: m.ModelID, Step: 3}}))
	run, err := db.ResumeRun(ctx, parent.ID)
	require.NoError(t, err)
	require.NoError(t, run.LogArtifact(ctx, "model/ünï code.bin", strings.NewReader("weights")))
	require.NoError(t, run.LogArtifact(ctx, "empty", strings.NewReader("")))
	require.NoError(t, run.End(ctx, runstone.Finished))
	require.NoError(t, db.DeleteRun(ctx, child.ID))
	_, err = db.RegisterModel(ctx, "reg", parent.ID, "model")
	require.NoError(t, err)
	_, err = db.PromoteModel(ctx, "reg", 1, "Production", nil)
	require.NoError(t, err)

	send := func() *ExportReport {
		r, err := Export(ctx, db, srv.URL, nil, nil)
		require.NoError(t, err)
		require.Empty(t, r.Notes)
		return r
	}
	first := send()
	require.EqualValues(t, 2, first.Tallies[migrate.Runs].Added)
	require.EqualValues(t, 2, first.Tallies[migrate.Artifacts].Added)
	require.EqualValues(t, 2502, first.Points)
	again := send()
	require.False(t, again.Changed(), fmt.Sprint(again.Tallies))
	require.Zero(t, again.Points+again.ArtifactBytes)

	there := map[string]*runstone.RunData{}
	for r, err := range target.Search(ctx, "", &runstone.SearchOptions{View: runstone.All}) {
		require.NoError(t, err)
		there[r.Tags[tagRun]] = r
	}
	p, c := there[parent.ID], there[child.ID]
	require.Equal(t, runstone.Finished, p.Status)
	require.Equal(t, map[string]string{"lr": "0.1"}, p.Params)
	require.Equal(t, p.ID, c.Tags[runstone.TagParent])
	require.True(t, c.Deleted)
	require.Len(t, p.Inputs, 1)
	require.NotEqual(t, m.ModelID, p.Models.Outputs[0].ModelID)
	v, err := target.ModelVersion(ctx, "models:/reg/Production")
	require.NoError(t, err)
	require.Equal(t, p.ArtifactURI+"/model", v.Source)
	require.Equal(t, p.ID, v.RunID)
	f, err := target.OpenArtifact(ctx, p.ID, "model/ünï code.bin")
	require.NoError(t, err)
	text, err := io.ReadAll(f)
	require.NoError(t, err)
	f.Close()
	require.Equal(t, "weights", string(text))

	require.NoError(t, db.LogBatch(ctx, parent.ID, runstone.Batch{Metrics: []runstone.Metric{{Name: "loss", Step: 9999, Time: 9, Value: 3}, {Name: "auc", Step: 2, Time: 6, Value: 0.6, Model: m.ModelID}}}))
	later := send()
	require.EqualValues(t, 1, later.Tallies[migrate.Runs].Updated)
	require.EqualValues(t, 2, later.Points)

	// And back, into a third database.
	third, err := runstone.Open(t.TempDir(), nil)
	require.NoError(t, err)
	defer third.Close()
	bring := func() *migrate.Report {
		src, err := Open(ctx, srv.URL, nil)
		require.NoError(t, err)
		defer src.Close()
		report, err := migrate.Import(ctx, third, src, nil)
		require.NoError(t, err)
		return report
	}
	report := bring()
	require.EqualValues(t, 2, report.Tallies[migrate.Runs].Added)
	require.EqualValues(t, 2504, report.Points)
	require.False(t, bring().Changed())
	got, err := third.Run(ctx, p.ID)
	require.NoError(t, err)
	require.Equal(t, p.Params, got.Params)
	about, err := third.ModelMetrics(ctx, p.Models.Outputs[0].ModelID)
	require.NoError(t, err)
	require.NotEmpty(t, about)
}

// TestInterruptedExport: an export that is cut off anywhere is completed by the
// next, with nothing twice.
func TestInterruptedExport(t *testing.T) {
	ctx := t.Context()
	db, _ := twin(t)
	for i := range 4 {
		r, err := db.CreateRun(ctx, runstone.NewRun{Experiment: "diag", Name: fmt.Sprint("run ", i), Start: int64(i + 1)})
		require.NoError(t, err)
		var b runstone.Batch
		for step := range int64(1500) {
			b.Metrics = append(b.Metrics, runstone.Metric{Name: "loss", Step: step, Time: step, Value: float64(step)})
		}
		require.NoError(t, db.LogBatch(ctx, r.ID, b))
	}
	target, err := runstone.Open(t.TempDir(), nil)
	require.NoError(t, err)
	defer target.Close()
	inner := handler(t, target)
	errCut := errors.New("cut")
	for allowed := int32(1); ; allowed += 3 {
		var n atomic.Int32
		cut, stop := context.WithCancelCause(ctx)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) > allowed {
				stop(errCut)
				return
			}
			inner.ServeHTTP(w, r)
		}))
		_, err := Export(cut, db, srv.URL, nil, nil)
		srv.Close()
		stop(nil)
		if err == nil {
			break
		}
	}
	seen := 0
	for r, err := range target.Search(ctx, "", &runstone.SearchOptions{View: runstone.All}) {
		require.NoError(t, err)
		seen++
		total := 0
		for c, err := range target.Points(ctx, r.ID, "loss") {
			require.NoError(t, err)
			total += len(c.Steps)
		}
		require.Equal(t, 1500, total)
	}
	require.Equal(t, 4, seen)
}

func handler(t *testing.T, db *runstone.DB) http.Handler {
	t.Helper()
	s, err := server.New(db, nil)
	require.NoError(t, err)
	return s
}
