package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/access"
	"github.com/runstonedb/runstone/artifact"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

const goodPassword = "zebra-quartz-19"

// guarded is a bench with users: admin, none, reader, editor, manager, who have
// their level on everything, and eve and mallory, who have nothing. Nobody has
// anything by default.
type guarded struct {
	*bench
	users  *access.Store
	tokens map[string]string
	log    *bytes.Buffer
}

func newGuarded(t testing.TB) *guarded {
	t.Helper()
	g := &guarded{tokens: map[string]string{}, log: &bytes.Buffer{}}
	var err error
	g.users, err = access.Open(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, g.users.SetDefault(access.NoPermissions))
	for name, level := range map[string]access.Level{
		"admin": access.NoPermissions, "none": access.NoPermissions, "reader": access.Read, "editor": access.Edit, "manager": access.Manage,
		"eve": access.NoPermissions, "mallory": access.NoPermissions,
	} {
		require.NoError(t, g.users.AddUser(name, "", name == "admin"))
		if level > 0 {
			require.NoError(t, g.users.Grant(name, access.Grant{Kind: access.Experiment, ID: access.All, Level: level}))
			require.NoError(t, g.users.Grant(name, access.Grant{Kind: access.Model, ID: access.All, Level: level}))
		}
		g.tokens[name], _, err = g.users.NewToken(name, "", 0)
		require.NoError(t, err)
	}
	g.bench = newBench(t, &Options{Access: g.users, Logger: slog.New(slog.NewTextHandler(g.log, nil))})
	return g
}

// as sends a request of a user, or of nobody for "".
func (g *guarded) as(user, method, path, body string) (int, string) {
	g.t.Helper()
	header := []string{"Content-Type", "application/json"}
	if user != "" {
		header = append(header, "Authorization", "Bearer "+g.tokens[user])
	}
	w := g.do(method, path, body, header...)
	return w.Code, w.Body.String()
}

// want sends a request of a user and compares the status.
func (g *guarded) want(status int, user, method, path, body string) string {
	g.t.Helper()
	if !strings.HasPrefix(path, "/a") && !strings.HasPrefix(path, "/get") && path != "/" {
		path = api + path
	}
	code, text := g.as(user, method, path, body)
	require.Equal(g.t, status, code, "%s: %s %s %s: %s", user, method, path, body, text)
	return text
}

// things are one of each that requests concern.
type things struct{ experiment, run, logged, model string }

func (g *guarded) things(n int) things {
	ctx := g.t.Context()
	th := things{model: fmt.Sprintf("model-%d", n)}
	var err error
	th.experiment, err = g.db.CreateExperiment(ctx, fmt.Sprintf("e%d", n), nil)
	require.NoError(g.t, err)
	info, err := g.db.CreateRun(ctx, runstone.NewRun{ExperimentID: th.experiment, Name: "r"})
	require.NoError(g.t, err)
	th.run = info.ID
	m, err := g.db.CreateLoggedModel(ctx, lineage.LoggedModel{ExperimentID: th.experiment, Name: "lm"})
	require.NoError(g.t, err)
	th.logged = m.ModelID
	require.NoError(g.t, g.db.Update(ctx, func(tx *store.Tx) error {
		if _, err := lineage.CreateModel(tx, lineage.Author{At: 1}, th.model, "", nil); err != nil {
			return err
		}
		_, err := lineage.CreateVersion(tx, lineage.Author{At: 1}, th.model, lineage.NewVersion{Source: "runs:/" + th.run + "/m"})
		return err
	}))
	_, err = g.db.PutArtifact(ctx, th.file(), strings.NewReader("x"), artifact.PutOptions{})
	require.NoError(g.t, err)
	return th
}

func (th things) file() string { return th.experiment + "/" + th.run + "/artifacts/m/f" }

