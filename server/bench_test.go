package server

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
)

// BenchmarkLogBatch logs 1,000 points of one metric in a request.
func BenchmarkLogBatch(b *testing.B) {
	s := newBench(b, nil)
	run := s.run()
	var points []string
	for i := range 1000 {
		points = append(points, fmt.Sprintf(`{"key": "loss", "value": %v, "timestamp": %d, "step": %d}`, 1/float64(i+1), 1e12+i, i))
	}
	body := fmt.Sprintf(`{"run_id": "%s", "metrics": [%s]}`, run, strings.Join(points, ", "))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		require.Equal(b, 200, s.do("POST", api+"/runs/log-batch", body).Code)
	}
}

// BenchmarkCreate makes runs as clients do: five tags with the run, then a batch of
// ten params and eight metrics.
func BenchmarkCreate(b *testing.B) {
	s := newBench(b, nil)
	var tags, params, metrics []string
	for i := range 10 {
		tags = append(tags, fmt.Sprintf(`{"key": "tag%d", "value": "value %d"}`, i, i))
		params = append(params, fmt.Sprintf(`{"key": "param%d", "value": "%d"}`, i, i))
		metrics = append(metrics, fmt.Sprintf(`{"key": "metric%d", "value": %d, "timestamp": 1700000000000, "step": 0}`, i, i))
	}
	create := `{"experiment_id": "0", "run_name": "name", "start_time": 1700000000000, "tags": [` + strings.Join(tags[:5], ", ") + `]}`
	fields := `{"params": [` + strings.Join(params, ", ") + `], "metrics": [` + strings.Join(metrics[:8], ", ") + `], "run_id": "`
	b.ReportAllocs()
	for b.Loop() {
		run := s.ok("POST", api+"/runs/create", create)["run"].(map[string]any)["info"].(map[string]any)["run_id"].(string)
		require.Equal(b, 200, s.do("POST", api+"/runs/log-batch", fields+run+`"}`).Code)
	}
}

// BenchmarkHistory reads a metric of 25,000 points.
func BenchmarkHistory(b *testing.B) {
	s := newBench(b, nil)
	run := s.run()
	batch := runstone.Batch{}
	for i := range 25_000 {
		batch.Metrics = append(batch.Metrics, runstone.Metric{Name: "loss", Value: 1 / float64(i+1), Step: int64(i), Time: int64(i)})
	}
	require.NoError(b, s.db.LogBatch(context.Background(), run, batch))
	b.ReportAllocs()
	for b.Loop() {
		require.Equal(b, 200, s.do("GET", api+"/metrics/get-history?run_id="+run+"&metric_key=loss", "").Code)
	}
}

// BenchmarkSearch reads a page of 100 runs out of 1,000.
func BenchmarkSearch(b *testing.B) {
	s := newBench(b, nil)
	for i := range 1000 {
		run := s.run()
		require.NoError(b, s.db.LogBatch(context.Background(), run, runstone.Batch{
			Metrics: []runstone.Metric{{Name: "loss", Value: float64(i), Time: 1}},
			Params:  []runstone.KV{{Key: "lr", Value: fmt.Sprint(i)}},
		}))
	}
	b.ReportAllocs()
	for b.Loop() {
		w := s.do("POST", api+"/runs/search", `{"experiment_ids": ["0"], "filter": "metrics.loss < 500", "max_results": 100}`)
		require.Equal(b, 200, w.Code)
	}
}

// BenchmarkAccess logs a metric, where everybody does everything and as users
// with a token and with a password.
func BenchmarkAccess(b *testing.B) {
	for _, who := range []string{"open", "token", "password", "admin"} {
		b.Run(who, func(b *testing.B) {
			g := newGuarded(b)
			header := []string{"Content-Type", "application/json"}
			switch who {
			case "open":
				g.bench = newBench(b, nil)
			case "password":
				require.NoError(b, g.users.SetPassword("editor", goodPassword))
				header = basic("editor", goodPassword)
			case "token":
				header = append(header, "Authorization", "Bearer "+g.tokens["editor"])
			case "admin":
				header = append(header, "Authorization", "Bearer "+g.tokens["admin"])
			}
			body := fmt.Sprintf(`{"run_id": %q, "key": "m", "value": 1, "timestamp": 1, "step": 1}`, g.run())
			b.ReportAllocs()
			for b.Loop() {
				require.Equal(b, 200, g.do("POST", api+"/runs/log-metric", body, header...).Code)
			}
		})
	}
}
