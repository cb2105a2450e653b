// Package load is the workload that Runstone is measured with, and the driver
// that puts a database under it.
//
// The workload is what ten training runs log at once: ten metrics each, for
// every step, handed over in batches of 1,000 points (100 steps of one run), the
// runs in turn, and each batch acknowledged before the next. The metrics are of
// the kinds that real runs have:
//
//	train/loss        float32   decays, 2 % noise
//	train/grad_norm   float32   noisy, with spikes
//	train/loss_ema    float64   moving average of the loss, all 53 bits in use
//	train/throughput  float64   tokens per measured second, all 53 bits in use
//	train/lr          float64   warm-up, then cosine
//	train/accuracy    k/512     right answers of a batch
//	val/loss          decimal   printed with 4 digits
//	gpu/util          integer   percent
//	gpu/temp          integer   °C, moves slowly
//	gpu/memory        integer   MiB, almost constant
//
// Steps count from 0. Times are Unix ms about 250 apart with a normal jitter of
// 4 ms. Everything comes from a seed: the same shape gives the same bits.
//
// Other shapes put the same kinds of number elsewhere: [OneSeries] into one long
// series, [Short] into very many short ones, [Spread] as many points into as many
// series as one likes. [ReadCorpus] brings real curves from files instead.
// [Runs] are not points but very many runs with fields, for searching.
//
// [Measure] drives any database that fits [Engine]; [Open] is the one for the
// embedded Runstone. [MeasureWriters] is another load: many goroutines that
// each wait for a point to be durable before they log the next.
package load

import (
	"fmt"
	"math"

	"github.com/runstonedb/runstone"
)

// Shape is the size of a workload.
type Shape struct {
	Runs    int
	Metrics int // of each run: the first of the ten kinds, and then again
	Steps   int // of each metric
	Batch   int // points in a batch: Batch/Metrics steps of one run
}

// Full is the workload of the published figures: 10 million points.
var Full = Sized(10_000_000)

// Sized returns the shape of Full with about as many points, and shorter runs.
func Sized(points int) Shape {
	return Shape{Runs: 10, Metrics: 10, Steps: max(1, points/100), Batch: 1000}
}

// OneSeries returns the shape of one run with one metric, 1,000 points a batch.
func OneSeries(points int) Shape { return Shape{Runs: 1, Metrics: 1, Steps: points, Batch: 1000} }

// Short returns the shape of many short series: runs of ten metrics and ten
// steps, each run in one batch.
func Short(points int) Shape {
	return Shape{Runs: max(1, points/100), Metrics: 10, Steps: 10, Batch: 100}
}

// Spread returns the shape of about so many points in so many series, ten in
// each run; series is a multiple of ten.
func Spread(points, series int) Shape {
	return Shape{Runs: max(1, series/10), Metrics: 10, Steps: max(1, points/series), Batch: 1000}
}

// Points returns the number of points in all.
func (s Shape) Points() int { return s.Runs * s.Metrics * s.Steps }

// Workload returns the points of the shape. Reading is timed on the first
// metric of the run in the middle.
func (s Shape) Workload() Workload {
	return Workload{
		Runs: s.Runs, Points: s.Points(),
		Source: func(run int) Source { return NewGenerator(s, run) },
		Probe:  Series{Run: s.Runs / 2, Metric: s.Names()[0], Points: s.Steps, Steps: s.Steps},
	}
}

// batchSteps returns the number of steps in a full batch.
func (s Shape) batchSteps() int { return max(1, min(s.Steps, s.Batch/s.Metrics)) }

// Names returns the names of the metrics, by column.
func (s Shape) Names() []string {
	names := make([]string, s.Metrics)
	for i := range names {
		names[i] = kinds[i%len(kinds)]
		if round := i / len(kinds); round > 0 {
			names[i] = fmt.Sprintf("%s/%d", names[i], round)
		}
	}
	return names
}

var kinds = [...]string{
	"train/loss", "train/grad_norm", "train/loss_ema", "train/throughput", "train/lr",
	"train/accuracy", "val/loss", "gpu/util", "gpu/temp", "gpu/memory",
}

// Generator makes the points of one run of a shape, batch by batch.
type Generator struct {
	shape Shape
	steps int // made so far
	time  int64
	rng   random
	curve []curve // one for each ten metrics
	out   runstone.Columns
	space [][]float64
}