// request returns path and body of a request of a route that names everything
// that any route asks for. user is who sends it.
func (th things) request(prefix string, rt *route, user string) (at, body string) {
	at = strings.NewReplacer("{path...}", th.file(), "{folder...}", path.Dir(th.file()), "{part...}", th.file(), "{webhook_id}", "1", "{model_id}", th.logged, "{tag_key}", "k").Replace(prefix + rt.path)
	if rt.method == "GET" {
		q := url.Values{
			"experiment_id": {th.experiment}, "experiment_name": {"-"}, "run_id": {th.run}, "run_uuid": {th.run}, "run_ids": {th.run}, "metric_key": {"k"},
			"name": {th.model}, "version": {"1"}, "alias": {"a"}, "username": {user}, "resource_type": {"experiment"}, "resource_id": {th.experiment},
			"path": {"m/f"}, "artifact_file_path": {"m"}, "key": {"k"},
		}
		if rt.mount == files2 {
			q.Set("path", th.file())
		}
		return at + "?" + q.Encode(), ""
	}
	if rt.path == "/upload-artifact" {
		return at + "?run_uuid=" + th.run + "&path=up", "x"
	}
	if rt.path == "/artifacts/presigned-upload-url" {
		return at, `{"path": "m/f", "model_id": "` + th.logged + `"}`
	}
	b, _ := json.Marshal(map[string]any{
		"path": "m/f", "experiment_id": th.experiment, "experiment_ids": []string{th.experiment}, "run_id": th.run, "run_ids": []string{th.run}, "source_run_id": th.run,
		"name": th.model, "version": "1", "alias": "a", "stage": "Production", "key": "k", "value": "1", "timestamp": 1,
		"source": "runs:/" + th.run + "/m", "model_id": th.logged, "models": []any{map[string]any{"model_id": th.logged}},
		"username": user, "permission": "READ", "resource_type": "experiment", "resource_id": th.experiment,
	})
	return at, string(b)
}

// TestAuthorizationMatrix sends every route, under every path that it has, as
// every kind of client, and compares with the table of rules.
func TestAuthorizationMatrix(t *testing.T) {
	g := newGuarded(t)
	levels := map[string]access.Level{"none": access.NoPermissions, "reader": access.Read, "editor": access.Edit, "manager": access.Manage, "admin": access.Manage}
	n, asked := 1, 0 // things made, requests sent
	th := g.things(n)
	for i := range routes {
		rt := &routes[i]
		if rt.use == signed || rt.path == "" {
			continue // TestUploadInPartsRefusals and TestSignedDownload ask these; "" is a redirect
		}
		rule := rules[rt.method+" "+rt.path]
		need, adminOnly := access.NoPermissions, false
		for _, x := range rule {
			if x.of != location { // asked for by none of these requests
				need = max(need, x.level)
			}
			adminOnly = adminOnly || x.of == onlyAdmin
		}
		ends := rt.method == "DELETE" || strings.Contains(rt.path, "delete") || strings.Contains(rt.path, "rename")
		for at, prefix := range rt.mount.prefixes("") {
			if prefix+rt.path == "" {
				continue // a path behind a static prefix alone
			}
			for user, level := range levels {
				if at > 0 && user != "none" || rt.use == signed {
					continue // the same rule and handler; or no users
				}
				path, body := th.request(prefix, rt, user)
				path = strings.Replace(path, "experiment_name=-", fmt.Sprintf("experiment_name=e%d", n), 1)
				code, text := g.as(user, rt.method, path, body)
				asked++
				name := fmt.Sprintf("%s: %s %s: %d %s", user, rt.method, path, code, text)
				if ends && code == http.StatusOK {
					n++
					th = g.things(n)
				}
				require.NotEqual(t, http.StatusUnauthorized, code, name)
				if denied := user != "admin" && (level < need || adminOnly); denied {
					require.Equal(t, http.StatusForbidden, code, name)
					require.Equal(t, "Permission denied", text, name)
				} else {
					require.NotEqual(t, http.StatusForbidden, code, name)
					require.True(t, code < 500 || strings.Contains(text, "not supported"), name)
				}
			}
			path, body := th.request(prefix, rt, "reader")
			code, _ := g.as("", rt.method, path, body)
			if rule[0].of == everybody {
				// A signed URL that is not signed is refused in its own words.
				require.True(t, rt.use == always && (code == http.StatusOK || rt.path == "/assets/{path...}" && code == http.StatusNotFound) || rt.use == signed && (code == http.StatusForbidden || code == http.StatusNotFound), "nobody: %s %s: %d", rt.method, path, code)
				continue
			}
			require.Equal(t, http.StatusUnauthorized, code, "nobody: %s %s", rt.method, path)
			if i%8 == 0 { // each costs as much as a password
				require.Equal(t, http.StatusUnauthorized, g.do(rt.method, path, body, basic(fmt.Sprintf("ghost%d", i), goodPassword)...).Code, "wrong password: %s %s", rt.method, path)
			}
			asked += 2
			for _, v := range variants(rt, path) {
				asked++
				method, path, _ := strings.Cut(v, " ")
				code, text := g.as("", method, path, body)
				require.Equal(t, http.StatusUnauthorized, code, "nobody: %s: %s", v, text)
				if need == access.NoPermissions && !adminOnly || method == http.MethodOptions {
					continue
				}
				code, text = g.as("eve", method, path, body)
				require.GreaterOrEqual(t, code, 400, "eve: %s: %s", v, text)
				require.Less(t, code, 500, "eve: %s: %s", v, text)
			}
		}
	}
	require.Greater(t, asked, 1500)
	for user, token := range g.tokens {
		require.NotContains(t, g.log.String(), token, user)
	}
	require.NotContains(t, g.log.String(), goodPassword)
	require.Contains(t, g.log.String(), "permission denied")
	require.Contains(t, g.log.String(), "login refused")
}

