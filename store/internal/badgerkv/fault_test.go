package badgerkv

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// faultOptions make many small tables.
var faultOptions = Options{memTable: 64 << 10}

// TestMain runs this binary as the child of a fault test when asked to.
func TestMain(m *testing.M) {
	dir := os.Getenv("BADGERKV_DIR")
	switch os.Getenv("BADGERKV_CHILD") {
	case "write":
		fmt.Println(childWrite(dir))
		os.Exit(1)
	case "open":
		childOpen(dir)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// faultValue is the sealed value of row i: some compressible, some not, some large.
func faultValue(key []byte, i int) []byte {
	r := rand.New(rand.NewPCG(uint64(i), 7))
	body := make([]byte, r.IntN(300))
	if i%50 == 0 {
		body = make([]byte, 5000)
	}
	for n := range body {
		body[n] = byte(r.Uint32() & 0x3f)
	}
	return record.Seal(nil, key, 1, body)
}

func faultKey(i int) []byte { return binary.BigEndian.AppendUint64([]byte("row/"), uint64(i)) }

// writeRound is the script of both fault tests: transaction n writes three
// rows and removes one of an older transaction.
func writeRound(d *DB, n int) error {
	return d.Update(func(w kv.Writer) error {
		for i := 3 * n; i < 3*n+3; i++ {
			key := faultKey(i)
			if err := w.Set(key, faultValue(key, i)); err != nil {
				return err
			}
		}
		if n%2 == 1 {
			return w.Delete(faultKey(3 * (n - 1)))
		}
		return nil
	})
}

// readRows returns a line for each row, with "damaged" where the seal is broken.
func readRows(d *DB) (map[string]string, error) {
	rows := map[string]string{}
	err := d.View(func(r kv.Reader) error {
		err := r.Scan(nil, nil, false, func(k, v []byte) bool {
			rows[string(k)] = string(v)
			return true
		})
		for k, v := range rows {
			if _, _, serr := record.Open([]byte(k), []byte(v)); serr != nil {
				return errors.Join(err, serr)
			}
			got, gerr := r.Get([]byte(k))
			if gerr != nil {
				return fmt.Errorf("scanned row %x: %w", k, gerr)
			}
			if !bytes.Equal(got, []byte(v)) {
				return fmt.Errorf("row %x differs between Get and Scan", k)
			}
		}
		return err
	})
	return rows, err
}

// childWrite writes until it is killed, and prints each transaction it has
// committed. It syncs at times.
func childWrite(dir string) error {
	d, err := Open(dir, faultOptions)
	if err != nil {
		return err
	}
	from, err := strconv.Atoi(os.Getenv("BADGERKV_FROM"))
	if err != nil {
		return err
	}
	for n := from; ; n++ {
		if err := writeRound(d, n); err != nil {
			return err
		}
		fmt.Println("done", n)
		if n%97 == 0 {
			if err := d.Sync(); err != nil {
				return err
			}
		}
	}
}

// childOpen opens the directories named on standard input, one a line, and
// prints what came of each: "refused", "error" or the rows' digest.
func childOpen(string) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		dir := in.Text()
		fmt.Println("try", dir)
		d, err := Open(dir, Options{memTable: faultOptions.memTable})
		if err != nil {
			fmt.Println("refused", strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		rows, err := readRows(d)
		switch {
		case err != nil:
			fmt.Println("error", err)
		default:
			fmt.Println("rows", digest(rows))
		}
		if err := d.Close(); err != nil {
			fmt.Println("note close:", err)
		}
	}
}

func digest(rows map[string]string) string {
	keys := make([]string, 0, len(rows))
	for k := range rows {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	sum := uint64(14695981039346656037)
	for _, k := range keys {
		for _, b := range []byte(k + rows[k]) {
			sum = (sum ^ uint64(b)) * 1099511628211
		}
	}
	return fmt.Sprintf("%d-%x", len(keys), sum)
}

func child(t testing.TB, mode string, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), append(env, "BADGERKV_CHILD="+mode)...)
	return cmd
}

// writeAndKill runs childWrite on dir from transaction from on, kills it after
// some more and returns the last one it acknowledged.
func writeAndKill(t testing.TB, dir string, from, more int) int {
	t.Helper()
	cmd := child(t, "write", "BADGERKV_DIR="+dir, "BADGERKV_FROM="+strconv.Itoa(from))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	last := from - 1
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		_, err := fmt.Sscanf(lines.Text(), "done %d", &last)
		require.NoError(t, err, lines.Text())
		if last == from+more {
			require.NoError(t, cmd.Process.Kill())
		}
	}
	require.Error(t, cmd.Wait(), "killed")
	return last
}

