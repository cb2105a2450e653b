package plan

import (
	"math"
	"testing"

	"github.com/runstonedb/runstone/query"
	"github.com/runstonedb/runstone/query/tree"
	"github.com/stretchr/testify/require"
)

var nan, inf = math.NaN(), math.Inf(1)

// fourRuns hold what is hard: no value, NaN, infinities, integers that a float64
// does not hold, numbers in strings, several datasets.
func fourRuns() []testRow {
	rows := make([]testRow, 4)
	set := func(i int, ref Ref, v ...Value) {
		if rows[i].fields == nil {
			rows[i].fields, rows[i].points = map[Ref][]Value{}, map[string][]float64{}
		}
		rows[i].fields[ref] = v
	}
	for i, id := range []string{"a", "b", "c", "d"} {
		set(i, Ref{Key: "run_id"}, Str(id))
		set(i, Ref{Key: "start_time"}, Whole(int64(i)+1<<53))
	}
	set(1, Ref{Key: "parent_id"}, Str("a"))
	set(2, Ref{Key: "parent_id"}, Str("a"))
	set(3, Ref{Key: "parent_id"}, Str("b"))
	for i, v := range []string{"0.01", "1e-2", "Net_50%"} {
		set(i, Ref{Entity: tree.Param, Key: "p"}, Str(v))
	}
	set(0, Ref{Entity: tree.Tag, Key: "env"}, Str("prod"))
	set(1, Ref{Entity: tree.Tag, Key: "env"}, Str(""))
	name := Ref{Entity: tree.Dataset, Key: "name"}
	set(0, name, Str("d1"), Str("d2"))
	set(1, name, Str("d1"))
	rows[0].points["m"] = []float64{1, 2, 3}
	rows[1].points["m"] = []float64{nan, 2, nan}
	rows[2].points["m"] = []float64{nan}
	rows[0].points["i"] = []float64{-inf, 0, inf}
	rows[1].points["i"] = []float64{inf}
	rows[0].used = []string{"x"}
	return rows
}

