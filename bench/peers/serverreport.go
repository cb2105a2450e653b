package main

import (
	"fmt"
	"strings"
	"time"
)

func serversHead(r *report, s spec) {
	r.printf("%s runs with 10 params, 8 metrics and 5 tags are in each store. One process at a time, a copy of its store,\n", count(s.programs.served))
	r.printf("HTTP over loopback, connections kept alive, %v for each workload. Clients wait for an answer before the next\n", s.writing)
	r.printf("request. What was written is read back and compared; answers to reads are compared with what was logged.\n")
	r.printf("per s: requests, points of log-batch, runs of create (of two requests). fresh: from the start of the process to\n")
	r.printf("the first answer, with no data; start, search: with the store, to the answer to /health, and to a first search.\n")
	r.printf("idle, load: memory after the start, and at most behind a workload: proportional sets of all processes, PostgreSQL's too.\n\n")
	for _, v := range r.serverVersions(s) {
		r.printf("%s\n", v)
	}
}

// serverVersions are the versions of the servers, as they tell them.
func (r *report) serverVersions(s spec) (out []string) {
	add := func(name string, args ...string) {
		if args[0] != "" {
			out = append(out, fmt.Sprintf("%-16s %s", name, firstOf(args...)))
		}
	}
	p := s.programs
	add("runstone", p.runstone, "version")
	add("fasttrackml", p.fml, "--version")
	add("mlflow", p.mlflow, "--version")
	if p.postgres != "" {
		add("postgres", p.postgres+"/postgres", "--version")
	}
	return out
}

func serversRow(r *report, l line) {
	if l.err != nil {
		r.printf("\n")
	}
	if r.failed(l) {
		return
	}
	v := l.outcome.Served
	r.printf("\n%-16s fresh %s ms, start %s ms, search %s ms (least of %d); idle %.0f MB, load %.0f MB; machine's load %s\n", l.name,
		orDash(ms(v.Fresh), 1), orDash(ms(v.Health), 1), orDash(ms(v.Search), 1), v.Started, float64(v.Idle)/1e6, float64(v.Memory)/1e6, l.load)
	r.printf("  %-22s %8s %10s %10s %10s %10s\n", "", "clients", "requests", "per s", "p50 ms", "p99 ms")
	for _, x := range v.Loads {
		if x.Failed != "" {
			r.printf("  %-22s %8d failed: %s\n", x.Name, x.Clients, strings.ReplaceAll(x.Failed, "\n", "; "))
			continue
		}
		r.printf("  %-22s %8d %10d %10s %10.3f %10.3f\n", x.Name, x.Clients, x.Requests, rate(x.Rate()), ms(x.P50), ms(x.P99))
	}
}

// rate writes a rate with three digits at least.
func rate(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 10_000:
		return fmt.Sprintf("%.0f", v)
	}
	return thousands(v)
}

// serversRatios prints how many times better Runstone is than each peer.
func serversRatios(r *report, lines []line) {
	for _, own := range []string{"runstone", "runstone-appended"} {
		o := outcomeOf(lines, own)
		if o == nil {
			continue
		}
		for _, l := range lines {
			if l.outcome != nil && !strings.HasPrefix(l.name, "runstone") {
				serverRatios(r, own, o.Served, l.name, l.outcome.Served)
			}
		}
	}
}

func serverRatios(r *report, own string, a *served, peer string, b *served) {
	r.printf("\n%s : times better than %s: fresh start %s, start %s, first search %s, idle memory %s, memory under load %s\n", own, peer,
		times(b.Fresh, a.Fresh), times(b.Health, a.Health), times(b.Search, a.Search), ratio(float64(b.Idle), float64(a.Idle)), ratio(float64(b.Memory), float64(a.Memory)))
	r.printf("  %-22s %8s %10s %10s %10s\n", "", "clients", "per s", "p50", "p99")
	for i, x := range a.Loads {
		y := b.Loads[i]
		if x.Failed != "" || y.Failed != "" {
			continue
		}
		r.printf("  %-22s %8d %10s %10s %10s\n", x.Name, x.Clients, ratio(x.Rate(), y.Rate()), times(y.P50, x.P50), times(y.P99, x.P99))
	}
}

func times(a, b time.Duration) string { return ratio(float64(a), float64(b)) }

// bestServed is the best of each figure: rates with their requests, and times.
func bestServed(a served, b *served) *served {
	least(&a.Fresh, b.Fresh)
	least(&a.Health, b.Health)
	least(&a.Search, b.Search)
	least(&a.Idle, b.Idle)
	least(&a.Memory, b.Memory)
	a.Started += b.Started
	loads := make([]serverLoad, len(a.Loads))
	for i, x := range a.Loads {
		y := b.Loads[i]
		if loads[i] = x; x.Failed != "" || y.Failed != "" {
			if x.Failed == "" {
				loads[i] = y // wrong once is wrong
			}
			continue
		}
		if y.Rate() > x.Rate() {
			loads[i] = y
		}
		loads[i].P50, loads[i].P99 = min(x.P50, y.P50), min(x.P99, y.P99)
	}
	a.Loads = loads
	return &a
}
