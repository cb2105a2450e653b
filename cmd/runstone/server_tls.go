package main

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// keyPair is a certificate with its key. Its files are read again when they
// changed, so that who renews a certificate need not restart the server.
type keyPair struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	pair atomic.Pointer[tls.Certificate]

	mu     sync.Mutex     // held while the files are looked at
	files  [2]os.FileInfo // of pair
	looked time.Time      // at files
	broken bool           // what is in the files now, which the log knows
}

// lookAtPairEvery bounds how often the files of a certificate are looked at.
const lookAtPairEvery = time.Second

func openKeyPair(certFile, keyFile string, log *slog.Logger) (*keyPair, error) {
	k := &keyPair{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	k.looked = k.now()
	return k, k.read()
}

// config is for listeners.
func (k *keyPair) config() *tls.Config {
	return &tls.Config{GetCertificate: k.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
}

// get returns the pair that the files hold, or the last good one. A file system that
// does not answer holds up one client; the others get the last one.
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if !k.mu.TryLock() {
		return k.pair.Load(), nil
	}
	defer k.mu.Unlock()
	if now := k.now(); now.Sub(k.looked) >= lookAtPairEvery {
		k.looked = now
		err := k.read()
		if err != nil && !k.broken {
			k.log.Warn("the new certificate cannot be used; the one before it stays", "cert", k.certFile, "key", k.keyFile, "error", err)
		}
		k.broken = err != nil
	}
	return k.pair.Load(), nil
}

// read reads the files unless they are those of the pair already. They are looked at
// before, so that a change meanwhile shows the next time. What is no file, as a pipe,
// is read once: it has nothing the second time.
func (k *keyPair) read() error {
	var files [2]os.FileInfo
	same := true
	for i, name := range []string{k.certFile, k.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		old := k.files[i]
		if k.pair.Load() != nil && !info.Mode().IsRegular() {
			return nil
		}
		same = same && old != nil && os.SameFile(old, info) && old.ModTime().Equal(info.ModTime()) && old.Size() == info.Size()
		files[i] = info
	}
	if same {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil {
		return err
	}
	k.pair.Store(&pair)
	k.files = files
	return nil
}
