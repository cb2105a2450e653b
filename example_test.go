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
