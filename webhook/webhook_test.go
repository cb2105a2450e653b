package webhook

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/internal/record"
)

func TestPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true, "64:ff9b::8.8.8.8": true, "172.32.0.1": true,
		"127.0.0.1": false, "127.9.9.9": false, "0.0.0.0": false, "10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false,
		"192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "100.100.100.200": false, "192.0.0.192": false,
		"198.18.0.1": false, "224.0.0.1": false, "255.255.255.255": false, "240.0.0.1": false, "203.0.113.9": false,
		"::": false, "::1": false, "fe80::1": false, "fc00::1": false, "fd00:ec2::254": false, "ff02::1": false,
		"::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false, "64:ff9b::169.254.169.254": false,
		"64:ff9b:1::1": false, "2002:7f00:1::": false, "2001::1": false, "2001:db8::1": false, "fe80::1%eth0": false, "100::1": false,
	} {
		require.Equal(t, want, Public(netip.MustParseAddr(text)), text)
	}
	require.False(t, Public(netip.Addr{}))
}

func FuzzPublic(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if ok && (a.Unmap().IsLoopback() || a.Unmap().IsPrivate() || a.Unmap().IsLinkLocalUnicast() || a.Unmap().IsMulticast() || a.Unmap().IsUnspecified()) {
			require.False(t, Public(a), a)
		}
	})
}

var created = Event{"registered_model", "created"}

func open(t *testing.T, opt *Options) *Hooks {
	t.Helper()
	if opt.Backoff == 0 {
		opt.Backoff = time.Millisecond
	}
	h, err := Open(filepath.Join(t.TempDir(), "webhooks"), opt)
	require.NoError(t, err)
	return h
}

func run(t *testing.T, h *Hooks) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var g sync.WaitGroup
	g.Go(func() { h.Run(ctx) })
	t.Cleanup(func() { cancel(); g.Wait() })
}

func TestStore(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "webhooks")
	opt := &Options{AllowPrivate: true}
	h, err := Open(path, opt)
	require.NoError(t, err)
	w, err := h.Create(ctx, Webhook{Name: "a", URL: "https://x.example/hook", Events: []Event{created, created}, Secret: "s"})
	require.NoError(t, err)
	require.Len(t, w.Events, 1)
	require.Len(t, w.ID, 36)
	_, err = h.Create(ctx, Webhook{Name: "b", URL: "https://x.example", Events: []Event{created}})
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	again, err := Open(path, opt)
	require.NoError(t, err)
	require.Equal(t, h.List(), again.List())
	require.Equal(t, "b", again.List()[0].Name, "the newest first")
	got, err := again.Update(ctx, w.ID, func(w *Webhook) { w.Disabled = true })
	require.NoError(t, err)
	require.True(t, got.Disabled)
	require.Equal(t, "s", got.Secret)
	require.NoError(t, again.Delete(w.ID))
	require.ErrorIs(t, again.Delete(w.ID), ErrNotFound)
	_, err = again.Get(w.ID)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = again.Update(ctx, w.ID, func(*Webhook) {})
	require.ErrorIs(t, err, ErrNotFound)

	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[len(b)/2] ^= 1
	require.NoError(t, os.WriteFile(path, b, 0o600))
	_, err = Open(path, opt)
	require.ErrorIs(t, err, record.ErrCorrupt)
	require.NoError(t, record.WriteFile(path, fileVersion, []byte("{")))
	_, err = Open(path, opt)
	require.ErrorIs(t, err, record.ErrCorrupt)
	require.NoError(t, record.WriteFile(path, 9, []byte("[]")))
	_, err = Open(path, opt)
	require.ErrorIs(t, err, record.ErrCorrupt)
}