func TestRules(t *testing.T) {
	for text, want := range map[string][]int{
		"": {0, 1, 2, 3},
		// Missing and NaN.
		"metrics.m > 0":                      {0},
		"metrics.m != 0":                     {0, 1, 2},
		"NOT metrics.m > 0":                  {1, 2, 3},
		"metrics.m IS NAN":                   {1, 2},
		"metrics.m IS NOT NAN":               {0},
		"metrics.m IS NULL":                  {3},
		"metrics.m IS NOT NULL":              {0, 1, 2},
		"metrics.m IN (3, 4)":                {0},
		"metrics.m NOT IN (3, 4)":            {1, 2},
		"metrics.m BETWEEN 3 AND 3":          {0},
		"metrics.m NOT BETWEEN 4 AND 5":      {0},
		"metrics.m IS DISTINCT FROM 3":       {1, 2, 3},
		"metrics.m IS NOT DISTINCT FROM 3":   {0},
		"metrics.m = metrics.m":              {0},
		"metrics.m != metrics.m":             {1, 2},
		"metrics.i IS INF":                   {0, 1},
		"metrics.i > 1e400":                  nil,
		"metrics.i >= 1e400":                 {0, 1},
		"metrics.m / 0 IS INF":               {0},
		"metrics.m % 0 IS NAN":               {0, 1, 2},
		"metrics.m + metrics.none IS NULL":   {0, 1, 2, 3},
		"abs(metrics.m - 5) = 2":             {0},
		"metrics.none != 1 OR metrics.m = 3": {0},
		"metrics.m = 3 AND metrics.none = 1": nil,
		// Integers are exact.
		"start_time = 9007199254740992":    {0},
		"start_time = 9007199254740993":    {1},
		"start_time > 9007199254740993":    {2, 3},
		"start_time < 9007199254740993.5":  {0, 1},
		"start_time >= 9007199254740993":   {1, 2, 3},
		"start_time IN (9007199254740993)": {1},
		"start_time != 9007199254740993":   {0, 2, 3},
		"start_time < 1e300":               {0, 1, 2, 3},
		"start_time > now()":               {0, 1, 2, 3},
		// Strings, and numbers that they spell.
		"params.p = '0.01'":             {0},
		"params.p = 0.01":               {0, 1},
		"params.p < 1":                  {0, 1},
		"params.p != 1":                 {0, 1},
		"params.p != '0.01'":            {1, 2},
		"params.p LIKE 'Net_50%'":       {2},
		"params.p LIKE '%e%'":           {1, 2},
		"params.p NOT LIKE '%e%'":       {0},
		"params.p ILIKE 'NET%'":         {2},
		"params.p ~ '^[0-9.]+$'":        {0},
		"params.p !~ '^[0-9.]+$'":       {1, 2},
		"params.p ~* 'net'":             {2},
		"params.p IN ('0.01', 'x')":     {0},
		"params.p NOT IN ('0.01', 'x')": {1, 2},
		"tags.env = ''":                 {1},
		"tags.env IS NULL":              {2, 3},
		"tags.env != 'prod'":            {1},
		"NOT tags.env = 'prod'":         {1, 2, 3},
		// Any of several values.
		"dataset.name = 'd1'":                         {0, 1},
		"dataset.name != 'd1'":                        {0},
		"NOT dataset.name = 'd1'":                     {2, 3},
		"dataset.name = 'd1' AND dataset.name = 'd2'": {0},
		"dataset.name IS NULL":                        {2, 3},
		"dataset.name NOT IN ('d1')":                  {0},
		"dataset.name LIKE '%2'":                      {0},
		// Points.
		"min(metrics.m) = 1":                      {0},
		"min(metrics.m) = 2":                      {1},
		"max(metrics.m) - min(metrics.m) = 2":     {0},
		"nan_count(metrics.m) = 1":                {2},
		"argmax(metrics.m) = 2":                   {0},
		"delta(metrics.m) = 2":                    {0},
		"first(metrics.m) = 1":                    {0},
		"EVER(metrics.m > 2)":                     {0},
		"EVER(metrics.m IS NAN)":                  {1, 2},
		"EVER(metrics.m != 2)":                    {0, 1, 2},
		"ALWAYS(metrics.m > 0)":                   {0},
		"ALWAYS(metrics.m IS NAN)":                {2},
		"ALWAYS(metrics.m IS NOT NAN)":            {0},
		"NEVER(metrics.m > 2)":                    {1, 2},
		"NOT EVER(metrics.m > 2)":                 {1, 2, 3},
		"EVER(metrics.i IS INF)":                  {0, 1},
		"ALWAYS(metrics.i IS INF)":                {1},
		"EVER(metrics.i = 0)":                     {0},
		"EVER(metrics.m = 3) OVER FIRST 2 STEPS":  nil,
		"NEVER(metrics.m = 3) OVER FIRST 2 STEPS": {0, 1, 2},
		"max(metrics.m) OVER FIRST 2 STEPS = 2":   {0, 1},
		// Relatives.
		"parent.metrics.m = 3":                    {1, 2},
		"ANY child(metrics.m IS NAN)":             {0},
		"ALL child(metrics.m IS NAN)":             {0},
		"ALL child(metrics.m IS NULL)":            {1},
		"ANY child(ANY child(metrics.m IS NULL))": {0},
		"NOT ANY child(metrics.m IS NAN)":         {1, 2, 3},
		"parent.parent.run_id = 'a'":              {3},
		"USED dataset('x')":                       {0},
	} {
		t.Run(text, func(t *testing.T) {
			q, err := query.Parse(tree.Runs, text)
			require.NoError(t, err)
			if want == nil {
				want = []int{}
			}
			for _, src := range []*testSource{
				{rows: fourRuns(), size: 4, zones: true}, {rows: fourRuns(), size: 1, zones: true}, {rows: fourRuns(), size: 3, backs: true},
			} {
				require.Equal(t, want, rowsOf(run(t, q, src, nil).Hits))
			}
		})
	}
}

func TestOrders(t *testing.T) {
	for text, want := range map[string][]int{
		"ORDER BY metrics.m":                                      {0, 2, 1, 3}, // the newer one first
		"ORDER BY metrics.m DESC":                                 {0, 2, 1, 3},
		"ORDER BY metrics.m NULLS FIRST, run_id":                  {3, 1, 2, 0},
		"ORDER BY metrics.i DESC, start_time DESC":                {1, 0, 3, 2},
		"ORDER BY start_time DESC":                                {3, 2, 1, 0},
		"ORDER BY start_time DESC LIMIT 2":                        {3, 2},
		"ORDER BY start_time DESC LIMIT 2 OFFSET 1":               {2, 1},
		"ORDER BY params.p DESC":                                  {2, 1, 0, 3},
		"ORDER BY min(metrics.m) DESC":                            {1, 0, 3, 2},
		"ORDER BY metrics.m - metrics.i, run_id DESC":             {0, 1, 3, 2},
		"ORDER BY max(metrics.m) OVER FIRST 2 STEPS, run_id DESC": {1, 0, 3, 2},
	} {
		t.Run(text, func(t *testing.T) {
			q, err := query.Parse(tree.Runs, text)
			require.NoError(t, err)
			for _, src := range []*testSource{{rows: fourRuns(), size: 4, zones: true}, {rows: fourRuns(), size: 1, zones: true}} {
				require.Equal(t, want, rowsOf(run(t, q, src, nil).Hits))
			}
		})
	}
}
