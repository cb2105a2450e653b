package server

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/artifact"
)

const files = "/api/2.0/mlflow-artifacts"

// begun begins an upload of 0/run/artifacts/<name>.
func (b *bench) begun(name string, parts int) uploadBegun {
	b.t.Helper()
	w := b.do("POST", files+"/mpu/create/0/run/artifacts", fmt.Sprintf(`{"path": %q, "num_parts": %d}`, name, parts))
	require.Equal(b.t, 200, w.Code, "%s", w.Body)
	var up uploadBegun
	require.NoError(b.t, json.Unmarshal(w.Body.Bytes(), &up))
	require.Len(b.t, up.Targets, parts)
	return up
}

// part sends a part and returns its ETag.
func (b *bench) part(up uploadBegun, n int, body string) string {
	b.t.Helper()
	target, err := url.Parse(up.Targets[n-1].URL)
	require.NoError(b.t, err)
	require.Equal(b.t, n, up.Targets[n-1].Part)
	w := b.do("PUT", target.Path, body, "Content-Type", "application/octet-stream")
	require.Equal(b.t, 200, w.Code, "%s", w.Body)
	return w.Header().Get("ETag")
}

func completion(name, id string, tags ...string) string {
	parts := make([]string, len(tags))
	for i, tag := range tags {
		parts[i] = fmt.Sprintf(`{"part_number": %d, "etag": %q, "url": null}`, i+1, tag)
	}
	return fmt.Sprintf(`{"path": %q, "upload_id": %q, "parts": [%s]}`, name, id, strings.Join(parts, ", "))
}