func TestRefusals(t *testing.T) {
	names := map[string]string{"private.example": "10.0.0.1", "public.example": "8.8.8.8"}
	h := open(t, &Options{Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
		if a := names[host]; a != "" {
			return []netip.Addr{netip.MustParseAddr("8.8.4.4"), netip.MustParseAddr(a)}, nil
		}
		return nil, &net.DNSError{Name: host, IsNotFound: true}
	}})
	good := Webhook{Name: "n", URL: "https://public.example/x", Events: []Event{created}}
	for _, c := range []struct {
		change  func(*Webhook)
		message string
	}{
		{func(w *Webhook) { w.Name = "" }, "Webhook name '' is invalid"},
		{func(w *Webhook) { w.Name = "-a" }, "Webhook name '-a' is invalid"},
		{func(w *Webhook) { w.Name = strings.Repeat("a", 64) }, "is invalid"},
		{func(w *Webhook) { w.Name = "a\n" }, `'a\n' is invalid`},
		{func(w *Webhook) { w.URL = " " }, "cannot be empty"},
		{func(w *Webhook) { w.URL = "http://public.example" }, "Invalid webhook URL scheme: 'http'. Allowed schemes are: https."},
		{func(w *Webhook) { w.URL = "file:///etc/passwd" }, "scheme"},
		{func(w *Webhook) { w.URL = "gopher://public.example" }, "scheme"},
		{func(w *Webhook) { w.URL = "https://" }, "must include a hostname"},
		{func(w *Webhook) { w.URL = "https:///x" }, "must include a hostname"},
		{func(w *Webhook) { w.URL = "https://a:b@public.example" }, "must not have a user"},
		{func(w *Webhook) { w.URL = "https://x\x00y" }, "Invalid webhook URL"},
		{func(w *Webhook) { w.URL = "https://public.example/" + strings.Repeat("a", maxURL) }, "Invalid webhook URL"},
		{func(w *Webhook) { w.URL = "https://127.1/" }, "not a canonical IP address literal"},
		{func(w *Webhook) { w.URL = "https://2130706433/" }, "not a canonical IP address literal"},
		{func(w *Webhook) { w.URL = "https://0177.0.0.1/" }, "not a canonical IP address literal"},
		{func(w *Webhook) { w.URL = "https://127.0.0.1/" }, "must not resolve to a non-public IP address. '127.0.0.1' resolves to 127.0.0.1."},
		{func(w *Webhook) { w.URL = "https://[::ffff:10.0.0.1]/" }, "resolves to 10.0.0.1."},
		{func(w *Webhook) { w.URL = "https://private.example" }, "'private.example' resolves to 10.0.0.1."},
		{func(w *Webhook) { w.URL = "https://nowhere.example" }, "Cannot resolve Webhook URL hostname 'nowhere.example'"},
		{func(w *Webhook) { w.URL = "https://0x7f000001/" }, "Cannot resolve"},
		{func(w *Webhook) { w.Events = nil }, "non-empty list"},
		{func(w *Webhook) { w.Events = []Event{{"registered_model", "deleted"}} }, "Invalid action 'deleted' for entity 'registered_model'. Valid actions are: ['created']"},
		{func(w *Webhook) { w.Events = []Event{{"x", "set"}} }, "Invalid action"},
		{func(w *Webhook) { w.Secret = strings.Repeat("s", maxSecret+1) }, "secret"},
		{func(w *Webhook) { w.Description = strings.Repeat("s", maxDescription+1) }, "description"},
	} {
		w := good
		c.change(&w)
		_, err := h.Create(context.Background(), w)
		var bad *InvalidError
		require.ErrorAs(t, err, &bad, c.message)
		require.Contains(t, err.Error(), c.message)
	}
	_, err := h.Create(context.Background(), good)
	require.NoError(t, err)
	require.True(t, h.Active())
}

// receiver is a server that keeps what it gets and answers with statuses.
type receiver struct {
	*httptest.Server
	got    chan *http.Request
	bodies chan string
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{got: make(chan *http.Request, 100), bodies: make(chan string, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.got <- q
		r.bodies <- string(body)
		answer(w, q)
	}))
	t.Cleanup(r.Close)
	return r
}

func local() *Options { return &Options{Schemes: []string{"http"}, AllowPrivate: true} }

func add(t *testing.T, h *Hooks, target string, events ...Event) Webhook {
	t.Helper()
	w, err := h.Create(context.Background(), Webhook{Name: "n", URL: target, Events: events, Secret: "key"})
	require.NoError(t, err)
	return w
}

func TestDelivery(t *testing.T) {
	var calls atomic.Int32
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if n := calls.Add(1); n <= 2 {
			w.WriteHeader([]int{503, 429}[n-1])
		}
	})
	h := open(t, local())
	add(t, h, r.URL+"/hook", created)
	run(t, h)
	h.Fire(Event{"model_version", "created"}, Payload{}) // nobody wants it
	h.Fire(created, Payload{"name": "m", "description": nil})
	var ids []string
	for range 3 {
		q, body := <-r.got, <-r.bodies
		require.Equal(t, "POST", q.Method)
		require.Equal(t, "/hook", q.URL.Path)
		require.Equal(t, "application/json", q.Header.Get("Content-Type"))
		id, at := q.Header.Get("X-MLflow-Delivery-Id"), q.Header.Get("X-MLflow-Timestamp")
		ids = append(ids, id)
		require.Equal(t, Sign("key", id, at, []byte(body)), q.Header.Get("X-MLflow-Signature"))
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &m))
		require.Equal(t, "registered_model", m["entity"])
		require.Equal(t, "created", m["action"])
		require.Equal(t, map[string]any{"name": "m", "description": nil}, m["data"])
		_, err := time.Parse(time.RFC3339Nano, m["timestamp"].(string))
		require.NoError(t, err)
	}
	require.Equal(t, []string{ids[0], ids[0], ids[0]}, ids, "one id for one delivery")
	require.Equal(t, "v1,490pAcC1LQ1k1cOcmH0da199+A88OKCj0Io4WnJlp68=", Sign("secret", "id", "1", []byte("{}")))
}

