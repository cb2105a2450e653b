package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/access"
)

// TestUsersAPI asks every route about users, as MLflow's clients do.
func TestUsersAPI(t *testing.T) {
	g := newGuarded(t)
	th := g.things(1)
	const users, users3 = "/users/", "/api/3.0/mlflow/users/"
	body := func(kv ...string) string {
		m := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		b, _ := json.Marshal(m)
		return string(b)
	}
	made := g.want(200, "admin", "POST", users+"create", body("username", "zoe", "password", goodPassword))
	require.Contains(t, made, `"username": "zoe"`)
	require.NotContains(t, made, goodPassword)
	require.Contains(t, g.want(400, "admin", "POST", users+"create", body("username", "zoe", "password", goodPassword)), "User (username=zoe) already exists.")
	for _, bad := range []string{"", "short", "password1234", "ann123456789"} {
		text := g.want(400, "admin", "POST", users+"create", body("username", "ann", "password", bad))
		if len(bad) > 5 {
			require.NotContains(t, text, bad)
		}
	}
	g.want(400, "admin", "POST", users+"create", body("username", "a:b", "password", goodPassword))
	g.want(403, "manager", "POST", users+"create", body("username", "ann", "password", goodPassword))

	g.want(200, "admin", "GET", users+"get?username=zoe", "")
	g.want(404, "admin", "GET", users+"get?username=no", "")
	g.want(200, "eve", "GET", users+"get?username=eve", "")
	g.want(403, "eve", "GET", users+"get?username=zoe", "")
	require.Contains(t, g.want(200, "eve", "GET", users+"list", ""), `"zoe"`)
	require.Contains(t, g.want(200, "eve", "GET", users+"current", ""), `"username": "eve"`)
	require.Equal(t, 200, g.do("GET", api+users+"current", "", basic("zoe", goodPassword)...).Code)

	// One's own password takes the one before; a token is none.
	const fresh = "an-other-secret"
	change := func(current string) int {
		return g.do("PATCH", api+users+"update-password", body("username", "zoe", "password", fresh, "current_password", current), basic("zoe", goodPassword)...).Code
	}
	token, _, err := g.users.NewToken("zoe", "", 0)
	require.NoError(t, err)
	for _, current := range []string{"", "not-it-not-it", token} {
		require.Equal(t, 400, change(current), current)
	}
	require.Equal(t, 200, change(goodPassword))
	require.Equal(t, 401, g.do("GET", api+users+"current", "", basic("zoe", goodPassword)...).Code)
	require.Equal(t, 200, g.do("GET", api+users+"current", "", basic("zoe", fresh)...).Code)
	g.want(403, "eve", "PATCH", users+"update-password", body("username", "zoe", "password", goodPassword))
	g.want(200, "admin", "PATCH", users+"update-password", body("username", "zoe", "password", goodPassword))
	g.want(404, "admin", "PATCH", users+"update-password", body("username", "no", "password", goodPassword))

	g.want(200, "admin", "PATCH", users+"update-admin", `{"username": "zoe", "is_admin": true}`)
	require.Contains(t, g.want(200, "admin", "GET", users+"get?username=zoe", ""), `"is_admin": true`)
	g.want(200, "admin", "PATCH", users+"update-admin", `{"username": "zoe", "is_admin": false}`)
	g.want(400, "admin", "PATCH", users+"update-admin", `{"username": "admin", "is_admin": false}`)
	g.want(400, "admin", "PATCH", users+"update-admin", `{"username": "zoe"}`)

	// Grants in the form of MLflow 3.
	grant := body("username", "zoe", "resource_type", "experiment", "resource_id", th.experiment, "permission", "EDIT")
	g.want(200, "manager", "POST", users3+"permissions/grant", grant)
	g.want(403, "editor", "POST", users3+"permissions/grant", grant)
	g.want(403, "manager", "POST", users3+"permissions/grant", body("username", "manager", "resource_type", "experiment", "resource_id", "*", "permission", "MANAGE"))
	g.want(404, "manager", "POST", users3+"permissions/grant", body("username", "zoe", "resource_type", "experiment", "resource_id", "99", "permission", "READ"))
	g.want(404, "manager", "POST", users3+"permissions/grant", body("username", "zoe", "resource_type", "registered_model", "resource_id", "no", "permission", "READ"))
	g.want(400, "admin", "POST", users3+"permissions/grant", body("username", "zoe", "resource_type", "scorer", "resource_id", "1", "permission", "READ"))
	g.want(400, "admin", "POST", users3+"permissions/grant", body("username", "zoe", "resource_type", "experiment", "resource_id", "1", "permission", "NO_PERMISSIONS"))
	g.want(400, "admin", "POST", users3+"permissions/grant", body("username", "zoe", "resource_type", "experiment", "resource_id", "1", "permission", "OWN"))
	at := "permissions/get?username=zoe&resource_type=experiment&resource_id="
	require.Contains(t, g.want(200, "admin", "GET", users3+at+th.experiment, ""), `"permission": "EDIT"`)
	require.Contains(t, g.want(200, "admin", "GET", users3+at+"1", ""), `"permission": "NO_PERMISSIONS"`)
	require.Contains(t, g.want(200, "admin", "GET", users3+"permissions/list?username=zoe", ""), th.experiment)
	require.Contains(t, g.want(200, "manager", "GET", users3+"current/permissions", ""), `"resource_pattern": "*"`)
	g.want(200, "manager", "POST", users3+"permissions/revoke", grant)
	g.want(404, "admin", "POST", users3+"permissions/revoke", grant)

	// And in that of MLflow 2.
	for kind, c := range map[string]struct{ field, id string }{"experiments": {"experiment_id", th.experiment}, "registered-models": {"name", th.model}} {
		path := "/" + kind + "/permissions/"
		request := body(c.field, c.id, "username", "zoe", "permission", "READ")
		g.want(403, "editor", "POST", path+"create", request)
		require.Contains(t, g.want(200, "manager", "POST", path+"create", request), `"permission": "READ"`)
		g.want(400, "manager", "POST", path+"create", request)
		g.want(200, "manager", "PATCH", path+"update", body(c.field, c.id, "username", "zoe", "permission", "NO_PERMISSIONS"))
		query := "?username=zoe&" + c.field + "=" + c.id
		require.Contains(t, g.want(200, "manager", "GET", path+"get"+query, ""), `"permission": "NO_PERMISSIONS"`)
		require.Contains(t, g.want(200, "admin", "GET", users+"get?username=zoe", ""), c.id)
		g.want(200, "manager", "DELETE", path+"delete", request)
		g.want(404, "manager", "DELETE", path+"delete", request)
		g.want(404, "manager", "GET", path+"get"+query, "")
		g.want(404, "manager", "PATCH", path+"update", request)
	}
	// What is asked about one kind does not change the other.
	g.want(200, "admin", "POST", users3+"permissions/grant", body("username", "eve", "resource_type", "registered_model", "resource_id", th.model, "permission", "MANAGE"))
	g.want(200, "eve", "POST", "/registered-models/permissions/create", body("name", th.model, "experiment_id", th.experiment, "username", "mallory", "permission", "EDIT"))
	u, err := g.users.User("mallory")
	require.NoError(t, err)
	require.Equal(t, []access.Grant{{Kind: access.Model, ID: th.model, Level: access.Edit}}, u.Grants())
	g.want(403, "manager", "POST", "/registered-models/permissions/create", body("name", "*", "username", "mallory", "permission", "MANAGE"))

	g.want(403, "manager", "DELETE", users+"delete", body("username", "zoe"))
	g.want(400, "admin", "DELETE", users+"delete", body("username", "admin"))
	g.want(200, "admin", "DELETE", users+"delete", body("username", "zoe"))
	g.want(404, "admin", "DELETE", users+"delete", body("username", "zoe"))
	require.Equal(t, 401, g.do("GET", api+users+"current", "", basic("zoe", goodPassword)...).Code)
	require.NotContains(t, g.log.String(), goodPassword)
	require.NotContains(t, g.log.String(), token)
}

