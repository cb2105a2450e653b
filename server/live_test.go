package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// live serves b on a loopback port until stop is called, which returns what
// Serve returned.
func (b *bench) live() (url string, stop func() error) {
	b.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.s.Serve(ctx, l) }()
	var once sync.Once
	var result error
	stop = func() error {
		once.Do(func() {
			cancel()
			result = <-done
		})
		return result
	}
	b.t.Cleanup(func() { require.NoError(b.t, stop()) })
	return "http://" + l.Addr().String(), stop
}

func post(client *http.Client, url, body string) (status int, answer map[string]any, err error) {
	r, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	defer r.Body.Close()
	err = json.NewDecoder(r.Body).Decode(&answer)
	return r.StatusCode, answer, err
}

func TestConcurrentCreation(t *testing.T) {
	b := newBench(t, nil)
	url, _ := b.live()
	client := &http.Client{}
	defer client.CloseIdleConnections()
	status, _, err := post(client, url+api+"/registered-models/create", `{"name": "m"}`)
	require.NoError(t, err)
	require.Equal(t, 200, status)
	run := b.run()
	const n = 16
	var made, taken atomic.Int64
	var mu sync.Mutex
	versions := map[string]int{}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			status, answer, err := post(client, url+api+"/experiments/create", `{"name": "same"}`)
			switch {
			case err != nil:
				t.Error(err)
			case status == 200:
				made.Add(1)
			case answer["error_code"] == "RESOURCE_ALREADY_EXISTS":
				taken.Add(1)
			}
			status, answer, err = post(client, url+api+"/model-versions/create",
				fmt.Sprintf(`{"name": "m", "source": "runs:/%s/m", "run_id": "%s"}`, run, run))
			if err != nil || status != 200 {
				t.Errorf("version: %d %v %v", status, answer, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			versions[answer["model_version"].(map[string]any)["version"].(string)]++
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, made.Load())
	require.EqualValues(t, n-1, taken.Load())
	require.Len(t, versions, n)
	for i := 1; i <= n; i++ {
		require.Equal(t, 1, versions[fmt.Sprint(i)])
	}
}

// TestGracefulStop stops a server under load: a request is answered or its
// connection is refused, and what was acknowledged is there.
func TestGracefulStop(t *testing.T) {
	b := newBench(t, nil)
	url, stop := b.live()
	run := b.run()
	var acked atomic.Int64
	var wg sync.WaitGroup
	warm := make(chan struct{}, 4)
	for w := range 4 {
		wg.Go(func() {
			client := &http.Client{}
			defer client.CloseIdleConnections()
			for i := 0; ; i++ {
				status, answer, err := post(client, url+api+"/runs/log-metric",
					fmt.Sprintf(`{"run_id": "%s", "key": "m%d", "value": %d, "timestamp": %d, "step": %d}`, run, w, i, i, i))
				if err != nil {
					return
				}
				if status != 200 {
					t.Errorf("%d: %v", status, answer)
					return
				}
				acked.Add(1)
				if i == 5 {
					warm <- struct{}{}
				}
			}
		})
	}
	for range 4 {
		<-warm
	}
	require.NoError(t, stop())
	wg.Wait()
	sums, err := b.db.Metrics(context.Background(), run)
	require.NoError(t, err)
	var points int64
	for _, m := range sums {
		points += m.Count
	}
	// A request may have been done whose answer was not read.
	require.GreaterOrEqual(t, points, acked.Load())
	require.LessOrEqual(t, points, acked.Load()+4)
}

func TestListenAddressIsAllowed(t *testing.T) {
	b := newBench(t, &Options{AllowedHosts: []string{"only.example"}})
	url, _ := b.live()
	r, err := http.Get(url + "/health")
	require.NoError(t, err)
	defer r.Body.Close()
	require.Equal(t, 200, r.StatusCode)
	req, err := http.NewRequest("GET", url+"/health", nil)
	require.NoError(t, err)
	req.Host = "127.0.0.2"
	r2, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer r2.Body.Close()
	require.Equal(t, 403, r2.StatusCode)
}

func TestArtifactStreaming(t *testing.T) {
	b := newBench(t, nil)
	url, _ := b.live()
	data := bytes.Repeat([]byte("0123456789abcdef"), 3<<20/2) // 24 MiB: several pieces
	at := url + "/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/dir/big%20%C3%A9.bin"
	req, err := http.NewRequest("PUT", at, bytes.NewReader(data))
	require.NoError(t, err)
	r, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	r.Body.Close()
	require.Equal(t, 200, r.StatusCode)

	r, err = http.Get(at)
	require.NoError(t, err)
	defer r.Body.Close()
	got, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	require.Equal(t, "sandbox; default-src 'none'", r.Header.Get("Content-Security-Policy"))
	require.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"))
	require.Equal(t, "attachment; filename*=utf-8''big%20%C3%A9.bin", r.Header.Get("Content-Disposition"))
	require.Equal(t, "application/octet-stream", r.Header.Get("Content-Type"))

	for rng, want := range map[string]string{"bytes=1-3": "123", "bytes=-2": "ef"} {
		req, err = http.NewRequest("GET", at, nil)
		require.NoError(t, err)
		req.Header.Set("Range", rng)
		r, err = http.DefaultClient.Do(req)
		require.NoError(t, err)
		got, err = io.ReadAll(r.Body)
		require.NoError(t, err)
		r.Body.Close()
		require.Equal(t, 206, r.StatusCode)
		require.Equal(t, want, string(got))
	}
	req, err = http.NewRequest("GET", at, nil)
	require.NoError(t, err)
	req.Header.Set("If-None-Match", r.Header.Get("ETag"))
	r, err = http.DefaultClient.Do(req)
	require.NoError(t, err)
	r.Body.Close()
	require.Equal(t, 304, r.StatusCode)
}

func TestArtifactLimit(t *testing.T) {
	b := newBench(t, &Options{MaxArtifact: 4})
	w := b.do("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/x", "12345", "A", "b")
	require.Equal(t, 413, w.Code, w.Body)
	w = b.do("GET", "/api/2.0/mlflow-artifacts/artifacts/0/x", "")
	require.Equal(t, 404, w.Code)
}

// TestTraversal spells a way out of the artifact root in every place that takes
// a path: nothing outside is read, written, deleted or listed.
func TestTraversal(t *testing.T) {
	b := newBench(t, nil)
	run := b.run()
	b.put("0/"+run+"/artifacts/a", "inside")
	b.ok("POST", api+"/registered-models/create", `{"name": "reg"}`)
	b.ok("POST", api+"/model-versions/create", fmt.Sprintf(`{"name": "reg", "source": "mlflow-artifacts:/0/%s/artifacts", "run_id": "%s"}`, run, run))
	canary := filepath.Join(b.db.Dir(), "canary")
	require.NoError(t, os.WriteFile(canary, []byte("secret"), 0o600))
	before := treeOf(t, b.db.Dir())

	plain := []string{"../canary", "../../canary", "/etc/passwd", "a/../../canary", "./../canary", "..", "C:/canary", "..;/canary", "a?/../canary", `..\canary`, "file:///etc/passwd", "a//b", "x#../canary", "~/../canary/..", "a\x00b"}
	for _, p := range plain {
		spellings := []string{escapeAll(p)}
		for range 5 { // decoded up to five times more
			spellings = append(spellings, strings.ReplaceAll(spellings[len(spellings)-1], "%", "%25"))
		}
		for _, s := range spellings {
			for _, c := range [][2]string{
				{"GET", "/api/2.0/mlflow-artifacts/artifacts/" + s},
				{"PUT", "/api/2.0/mlflow-artifacts/artifacts/" + s},
				{"DELETE", "/api/2.0/mlflow-artifacts/artifacts/" + s},
				{"GET", "/ajax-api/2.0/mlflow-artifacts/artifacts/" + s},
				{"GET", "/api/2.0/mlflow-artifacts/artifacts?path=" + s},
				{"GET", api + "/artifacts/list?run_id=" + run + "&path=" + s},
				{"GET", "/get-artifact?run_id=" + run + "&path=" + s},
				{"GET", "/get-artifact?run_uuid=" + run + "&path=" + s},
				{"GET", "/model-versions/get-artifact?name=reg&version=1&path=" + s},
				{"POST", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=" + run + "&path=" + s},
			} {
				w := b.do(c[0], c[1], "x", "Content-Type", "application/octet-stream")
				require.Equal(t, 400, w.Code, "%s %s: %s", c[0], c[1], w.Body)
				require.NotContains(t, w.Body.String(), "secret")
			}
		}
	}
	require.Equal(t, before, treeOf(t, b.db.Dir()))
}

// escapeAll percent-encodes every byte that is not a letter.
func escapeAll(s string) string {
	var out strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02x", c)
		}
	}
	return out.String()
}

