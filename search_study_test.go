package runstone

import (
	"fmt"
	"math"
	"time"
)

const day = int64(24 * time.Hour / time.Millisecond)

// study logs some sixty runs of three experiments, in which each of the queries
// has hits and misses.
func (w *twin) study() {
	base, hpo, other := w.experiment("baseline"), w.experiment("hpo"), w.experiment("other")
	models := []string{"logreg", "xgb", "mlp"}
	for i := range 24 {
		params := map[string]string{
			"model": models[i%3], "lr": []string{"0.001", "0.01", "0.1", "3e-3"}[i%4], "seed": fmt.Sprint(i), "depth": fmt.Sprint(3 + i%4),
		}
		tags := map[string]string{}
		if i%4 > 0 {
			tags["env"] = []string{"", "prod", "stage", "dev"}[i%4]
		}
		if i%5 == 0 {
			tags["note"] = []string{"Retrained on March data", "retrain later", "as before", "fresh", "RETRAIN"}[i/5]
		}
		name := fmt.Sprintf("base-%02d", i)
		if i%6 == 1 {
			name = fmt.Sprintf("Sepsis-%02d", i)
		}
		r := w.run(base, name, w.n.now-int64(i)*day, params, tags)
		w.baseline(i, r)
	}
	w.children(hpo)
	w.curves(other)
	w.registry(base)
	gone := w.n.runs[5]
	w.delete(gone)
}

// baseline logs what the runs with few points have.
func (w *twin) baseline(i int, r *keptRun) {
	metric := func(name string, v float64) Metric { return Metric{Name: name, Value: v, Step: 10, Time: r.start} }
	batch := []Metric{metric("accuracy", 0.85+float64(i%10)/100), metric("tp", float64(80+i)), metric("fn", float64(i%8)), metric("fp", float64(20-i))}
	switch {
	case i%7 == 2:
		batch = append(batch, metric("loss", math.NaN()))
	case i%7 == 3:
		batch = append(batch, metric("loss", math.Inf(1)))
	case i%7 < 6:
		batch = append(batch, metric("loss", float64(i)/4))
	}
	w.log(r, batch...)
	auc := []Metric{}
	for k, use := range []string{"train", "holdout"} {
		if i%4 == 1 && use == "holdout" {
			continue
		}
		set := []string{"cohort-a", "cohort-b"}[(i/2+k)%2]
		w.input(r, set, "d1", use)
		m := metric("auc", 0.80+float64(i%11)/64-float64(k*(i%3))/32)
		m.Dataset, m.DatasetDigest = set, "d1"
		m.Time += int64(k)
		auc = append(auc, m)
	}
	w.log(r, auc...)
	switch i % 6 {
	case 0:
		w.end(r, Failed, r.start+60_000)
	case 5: // runs on
	default:
		w.end(r, Finished, r.start+int64(i)*600_000)
	}
}

// children makes studies: parents, their children, and children of these.
func (w *twin) children(e *keptExperiment) {
	for s, study := range []string{"hpo-4", "hpo-5"} {
		top := w.run(e, study, w.n.now-2*day, map[string]string{"study": study}, nil)
		for i := range 6 {
			params := map[string]string{"model": "xgb", "depth": fmt.Sprint(2 + i), "study": study}
			mid := w.run(e, fmt.Sprintf("%s-%d", study, i), w.n.now-day+int64(i), params, map[string]string{TagParent: top.id})
			w.log(mid, Metric{Name: "auc", Value: 0.84 + float64(i+s)/64, Step: 1, Time: mid.start})
			if i%2 == 0 {
				leaf := w.run(e, mid.name+"-fold", w.n.now-day+10+int64(i), nil, map[string]string{TagParent: mid.id})
				w.log(leaf, Metric{Name: "auc", Value: 0.86 + float64(i)/64, Step: 1, Time: leaf.start})
				w.end(leaf, Finished, leaf.start+5000)
			}
			w.end(mid, []RunStatus{Finished, Failed, Finished}[i%3], mid.start+9000)
		}
		w.end(top, Finished, top.start+day)
	}
}

// curves logs the long curves.
func (w *twin) curves(e *keptExperiment) {
	lengths := []int{1, 200, 1001, 2000, 6000, 20000}
	for i := range 18 {
		n := lengths[i%6]
		r := w.run(e, fmt.Sprintf("curve-%02d", i), w.n.now-30*day+int64(i), map[string]string{"model": "mlp"}, nil)
		w.curve(r, "val_loss", n, valLoss(i, n))
		w.curve(r, "acc", n, func(step int) float64 { return float64(step) / float64(step+20*(i+1)) })
		switch i % 3 {
		case 0:
			w.curve(r, "loss", n, func(step int) float64 {
				if i == 3 && step == 1500 || i == 15 && step == n-1 {
					return math.NaN()
				}
				return 2 / (1 + float64(step)/64)
			})
		case 1:
			w.curve(r, "loss", n, func(step int) float64 {
				if i == 4 && step == 4321 || i == 10 && step == 5500 || step == 70 {
					return 128
				}
				return 1
			})
			w.curve(r, "grad_norm", n, func(step int) float64 {
				if i == 7 && step == n-n/10 || step == n/8 {
					return 32
				}
				return 1 + float64(step%7)/8
			})
		default:
			w.curve(r, "gpu_mem", n, func(step int) float64 {
				high := step > 300 && step < 340 || i > 9 && step%3000 > 700 && step%3000 < 751+i-11
				if high {
					return 0.96875
				}
				return 0.5 + float64(step%5)/32
			})
		}
		if i%5 > 0 {
			w.end(r, Finished, r.start+int64(n)*1000)
		}
	}
}

// valLoss falls, and then goes on falling, stays, or rises again.
func valLoss(i, n int) func(step int) float64 {
	return func(step int) float64 {
		part := float64(step) / float64(n)
		switch i / 6 {
		case 0:
			return 1 - 0.75*part
		case 1:
			return max(0.25, 1-2*part)
		}
		return max(0.125, 1-2*part) + max(0, part-0.75)
	}
}

// registry makes versions of models, and lineage from datasets to them.
func (w *twin) registry(e *keptExperiment) {
	trained := w.n.runs[2]
	model := w.model(e, trained)
	tuned := w.run(e, "tuned", w.n.now-day, nil, nil)
	w.reads(tuned, model)
	second := w.model(e, tuned)
	scored := w.run(e, "scored", w.n.now-day+1, nil, nil)
	w.reads(scored, second)
	w.version("sepsis-dx", trained, model)
	v2 := w.version("sepsis-dx", tuned, second)
	v3 := w.version("other-dx", w.n.runs[7], "")
	w.alias(v2, "production")
	w.alias(v3, "production")
	w.alias(v3, "canary")
	w.stage(v2, "Production")
	w.stage(v3, "Staging")
}