// TestOwners: who makes a thing manages it, also under another name, and no
// longer when it is gone.
func TestOwners(t *testing.T) {
	g := newGuarded(t)
	var made struct {
		ID string `json:"experiment_id"`
	}
	require.NoError(t, json.Unmarshal([]byte(g.want(200, "eve", "POST", "/experiments/create", `{"name": "hers"}`)), &made))
	mine := fmt.Sprintf(`{"experiment_id": %q, "new_name": "still hers"}`, made.ID)
	g.want(200, "eve", "POST", "/experiments/update", mine)
	g.want(403, "mallory", "POST", "/experiments/update", mine)
	g.want(403, "mallory", "GET", "/experiments/get?experiment_id=0"+made.ID, "")
	g.want(403, "mallory", "GET", "/experiments/get-by-name?experiment_name=still+hers", "")
	g.want(404, "mallory", "GET", "/experiments/get-by-name?experiment_name=no", "")

	g.want(200, "eve", "POST", "/registered-models/create", `{"name": "m"}`)
	g.want(200, "eve", "POST", "/registered-models/rename", `{"name": "m", "new_name": "n"}`)
	g.want(200, "eve", "GET", "/registered-models/get?name=n", "")
	g.want(403, "mallory", "GET", "/registered-models/get?name=n", "")
	g.want(200, "eve", "DELETE", "/registered-models/delete", `{"name": "n"}`)
	g.want(200, "mallory", "POST", "/registered-models/create", `{"name": "n"}`)
	g.want(403, "eve", "GET", "/registered-models/get?name=n", "")

	// "*" in grants is every model.
	for _, user := range []string{"eve", "admin"} {
		g.want(400, user, "POST", "/registered-models/create", `{"name": "*"}`)
	}
	g.want(400, "mallory", "POST", "/registered-models/rename", `{"name": "n", "new_name": "*"}`)
	require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Model, ID: "secret", Level: access.Deny}))
	g.want(403, "eve", "POST", "/registered-models/create", `{"name": "secret"}`)
}