func basic(name, password string) []string {
	return []string{"Content-Type", "application/json", "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))}
}

// variants are other spellings of a request, as "METHOD path".
func variants(rt *route, path string) []string {
	p, query, _ := strings.Cut(path, "?")
	query = "?" + query
	out := []string{
		"OPTIONS " + path, rt.method + " " + p + "/" + query, rt.method + " /" + p + query, rt.method + " " + strings.ToUpper(p) + query,
		rt.method + " " + strings.Replace(p, "/mlflow", "/%6Dlflow", 1) + query, rt.method + " " + strings.Replace(p, "/api/", "/api/./", 1) + query,
		rt.method + " " + strings.Replace(p, "/api/", "/x/../api/", 1) + query, rt.method + " " + strings.Replace(p, "2.0/", "2.0//", 1) + query,
		rt.method + " " + p + ";x=1" + query, rt.method + " " + p + "%00" + query, rt.method + " " + p + "%2f" + query, "TRACE " + path, "PUT " + path,
	}
	if rt.method == "GET" {
		out = append(out, "HEAD "+path)
	}
	kept := out[:0]
	for _, v := range out {
		if v != rt.method+" "+path && !strings.HasPrefix(v, "PUT /api/2.0/mlflow-artifacts/artifacts/") && !strings.HasPrefix(v, "PUT /ajax-api/2.0/mlflow-artifacts/artifacts/") {
			kept = append(kept, v)
		}
	}
	return kept
}

// TestUnknownPaths: who has no user is not told what there is.
func TestUnknownPaths(t *testing.T) {
	g := newGuarded(t)
	for _, path := range []string{"/nope", api + "/nope", "/api/3.0/mlflow/nope", "/signup", "/graphql-nope", "/static/x", "/%2e%2e/", "/health/x", "/healthy"} {
		for _, method := range []string{"GET", "POST", "OPTIONS", "DELETE"} {
			code, _ := g.as("", method, path, "")
			require.Equal(t, http.StatusUnauthorized, code, "%s %s", method, path)
			code, _ = g.as("admin", method, path, "")
			require.Equal(t, http.StatusNotFound, code, "%s %s", method, path)
		}
	}
	w := g.do("GET", "/", "")
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Equal(t, `Basic realm="mlflow"`, w.Header().Get("WWW-Authenticate"))
	require.Equal(t, http.StatusOK, g.do("HEAD", "/health", "").Code)
	// Without users there are no routes for them.
	require.Equal(t, http.StatusNotFound, newBench(t, nil).do("GET", api+"/users/current", "").Code)
}