// wantRows are the rows after transactions 0 to last.
func wantRows(last int) map[string]string {
	rows := map[string]string{}
	for n := 0; n <= last; n++ {
		for i := 3 * n; i < 3*n+3; i++ {
			rows[string(faultKey(i))] = string(faultValue(faultKey(i), i))
		}
		if n%2 == 1 {
			delete(rows, string(faultKey(3*(n-1))))
		}
	}
	return rows
}

// closedStore writes transactions in several sessions.
func closedStore(t testing.TB, dir string, rounds int) {
	t.Helper()
	n := 0
	for session := 1; session <= 3; session++ {
		d := mustOpen(t, dir, faultOptions)
		for ; n < rounds*session/3; n++ {
			require.NoError(t, writeRound(d, n))
		}
		require.NoError(t, d.Close())
	}
}

func readDir(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		all[e.Name()] = b
	}
	return all
}

func writeDir(t testing.TB, dir string, all map[string][]byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o777))
	for name, b := range all {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o666))
	}
}

func sameDir(t testing.TB, want, got map[string][]byte, what string) {
	t.Helper()
	require.Equal(t, len(want), len(got), what)
	for name, b := range want {
		require.True(t, bytes.Equal(b, got[name]), "%s: %s changed", what, name)
	}
}

// faults damages one file of a store at a time and checks that each damage is
// refused by the guard, which changes nothing, or leaves every row right.
type faults struct {
	t       *testing.T
	dir     string
	files   map[string][]byte
	want    string // digest of the rows
	refused int
	passed  []passed // by the guard: for a child process to open
}

type passed struct{ what, dir string }

func newFaults(t *testing.T, dir string) *faults {
	require.NoError(t, removeIfThere(filepath.Join(dir, "LOCK")))
	f := &faults{t: t, dir: dir, files: readDir(t, dir)}
	ref := filepath.Join(t.TempDir(), "ref")
	writeDir(t, ref, f.files)
	d := mustOpen(t, ref, faultOptions)
	rows, err := readRows(d)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	f.want = digest(rows)
	return f
}

// try puts b in place of a file, or removes it when b is nil.
func (f *faults) try(what, name string, b []byte) {
	path := filepath.Join(f.dir, name)
	if b == nil {
		require.NoError(f.t, os.Remove(path))
	} else {
		require.NoError(f.t, os.WriteFile(path, b, 0o666))
	}
	err := guard(f.dir, &Options{})
	if err != nil {
		require.ErrorIs(f.t, err, record.ErrCorrupt, what)
		f.refused++
	} else {
		p := passed{what, filepath.Join(f.t.TempDir(), strconv.Itoa(len(f.passed)))}
		all := readDir(f.t, f.dir)
		writeDir(f.t, p.dir, all)
		f.passed = append(f.passed, p)
	}
	require.NoError(f.t, os.WriteFile(path, f.files[name], 0o666))
}

func (f *faults) flip(name string, bit int) {
	b := bytes.Clone(f.files[name])
	b[bit/8] ^= 1 << (bit % 8)
	f.try(fmt.Sprintf("%s bit %d", name, bit), name, b)
}

// finish opens what the guard let pass, in child processes, and returns the
// damages after which rows were wrong or missing.
func (f *faults) finish() (silent []string) {
	sameDir(f.t, f.files, readDir(f.t, f.dir), "after all faults")
	harmless, errs := 0, 0
	rest := f.passed
	for len(rest) > 0 {
		var in bytes.Buffer
		for _, p := range rest {
			fmt.Fprintln(&in, p.dir)
		}
		cmd := child(f.t, "open")
		cmd.Stdin = &in
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		at := -1
		for line := range strings.Lines(string(out)) {
			line = strings.TrimSpace(line)
			word, more, _ := strings.Cut(line, " ")
			switch word {
			case "try":
				at++
			case "refused":
				f.refused++
			case "error":
				errs++
			case "rows":
				if more == f.want {
					harmless++
				} else {
					silent = append(silent, rest[at].what)
				}
			default:
				f.t.Errorf("child printed %q", line)
			}
		}
		if err == nil {
			require.Equal(f.t, len(rest), at+1)
			break
		}
		require.GreaterOrEqual(f.t, at, 0)
		f.t.Errorf("%s: process died: %v: %.2000s", rest[at].what, err, stderr.String())
		rest = rest[at+1:]
	}
	f.t.Logf("refused %d, read errors %d, harmless %d, silent %d", f.refused, errs, harmless, len(silent))
	return silent
}