// TestHostileReceiver: what the other side does reaches nobody, and no request
// goes anywhere but to the webhook's URL.
func TestHostileReceiver(t *testing.T) {
	canary := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
	var redirects atomic.Int32
	r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/redirect":
			redirects.Add(1)
			http.Redirect(w, q, canary.URL, http.StatusTemporaryRedirect)
		case "/huge":
			for b := make([]byte, 64<<10); ; {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		case "/slow":
			select {
			case <-q.Context().Done():
			case <-time.After(5 * time.Second):
			}
		case "/drip":
			w.WriteHeader(200)
			for range 100 {
				if _, err := w.Write([]byte("x")); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				time.Sleep(50 * time.Millisecond)
			}
		case "/headers":
			w.Header().Set("X", strings.Repeat("x", 2*maxHeader))
		case "/denied":
			w.WriteHeader(401)
			_, _ = w.Write([]byte("secret words"))
		}
	})
	opt := local()
	opt.Timeout, opt.Retries = 300*time.Millisecond, -1
	h := open(t, opt)
	for path, want := range map[string]TestResult{
		"/redirect": {OK: true, Status: 307},
		"/huge":     {OK: true, Status: 200},
		"/drip":     {OK: true, Status: 200},
		"/slow":     {Error: "Failed to test webhook: no answer in time"},
		"/headers":  {Error: "Failed to test webhook: no connection, or no answer of HTTP"},
		"/denied":   {Status: 401},
	} {
		got, err := h.Test(context.Background(), add(t, h, r.URL+path, created).ID, Event{})
		require.NoError(t, err)
		require.Equal(t, want, got, path)
	}
	require.Equal(t, int32(1), redirects.Load())
	require.Empty(t, canary.got)
	_, err := h.Test(context.Background(), "none", Event{})
	require.ErrorIs(t, err, ErrNotFound)
}

// TestRebinding: a name that was public when the webhook was made, and is this
// machine when it is called, is not connected to.
func TestRebinding(t *testing.T) {
	canary := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
	u, err := url.Parse(canary.URL)
	require.NoError(t, err)
	var asked atomic.Int32
	h := open(t, &Options{Schemes: []string{"http"}, Retries: -1, Resolve: func(context.Context, string) ([]netip.Addr, error) {
		if asked.Add(1) == 1 {
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::ffff:127.0.0.1")}, nil
	}})
	w := add(t, h, "http://rebind.example:"+u.Port()+"/", created)
	got, err := h.Test(context.Background(), w.ID, Event{})
	require.NoError(t, err)
	require.Equal(t, TestResult{Error: "Failed to test webhook: the URL leads to an address that is not public"}, got)
	require.Equal(t, int32(2), asked.Load())
	require.Empty(t, canary.got)
}

// TestStricterRules: a webhook of looser times is not called.
func TestStricterRules(t *testing.T) {
	r := newReceiver(t, func(http.ResponseWriter, *http.Request) {})
	h := open(t, local())
	w := add(t, h, r.URL, created)
	h2, err := Open(h.path, nil)
	require.NoError(t, err)
	got, err := h2.Test(context.Background(), w.ID, Event{})
	require.NoError(t, err)
	require.Contains(t, got.Error, "Invalid webhook URL scheme: 'http'")
	require.Empty(t, r.got)
}

func TestQueueIsBounded(t *testing.T) {
	h := open(t, local())
	add(t, h, "http://127.0.0.1:1/", created)
	for range maxQueue + 10 {
		h.Fire(created, Payload{})
	}
	require.Len(t, h.queue, maxQueue)
}

func TestExamples(t *testing.T) {
	for _, entity := range Entities() {
		for _, action := range actions(entity) {
			p := Example(Event{entity, action})
			require.NotEmpty(t, p)
			_, versioned := p["version"]
			require.Equal(t, strings.Contains(entity, "version") && (entity != "model_version_alias" || action == "created") || entity == "prompt_alias" && action == "created", versioned, entity+action)
		}
	}
}

// FuzzDecode: whatever a file holds that is sealed rightly, deliveries and tests
// of its webhooks find what they need.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`[{"id": "a", "name": "n", "url": "https://example.org", "events": [{"entity": "model_version", "action": "created"}], "secret": "s"}]`))
	f.Add([]byte(`[{"id": "a"}]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := decode(body)
		if err != nil {
			require.ErrorIs(t, err, record.ErrCorrupt)
			return
		}
		again, err := json.Marshal(list)
		require.NoError(t, err)
		same, err := decode(again)
		require.NoError(t, err)
		require.Equal(t, list, same)
		for i := range list {
			require.NotEmpty(t, list[i].ID)
			_ = list[i].Events[0].Check()
		}
	})
}

// TestQueue: what waits is bounded in number and in bytes.
func TestQueue(t *testing.T) {
	h := open(t, local())
	w := add(t, h, "http://127.0.0.1:1", created)
	big := Payload{"description": strings.Repeat("x", maxQueued/4)}
	for range 10 { // nobody runs
		h.Fire(created, big)
	}
	require.Len(t, h.queue, 3)
	require.LessOrEqual(t, h.queued.Load(), int64(maxQueued))
	for range 2 * maxQueue {
		h.Fire(created, Payload{})
	}
	require.Len(t, h.queue, maxQueue)
	require.NoError(t, h.Delete(w.ID))
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Run(ctx)
	}()
	require.Eventually(t, func() bool { return h.queued.Load() == 0 }, 10*time.Second, time.Millisecond)
	stop()
	<-done
}