// TestSearchesShowWhatMayBeRead goes through pages of every search as a user
// who may read every third thing.
func TestSearchesShowWhatMayBeRead(t *testing.T) {
	g := newGuarded(t)
	var ids, mine []string
	for i := range 30 {
		th := g.things(i)
		ids = append(ids, th.experiment)
		if i%3 == 0 {
			mine = append(mine, th.experiment)
			require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Experiment, ID: th.experiment, Level: access.Read}))
			require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Model, ID: th.model, Level: access.Read}))
		}
	}
	all, err := json.Marshal(ids)
	require.NoError(t, err)
	type row map[string]any
	for _, c := range []struct {
		method, path, list, body string
		want                     int
	}{
		{"POST", "/experiments/search", "experiments", `"order_by": ["name DESC"]`, 10},
		{"GET", "/registered-models/search", "registered_models", "", 10},
		{"GET", "/model-versions/search", "model_versions", "", 10},
		{"POST", "/runs/search", "runs", `"experiment_ids": ` + string(all), 10},
		{"POST", "/logged-models/search", "models", `"experiment_ids": ` + string(all), 10},
	} {
		for _, size := range []int{1, 2, 3, 7, 10, 11, 1000} {
			var got []row
			for token, pages := "", 0; pages == 0 || token != ""; pages++ {
				require.Less(t, pages, 20, c.path)
				path, body := c.path, ""
				if c.method == "GET" {
					path += fmt.Sprintf("?max_results=%d&page_token=%s", size, token)
				} else {
					body = strings.Replace(fmt.Sprintf(`{"max_results": %d, "page_token": %q, %s}`, size, token, c.body), ", }", "}", 1)
				}
				answer := map[string]json.RawMessage{}
				require.NoError(t, json.Unmarshal([]byte(g.want(200, "eve", c.method, path, body)), &answer))
				var rows []row
				if len(answer[c.list]) > 0 {
					require.NoError(t, json.Unmarshal(answer[c.list], &rows))
				}
				require.LessOrEqual(t, len(rows), size)
				got = append(got, rows...)
				token = ""
				if len(answer["next_page_token"]) > 0 {
					require.NoError(t, json.Unmarshal(answer["next_page_token"], &token))
				}
			}
			require.Len(t, got, c.want, "%s by %d", c.path, size)
			text, err := json.Marshal(got)
			require.NoError(t, err)
			for i, id := range ids {
				if !slices.Contains(mine, id) {
					require.NotContains(t, string(text), id, c.path)
					require.NotContains(t, string(text), fmt.Sprintf(`"model-%d"`, i), c.path)
				}
			}
		}
		require.Equal(t, 200, func() int { code, _ := g.as("none", c.method, api+c.path, "{"+c.body+"}"); return code }())
	}
	require.NotContains(t, g.want(200, "mallory", "POST", "/runs/search", `{"experiment_ids": `+string(all)+`}`), "run_id")
	require.NotContains(t, g.want(200, "mallory", "GET", "/registered-models/search?max_results=0", ""), "next_page_token")
	g.want(403, "eve", "POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", `{"experiment_ids": ["`+ids[0]+`", "`+ids[1]+`"]}`)
	g.want(200, "eve", "POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", `{"experiment_ids": ["`+ids[0]+`"]}`)
}