func (b *bench) leftovers() (names []string) {
	b.t.Helper()
	list, err := os.ReadDir(filepath.Join(b.db.Dir(), "artifacts"))
	require.NoError(b.t, err)
	for _, e := range list {
		if strings.HasPrefix(e.Name(), ".runstone-tmp") {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestUploadInParts(t *testing.T) {
	b := newBench(t, nil)
	up := b.begun(`C:\data\big.bin`, 3) // what old clients send
	require.True(t, strings.HasPrefix(up.Targets[0].URL, "http://localhost:5000/api/2.0/mlflow-artifacts/mpu/part/"))
	three := b.part(up, 3, "end")
	one := b.part(up, 1, "first ")
	require.Equal(t, one, b.part(up, 1, "first "), "sent again")
	get := files + "/artifacts/0/run/artifacts/big.bin"
	complete := files + "/mpu/complete/0/run/artifacts"
	b.refused("POST", complete, completion("big.bin", up.ID, one, three), 400, "INVALID_PARAMETER_VALUE", "3 parts, not 2")
	b.refused("POST", complete, completion("big.bin", up.ID, one, one, three), 400, "INVALID_PARAMETER_VALUE", "2 parts have arrived")
	two := b.part(up, 2, "and ")
	require.Equal(t, 404, b.do("GET", get, "").Code)

	b.refused("POST", complete, completion("big.bin", up.ID, two, one, three), 400, "INVALID_PARAMETER_VALUE", "part 1 is another")
	b.refused("POST", complete, completion("big.bin", up.ID, one, two, ""), 400, "INVALID_PARAMETER_VALUE", "part 3 is another")
	b.refused("POST", complete, strings.Replace(completion("big.bin", up.ID, one, two, three), `"part_number": 1`, `"part_number": 2`, 1), 400, "INVALID_PARAMETER_VALUE", "in order from 1")
	b.refused("POST", complete, completion("other.bin", up.ID, one, two, three), 404, "RESOURCE_DOES_NOT_EXIST", "No such upload")
	b.refused("POST", complete, completion("big.bin", "ABC", one, two, three), 404, "RESOURCE_DOES_NOT_EXIST", "No such upload")

	var g sync.WaitGroup // clients repeat what they heard no answer to
	for range 4 {
		g.Go(func() {
			if w := b.do("POST", complete, completion("big.bin", up.ID, one, two, three)); w.Code != 200 || w.Body.String() != "{}" {
				t.Error(w.Code, w.Body)
			}
		})
	}
	g.Wait()
	b.refused("POST", complete, completion("big.bin", up.ID, one, two, one), 400, "INVALID_PARAMETER_VALUE", "with other parts")
	w := b.do("GET", get, "")
	require.Equal(t, "first and end", w.Body.String())
	sum := sha256.Sum256(w.Body.Bytes())
	require.Equal(t, "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":", w.Header().Get("Repr-Digest"))
	require.Equal(t, 404, b.do("PUT", strings.TrimPrefix(up.Targets[0].URL, "http://localhost:5000"), "late", "Content-Type", "x").Code)
	require.Empty(t, b.leftovers())
}

func TestUploadInPartsRefusals(t *testing.T) {
	b := newBench(t, &Options{MaxArtifact: 10})
	create := files + "/mpu/create/0/run/artifacts"
	for body, message := range map[string]string{
		`{"path": "..", "num_parts": 1}`:             "Invalid path",
		`{"path": "a/", "num_parts": 1}`:             "Invalid path",
		`{"path": "%2e%2e", "num_parts": 1}`:         "Invalid path",
		`{"path": "x", "num_parts": 0}`:              "'num_parts'",
		`{"path": "x", "num_parts": "many"}`:         "'num_parts'",
		`{"path": 7, "num_parts": 1}`:                "'path'",
		`{"path": ".runstone-tmp-x", "num_parts":1}`: "Invalid path",
	} {
		b.refused("POST", create, body, 400, "INVALID_PARAMETER_VALUE", message)
	}
	b.refused("POST", files+"/mpu/create/%2e%2e/x", `{"path": "x", "num_parts": 1}`, 400, "INVALID_PARAMETER_VALUE", "Invalid path")
	b.refused("POST", create, `{"path": "x", "num_parts": 4901}`, 501, "NOT_IMPLEMENTED", "Multipart upload is not supported")
	up := b.begun("x", 2)
	id := files + "/mpu/part/" + up.ID
	for _, bad := range []string{"/0", "/3", "/-1", "/+1", "/01", "", "/", "/1/1"} {
		require.Equal(t, 404, b.do("PUT", id+bad, "x", "Content-Type", "x").Code, bad)
	}
	require.Equal(t, 413, b.do("PUT", id+"/1", "eleven char", "Content-Type", "x").Code)
	require.Equal(t, 200, b.do("PUT", id+"/1", "eleven", "Content-Type", "x").Code)
	require.Equal(t, 413, b.do("PUT", id+"/2", "eleven", "Content-Type", "x").Code)
	require.Equal(t, 400, b.do("PUT", id+"/2", "abc", "Content-Type", "x", "Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==").Code)
	abort := files + "/mpu/abort/0/run/artifacts"
	b.refused("POST", abort, `{"path": "y", "upload_id": "`+up.ID+`"}`, 404, "RESOURCE_DOES_NOT_EXIST", "No such upload")
	require.Equal(t, 200, b.do("POST", abort, `{"path": "x", "upload_id": "`+up.ID+`"}`).Code)
	require.Empty(t, b.leftovers())
	b.refused("POST", abort, `{"path": "x", "upload_id": "`+up.ID+`"}`, 404, "RESOURCE_DOES_NOT_EXIST", "No such upload")

	for range maxOpenFiles {
		b.begun("x", 1)
	}
	b.refused("POST", create, `{"path": "x", "num_parts": 1}`, 429, "REQUEST_LIMIT_EXCEEDED", "Too many uploads")
	require.NoError(t, b.s.parts.expire(time.Now().Add(uploadIdle/2)))
	require.Len(t, b.leftovers(), maxOpenFiles)
	require.NoError(t, b.s.parts.expire(time.Now().Add(2*uploadIdle)))
	require.Empty(t, b.leftovers())
	require.Empty(t, b.s.parts.m)

	b = newBench(t, &Options{NoArtifacts: true})
	require.Equal(t, 503, b.do("POST", create, `{"path": "x", "num_parts": 1}`).Code)
	require.Equal(t, 503, b.do("GET", files+"/presigned/x", "").Code)
	require.Equal(t, 503, b.do("PUT", files+"/mpu/part/x/1", "x", "Content-Type", "x").Code)
}

func TestSignedDownload(t *testing.T) {
	b := newBench(t, &Options{PublicURL: "https://lab.example/t/"})
	b.put("0/run/artifacts/a%20b%25%C3%BC.txt", "0123456789")
	get := func(path string) (signedDownload, *url.URL) {
		var d signedDownload
		require.NoError(t, json.Unmarshal(b.do("GET", files+"/presigned/"+path, "").Body.Bytes(), &d))
		u, err := url.Parse(d.URL)
		require.NoError(t, err)
		return d, u
	}
	d, u := get("0/run/artifacts/a%20b%25%C3%BC.txt")
	require.Equal(t, int64(10), d.Size)
	require.True(t, strings.HasPrefix(d.URL, "https://lab.example/t/api/2.0/mlflow-artifacts/signed/0/run/"))
	path := strings.TrimPrefix(u.EscapedPath(), "/t")
	w := b.do("GET", path+"?"+u.RawQuery, "", "Range", "bytes=2-4")
	require.Equal(t, 206, w.Code, "%s", w.Body)
	require.Equal(t, "234", w.Body.String())

	b.put("0/run/artifacts/other", "secret")
	q := u.Query()
	late := url.Values{"expires": {"99999999999"}, "signature": {q.Get("signature")}}.Encode()
	past := time.Now().Add(-time.Second).Unix()
	p, err := artifact.ParsePath("0/run/artifacts/other")
	require.NoError(t, err)
	old := url.Values{"expires": {fmt.Sprint(past)}, "signature": {b.s.signature(p, past)}}.Encode()
	for _, bad := range []string{path, path + "?" + late, path + "?expires=x", files + "/signed/0/run/artifacts/other?" + u.RawQuery, files + "/signed/0/run/artifacts/other?" + old} {
		w := b.do("GET", bad, "")
		require.Equal(t, 403, w.Code, bad)
		require.Contains(t, w.Body.String(), "PERMISSION_DENIED")
	}
	require.Equal(t, 405, b.do("PUT", path+"?"+u.RawQuery, "x", "Content-Type", "x").Code)
	other := newBench(t, nil)
	require.Equal(t, 403, other.do("GET", path+"?"+u.RawQuery, "").Code, "another server's key")
}

func TestDigestsOfUploads(t *testing.T) {
	b := newBench(t, nil)
	path := files + "/artifacts/0/run/artifacts/f"
	std := base64.StdEncoding.EncodeToString
	body := "the body"
	s2, s5, m5 := sha256.Sum256([]byte(body)), sha512.Sum512([]byte(body)), md5.Sum([]byte(body))
	n2, n5, nm := sha256.Sum256(nil), sha512.Sum512(nil), md5.Sum(nil)
	for _, c := range []struct {
		name, value string
		status      int
	}{
		{"Content-Digest", "sha-256=:" + std(n2[:]) + ":", 400},
		{"Repr-Digest", "sha-256=:" + std(n2[:]) + ":", 400},
		{"Content-Digest", "sha-512=:" + std(n5[:]) + ":", 400},
		{"Content-Digest", "sha-256=:" + std(s2[:]) + ":, sha-512=:" + std(n5[:]) + ":", 400},
		{"Content-MD5", std(nm[:]), 400},
		{"Content-MD5", "x", 400},
		{"Content-Digest", "sha-256=" + std(s2[:]), 400},
		{"Content-Digest", "sha-256=:" + std(s2[:4]) + ":", 400},
		{"Content-Digest", "sha-256=:" + std(s2[:]) + ":, sha-512=:" + std(s5[:]) + ":", 200},
		{"Repr-Digest", "sha-256=:" + std(s2[:]) + ":;x=1", 200},
		{"Content-Digest", "unixsum=30637", 200},
		{"Content-MD5", std(m5[:]), 200},
	} {
		w := b.do("PUT", path, body, "Content-Type", "x", c.name, c.value)
		require.Equal(t, c.status, w.Code, "%s: %s: %s", c.name, c.value, w.Body)
		stored := b.do("GET", path, "").Code
		require.Equal(t, map[int]int{400: 404, 200: 200}[c.status], stored)
		if stored == 200 {
			require.Equal(t, "sha-256=:"+std(s2[:])+":", b.do("HEAD", path, "").Header().Get("Repr-Digest"))
			b.do("DELETE", path, "")
		}
	}
	require.Empty(t, b.leftovers())
	// Another tool's file has no digest: the record is of other bytes.
	b.put("0/run/artifacts/f", body)
	file := filepath.Join(b.db.Dir(), "artifacts/0/run/artifacts/f")
	require.NoError(t, os.WriteFile(file, []byte("8 bytes!"), 0o600))
	require.NoError(t, os.Chtimes(file, time.Now(), time.Now().Add(time.Second)))
	require.Empty(t, b.do("GET", path, "").Header().Get("Repr-Digest"))
}

func FuzzDigests(f *testing.F) {
	f.Add("sha-256=:AAAA:")
	f.Add("sha-512=:;, sha-256=::")
	f.Fuzz(func(t *testing.T, text string) {
		sums, err := parseDigests([]string{text})
		for name, sum := range sums {
			again, err := parseDigests([]string{name + "=:" + base64.StdEncoding.EncodeToString(sum) + ":"})
			require.NoError(t, err)
			require.Equal(t, sum, again[name])
		}
		require.False(t, err != nil && sums != nil)
	})
}

// TestServerInfoOfTransfers: parts are offered where their URLs are sure to be
// right.
func TestServerInfoOfTransfers(t *testing.T) {
	const info = "/api/3.0/mlflow/server-info"
	b := newBench(t, &Options{AllowedHosts: []string{"localhost", "lab.example"}})
	offered := func(b *bench, header ...string) any {
		var m map[string]any
		require.NoError(t, json.Unmarshal(b.do("GET", info, "", header...).Body.Bytes(), &m))
		require.Equal(t, false, m["multipart_downloads_enabled"])
		return m["multipart_uploads_enabled"]
	}
	require.Equal(t, false, offered(b))
	require.Equal(t, true, offered(b, "Host", "lab.example:5000"))
	require.Equal(t, false, offered(b, "Host", "lab.example:5000", "X-Forwarded-For", "10.0.0.1"))
	require.Equal(t, true, offered(newBench(t, &Options{PublicURL: "https://x.example"})))
	require.Equal(t, false, offered(newBench(t, &Options{PublicURL: "https://x.example", NoArtifacts: true})))
	for _, bad := range []string{"x.example", "ftp://x", "https://", "https://u:p@x", "https://x?y", "https://x#y"} {
		_, err := New(b.db, &Options{PublicURL: bad})
		require.ErrorContains(t, err, "public URL")
	}
}

// TestUploadOfUsers: an upload is whose it is, and begins where one may write.
func TestUploadOfUsers(t *testing.T) {
	g := newGuarded(t)
	th := g.things(1)
	dir := path.Dir(th.file())
	create := files + "/mpu/create/" + dir
	for user, status := range map[string]int{"": 401, "none": 403, "reader": 403, "editor": 200, "admin": 200} {
		g.want(status, user, "POST", create, `{"path": "x", "num_parts": 1}`)
	}
	g.want(403, "editor", "POST", files+"/mpu/create/nobodys", `{"path": "x", "num_parts": 1}`)
	var up uploadBegun
	require.NoError(t, json.Unmarshal([]byte(g.want(200, "editor", "POST", create, `{"path": "x", "num_parts": 1}`)), &up))
	tag := g.part(up, 1, "body")
	for _, what := range []string{"complete", "abort"} {
		g.want(404, "manager", "POST", files+"/mpu/"+what+"/"+dir, completion("x", up.ID, tag))
		g.want(403, "reader", "POST", files+"/mpu/"+what+"/"+dir, completion("x", up.ID, tag))
	}
	g.want(200, "editor", "POST", files+"/mpu/complete/"+dir, completion("x", up.ID, tag))
}
