package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// certificate writes one for 127.0.0.1 with its key, and returns who trusts it.
func certificate(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(cert, text, 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	pool = x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(text))
	return cert, key, pool
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestTLS starts a server at all addresses, which takes authentication and TLS,
// and logs in with the password that it printed.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key, pool := certificate(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	stderr := &lockedBuffer{}
	a := &app{in: strings.NewReader(""), out: in, err: stderr, env: func(string) (string, bool) { return "", false }}
	done := make(chan int, 1)
	go func() {
		done <- a.main(ctx, []string{
			"server", "--json", "-d", filepath.Join(dir, "db"), "--host", "0.0.0.0", "--port", "0", "--auth", "--tls-cert", cert, "--tls-key", key,
		})
		_ = in.Close()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, stderr.String())
	var hello struct{ URL string }
	require.NoError(t, json.Unmarshal([]byte(line), &hello))
	require.Regexp(t, "^https://127.0.0.1:", hello.URL)

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: 30 * time.Second}
	get := func(c *http.Client, url, password string) (int, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/2.0/mlflow/users/current", nil)
		require.NoError(t, err)
		r.SetBasicAuth("admin", password)
		resp, err := c.Do(r)
		if err != nil {
			return 0, err
		}
		_ = resp.Body.Close()
		return resp.StatusCode, nil
	}
	found := regexp.MustCompile(`MLFLOW_TRACKING_PASSWORD=(\S+)`).FindStringSubmatch(stderr.String())
	require.Len(t, found, 2, stderr.String())
	code, err := get(client, hello.URL, found[1])
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, code)
	code, err = get(client, hello.URL, "password1234")
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, code)
	code, err = get(&http.Client{}, strings.Replace(hello.URL, "https", "http", 1), found[1])
	require.True(t, err != nil || code == http.StatusBadRequest, "in clear: %d", code)

	client.CloseIdleConnections()
	cancel()
	require.Zero(t, <-done, stderr.String())
	require.Equal(t, 1, strings.Count(stderr.String(), found[1]), "printed once")
}
