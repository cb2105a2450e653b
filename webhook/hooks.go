package webhook

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/runstonedb/runstone/internal/record"
)

// Options configure [Open]. The zero value and nil are the defaults.
type Options struct {
	// Schemes are the schemes of URLs; nil is https alone.
	Schemes []string
	// AllowPrivate lets webhooks reach this machine and private networks.
	AllowPrivate bool
	// Timeout bounds one attempt to deliver; 0 is 30 s.
	Timeout time.Duration
	// Retries is how often a delivery is tried again after a status of 429,
	// 500, 502, 503 or 504, or none; 0 is 3, less is never.
	Retries int
	// Workers is how many deliveries are made at once; 0 is 10.
	Workers int
	// Backoff is the wait before the first retry, which doubles with each; 0 is 1 s.
	Backoff time.Duration
	// Resolve finds the addresses of a host; nil asks the system.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Logger hears of deliveries that failed; nil is silence.
	Logger *slog.Logger
}

func (o *Options) schemes() []string {
	if o.Schemes == nil {
		return []string{"https"}
	}
	return o.Schemes
}

const fileVersion = 1

// Hooks are the webhooks of a server and their delivery. Its methods may be
// called from any number of goroutines.
type Hooks struct {
	path   string
	opt    Options
	client *http.Client
	log    *slog.Logger
	queue  chan delivery
	queued atomic.Int64 // bytes of the bodies in queue

	mu   sync.RWMutex
	list []Webhook // in order of creation
}

// Open reads the webhooks of the file at path; without one there are none. A
// damaged file is an error that wraps record's ErrCorrupt.
func Open(path string, opt *Options) (*Hooks, error) {
	h := &Hooks{path: path, queue: make(chan delivery, maxQueue)}
	if opt != nil {
		h.opt = *opt
	}
	h.opt.Timeout = cmp.Or(h.opt.Timeout, 30*time.Second)
	h.opt.Retries = max(cmp.Or(h.opt.Retries, 3), 0)
	h.opt.Workers = max(cmp.Or(h.opt.Workers, 10), 1)
	h.opt.Backoff = cmp.Or(h.opt.Backoff, time.Second)
	h.log = cmp.Or(h.opt.Logger, slog.New(slog.DiscardHandler))
	h.client = h.opt.client()
	version, body, err := record.ReadFile(path, maxFile)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return h, nil
	case err != nil:
		return nil, fmt.Errorf("webhooks: %w", err)
	case version != fileVersion:
		return nil, fmt.Errorf("webhooks: %s has version %d: %w", filepath.Base(path), version, record.ErrCorrupt)
	}
	if h.list, err = decode(body); err != nil {
		return nil, fmt.Errorf("webhooks: %s: %w", filepath.Base(path), err)
	}
	return h, nil
}

// decode reads the body of the file. It refuses what the rest relies on not to
// be there with an error that wraps record.ErrCorrupt; URLs are looked at before
// each delivery, by the rules of that day.
func decode(body []byte) (list []Webhook, err error) {
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("%w: %w", err, record.ErrCorrupt)
	}
	if len(list) > maxHooks {
		return nil, fmt.Errorf("%d webhooks: %w", len(list), record.ErrCorrupt)
	}
	ids := map[string]bool{}
	for i := range list {
		w := &list[i]
		if w.ID == "" || ids[w.ID] || len(w.Events) == 0 {
			return nil, fmt.Errorf("webhook %d: no id of its own, or no events: %w", i, record.ErrCorrupt)
		}
		ids[w.ID] = true
	}
	return list, nil
}

// save makes list the webhooks. The caller holds mu.
func (h *Hooks) save(list []Webhook) error {
	body, err := json.Marshal(list)
	if err == nil {
		err = record.WriteFile(h.path, fileVersion, body)
	}
	if err != nil {
		return fmt.Errorf("webhooks: %w", err)
	}
	h.list = list
	return nil
}

// List returns the webhooks, the newest first, with their secrets.
func (h *Hooks) List() []Webhook {
	h.mu.RLock()
	defer h.mu.RUnlock()
	list := slices.Clone(h.list)
	slices.Reverse(list)
	return list
}

// Get returns a webhook; [ErrNotFound].
func (h *Hooks) Get(id string) (Webhook, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if i := h.index(id); i >= 0 {
		return h.list[i], nil
	}
	return Webhook{}, ErrNotFound
}

func (h *Hooks) index(id string) int {
	return slices.IndexFunc(h.list, func(w Webhook) bool { return w.ID == id })
}

// Create keeps a new webhook and returns it with id and times. What is wrong
// with it is an [*InvalidError].
func (h *Hooks) Create(ctx context.Context, w Webhook) (Webhook, error) {
	if err := h.check(ctx, &w); err != nil {
		return w, err
	}
	w.ID = newUUID()
	w.Created = time.Now().UnixMilli()
	w.Updated = w.Created
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.list) >= maxHooks {
		return w, invalid("There are %d webhooks already", maxHooks)
	}
	return w, h.save(append(slices.Clip(slices.Clone(h.list)), w))
}

// Update lets change work on a webhook and keeps the result: [ErrNotFound], or
// an [*InvalidError]. change is called twice, the second time on the webhook as
// others may have changed it while its URL was looked at.
func (h *Hooks) Update(ctx context.Context, id string, change func(*Webhook)) (Webhook, error) {
	w, err := h.Get(id)
	if err != nil {
		return w, err
	}
	change(&w)
	if err := h.check(ctx, &w); err != nil {
		return w, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.index(id)
	if i < 0 {
		return w, ErrNotFound
	}
	w = h.list[i] // as it is by now
	change(&w)
	w.Events = compact(w.Events)
	w.Updated = time.Now().UnixMilli()
	list := slices.Clone(h.list)
	list[i] = w
	return w, h.save(list)
}

// Delete removes a webhook; [ErrNotFound].
func (h *Hooks) Delete(id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.index(id)
	if i < 0 {
		return ErrNotFound
	}
	return h.save(slices.Delete(slices.Clone(h.list), i, i+1))
}

func (h *Hooks) check(ctx context.Context, w *Webhook) error {
	host, err := w.check(&h.opt)
	if err == nil {
		err = h.opt.checkHost(ctx, host)
	}
	w.Events = compact(w.Events)
	return err
}

// compact returns events without repeats.
func compact(events []Event) (list []Event) {
	for _, e := range events {
		if !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	return list
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
