package bench

import (
	"encoding/json"
	"math"
	"strconv"
)

// trendJSON is how a trend is printed and sent.
type trendJSON struct {
	ID
	Machine string       `json:"machine"`
	Better  int          `json:"better"`
	Points  []pointJSON  `json:"points"`
	Changes []changeJSON `json:"changes"`
}

type pointJSON struct {
	Run    string  `json:"run_id"`
	Commit string  `json:"commit"`
	Dirty  bool    `json:"dirty"`
	Time   int64   `json:"time"`
	Start  int64   `json:"start"`
	Median float64 `json:"median"`
	Lo     float64 `json:"lo,omitempty"`
	Hi     float64 `json:"hi,omitempty"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

type changeJSON struct {
	Commit       string  `json:"commit"`
	CommitBefore string  `json:"commit_before"`
	Delta        anyJSON `json:"delta"`
	From         float64 `json:"from"`
	Index        int     `json:"index"`
	P            float64 `json:"p"`
	Run          string  `json:"run"`
	RunBefore    string  `json:"run_before"`
	Score        float64 `json:"score"`
	To           float64 `json:"to"`
}

// anyJSON is a number that may be infinite, which is a string then.
type anyJSON float64

// MarshalJSON implements [json.Marshaler].
func (n anyJSON) MarshalJSON() ([]byte, error) {
	switch v := float64(n); {
	case math.IsInf(v, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(v, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return strconv.AppendFloat(nil, v, 'g', -1, 64), nil
	}
}

// MarshalJSON implements [json.Marshaler]: the trend with its points and changes,
// times in Unix ms, and of a change the runs and commits on both sides. The
// delta of a change from 0 is "Infinity" or "-Infinity".
func (t *Trend) MarshalJSON() ([]byte, error) {
	out := trendJSON{ID: t.ID, Machine: t.Machine, Better: t.Better, Points: make([]pointJSON, len(t.Points)), Changes: make([]changeJSON, len(t.Changes))}
	for i := range t.Points {
		p := &t.Points[i]
		out.Points[i] = pointJSON{p.Run, p.Commit, p.Dirty, p.Time.UnixMilli(), p.Start.UnixMilli(), p.Median, p.Lo, p.Hi, p.Min, p.Max, p.N}
	}
	for i := range t.Changes {
		c := &t.Changes[i]
		before, at := &t.Points[c.Index-1], &t.Points[c.Index]
		out.Changes[i] = changeJSON{at.Commit, before.Commit, anyJSON(c.Delta()), c.From, c.Index, c.P, at.Run, before.Run, c.Score, c.To}
	}
	return json.Marshal(out)
}