// TestConfusedArguments: a request names what it may and what it may not.
func TestConfusedArguments(t *testing.T) {
	g := newGuarded(t)
	his, hers := g.things(1), g.things(2)
	for kind, id := range map[access.Kind]string{access.Experiment: hers.experiment, access.Model: hers.model} {
		require.NoError(t, g.users.Grant("eve", access.Grant{Kind: kind, ID: id, Level: access.Manage}))
	}
	g.want(200, "eve", "GET", "/runs/get?run_id="+hers.run, "")
	files := "/api/2.0/mlflow-artifacts/"
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/runs/get?run_id=&run_uuid=" + his.run + "&run_id=" + hers.run, ""},
		{"GET", "/get-artifact?run_id=" + his.run + "&run_uuid=" + hers.run + "&path=m/f", ""},
		{"POST", "/ajax-api/2.0/mlflow/upload-artifact?run_id=" + hers.run + "&run_uuid=" + his.run + "&path=x", "x"},
		{"POST", "/runs/set-tag", fmt.Sprintf(`{"run_id": %q, "run_id": %q, "key": "k", "value": "v"}`, hers.run, his.run)},
		{"POST", "/runs/set-tag", fmt.Sprintf(`{"run_id": "", "run_uuid": %q, "key": "k", "value": "v"}`, his.run)},
		{"POST", "/runs/log-metric", fmt.Sprintf(`{"run_id": %q, "key": "k", "value": 1, "timestamp": 1, "model_id": %q}`, hers.run, his.logged)},
		{"POST", "/runs/log-batch", fmt.Sprintf(`{"run_id": %q, "metrics": [{"key": "k", "value": 1, "timestamp": 1, "model_id": %q}]}`, hers.run, his.logged)},
		{"POST", "/runs/log-inputs", fmt.Sprintf(`{"run_id": %q, "models": [{"model_id": %q}]}`, hers.run, his.logged)},
		{"POST", "/runs/outputs", fmt.Sprintf(`{"run_id": %q, "models": [{"model_id": %q}]}`, hers.run, his.logged)},
		{"GET", "/ajax-api/2.0/mlflow/metrics/get-history-bulk?metric_key=k&run_id=" + hers.run + "&run_id=" + his.run, ""},
		{"GET", "/metrics/get-history-bulk-interval?metric_key=k&run_ids=" + hers.run + "&run_ids=" + his.run, ""},
		{"GET", "/logged-models/" + his.logged + "?model_id=" + hers.logged, ""},
		{"PATCH", "/logged-models/" + his.logged, fmt.Sprintf(`{"model_id": %q, "status": "LOGGED_MODEL_READY"}`, hers.logged)},
		{"GET", "/ajax-api/2.0/mlflow/logged-models/" + his.logged + "/artifacts/files?artifact_file_path=x&model_id=" + hers.logged, ""},
		{"POST", "/logged-models", fmt.Sprintf(`{"experiment_id": %q, "source_run_id": %q}`, hers.experiment, his.run)},
		{"POST", "/model-versions/create", fmt.Sprintf(`{"name": %q, "source": "runs:/%s/m"}`, hers.model, his.run)},
		{"POST", "/model-versions/create", fmt.Sprintf(`{"name": %q, "source": "models:/%s/1"}`, hers.model, his.model)},
		{"POST", "/model-versions/create", fmt.Sprintf(`{"name": %q, "source": "MODELS://%s/1"}`, hers.model, his.model)},
		{"POST", "/model-versions/create", fmt.Sprintf(`{"name": %q, "source": "models:/%s", "model_id": %q}`, hers.model, his.logged, his.logged)},
		{"POST", "/model-versions/create", fmt.Sprintf(`{"name": %q, "source": "mlflow-artifacts:/%s", "run_id": %q}`, hers.model, his.file(), his.run)},
		{"POST", "/model-versions/create", fmt.Sprintf(`{"name": %q, "source": "mlflow-artifacts:/%s", "run_id": %q}`, hers.model, his.file(), hers.run)},
		{"POST", "/experiments/create", fmt.Sprintf(`{"name": "x", "artifact_location": "mlflow-artifacts:/%s"}`, his.experiment)},
		{"POST", "/experiments/create", fmt.Sprintf(`{"name": "x", "artifact_location": "mlflow-artifacts:/%s/%s/artifacts"}`, his.experiment, his.run)},
		{"POST", "/experiments/create", `{"name": "x", "artifact_location": "mlflow-artifacts:/"}`},
		{"POST", "/experiments/create", `{"name": "x", "artifact_location": "mlflow-artifacts:/123456789"}`},
		{"GET", files + "artifacts/" + his.file() + "?path=" + hers.file(), ""},
		{"GET", files + "artifacts/" + strings.ReplaceAll(his.file(), "artifacts", "%61rtifacts"), ""},
		{"GET", files + "artifacts?path=" + his.experiment, ""},
		{"GET", files + "artifacts?path=" + his.experiment + "/" + his.run, ""},
		{"GET", files + "artifacts?path=", ""},
		{"GET", files + "artifacts", ""},
		{"PUT", files + "artifacts/" + his.file(), "x"},
		{"PUT", files + "artifacts/stray/" + hers.run + "/artifacts/f", "x"},
		{"PUT", files + "artifacts/" + his.experiment + "/" + hers.run + "/artifacts/f", "x"},
		{"DELETE", files + "artifacts/" + his.experiment, ""},
		{"POST", files + "mpu/create/" + his.file(), `{}`},
	} {
		g.want(http.StatusForbidden, "eve", c.method, c.path, c.body)
	}
	for _, c := range []struct{ method, path, body string }{
		{"GET", files + "artifacts/" + hers.file(), ""},
		{"GET", files + "artifacts?path=" + hers.experiment, ""},
		{"PUT", files + "artifacts/" + hers.file() + "2", "x"},
		{"DELETE", files + "artifacts/" + hers.file() + "2", ""},
		{"GET", "/get-artifact?run_uuid=" + hers.run + "&path=m/f", ""},
		{"POST", "/model-versions/create", fmt.Sprintf(`{"name": %q, "source": "models:/%s/1"}`, hers.model, hers.model)},
		{"POST", "/model-versions/create", fmt.Sprintf(`{"name": %q, "source": "mlflow-artifacts:/%s", "run_id": %q}`, hers.model, hers.file(), hers.run)},
		{"POST", "/experiments/create", `{"name": "own", "artifact_location": "mlflow-artifacts:/own/place"}`},
	} {
		g.want(200, "eve", c.method, c.path, c.body)
	}
	// A folder around or in another's is not for taking.
	for _, at := range []string{"own", "own/place", "own/place/in"} {
		g.want(403, "mallory", "POST", "/experiments/create", `{"name": "x", "artifact_location": "mlflow-artifacts:/`+at+`"}`)
		g.want(403, "mallory", "PUT", files+"artifacts/"+at+"/f", "x")
	}
	g.want(200, "eve", "PUT", files+"artifacts/own/place/f", "x")
	g.want(200, "reader", "GET", files+"artifacts/own/place/f", "")
	g.want(200, "reader", "GET", files+"artifacts?path=", "")
	g.want(403, "editor", "DELETE", files+"artifacts/own/place/f", "")
}