// NewGenerator returns the points of run number run, which counts from 0.
func NewGenerator(shape Shape, run int) *Generator {
	n := shape.batchSteps()
	s := &Generator{
		shape: shape,
		time:  1_760_000_000_000 + int64(run)*1_234_567,
		rng:   random(uint64(run+1) * 0x9e3779b97f4a7c15),
		curve: make([]curve, (shape.Metrics+len(kinds)-1)/len(kinds)),
		space: make([][]float64, shape.Metrics),
	}
	for i := range s.curve {
		s.curve[i] = curve{decay: 1, temp: 55 + float64(run), memory: 30_000 + 512*float64(run)}
	}
	for i := range s.space {
		s.space[i] = make([]float64, n)
	}
	s.out = runstone.Columns{
		Names: shape.Names(), Steps: make([]int64, n), Times: make([]int64, n),
		Values: make([][]float64, shape.Metrics),
	}
	return s
}

// Next returns the next batch, valid until the call after it, and false when
// there is none.
func (s *Generator) Next() (runstone.Columns, bool) {
	n := min(s.shape.batchSteps(), s.shape.Steps-s.steps)
	if n <= 0 {
		return runstone.Columns{}, false
	}
	s.out.Steps, s.out.Times = s.out.Steps[:n], s.out.Times[:n]
	for i := range s.out.Values {
		s.out.Values[i] = s.space[i][:n]
	}
	var v [len(kinds)]float64
	for k := range n {
		elapsed := 250 + int64(math.Round(4*s.rng.normal()))
		s.time += elapsed
		s.out.Steps[k], s.out.Times[k] = int64(s.steps), s.time
		for i := range s.curve {
			s.curve[i].next(&v, &s.rng, s.steps, s.shape.Steps, elapsed)
			for j, column := range s.out.Values[i*len(kinds) : min((i+1)*len(kinds), s.shape.Metrics)] {
				column[k] = v[j]
			}
		}
		s.steps++
	}
	return s.out, true
}

// curve is the state of ten metrics.
type curve struct {
	decay, ema, temp, memory float64
}

// next makes the ten values of one step, in the order of kinds.
func (c *curve) next(v *[len(kinds)]float64, r *random, step, steps int, elapsed int64) {
	c.decay *= 1 - 8/float64(steps)
	mean := 1.8 + 0.4/(1+float64(step)/2000) + 8*c.decay
	loss := float32(mean * (1 + 0.02*r.normal()))
	norm := float32(0.4 + 2*c.decay + 0.1*math.Abs(r.normal()))
	bits := r.next()
	if bits&1023 == 0 {
		norm *= 8
	}
	if step == 0 {
		c.ema = float64(loss)
	}
	c.ema += (float64(loss) - c.ema) * 0.01
	seconds := float64(elapsed)/1000 + 1e-6*r.normal() // the loop's own clock is finer than ms
	rate := 3e-4
	if warm := steps / 50; step < warm {
		rate *= float64(step+1) / float64(warm)
	} else {
		rate *= 0.5 * (1 + math.Cos(math.Pi*float64(step-warm)/float64(steps-warm)))
	}
	right := 0.75 - 0.7*c.decay
	correct := math.Round(512*right + math.Sqrt(512*right*(1-right))*r.normal())
	util := min(100, math.Round(97+1.5*r.normal()))
	if bits>>10&127 == 0 {
		c.temp += float64(int(bits>>17&1)*2 - 1)
	}
	if bits>>20&4095 == 0 {
		c.memory += 2 * float64(bits>>32&63)
	}
	*v = [...]float64{
		float64(loss), float64(norm), c.ema, 65536 / seconds, rate,
		correct / 512, math.Round(1e4*mean*(1.03+0.01*r.normal())) / 1e4, util, c.temp, c.memory,
	}
}

// random is a splitmix64 generator: Steele, Lea and Flood, OOPSLA 2014.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// normal returns nearly a standard normal number: the sum of four uniform ones,
// which is cheap enough not to be what the benchmark measures.
func (r *random) normal() float64 {
	z := r.next()
	sum := float64(z&0xffff) + float64(z>>16&0xffff) + float64(z>>32&0xffff) + float64(z>>48)
	return (sum - 2*0xffff) * (1.7320508075688772 / 0x10000)
}
