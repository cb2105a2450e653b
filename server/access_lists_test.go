package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/access"
)

// TestEachOfAList: what a user may not read is refused wherever it stands in a
// list, however long that is, by every route that takes a list.
func TestEachOfAList(t *testing.T) {
	g := newGuarded(t)
	mine, theirs := g.things(1), g.things(2)
	require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Experiment, ID: mine.experiment, Level: access.Manage}))
	lists := map[subject]struct{ name, mine, theirs string }{
		experiments: {"experiment_ids", mine.experiment, theirs.experiment},
		runsOf:      {"run_id", mine.run, theirs.run},
		runIDsOf:    {"run_ids", mine.run, theirs.run},
	}
	asked := 0
	for i := range routes {
		rt := &routes[i]
		for _, n := range rules[rt.method+" "+rt.path] {
			list, ok := lists[n.of]
			if !ok {
				continue
			}
			for _, many := range []int{1, 2, 99, 100, 101, 102, 200, 201, 499, 500, 501, 2000} {
				ids := slices.Repeat([]string{list.mine}, many)
				ids[many-1] = list.theirs
				path, body := mine.request(rt.mount.prefixes("")[0], rt, "eve")
				if rt.method == http.MethodGet {
					at, err := url.Parse(path)
					require.NoError(t, err)
					q := at.Query()
					q[list.name] = ids
					at.RawQuery = q.Encode()
					path = at.String()
				} else {
					args := map[string]any{}
					require.NoError(t, json.Unmarshal([]byte(body), &args))
					args[list.name], args["metric_keys"] = ids, []string{"k"}
					b, err := json.Marshal(args)
					require.NoError(t, err)
					body = string(b)
				}
				code, text := g.as("eve", rt.method, path, body)
				asked++
				require.Contains(t, []int{http.StatusForbidden, http.StatusBadRequest}, code, fmt.Sprintf("%s %s of %d: %s", rt.method, rt.path, many, text))
				if many < 100 {
					require.Equal(t, http.StatusForbidden, code, text)
				}
			}
		}
	}
	require.Greater(t, asked, 90)
}

// TestUIMay: pages hear what the matrix of authorization allows, of a list the least.
func TestUIMay(t *testing.T) {
	g := newGuarded(t)
	mine, theirs := g.things(1), g.things(2)
	require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Experiment, ID: mine.experiment, Level: access.Manage}))
	require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Experiment, ID: theirs.experiment, Level: access.Edit}))
	require.NoError(t, g.users.Grant("eve", access.Grant{Kind: access.Model, ID: mine.model, Level: access.Edit}))
	may := func(user string, q url.Values) string {
		return g.want(http.StatusOK, user, "GET", uiAPI+"/may?"+q.Encode(), "")
	}
	nothing, edit, all := `{"edit":false,"manage":false}`, `{"edit":true,"manage":false}`, `{"edit":true,"manage":true}`
	for user, want := range map[string]string{"none": nothing, "reader": nothing, "editor": edit, "manager": all, "admin": all} {
		for _, q := range []url.Values{{"experiment_ids": {mine.experiment}}, {"experiment_ids": {mine.experiment, theirs.experiment}}, {"name": {mine.model}}, {"name": {"not there"}}} {
			require.JSONEq(t, want, may(user, q), "%s %v", user, q)
		}
	}
	require.JSONEq(t, all, may("eve", url.Values{"experiment_ids": {"00" + mine.experiment}}))
	require.JSONEq(t, edit, may("eve", url.Values{"experiment_ids": {mine.experiment, theirs.experiment}}))
	require.JSONEq(t, nothing, may("eve", url.Values{"experiment_ids": {mine.experiment, "12345"}}))
	require.JSONEq(t, edit, may("eve", url.Values{"name": {mine.model}}))
	require.JSONEq(t, nothing, may("eve", url.Values{"name": {theirs.model}}))
	g.want(http.StatusUnauthorized, "", "GET", uiAPI+"/may", "")

	open := newBench(t, nil).do("GET", uiAPI+"/may?experiment_ids=7&name=m", "")
	require.JSONEq(t, all, open.Body.String())
}
