// Package bench takes in what go test -bench prints and finds out what became
// slower.
//
//	res, err := bench.Parse(os.Stdin)
//	id, err := bench.Log(ctx, db, res, &bench.LogOptions{Origin: bench.Here(ctx, ".", "")})
//	old, err := bench.Load(ctx, db, earlier)
//	found := bench.Check(old, res, &bench.CheckOptions{MaxRegress: 0.05})
//
// [Compare] sets two results side by side in benchstat's manner, [Trends] and
// [ChangePoints] find where in the history of a benchmark its level changed,
// and [Record] logs from inside a benchmark. docs/BENCHMARKS.md is the guide,
// with the statistics.
//
// A benchmark run is a run of package runstone with the tag runstone.bench, in
// the experiment "benchmarks" unless told otherwise. Its text, headed by its
// [Origin], is the file bench.txt among its artifacts. That alone counts when
// it is read again: params, tags and metrics are made from it, for searches and
// charts, and can be made again. The text is the Go benchmark format, which
// benchstat and other tools read too.
//
// Input may come from anybody: its size, lines and numbers of keys and values
// are bounded, and what cannot be read is reported and left out.
package bench
