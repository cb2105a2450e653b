package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Limits of deliveries.
const (
	maxQueue    = 1000     // deliveries that wait; more are dropped
	maxQueued   = 32 << 20 // bytes of their bodies
	dialTimeout = 5 * time.Second
	maxBackoff  = time.Minute
	maxHeader   = 64 << 10
	maxDrain    = 64 << 10 // of an answer's body, to use its connection again
)

// delivery is one event for one webhook. It names the webhook alone: its URL
// and secret are those of the time of delivery.
type delivery struct {
	hook  string
	event Event
	body  []byte
}

// Active reports whether any webhook is told of anything.
func (h *Hooks) Active() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.ContainsFunc(h.list, func(w Webhook) bool { return !w.Disabled })
}

// Fire tells all webhooks that want to know of an event. It does not wait: when
// the queue is full the delivery is dropped, and the log says so.
func (h *Hooks) Fire(e Event, data any) {
	h.mu.RLock()
	var ids []string
	for _, w := range h.list {
		if !w.Disabled && slices.Contains(w.Events, e) {
			ids = append(ids, w.ID)
		}
	}
	h.mu.RUnlock()
	if len(ids) == 0 {
		return
	}
	body, err := encode(e, data)
	if err != nil {
		h.log.Error("webhook: no payload", "event", e.String(), "error", err)
		return
	}
	n := int64(len(body))
	for _, id := range ids {
		if h.queued.Add(n) <= maxQueued {
			select {
			case h.queue <- delivery{id, e, body}:
				continue
			default:
			}
		}
		h.queued.Add(-n)
		h.log.Warn("webhook: queue is full, delivery dropped", "webhook", id, "event", e.String())
	}
}

func encode(e Event, data any) ([]byte, error) {
	return json.Marshal(struct {
		Entity    string `json:"entity"`
		Action    string `json:"action"`
		Timestamp string `json:"timestamp"`
		Data      any    `json:"data"`
	}{e.Entity, e.Action, time.Now().UTC().Format("2006-01-02T15:04:05.000000") + "+00:00", data})
}

// Run delivers what Fire queues until ctx is done. Deliveries that run then are
// broken off; what is queued stays for another Run, and is lost with the process.
func (h *Hooks) Run(ctx context.Context) {
	var g sync.WaitGroup
	for range h.opt.Workers {
		g.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case d := <-h.queue:
					h.queued.Add(-int64(len(d.body)))
					h.deliver(ctx, d)
				}
			}
		})
	}
	g.Wait()
	h.client.CloseIdleConnections()
}

func (h *Hooks) deliver(ctx context.Context, d delivery) {
	w, err := h.Get(d.hook)
	if err != nil || w.Disabled || !slices.Contains(w.Events, d.event) {
		return // changed since
	}
	status, err := h.send(ctx, &w, d.body)
	if err == nil && status < 400 {
		return
	}
	h.log.WarnContext(ctx, "webhook: not delivered", "webhook", w.ID, "name", w.Name, "event", d.event.String(), "status", status, "error", err)
}

// A TestResult is what came of [Hooks.Test].
type TestResult struct {
	OK     bool
	Status int    // 0 when there was no answer
	Error  string // why not, "" when there was one
}

// Test sends an example of an event, of the webhook's first when e is zero, and
// waits for what comes of it. Of the answer only the status is told. Errors:
// [ErrNotFound]; an [*InvalidError] for an event that does not exist.
func (h *Hooks) Test(ctx context.Context, id string, e Event) (TestResult, error) {
	w, err := h.Get(id)
	if err != nil {
		return TestResult{}, err
	}
	if e == (Event{}) {
		e = w.Events[0]
	}
	if err := e.Check(); err != nil {
		return TestResult{}, err
	}
	body, err := encode(e, Example(e))
	if err != nil {
		return TestResult{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, h.opt.Timeout)
	defer cancel()
	status, err := h.send(ctx, &w, body)
	if err != nil {
		return TestResult{Error: "Failed to test webhook: " + reason(err)}, nil
	}
	return TestResult{OK: status < 400, Status: status}, nil
}

// reason says why there was no answer, and nothing that tells a network's
// inside: neither addresses nor what the other side sent.
func reason(err error) string {
	var refused *addressError
	var name *net.DNSError
	var timeout net.Error
	var bad *InvalidError
	switch {
	case errors.As(err, &bad):
		return bad.Msg
	case errors.As(err, &refused):
		return "the URL leads to an address that is not public"
	case errors.As(err, &name):
		return "the host has no address"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	return "no connection, or no answer of HTTP"
}

// client makes requests that go where the rules let them and nowhere else.
func (o *Options) client() *http.Client {
	return &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil, // its address would be the one that is checked
			DialContext:            o.dial,
			TLSHandshakeTimeout:    2 * dialTimeout,
			ResponseHeaderTimeout:  o.Timeout,
			MaxResponseHeaderBytes: maxHeader,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        maxBackoff,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		},
	}
}

// send posts a body, again where that may help, and returns the last status.
func (h *Hooks) send(ctx context.Context, w *Webhook, body []byte) (status int, err error) {
	if _, err := checkURL(w.URL, &h.opt); err != nil {
		return 0, err // the rules may be stricter than when it was made
	}
	id := newUUID()
	wait := h.opt.Backoff
	for try := 0; ; try++ {
		var after time.Duration
		status, after, err = h.post(ctx, w, id, body)
		var refused *addressError
		if !again(status, err) || errors.As(err, &refused) || try >= h.opt.Retries {
			return status, err
		}
		pause := min(max(after, wait+rand.N(wait)), maxBackoff) //nolint:gosec // spreads retries
		wait *= 2
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			if err == nil {
				return status, nil
			}
			return status, errors.Join(ctx.Err(), err)
		}
	}
}

func again(status int, err error) bool {
	return err != nil || slices.Contains([]int{429, 500, 502, 503, 504}, status)
}

// post makes one attempt. after is how long the other side asks to be left alone.
func (h *Hooks) post(ctx context.Context, w *Webhook, id string, body []byte) (status int, after time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "runstone-webhook")
	r.Header["X-MLflow-Delivery-Id"] = []string{id}
	r.Header["X-MLflow-Timestamp"] = []string{at}
	if w.Secret != "" {
		r.Header["X-MLflow-Signature"] = []string{Sign(w.Secret, id, at, body)}
	}
	resp, err := h.client.Do(r)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the URL may hold a secret, and errors are logged
		}
		return 0, 0, err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrain) // what it says is nobody's business
	_ = resp.Body.Close()
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		after = time.Duration(min(s, int(maxBackoff/time.Second))) * time.Second
	}
	return resp.StatusCode, after, nil
}

// Sign returns the value of X-MLflow-Signature.
func Sign(secret, id, at string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(m, "%s.%s.%s", id, at, body) // a hash takes everything
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}
