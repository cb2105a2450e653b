package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/store"
)

// call runs the program in this process.
func call(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	a, o, e := newApp(nil)
	code = a.main(context.Background(), args)
	return code, o.String(), e.String()
}

// inspected makes a database with a journal and an inbox, both in use.
func inspected(t *testing.T) (dir string) {
	t.Helper()
	ctx := context.Background()
	dir = t.TempDir()
	require.NoError(t, seed([]string{dir}))
	holder, err := runstone.Open(dir, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, holder.Close()) })
	shared, err := runstone.Open(dir, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, shared.Close()) })
	require.True(t, shared.Shared())
	run, err := shared.StartRun(ctx, "diag", &runstone.RunOptions{Name: "inboxed"})
	require.NoError(t, err)
	require.NoError(t, run.Log(ctx, 3, runstone.Metrics{"loss": 1, "acc": 2}))
	require.NoError(t, run.End(ctx, runstone.Finished))
	r, err := holder.ResumeRun(ctx, runA)
	require.NoError(t, err)
	for step := range int64(20) {
		require.NoError(t, r.Log(ctx, step, runstone.Metrics{"loss": 1}))
	}
	require.NoError(t, r.End(ctx, runstone.Finished))
	require.NoError(t, holder.SetTags(ctx, runB, runstone.KV{Key: "k", Value: "v"}))
	require.NoError(t, holder.DeleteTag(ctx, runB, "k"))
	return dir
}

// shape lists the paths and types of a JSON value, one a line.
func shape(t *testing.T, text string) string {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	lines := map[string]bool{}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(at+"."+k, e)
			}
		case []any:
			for _, e := range v {
				walk(at+"[]", e)
			}
		case nil:
			lines[at+" null"] = true
		default:
			lines[fmt.Sprintf("%s %T", at, v)] = true
		}
	}
	walk("", v)
	return strings.Join(slices.Sorted(maps.Keys(lines)), "\n") + "\n"
}

// TestInspectJSON keeps what --json prints what testdata/inspect.txt says.
func TestInspectJSON(t *testing.T) {
	dir := inspected(t)
	paths, err := store.Journals(dir)
	require.NoError(t, err)
	require.Len(t, paths, 2)
	var got strings.Builder
	for _, args := range []string{
		"inspect --top 2", "inspect space --top 2 --by metric", "inspect journal",
		"inspect journal JOURNAL", "inspect journal INBOX", "inspect block aaaa1111 loss", "inspect block aaaa1111 loss --block 0",
	} {
		var full []string
		for _, arg := range strings.Fields(args) {
			switch arg {
			case "JOURNAL":
				arg = paths[0]
			case "INBOX":
				arg = paths[1]
			}
			full = append(full, arg)
		}
		code, out, errs := call(t, append(full, "--json", "--data-dir", dir)...)
		require.Zero(t, code, "%s: %s", args, errs)
		require.Empty(t, errs)
		fmt.Fprintf(&got, "-- %s --\n%s", args, shape(t, out))
	}
	name := filepath.Join("testdata", "inspect.txt")
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))), got.String())
}

// TestInspectBesideHolder: for people, on a database that is open elsewhere.
func TestInspectBesideHolder(t *testing.T) {
	dir := inspected(t)
	code, out, errs := call(t, "inspect", "-d", dir)
	require.Zero(t, code, errs)
	require.NotContains(t, out, "unknown")
	require.Regexp(t, `(?m)^b +value blocks|^t +value tails +\d`, out)
	require.Regexp(t, `(?m)^w +inbox positions +1 `, out)
	require.Regexp(t, `(?m)^points +52$`, out)
	require.Regexp(t, `(?m)^journals +1 `, out)

	code, out, errs = call(t, "inspect", "journal", "-d", dir)
	require.Zero(t, code, errs)
	require.Regexp(t, `(?m)^journal.\d{16}\.log .* whole +-$`, out)
	require.Regexp(t, `(?m)^inbox.[0-9a-f]{32}\.log .* whole +-$`, out)
	file := strings.Fields(out[strings.LastIndex(out, "inbox"):])[0]

	code, out, errs = call(t, "inspect", "journal", filepath.Join(dir, file), "--frames", "2")
	require.Zero(t, code, errs)
	require.Regexp(t, `(?m)^number +none: an inbox$`, out)
	require.Regexp(t, `(?m)^mark A +counter \d+, written to \d+, synced to \d+, boot `, out)
	require.Regexp(t, `(?m)^ +4096 +1 +op +\d+  create run$`, out)
	require.Regexp(t, `(?m)^ +\.\.\.  \d+ frames? not shown`, out)
	require.Regexp(t, `(?m)^points +1 `, out)
	require.Regexp(t, `(?m)^ends whole at byte \d+`, out)

	code, out, errs = call(t, "inspect", "journal", filepath.Base(file), "--frames", "-1", "-d", dir)
	require.Zero(t, code, errs)
	require.Regexp(t, `(?m) series +\d+  group 0 is of run [0-9a-f]{8}: acc, loss$`, out)
	require.Regexp(t, `(?m) points +\d+  run [0-9a-f]{8} group 0: 1 point of 2 series, step 3$`, out)

	journals, err := filepath.Glob(filepath.Join(dir, "journal", "*.log"))
	require.NoError(t, err)
	require.Len(t, journals, 1)
	number := strings.TrimLeft(strings.TrimSuffix(filepath.Base(journals[0]), ".log"), "0")
	code, out, errs = call(t, "inspect", "journal", number, "-d", dir)
	require.Zero(t, code, errs)
	require.Regexp(t, `(?m) points +\d+  run \d+ group \d+: 1 point of 1 series, step 19$`, out)
	require.Regexp(t, `(?m)  tags 1 deleted, index: runs that changed 1$`, out)

	code, out, errs = call(t, "inspect", "block", "aaaa1111", "loss", "-d", dir)
	require.Zero(t, code, errs)
	require.Regexp(t, `(?m)^ +0  tail .* sound +-$`, out)
	require.Regexp(t, `(?m)memory .* only in a journal +-$`, out)
	n := strings.Count(out, "\n") - 2
	code, out, errs = call(t, "inspect", "block", "aaaa1111", "loss", "--block", fmt.Sprint(n), "-d", dir)
	require.Zero(t, code, errs)
	require.Contains(t, out, "only a journal holds these points")
	code, _, errs = call(t, "inspect", "block", "aaaa1111", "loss", "--block", fmt.Sprint(n+1), "-d", dir)
	require.Equal(t, exitNotFound, code)
	require.Contains(t, errs, fmt.Sprintf("and no block %d", n+1))
}

