package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
)

// TestHostileSearches sends what could cost a search much: each is answered or
// refused, and takes a bounded amount of memory.
func TestHostileSearches(t *testing.T) {
	b := newBench(t, nil)
	for i := range 50 {
		run := b.run()
		require.NoError(t, b.db.LogBatch(context.Background(), run, runstone.Batch{
			Metrics: []runstone.Metric{{Name: "a", Value: float64(i), Step: 1}, {Name: "a", Value: 2, Step: 2}},
			Params:  []runstone.KV{{Key: "p", Value: strings.Repeat("x", 5000)}, {Key: "q", Value: fmt.Sprint(i)}},
		}))
	}
	require.NoError(t, b.db.Fold(context.Background()))
	long := func(part string) string { return strings.TrimSpace(strings.Repeat(part, 60_000/len(part))) }
	deep := func(open string, n int) string {
		return strings.Repeat(open, n) + "metrics.a > 1" + strings.Repeat(")", n)
	}
	token := func(v string) string { return base64.StdEncoding.EncodeToString([]byte(v)) }
	type request map[string]any
	for name, c := range map[string]struct {
		status int
		body   request
	}{
		"words":              {400, request{"filter": long("a ")}},
		"quotes":             {400, request{"filter": long("'")}},
		"backslashes":        {200, request{"filter": "params.p = '" + long(`\'`)}},
		"parentheses":        {400, request{"filter": deep("(", 30_000)}},
		"deep":               {200, request{"filter": deep("(", 100)}},
		"children":           {200, request{"filter": deep("ANY child(", 100)}},
		"not children":       {200, request{"filter": deep("NOT ALL child(NOT ", 33)}},
		"parents":            {400, request{"filter": long("parent.parent.params.p = 'x' ")}},
		"ors":                {200, request{"filter": strings.Repeat("metrics.a > 1 OR ", 2400) + "metrics.a > 1"}},
		"points":             {200, request{"filter": strings.Repeat("slope(metrics.a) > 1 OR ", 1400) + "metrics.a > 1"}},
		"windows":            {200, request{"filter": strings.Repeat("EVER(metrics.a > 1) OVER LAST 9 STEPS OR ", 800) + "metrics.a > 1"}},
		"list":               {200, request{"filter": "params.q IN (" + strings.Repeat("'1',", 4900) + "'2')"}},
		"longer list":        {400, request{"filter": "params.q IN (" + strings.Repeat("'1',", 9000) + "'2')"}},
		"like":               {200, request{"filter": "params.p LIKE '" + strings.Repeat("%_", 500) + "y'"}},
		"ilike":              {200, request{"filter": "params.p ILIKE '%" + strings.Repeat("x", 1000) + "y%'"}},
		"regular expression": {200, request{"filter": "params.p ~ '(x?){200}y'"}},
		"repetition":         {400, request{"filter": "params.p ~ '((x{100}){100}){10}'"}},
		"nested repetition":  {200, request{"filter": "params.p ~ '(x+x+)+y'"}},
		"sums":               {200, request{"filter": strings.Repeat("metrics.a + ", 99) + "metrics.a > 1"}},
		"dates":              {200, request{"filter": "start_time > date('0000-01-01') AND end_time IS NULL OR start_time < ago('142000d')"}},
		"units":              {200, request{"filter": "duration < 9223372036854775807w OR duration < 1e308PiB"}},
		"group":              {400, request{"filter": "GROUP BY run_id SELECT count()"}},
		"group of shown":     {400, request{"filter": "GROUP BY params.q SELECT count(), median(metrics.a) LIMIT 2147483647 PER GROUP"}},
		"select":             {200, request{"filter": "SELECT " + strings.Repeat("slope(metrics.a), ", 63) + "run_id"}},
		"offset":             {200, request{"filter": "OFFSET 2147483647 LIMIT 2147483647", "max_results": 50_000}},
		"orders":             {200, request{"order_by": []string{"metrics.a", "slope(metrics.a)", "params.p", "metrics.a + 1", "-metrics.a"}}},
		"many orders":        {400, request{"order_by": strings.Split(long("metrics.a "), " ")}},
		"long order":         {400, request{"order_by": []string{long("metrics.a + ")}}},
		"far offset":         {200, request{"page_token": token(`{"offset": 281474976710656}`)}},
		"no cursor":          {400, request{"page_token": token(`{"after": "AAAA"}`)}},
		"long cursor":        {400, request{"page_token": token(`{"after": "` + strings.Repeat("A", 2<<20) + `"}`)}},
		"cursor and offset":  {400, request{"page_token": token(`{"after": "\u0000", "offset": 5}`)}},
		"experiments":        {200, request{"experiment_ids": strings.Split(strings.Repeat("0 ", 15_000), " ")}},
	} {
		if c.body["experiment_ids"] == nil {
			c.body["experiment_ids"] = []string{"0"}
		}
		text, err := json.Marshal(c.body)
		require.NoError(t, err)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := b.do("POST", api+"/runs/search", string(text), "Content-Type", "application/json")
		runtime.ReadMemStats(&after)
		require.Equal(t, c.status, w.Code, "%s: %.300s", name, w.Body)
		require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), name)
		if c.status != 200 {
			require.Less(t, w.Body.Len(), 4<<10, name)
		}
	}
	b.refused("POST", api+"/runs/search", `{"experiment_ids": ["0"], "filter": "GROUP BY run_id SELECT count()"}`, 400, "INVALID_PARAMETER_VALUE",
		"A query with GROUP BY finds groups, which this search does not answer.")
	require.Equal(t, "RESOURCE_EXHAUSTED", toWire(fmt.Errorf("search: %w", &runstone.PartialError{Limit: "bytes"})).code)
}

// TestForgedTokens: a page token with any byte changed is refused, or is the token
// of another page.
func TestForgedTokens(t *testing.T) {
	b := newBench(t, nil)
	for range 3 {
		b.run()
	}
	const first = `{"experiment_ids": ["0"], "max_results": 1, "order_by": ["metrics.a DESC", "run_name"]`
	token := b.ok("POST", api+"/runs/search", first+`}`)["next_page_token"].(string)
	b.ok("POST", api+"/runs/search", first+`, "page_token": "`+token+`"}`)
	plain, err := base64.StdEncoding.DecodeString(token)
	require.NoError(t, err)
	for i := range plain {
		for _, c := range []byte{0, 'A', '"', 0xff} {
			if plain[i] == c {
				continue
			}
			forged := string(plain[:i]) + string(c) + string(plain[i+1:])
			w := b.do("POST", api+"/runs/search", first+`, "page_token": "`+base64.StdEncoding.EncodeToString([]byte(forged))+`"}`,
				"Content-Type", "application/json")
			require.Contains(t, []int{200, 400}, w.Code, "%q", forged)
			if strings.HasPrefix(forged, `{"after": "`) && strings.HasSuffix(forged, `"}`) {
				require.Equal(t, 400, w.Code, "%q", forged)
			}
		}
	}
}
