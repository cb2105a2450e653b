package server

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func newUI(t *testing.T) *os.Root {
	dir := t.TempDir()
	ui := filepath.Join(dir, "ui")
	require.NoError(t, os.MkdirAll(filepath.Join(ui, "static", "js"), 0o755))
	for name, text := range map[string]string{
		"ui/index.html": "<!doctype html>front", "ui/static/js/main.1a2b.js": "let x=1", "ui/favicon.ico": "i", "ui/a b%2e.css": "c",
		"ui/.hidden": "h", "secret": "s", "ui/noext": "n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	require.NoError(t, os.Symlink("../secret", filepath.Join(ui, "out")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "secret"), filepath.Join(ui, "absolute")))
	require.NoError(t, os.Symlink("..", filepath.Join(ui, "up")))
	require.NoError(t, os.Symlink("index.html", filepath.Join(ui, "inside.html")))
	root, err := os.OpenRoot(ui)
	require.NoError(t, err)
	t.Cleanup(func() { _ = root.Close() })
	return root
}

func TestUI(t *testing.T) {
	for _, prefix := range []string{"", "/ml"} {
		b := newBench(t, &Options{UI: newUI(t), StaticPrefix: prefix})
		for _, c := range []struct{ path, contentType, cache, text string }{
			{"/", "text/html; charset=utf-8", "no-cache", "<!doctype html>front"},
			{"/static-files/index.html", "text/html; charset=utf-8", "no-cache", "<!doctype html>front"},
			{"/static-files/inside.html", "text/html; charset=utf-8", "no-cache", "<!doctype html>front"},
			{"/static-files/static/js/main.1a2b.js", "text/javascript; charset=utf-8", cacheHash, "let x=1"},
			{"/static-files/favicon.ico", "image/vnd.microsoft.icon", "no-cache", "i"},
			{"/static-files/a%20b%252e.css", "text/css; charset=utf-8", "no-cache", "c"},
			{"/static-files/noext", "application/octet-stream", "no-cache", "n"},
		} {
			w := b.do("GET", prefix+c.path, "")
			require.Equal(t, 200, w.Code, c.path)
			require.Equal(t, c.text, w.Body.String())
			require.Equal(t, c.contentType, w.Header().Get("Content-Type"))
			require.Equal(t, c.cache, w.Header().Get("Cache-Control"))
			require.Equal(t, uiPolicy+"; frame-ancestors 'self'", w.Header().Get("Content-Security-Policy"))
			require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			require.Empty(t, b.do("HEAD", prefix+c.path, "").Body.String())
			since := w.Header().Get("Last-Modified")
			require.Equal(t, http.StatusNotModified, b.do("GET", prefix+c.path, "", "If-Modified-Since", since).Code)
		}
		for _, path := range []string{
			"out", "absolute", "up", "up/secret", "up/ui/index.html", "", "static", "static/", "static/js", "none", ".", "..", "../secret", "..%2fsecret",
			"%2e%2e/secret", "%2e%2e%2fsecret", "..%5csecret", "/secret", "%2fsecret", "static/../index.html", "static/%2e%2e/index.html", "index.html/", "index.html%00", "index.html::$DATA", "C:%5csecret", "a//b",
			"%2e", "%252e%252e/secret", "....//secret", strings.Repeat("a/", 2000),
		} {
			w := b.do("GET", prefix+"/static-files/"+path, "")
			require.Equal(t, 404, w.Code, path)
			require.NotContains(t, w.Body.String(), "secret")
			require.NotEqual(t, uiPolicy+"; frame-ancestors 'self'", w.Header().Get("Content-Security-Policy"))
		}
		require.Equal(t, 405, b.do("POST", prefix+"/static-files/index.html", "", "Content-Type", "text/plain").Code)
		require.Contains(t, b.do("GET", prefix+"/version", "").Header().Get("Content-Security-Policy"), "default-src 'none'; frame-ancestors")
		if prefix != "" {
			w := b.do("GET", prefix, "")
			require.Equal(t, http.StatusPermanentRedirect, w.Code)
			require.Equal(t, "/ml/", w.Header().Get("Location"))
			require.Equal(t, 404, b.do("GET", "/static-files/index.html", "").Code)
		}
	}
}

func TestUIScripts(t *testing.T) {
	b := newBench(t, &Options{UI: newUI(t), UIScripts: true})
	policy := b.do("GET", "/", "").Header().Get("Content-Security-Policy")
	require.Contains(t, policy, "script-src 'self' 'unsafe-eval' 'unsafe-inline' https:;")
	require.Contains(t, policy, "connect-src 'self' data: blob:;")
	require.NotContains(t, uiPolicy, "script-src 'self' 'unsafe-eval' 'unsafe-inline'")
}

func TestNoUI(t *testing.T) {
	b := newBench(t, nil)
	require.Contains(t, b.do("GET", "/", "").Body.String(), "Runstone")
	require.Contains(t, noUI, "--ui")
	require.Equal(t, 404, b.do("GET", "/static-files/index.html", "").Code)
}
