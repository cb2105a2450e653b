package server

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawRun draws a run with texts of that kind.
func drawRun(t *rapid.T, text *rapid.Generator[string]) wireRun {
	str := func() string { return text.Draw(t, "text") }
	whole := func() int64 { return rapid.Int64().Draw(t, "integer") }
	many := func() int { return rapid.IntRange(0, 2).Draw(t, "many") }
	tags := func() (out []wireTag) {
		for range many() {
			out = append(out, wireTag{str(), str()})
		}
		return out
	}
	models := func() (out []wireModels) {
		for range many() {
			m := wireModels{ID: str()}
			if rapid.Bool().Draw(t, "step") {
				n := whole()
				m.Step = &n
			}
			out = append(out, m)
		}
		return out
	}
	r := wireRun{Info: wireRunInfo{str(), str(), str(), str(), str(), whole(), whole(), str(), str(), str()}}
	for range many() {
		v := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1), math.Inf(-1), 1e-5, 1e16, 3})).Draw(t, "value")
		r.Data.Metrics = append(r.Data.Metrics, wireMetric{str(), number(v), whole(), whole(), str(), str(), str(), str()})
	}
	r.Data.Params, r.Data.Tags = tags(), tags()
	for range many() {
		r.Inputs.Datasets = append(r.Inputs.Datasets, wireInput{tags(), wireDataset{str(), str(), str(), str(), str(), str()}})
	}
	r.Inputs.Models = models()
	if rapid.Bool().Draw(t, "outputs") {
		r.Outputs = &wireOutputs{models()}
	}
	return r
}

// What an encodable message writes is what the tags of its fields say, byte for
// byte where a text is plain.
func TestEncodersWriteWhatJSONWould(t *testing.T) {
	for name, text := range map[string]*rapid.Generator[string]{
		"plain": rapid.StringMatching(`[ -~]{0,8}`), "any": rapid.String(),
	} {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			page := runsAnswer{Next: text.Draw(t, "token")}
			for range rapid.IntRange(0, 3).Draw(t, "runs") {
				page.Runs = append(page.Runs, drawRun(t, text))
			}
			messages := []any{empty{}, page}
			for _, r := range page.Runs {
				messages = append(messages, runAnswer{r})
			}
			for _, m := range messages {
				var want bytes.Buffer
				e := json.NewEncoder(&want)
				e.SetEscapeHTML(false)
				e.SetIndent("", "  ")
				require.NoError(t, e.Encode(m))
				var got encoder
				m.(encodable).encode(&got)
				if name == "plain" {
					require.Equal(t, string(bytes.TrimSuffix(want.Bytes(), []byte("\n"))), string(got.b))
				}
				require.JSONEq(t, want.String(), string(got.b))
			}
		}))
	}
}
