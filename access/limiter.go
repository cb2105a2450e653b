package access

import (
	"sync"
	"sync/atomic"
	"time"
)

// Wrong passwords: the first few cost nothing, from then on the wait doubles.
const (
	freeFails    = 5  // of one user from one address
	freeOfAll    = 50 // of all users from one address
	firstWait    = time.Second
	longestWait  = 15 * time.Minute
	forgetAfter  = 15 * time.Minute // after the last wait is over
	maxRemember  = 8192
	everyone     = "" // no user has this name
	maxDoublings = 20
)

type failKey struct{ name, from string }

type failure struct {
	count int
	until time.Time // no password is looked at before
}

// limiter remembers wrong passwords by user and address, and by address.
type limiter struct {
	any   atomic.Bool // whether there is anything to remember
	mu    sync.Mutex
	byKey map[failKey]*failure
}

// wait returns how long no password of a user is looked at from an address.
func (l *limiter) wait(now time.Time, name, from string) time.Duration {
	if !l.any.Load() {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	longest := time.Duration(0)
	for _, key := range [2]failKey{{name, from}, {everyone, from}} {
		if f := l.byKey[key]; f != nil {
			longest = max(longest, f.until.Sub(now))
		}
	}
	return longest
}

// add remembers a wrong password.
func (l *limiter) add(now time.Time, name, from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.any.Store(true)
	l.count(now, failKey{name, from}, freeFails)
	if name != everyone {
		l.count(now, failKey{everyone, from}, freeOfAll)
	}
}

func (l *limiter) count(now time.Time, key failKey, free int) {
	f := l.byKey[key]
	if f == nil || now.Sub(f.until) > forgetAfter {
		l.makeRoom(now)
		f = &failure{until: now}
		l.byKey[key] = f
	}
	f.count++
	f.until = now
	if over := f.count - free; over >= 0 {
		f.until = now.Add(min(firstWait<<min(over, maxDoublings), longestWait))
	}
}

// makeRoom keeps the memory bounded: of some that it looks at go those that are
// over, or else one.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.byKey) < maxRemember {
		return
	}
	looked, victim := 0, failKey{}
	for key, f := range l.byKey {
		if now.Sub(f.until) > forgetAfter {
			delete(l.byKey, key)
		}
		if victim = key; looked >= 32 {
			break
		}
		looked++
	}
	if len(l.byKey) >= maxRemember {
		delete(l.byKey, victim)
	}
}

// clear forgets the wrong passwords before a right one. Those of other users
// from the address stay.
func (l *limiter) clear(name, from string) {
	if !l.any.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byKey, failKey{name, from})
	l.any.Store(len(l.byKey) > 0)
}