// treeOf lists the files of the artifact root and the canary.
func treeOf(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	require.NoError(t, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && (strings.Contains(p, "artifacts") || strings.HasSuffix(p, "canary")) {
			out = append(out, p)
		}
		return err
	}))
	return out
}

func TestSources(t *testing.T) {
	b := newBench(t, nil)
	run, other := b.run(), b.run()
	lm := b.ok("POST", api+"/logged-models", `{"experiment_id": "0"}`)["model"].(map[string]any)["info"].(map[string]any)["model_id"].(string)
	b.ok("POST", api+"/registered-models/create", `{"name": "reg"}`)
	own := "mlflow-artifacts:/0/" + run + "/artifacts/model"
	for _, source := range []string{
		"/etc/passwd", "/etc/no-such-file", "file:///etc", "file://host/../../..", "file://./etc", "file:", "FILE:///etc", "file:/x", ":///x", "//proc/self/root",
		"http://attacker/api/2.0/mlflow-artifacts/artifacts/x", "https://attacker/x", "ftp://attacker/x", "sftp://a/b", "hdfs://a/b", "s3://b/x", "s3://b/../x",
		"mlflow-artifacts://attacker/0/x", "mlflow-artifacts:/", "mlflow-artifacts:/0", "mlflow-artifacts:/0/" + other + "/artifacts",
		own + "/../../../x", own + "/%2e%2e/x", own + "%2f..%2fx", own + "?a=../..", own + "#/../..", own + ";/../..", own + "\x00", own + `\..\x`,
		"dbfs:/R/artifacts/a%3f/../../..", "models:/m-00000000000000000000000000000000", "models:/../x", "models:/" + lm, "rel/path", "..", "$(id)", " " + own,
	} {
		for _, extra := range []string{"", `, "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]`} {
			text, err := json.Marshal(source)
			require.NoError(t, err)
			w := b.do("POST", api+"/model-versions/create", fmt.Sprintf(`{"name": "reg", "source": %s, "run_id": "%s"%s}`, text, run, extra))
			require.Contains(t, []int{400, 404}, w.Code, "%s: %s", source, w.Body)
		}
	}
	for _, body := range []string{
		fmt.Sprintf(`"source": "%s", "run_id": "%s"`, own, run),
		fmt.Sprintf(`"source": "runs:/%s/model", "run_id": "%s"`, run, run),
		fmt.Sprintf(`"source": "models:/%s", "model_id": "%s"`, lm, lm),
		fmt.Sprintf(`"source": "mlflow-artifacts:/0/models/%s/artifacts", "model_id": "%s", "run_id": "%s"`, lm, lm, run),
		`"source": "models:/reg/1"`,
		`"source": "dummy-source", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]`,
	} {
		b.ok("POST", api+"/model-versions/create", `{"name": "reg", `+body+`}`)
	}
	b.put("0/"+run+"/artifacts/model/MLmodel", "x")
	for version, want := range map[int]int{1: 200, 2: 200, 3: 404, 5: 200, 6: 400} {
		w := b.do("GET", fmt.Sprintf("/model-versions/get-artifact?name=reg&version=%d&path=MLmodel", version), "")
		require.Equal(t, want, w.Code, "version %d: %s", version, w.Body)
	}
}

func TestLocations(t *testing.T) {
	b := newBench(t, nil)
	for i, location := range []string{
		"/etc", "file:///etc", "http:///?/../../../etc/", "http:///#/../../etc/", "http:///#/../..", "dbfs:/", "s3://b/x", "ftp://h/x", "rel", "..", "mlflow-artifacts:/../x",
		"mlflow-artifacts:/a?b", "mlflow-artifacts:/a#b", "mlflow-artifacts:/a;/../b", "mlflow-artifacts://host/a", "mlflow-artifacts:/%2e%2e/x", "C:/x", "FILE:///etc",
		"mlflow-artifacts:/" + strings.Repeat("a/", 2000),
	} {
		text, err := json.Marshal(location)
		require.NoError(t, err)
		b.refused("POST", api+"/experiments/create", fmt.Sprintf(`{"name": "e%d", "artifact_location": %s}`, i, text), 400, "INVALID_PARAMETER_VALUE", "")
	}
	b.ok("POST", api+"/experiments/create", `{"name": "own", "artifact_location": "mlflow-artifacts:/team/own"}`)
}