// flipAll flips every bit of MANIFEST and n random bits of all files, and in
// logs as many again among the bytes written.
func (f *faults) flipAll(seed uint64, n int) {
	for bit := range 8 * len(f.files[manifestName]) {
		f.flip(manifestName, bit)
	}
	var names []string
	for name := range f.files {
		if len(f.files[name]) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	r := rand.New(rand.NewPCG(seed, 0))
	for range n {
		name := names[r.IntN(len(names))]
		size := len(f.files[name])
		if used := len(trimZeros(f.files[name])); used > 0 && r.IntN(4) > 0 {
			size = used
		}
		f.flip(name, r.IntN(8*size))
	}
	// The end of each log is where a flip is most like a torn write.
	for _, name := range names {
		if filepath.Ext(name) == memExt {
			used := len(trimZeros(f.files[name]))
			for at := max(0, used-60); at < used; at++ {
				f.flip(name, 8*at+r.IntN(8))
			}
		}
	}
}

func TestBitFlipsOfAClosedStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kv")
	closedStore(t, dir, 900)
	f := newFaults(t, dir)
	f.flipAll(1, 300)
	require.Empty(t, f.finish(), "silent losses")
}

func TestBitFlipsOfAKilledStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kv")
	last := writeAndKill(t, dir, 0, 500)
	last = writeAndKill(t, dir, last+10, 200)
	require.Greater(t, last, 700)
	f := newFaults(t, dir)
	f.flipAll(2, 300)
	require.Empty(t, f.finish(), "silent losses")
}

func TestKilledStoresOpenWithEveryRow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kv")
	from := 0
	for cycle := range 12 {
		last := writeAndKill(t, dir, from, 40+30*cycle)
		d := mustOpen(t, dir, faultOptions)
		rows, err := readRows(d)
		require.NoError(t, err)
		next := len(rows)
		want := wantRows(last)
		if !sameRows(want, rows) {
			// The transaction after the last acknowledged one may be there.
			want = wantRows(last + 1)
			require.True(t, sameRows(want, rows), "cycle %d: %d rows, want %d", cycle, next, len(want))
			last++
		}
		require.NoError(t, d.Close())
		from = last + 1
	}
}

func sameRows(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

func TestWrongFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kv")
	last := writeAndKill(t, dir, 0, 700)
	require.GreaterOrEqual(t, last, 700)
	f := newFaults(t, dir)
	r := rand.New(rand.NewPCG(3, 0))
	for name, b := range f.files {
		switch filepath.Ext(name) {
		case tableExt:
			f.try("no "+name, name, nil)
			f.try("empty "+name, name, []byte{})
		case memExt:
			f.try("header only "+name, name, b[:min(len(b), 7)])
		case vlogExt:
			f.try("no "+name, name, nil)
			f.try("empty "+name, name, []byte{})
		}
		for range 20 {
			if filepath.Ext(name) == memExt && len(b) > 0 {
				// Cut inside what is written, not in the zeros and not
				// between transactions: that cut looks like an older state.
				f.try("cut "+name, name, b[:memHead+1+r.IntN(len(trimZeros(b))-memHead-1)])
				continue
			}
			if len(b) > 0 {
				f.try("cut "+name, name, b[:r.IntN(len(b))])
			}
			page := bytes.Clone(b)
			at := r.IntN(len(b) + 1)
			clear(page[at:min(len(b), at+4096)])
			f.try("zeroed "+name, name, page)
		}
	}
	f.try("no MANIFEST", manifestName, nil)
	f.try("empty MANIFEST", manifestName, []byte{})
	require.Empty(t, f.finish(), "silent losses")
}
