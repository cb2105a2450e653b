package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// places is room for some number of things at once.
type places chan struct{}

// take waits for n places for up to queueTimeout. After an error it holds none.
func (p places) take(ctx context.Context, n int) error {
	var late <-chan time.Time
	for i := range n {
		select {
		case p <- struct{}{}:
			continue
		default:
		}
		if late == nil {
			t := time.NewTimer(queueTimeout)
			defer t.Stop()
			late = t.C
		}
		select {
		case p <- struct{}{}:
			continue
		case <-ctx.Done():
			p.leave(i)
			return ctx.Err()
		case <-late:
			p.leave(i)
			return &wireError{http.StatusTooManyRequests, "REQUEST_LIMIT_EXCEEDED", "The server has too many requests at work."}
		}
	}
	return nil
}

func (p places) leave(n int) {
	for range n {
		<-p
	}
}

// blockSize is the unit in which memory for bodies is given out, in bytes.
const blockSize = 64 << 10

func blocks(bytes int64) int { return int((bytes + blockSize - 1) / blockSize) }

// pool returns the places that a route's requests share, nil for those that are
// always answered. Transfers, which last as long as a client likes, leave the
// others alone.
func (s *Server) pool(rt *route) places {
	switch {
	case rt.raw != nil && rt.use == always:
		return nil
	case rt.mount == own && rt.path == livePath:
		return s.listeners
	case rt.raw != nil && rt.limit == 0:
		return s.uploads
	case rt.raw != nil && (rt.use == read || rt.use == signed):
		return s.downloads
	}
	return s.slots
}

// shares bounds what one user holds of a pool of transfers: half of it, so that
// nobody keeps all others out for as long as the client likes. Signed URLs, which
// come without a user, share one half.
type shares struct {
	mu sync.Mutex
	of map[share]*shared // only those in use
}

type share struct {
	pool places
	user string // empty for signed URLs
}

type shared struct {
	places
	users int // requests that hold or wait for a place
}

// enter takes a place of a pool and of its user's share of it, and returns what
// leaves both.
func (s *Server) enter(ctx context.Context, pool places) (leave func(), err error) {
	if pool == nil {
		return func() {}, nil
	}
	if s.opt.Access == nil || pool == s.slots {
		return func() { pool.leave(1) }, pool.take(ctx, 1)
	}
	key := share{pool: pool}
	if u := userOf(ctx); u != nil {
		key.user = u.Name
	}
	own := s.shares.join(key)
	if err := own.take(ctx, 1); err != nil {
		s.shares.part(key)
		return nil, err
	}
	rest := func() {
		own.leave(1)
		s.shares.part(key)
	}
	if err := pool.take(ctx, 1); err != nil {
		rest()
		return nil, err
	}
	return func() {
		pool.leave(1)
		rest()
	}, nil
}

func (c *shares) join(key share) places {
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.of[key]
	if own == nil {
		own = &shared{places: make(places, cap(key.pool)/2)}
		c.of[key] = own
	}
	own.users++
	return own.places
}

func (c *shares) part(key share) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.of[key]
	if own.users--; own.users == 0 {
		delete(c.of, key)
	}
}

// crowd bounds the connections of a listener. When there is room for no other,
// one that waits between requests is closed for it.
type crowd struct {
	net.Listener
	room places
	gone chan struct{} // closed by Close
	once sync.Once

	mu   sync.Mutex
	full bool // Accept waits for room
	idle map[net.Conn]struct{}
}

func newCrowd(l net.Listener, most int) *crowd {
	return &crowd{Listener: l, room: make(places, most), gone: make(chan struct{}), idle: map[net.Conn]struct{}{}}
}

// Accept implements [net.Listener].
func (c *crowd) Accept() (net.Conn, error) {
	select {
	case c.room <- struct{}{}:
	default:
		c.wait(true)
		select {
		case c.room <- struct{}{}:
			c.wait(false)
		case <-c.gone:
			return nil, net.ErrClosed
		}
	}
	conn, err := c.Listener.Accept()
	if err != nil {
		c.room.leave(1)
	}
	return conn, err
}

// Close implements [net.Listener].
func (c *crowd) Close() error {
	c.once.Do(func() { close(c.gone) })
	return c.Listener.Close()
}

// wait says whether Accept waits. If so, one idle connection makes room now, or
// else the next that becomes idle.
func (c *crowd) wait(full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full = full
	for conn := range c.idle {
		if full {
			c.drop(conn)
		}
		return
	}
}

func (c *crowd) drop(conn net.Conn) {
	c.full = false
	delete(c.idle, conn)
	_ = conn.Close() // its goroutine sees it and leaves
}

// state is the [http.Server]'s ConnState.
func (c *crowd) state(conn net.Conn, st http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch st {
	case http.StateIdle:
		c.idle[conn] = struct{}{}
		if c.full {
			c.drop(conn)
		}
	case http.StateClosed, http.StateHijacked:
		delete(c.idle, conn)
		c.room.leave(1)
	default:
		delete(c.idle, conn)
	}
}
