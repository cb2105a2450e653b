//go:build unix

package main

import (
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCertificateFromPipe has a pipe where the key was, which nobody writes to.
func TestCertificateFromPipe(t *testing.T) {
	certFile, keyFile, _ := certificate(t, t.TempDir())
	pair, err := openKeyPair(certFile, keyFile, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	pair.now = func() time.Time { return time.Now().Add(time.Hour) }
	require.NoError(t, os.Remove(keyFile))
	require.NoError(t, syscall.Mkfifo(keyFile, 0o600))
	first := pair.pair.Load()
	got, err := pair.get(nil)
	require.NoError(t, err)
	require.Same(t, first, got)
}