// TestLogins is who gets in over HTTP, and until when.
func TestLogins(t *testing.T) {
	g := newGuarded(t)
	require.NoError(t, g.users.AddUser("zoe", goodPassword, false))
	status := func(header string) int {
		return g.do("GET", api+"/users/current", "", "Authorization", header).Code
	}
	token := g.tokens["eve"]
	for header, want := range map[string]int{
		"Bearer " + token: 200, "bearer  " + token + " ": 200, "Bearer": 401, "Bearer x": 401, "Bearer " + goodPassword: 401, token: 401,
		"Digest " + token: 401, "Basic": 401, "Basic !!!": 401, "Basic " + token: 401, " ": 401,
		basic("eve", token)[3]: 200, basic("token", token)[3]: 200, basic("", token)[3]: 200, basic("zoe", token)[3]: 401,
		basic("zoe", goodPassword)[3]: 200, basic("zoe", goodPassword+"x")[3]: 401, basic("admin", "admin")[3]: 401, basic("admin", "password1234")[3]: 401,
		basic("admin", "password")[3]: 401, basic("mlflow", "mlflow")[3]: 401,
	} {
		require.Equal(t, want, status(header), "%q", header)
	}
	require.Equal(t, 401, g.do("GET", api+"/users/current?token="+token, "").Code, "not in a URL")
	u, err := g.users.User("eve")
	require.NoError(t, err)
	require.NoError(t, g.users.RevokeToken("eve", u.Tokens()[0].ID))
	require.Equal(t, 401, status("Bearer "+token))

	locked := 0
	for range 9 {
		if w := g.do("GET", api+"/users/current", "", basic("zoe", "not-it-not-it")...); w.Code == http.StatusTooManyRequests {
			require.NotEmpty(t, w.Header().Get("Retry-After"))
			locked++
		}
	}
	require.Positive(t, locked)
	require.Equal(t, http.StatusTooManyRequests, g.do("GET", api+"/users/current", "", basic("zoe", goodPassword)...).Code)
	for _, secret := range []string{token, goodPassword, "not-it-not-it"} {
		require.NotContains(t, g.log.String(), secret)
	}
}

// TestNobodyByMistake: a server with users and none of them lets nobody in.
func TestNobodyByMistake(t *testing.T) {
	users, err := access.Open(t.TempDir())
	require.NoError(t, err)
	b := newBench(t, &Options{Access: users})
	for _, header := range [][]string{nil, basic("", ""), basic("admin", ""), basic("admin", "password1234"), {"Authorization", "Bearer "}} {
		require.Equal(t, 401, b.do("GET", api+"/experiments/search?max_results=1", "", header...).Code)
	}
}