// TestInspectHostileNames: what others named cannot speak to a terminal.
func TestInspectHostileNames(t *testing.T) {
	const evil = "\x1b]0;evil\x07\u009b31m"
	dir := t.TempDir()
	require.NoError(t, seed([]string{dir}))
	path := filepath.Join(dir, "inbox", evil+".log")
	if err := os.WriteFile(path, []byte("no journal"), 0o600); err != nil {
		path = filepath.Join(dir, "inbox", "plain.log") // a file system that refuses such names
		require.NoError(t, os.WriteFile(path, []byte("no journal"), 0o600))
	}
	for _, args := range [][]string{{"inspect", "journal", "-d", dir}, {"inspect", "journal", path}, {"inspect", "journal", "-d", dir, "--json"}} {
		code, out, errs := call(t, args...)
		require.Equal(t, exitCorrupt, code, errs)
		for _, text := range []string{out, errs} {
			require.NotContains(t, text, "\x1b")
			require.NotContains(t, text, "\x07")
		}
		require.Contains(t, out, "shorter than its header")
	}

	// A name of a series, of an inbox that no client of ours wrote.
	p := &textJournal{a: &app{}, tables: runstone.TableNames()}
	var b bytes.Buffer
	p.a.out = &b
	p.a.stdout = bufio.NewWriter(&b)
	require.NoError(t, p.frame(&store.JournalFrame{Kind: "series", Run: evil, Series: []store.SeriesName{{Metric: evil, Model: evil}}}))
	require.NoError(t, p.frame(&store.JournalFrame{Kind: "points", Points: []store.JournalPoints{{RunID: evil}}}))
	require.NoError(t, p.a.stdout.Flush())
	require.NotContains(t, b.String(), "\x1b")
	require.NotContains(t, b.String(), "\u009b")
}

// TestInspectCodecs dumps a block of every kind of curve, and the dump is all
// of its bytes.
func TestInspectCodecs(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	db, err := runstone.Open(dir, nil)
	require.NoError(t, err)
	run, err := db.StartRun(ctx, "codecs", nil)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 5000 {
		require.NoError(t, run.Log(ctx, int64(i), runstone.Metrics{
			"constant": 7, "decimal": float64(i%97) / 100, "float32": float64(rng.Float32()), "noise": rng.NormFloat64(),
			"bits": math.Float64frombits(rng.Uint64()), "smooth": math.Sin(float64(i) / 100), "count": float64(i),
		}))
	}
	require.NoError(t, run.End(ctx, runstone.Finished))
	require.NoError(t, db.Close())
	codecs := map[string]bool{}
	for _, metric := range []string{"constant", "decimal", "float32", "noise", "bits", "smooth", "count"} {
		for _, n := range []string{"0", "1"} {
			args := []string{"inspect", "block", run.ID(), metric, "--block", n, "--all", "-d", dir}
			code, out, errs := call(t, append(args, "--json")...)
			require.Zero(t, code, errs)
			var v blockView
			require.NoError(t, json.Unmarshal([]byte(out), &v))
			code, text, errs := call(t, args...)
			require.Zero(t, code, errs)
			require.NotContains(t, text, " more, --all")
			for _, c := range []*columnView{v.Clock, v.Values} {
				require.True(t, c.Sound)
				at, shown := 0, 0
				for _, p := range c.Parts {
					require.Equal(t, at, p.Offset)
					at += p.Bytes
					shown += len(p.Hex) / 2
					require.Contains(t, text, fmt.Sprintf("%6d  %-8s %7d  %s", p.Offset, p.Part, p.Bytes, p.Note))
				}
				require.Equal(t, c.Bytes, at)
				require.Equal(t, c.Bytes, shown)
			}
			codecs[v.Values.Codecs] = true
		}
	}
	require.GreaterOrEqual(t, len(codecs), 5, "%v", codecs)
}
