package runstone_test

import (
	"context"
	"fmt"
	"log"
	"math"
	"os"

	"github.com/runstonedb/runstone"
)

func Example() {
	dir, _ := os.MkdirTemp("", "runstone")
	defer os.RemoveAll(dir)
	ctx := context.Background()

	db, err := runstone.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	err = db.Track(ctx, "diagnostics", &runstone.RunOptions{Params: map[string]string{"lr": "0.1"}},
		func(ctx context.Context, run *runstone.Run) error {
			for step := range int64(1000) {
				if err := run.Log(ctx, step, runstone.Metrics{"loss": math.Exp(-float64(step) / 300)}); err != nil {
					return err
				}
			}
			return nil
		})
	if err != nil {
		log.Fatal(err)
	}
	for run, err := range db.Search(ctx, "metrics.loss < 0.05 AND params.lr = '0.1'", nil) {
		if err != nil {
			log.Fatal(err)
		}
		loss, _ := run.Metric("loss")
		fmt.Printf("%v loss %.4f\n", run.Status, loss)
	}
	// Output: FINISHED loss 0.0358
}

// A loop of microseconds uses a Recorder, and reads no points to ask whether a
// value ever went wrong.
func ExampleRun_Recorder() {
	dir, _ := os.MkdirTemp("", "runstone")
	defer os.RemoveAll(dir)
	ctx := context.Background()
	db, err := runstone.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	run, err := db.StartRun(ctx, "simulation", nil)
	if err != nil {
		log.Fatal(err)
	}
	rec, err := run.Recorder(ctx, "energy", "error")
	if err != nil {
		log.Fatal(err)
	}
	for step := range int64(100_000) {
		drift := float64(step) * 1e-9
		if err := rec.Record(ctx, step, 1-drift, drift); err != nil {
			log.Fatal(err)
		}
	}
	if err := run.End(ctx, runstone.Finished); err != nil { // logs what is left
		log.Fatal(err)
	}
	curve := []runstone.Curve{{Run: run.ID(), Metric: "error"}}
	bad, err := db.Ever(ctx, curve, runstone.AllPoints(), runstone.Greater, 0.01)
	if err != nil {
		log.Fatal(err)
	}
	last, err := db.Aggregates(ctx, curve, runstone.AllPoints().Steps(99_000, 99_999))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("above 0.01:", bad[0].Holds, "after", bad[0].Cost.Decoded, "decoded blocks")
	fmt.Printf("%d last points, mean %.6f\n", last[0].Count, last[0].Mean())
	// Output:
	// above 0.01: false after 0 decoded blocks
	// 1000 last points, mean 0.000099
}

// A study of a param: the mean of each value's runs, and how sure it is.
func ExampleDB_SearchRuns() {
	dir, _ := os.MkdirTemp("", "runstone")
	defer os.RemoveAll(dir)
	ctx := context.Background()
	db, err := runstone.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	for i := range 12 {
		depth := 2 + 2*(i%3)
		opt := &runstone.RunOptions{Params: map[string]string{"depth": fmt.Sprint(depth)}}
		err := db.Track(ctx, "trees", opt, func(ctx context.Context, run *runstone.Run) error {
			for step := range int64(50) {
				loss := 1/float64(depth) + float64(50-step+int64(i))/100
				if err := run.Log(ctx, step, runstone.Metrics{"loss": loss}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	page, err := db.SearchRuns(ctx, `params.depth > 2
		GROUP BY params.depth
		SELECT params.depth, count() AS runs, mean(min(metrics.loss)) AS loss, ci95(min(metrics.loss)) AS ci
		ORDER BY loss`, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(page.Columns)
	for _, row := range page.Table {
		fmt.Printf("%v %v %.3f %.3f\n", row...)
	}
	// Output:
	// [params.depth runs loss ci]
	// 6 4 0.242 0.062
	// 4 4 0.315 0.062
}
