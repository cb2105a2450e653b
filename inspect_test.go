package runstone

import (
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// TestTables: every byte that the package docs list has a name, no two packages
// share one, and the other way round.
func TestTables(t *testing.T) {
	inDocs := map[byte]bool{}
	line := regexp.MustCompile(`(?m)^//\t'(.)' ?.*→`)
	for _, name := range []string{"doc.go", "store/doc.go", "index/index.go", "lineage/doc.go"} {
		text, err := os.ReadFile(filepath.FromSlash(name))
		require.NoError(t, err)
		for _, m := range line.FindAllSubmatch(text, -1) {
			inDocs[m[1][0]] = true
		}
	}
	require.Greater(t, len(inDocs), 20)
	named := map[byte]bool{}
	columns := map[byte]int{}
	last := byte(0)
	for _, table := range Tables() {
		require.NotEmpty(t, table.Name)
		require.True(t, inDocs[table.Byte], "%c is in no package doc", table.Byte)
		if table.Columns == store.NoColumns {
			require.False(t, named[table.Byte], "%c is named twice", table.Byte)
		} else {
			columns[table.Byte]++
		}
		require.GreaterOrEqual(t, table.Byte, last)
		named[table.Byte], last = true, table.Byte
	}
	require.Equal(t, inDocs, named)
	require.Equal(t, map[byte]int{'b': 2, 't': 2}, columns)
	names := TableNames()
	require.Len(t, names, len(named))
	require.Equal(t, "clock and value blocks", names['b'])
	require.Equal(t, "clock and value tails", names['t'])
	require.Equal(t, "params", names['p'])
}

func TestOpName(t *testing.T) {
	seen := map[string]bool{}
	for k := range 256 {
		name := OpName([]byte{opVersion, byte(k)})
		require.False(t, seen[name], name)
		seen[name] = true
		if newOp(opKind(k)) == nil {
			require.Regexp(t, `^kind \d+$`, name)
		} else {
			require.Regexp(t, `^[a-z ]+$`, name)
		}
	}
	require.True(t, seen["create experiment"])
	require.True(t, seen["run fields"])
	require.Equal(t, "cut short", OpName(nil))
}

// everyTable makes a database that has rows in every table but inbox positions
// and imports under way.
func everyTable(t *testing.T, dir string) (db *DB, run string) {
	t.Helper()
	db = openDB(t, dir, small())
	r, err := db.StartRun(ctx, "exp", &RunOptions{Name: "big", Params: map[string]string{"lr": "0.1"}, Tags: map[string]string{"k": "v"}})
	require.NoError(t, err)
	for i := range int64(1000) {
		require.NoError(t, r.Log(ctx, i, Metrics{"loss": 1 / float64(i+1), "acc": float64(i%10) / 10}))
	}
	require.NoError(t, r.LogArtifact(ctx, "model/weights", strings.NewReader("weights")))
	info := newRun(t, db, "exp", "small")
	require.NoError(t, db.LogBatch(ctx, info.ID, Batch{Metrics: []Metric{{Name: "loss", Step: 1, Time: 1, Value: 2}}}))
	require.NoError(t, db.SetExperimentTag(ctx, info.ExperimentID, "k", "v"))
	require.NoError(t, db.LogInputs(ctx, info.ID, []lineage.Input{{
		Dataset: lineage.Dataset{Name: "cohort", Digest: "abc", SourceType: "local", Source: "{}", Schema: strings.Repeat("s", 150<<10)},
		Tags:    []KV{{Key: "mlflow.data.context", Value: "train"}},
	}}, nil))
	m, err := db.createModel(info.ExperimentID)
	require.NoError(t, err)
	require.NoError(t, db.LogOutputs(ctx, info.ID, []lineage.Output{{ModelID: m, Step: 3}}))
	_, err = db.RegisterModel(ctx, "clf", r.ID(), "model")
	require.NoError(t, err)
	_, err = db.PromoteModel(ctx, "clf", 1, "Staging", nil)
	require.NoError(t, err)
	require.NoError(t, r.End(ctx, Finished))
	note := make([]byte, 2000) // a column too long to lie beside its name
	_, _ = rand.NewChaCha8([32]byte{1}).Read(note)
	require.NoError(t, db.SetTags(ctx, r.ID(), KV{Key: "note", Value: hex.EncodeToString(note)}))
	require.NoError(t, db.Fold(ctx))
	require.NoError(t, db.SetTags(ctx, r.ID(), KV{Key: "k", Value: "changed"}))
	// As a purge leaves it that does not come to give the space back.
	nothing := func(*store.Tx) error { return nil }
	require.NoError(t, db.store.DropRun(ctx, 99, func() error { return nil }, nothing))
	return db, r.ID()
}

// TestSpace: no row is of an unknown kind, and each kind is there.
func TestSpace(t *testing.T) {
	dir := t.TempDir()
	db, run := everyTable(t, dir)
	require.NoError(t, db.Close())
	db = openDB(t, dir, &Options{ReadOnly: true})
	sp, err := db.Space(ctx, &SpaceOptions{TopRuns: 5, TopMetrics: 5})
	require.NoError(t, err)
	require.Zero(t, sp.Damaged)
	require.EqualValues(t, 2001, sp.Points)
	require.Len(t, sp.Tables, len(Tables()))
	var live, values, points int64
	for _, table := range sp.Tables {
		require.NotEmpty(t, table.Name, "%c", table.Byte)
		live += table.Bytes()
		if table.Byte != 'w' && table.Byte != 'I' {
			require.Positive(t, table.Rows, table.Name)
			require.Positive(t, table.Keys, table.Name)
			require.Positive(t, table.Values, table.Name)
		}
		if table.Columns == store.ValueColumns {
			values += table.Bytes()
			points += table.Points
		}
	}
	require.Equal(t, sp.Stored, live, "of a closed database all rows are stored")
	require.EqualValues(t, 2001, points)
	require.Positive(t, sp.Dead)

	require.Len(t, sp.Runs, 2)
	require.Equal(t, run, sp.Runs[0].ID)
	require.Equal(t, "big", sp.Runs[0].Name)
	require.EqualValues(t, 2000, sp.Runs[0].Points)
	require.Equal(t, "small", sp.Runs[1].Name)
	require.Len(t, sp.Metrics, 2)
	require.ElementsMatch(t, []string{"acc", "loss"}, []string{sp.Metrics[0].Metric, sp.Metrics[1].Metric})
	require.Greater(t, sp.Metrics[0].Bytes+sp.Metrics[1].Bytes, values, "clocks are shared out too")

	kinds := map[string]store.FileSpace{}
	for _, f := range sp.Files {
		kinds[f.Kind] = f
	}
	require.EqualValues(t, 1, kinds["artifacts"].Files)
	require.EqualValues(t, len("weights"), kinds["artifacts"].Bytes)
	require.Zero(t, kinds["copies"].Files, "the copy of this call does not count")
	require.Equal(t, kinds[store.KeySpaceTables].Bytes, sp.Dead+sp.Stored)
	require.Zero(t, kinds["journals"].Files)

	few, err := db.Space(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, few.Runs)
	require.Empty(t, few.Metrics)
	require.Equal(t, sp.Tables, few.Tables)
}

// TestSpaceBesideWriters: of a database that is being written, by its holder
// and by another process.
func TestSpaceBesideWriters(t *testing.T) {
	holder, shared := holderAndShared(t)
	run, err := shared.StartRun(ctx, "exp", nil)
	require.NoError(t, err)
	require.NoError(t, run.Log(ctx, 1, Metrics{"loss": 1}))
	require.NoError(t, run.End(ctx, Finished))
	waitForRun(t, holder, run.ID())
	for _, db := range []*DB{holder, shared, openDB(t, holder.Dir(), &Options{ReadOnly: true, tune: small().tune})} {
		sp, err := db.Space(ctx, nil)
		require.NoError(t, err)
		require.EqualValues(t, 1, sp.Points)
		for _, table := range sp.Tables {
			require.NotEmpty(t, table.Name, "%c", table.Byte)
			if table.Byte == 'w' {
				require.Positive(t, table.Rows)
			}
		}
		i := slices.IndexFunc(sp.Files, func(f store.FileSpace) bool { return f.Kind == "journals" })
		require.Positive(t, sp.Files[i].Files)
	}
	var kinds []string
	paths, err := store.Journals(holder.Dir())
	require.NoError(t, err)
	for _, path := range paths {
		v, err := store.ViewJournal(path)
		require.NoError(t, err)
		for f, err := range v.Frames(ctx) {
			require.NoError(t, err)
			require.NoError(t, f.Err)
			if f.Op != nil {
				kinds = append(kinds, OpName(f.Op))
			}
		}
		require.Equal(t, store.JournalWhole, v.End().Reason)
		require.NoError(t, v.Close())
	}
	require.Contains(t, kinds, "create run")
}

func TestBlocks(t *testing.T) {
	dir := t.TempDir()
	db, run := everyTable(t, dir)
	require.NoError(t, db.Close())
	db = openDB(t, dir, &Options{ReadOnly: true})
	points, blocks := 0, 0
	for b, err := range db.Blocks(ctx, run, "loss") {
		require.NoError(t, err)
		require.NoError(t, b.Err)
		require.True(t, b.Values.Sound)
		points += b.Points
		blocks++
	}
	require.Equal(t, 1000, points)
	require.Greater(t, blocks, 2)
	for range db.Blocks(ctx, run, "other") {
		t.Fatal("there is no such metric")
	}
	for _, err := range db.Blocks(ctx, "nope", "loss") {
		require.ErrorIs(t, err, ErrNotFound)
	}
}
