// Train fits a small neural network with plain gradient descent and logs every
// step to a Runstone database:
//
//	go run ./examples/train -data ./data
//	runstone runs list -d ./data
//	runstone plot -d ./data RUN train/loss
//
// The task is real if small: tell points of two interleaved spirals apart. Two
// learning rates are tried as nested runs under one study; interrupting the
// program leaves the run under way as KILLED.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"

	"github.com/runstonedb/runstone"
)

func main() {
	dir := flag.String("data", "data", "directory of the database")
	steps := flag.Int("steps", 3000, "training steps of each run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := study(ctx, *dir, *steps); err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

// study trains with each learning rate and prints the best run.
func study(ctx context.Context, dir string, steps int) (err error) {
	db, err := runstone.Open(dir, nil)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	err = db.Track(ctx, "spirals", &runstone.RunOptions{Name: "study"}, func(ctx context.Context, parent *runstone.Run) error {
		for _, rate := range []float64{0.05, 0.3} {
			opt := &runstone.RunOptions{
				Name:   fmt.Sprintf("rate %v", rate),
				Params: map[string]string{"rate": fmt.Sprint(rate), "hidden": fmt.Sprint(hidden), "steps": fmt.Sprint(steps)},
				Parent: parent,
			}
			err := db.Track(ctx, "spirals", opt, func(ctx context.Context, run *runstone.Run) error {
				return train(ctx, run, rate, steps)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	best := &runstone.SearchOptions{OrderBy: []string{"metrics.`val/accuracy` DESC"}, Limit: 1}
	for run, err := range db.Search(ctx, "params.hidden LIKE '%'", best) {
		if err != nil {
			return err
		}
		accuracy, _ := run.Metric("val/accuracy")
		fmt.Printf("best: %s, %s, validation accuracy %.3f\n", run.ID, run.Name, accuracy)
	}
	return nil
}

const (
	hidden = 24
	batch  = 64
)

// train fits one network and logs its curves; a nil run logs nothing.
func train(ctx context.Context, run *runstone.Run, rate float64, steps int) error {
	rng := rand.New(rand.NewPCG(42, 7))
	net := newNetwork(rng)
	validation := spirals(rng, 512)
	for step := range int64(steps) {
		if err := ctx.Err(); err != nil {
			return err
		}
		loss, norm := net.step(spirals(rng, batch), rate)
		if err := run.Log(ctx, step, runstone.Metrics{"train/loss": loss, "train/gradient norm": norm}); err != nil {
			return err
		}
		if step%100 == 99 {
			loss, accuracy := net.evaluate(validation)
			if err := run.Log(ctx, step, runstone.Metrics{"val/loss": loss, "val/accuracy": accuracy}); err != nil {
				return err
			}
		}
	}
	return run.LogArtifact(ctx, "model/weights.txt", strings.NewReader(net.String()))
}

// sample is a point in the plane and the spiral it is on, 0 or 1.
type sample struct{ x, y, label float64 }

func spirals(rng *rand.Rand, n int) []sample {
	out := make([]sample, n)
	for i := range out {
		label := float64(rng.IntN(2))
		turn := 0.5 + 2.5*rng.Float64()
		angle := turn*math.Pi + label*math.Pi
		r := turn / 3
		out[i] = sample{r*math.Cos(angle) + 0.02*rng.NormFloat64(), r*math.Sin(angle) + 0.02*rng.NormFloat64(), label}
	}
	return out
}

// network has two hidden layers of tanh units and one logistic output.
type network struct {
	w1 [hidden][3]float64
	w2 [hidden][hidden + 1]float64
	w3 [hidden + 1]float64
}

func newNetwork(rng *rand.Rand) *network {
	n := &network{}
	for i := range hidden {
		for j := range n.w1[i] {
			n.w1[i][j] = rng.NormFloat64() * 1.5
		}
		for j := range n.w2[i] {
			n.w2[i][j] = rng.NormFloat64() / math.Sqrt(hidden)
		}
		n.w3[i] = rng.NormFloat64() / math.Sqrt(hidden)
	}
	return n
}

// forward returns the probability of label 1 and the hidden activations.
func (n *network) forward(s sample) (p float64, h1, h2 [hidden]float64) {
	for i := range hidden {
		h1[i] = math.Tanh(n.w1[i][0]*s.x + n.w1[i][1]*s.y + n.w1[i][2])
	}
	out := n.w3[hidden]
	for i := range hidden {
		sum := n.w2[i][hidden]
		for j := range hidden {
			sum += n.w2[i][j] * h1[j]
		}
		h2[i] = math.Tanh(sum)
		out += n.w3[i] * h2[i]
	}
	return 1 / (1 + math.Exp(-out)), h1, h2
}

// step does one step of gradient descent on a batch and returns its mean
// cross-entropy and the norm of its gradient.
func (n *network) step(samples []sample, rate float64) (loss, norm float64) {
	var g network
	for _, s := range samples {
		p, h1, h2 := n.forward(s)
		loss += crossEntropy(p, s.label)
		d := p - s.label
		g.w3[hidden] += d
		var d1 [hidden]float64
		for i := range hidden {
			g.w3[i] += d * h2[i]
			d2 := d * n.w3[i] * (1 - h2[i]*h2[i])
			g.w2[i][hidden] += d2
			for j := range hidden {
				g.w2[i][j] += d2 * h1[j]
				d1[j] += d2 * n.w2[i][j]
			}
		}
		for j := range hidden {
			dj := d1[j] * (1 - h1[j]*h1[j])
			g.w1[j][0] += dj * s.x
			g.w1[j][1] += dj * s.y
			g.w1[j][2] += dj
		}
	}
	scale := 1 / float64(len(samples))
	sum := 0.0
	update := func(w, g []float64) {
		for i := range w {
			d := g[i] * scale
			sum += d * d
			w[i] -= rate * d
		}
	}
	for i := range hidden {
		update(n.w1[i][:], g.w1[i][:])
		update(n.w2[i][:], g.w2[i][:])
	}
	update(n.w3[:], g.w3[:])
	return loss * scale, math.Sqrt(sum)
}

func (n *network) evaluate(samples []sample) (loss, accuracy float64) {
	for _, s := range samples {
		p, _, _ := n.forward(s)
		loss += crossEntropy(p, s.label)
		if (p > 0.5) == (s.label == 1) {
			accuracy++
		}
	}
	return loss / float64(len(samples)), accuracy / float64(len(samples))
}

func crossEntropy(p, label float64) float64 {
	const least = 1e-12
	return -label*math.Log(max(p, least)) - (1-label)*math.Log(max(1-p, least))
}

// String writes the weights as lines of numbers.
func (n *network) String() string {
	var b strings.Builder
	for i := range hidden {
		fmt.Fprintln(&b, n.w1[i], n.w2[i])
	}
	fmt.Fprintln(&b, n.w3)
	return b.String()
}
