package main

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRenewedCertificate replaces the files of a listener's certificate: new
// connections get the new one, and a pair that is broken leaves the last good one.
func TestRenewedCertificate(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, first := certificate(t, dir)
	stderr := &lockedBuffer{}
	pair, err := openKeyPair(certFile, keyFile, slog.New(slog.NewTextHandler(stderr, nil)))
	require.NoError(t, err)
	now := time.Now()
	pair.now = func() time.Time { return now }

	plain, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener := tls.NewListener(plain, pair.config())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	trusted := func(pool *x509.CertPool) bool {
		conn, err := tls.Dial("tcp", plain.Addr().String(), &tls.Config{RootCAs: pool})
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	// A file system may give two changes in a row one time.
	age := 0
	later := func() {
		age++
		at := now.Add(time.Duration(age) * time.Hour)
		for _, name := range []string{certFile, keyFile} {
			require.NoError(t, os.Chtimes(name, at, at))
		}
		now = now.Add(lookAtPairEvery)
	}
	require.True(t, trusted(first))

	_, _, second := certificate(t, dir)
	require.True(t, trusted(first), "not looked at yet")
	later()
	require.True(t, trusted(second))
	require.False(t, trusted(first))

	other := t.TempDir()
	_, otherKey, _ := certificate(t, other)
	text, err := os.ReadFile(otherKey)
	require.NoError(t, err)
	good, err := os.ReadFile(keyFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(keyFile, text, 0o600))
	later()
	require.True(t, trusted(second), "the key is of another certificate")
	require.NoError(t, os.Remove(keyFile))
	now = now.Add(lookAtPairEvery)
	require.True(t, trusted(second), "there is no key")
	require.Equal(t, 1, strings.Count(stderr.String(), "cannot be used"), stderr.String())

	require.NoError(t, os.WriteFile(keyFile, good, 0o600))
	later()
	require.True(t, trusted(second))
	require.NoError(t, os.WriteFile(certFile, []byte("no certificate"), 0o600))
	later()
	require.True(t, trusted(second))
	require.Equal(t, 2, strings.Count(stderr.String(), "cannot be used"), "one for each time: %s", stderr.String())
	_, _, third := certificate(t, dir)
	later()
	require.True(t, trusted(third))

	require.NoError(t, listener.Close())
	<-done
}
