package badgerkv

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/internal/record"
	"github.com/runstonedb/runstone/store/internal/kv"
)

// logOf builds a log with the transactions from version first to last, two rows each.
func logOf(first, last uint64) []byte {
	b := make([]byte, memHead)
	for v := first; v <= last; v++ {
		for i := range byte(2) {
			b = appendEntry(b, bitTxn, []byte{'k', i, byte(v)}, []byte("some value"), v)
		}
		b = append(b, finEntry(v)...)
	}
	return b
}

func appendEntry(b []byte, meta byte, key, value []byte, version uint64) []byte {
	at := len(b)
	b = append(b, meta, 0)
	b = binary.AppendUvarint(b, uint64(len(key)+8))
	b = binary.AppendUvarint(b, uint64(len(value)))
	b = append(b, 0)
	b = append(b, key...)
	b = binary.BigEndian.AppendUint64(b, ^version)
	b = append(b, value...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[at:], castagnoli))
}

func TestScanLog(t *testing.T) {
	zeros := make([]byte, 5000)
	three, four := logOf(1, 3), logOf(1, 4)
	for at := range len(four) - len(three) {
		// A kill leaves any beginning of the last transaction.
		m, err := scanLog(append(bytes.Clone(four[:len(three)+at]), zeros...), nil)
		require.NoError(t, err, "cut at %d", at)
		require.Equal(t, memlog{end: len(three), first: 1, last: 3, torn: at > 0}, m)
	}
	n := 0
	m, err := scanLog(append(bytes.Clone(four), zeros...), func([]byte, uint64) { n++ })
	require.NoError(t, err)
	require.Equal(t, memlog{end: len(four), first: 1, last: 4}, m)
	require.Equal(t, 8, n)

	for bit := range 8 * len(four) {
		if bit/8 >= 8 && bit/8 < memHead {
			continue // random bytes without a meaning
		}
		b := append(bytes.Clone(four), zeros...)
		b[bit/8] ^= 1 << (bit % 8)
		_, err := scanLog(b, nil)
		require.Error(t, err, "bit %d of byte %d", bit%8, bit/8)
	}
}

// Each case damages its own copy of one killed store.
func TestGuardCases(t *testing.T) {
	src := filepath.Join(t.TempDir(), "kv")
	writeAndKill(t, src, 0, 300)
	files := readDir(t, src)
	closed := filepath.Join(t.TempDir(), "kv")
	closedStore(t, closed, 300)
	noLogs := readDir(t, closed)
	f, err := listFiles(src)
	require.NoError(t, err)
	newest := ""
	for _, id := range f.mems { // one just created is empty
		if m, _ := scanLog(files[memName(id)], nil); m.last != 0 {
			newest = memName(id)
		}
	}
	require.NotEmpty(t, newest)
	firstTable := tableName(namedTables(t, f)[0])
	cutManifest := files[manifestName][:len(files[manifestName])-3]

	for _, c := range []struct {
		name   string
		change func(dir string)
		opt    Options
		want   string // part of the refusal; empty: opens
	}{
		{"untouched", func(string) {}, Options{}, ""},
		{"empty logs are swept", func(dir string) {
			writeDir(t, dir, map[string][]byte{"00900.mem": {}, "000900.vlog": {}})
		}, Options{}, ""},
		{"no MANIFEST", func(dir string) { os.Remove(filepath.Join(dir, manifestName)) }, Options{}, "missing"},
		{"no table", func(dir string) { os.Remove(filepath.Join(dir, firstTable)) }, Options{}, firstTable + ": missing"},
		{"torn MANIFEST", func(dir string) {
			writeDir(t, dir, map[string][]byte{manifestName: append(bytes.Clone(files[manifestName]), 0, 0, 0, 9, 1)})
		}, Options{}, "ends inside a record"},
		{"torn MANIFEST after a power loss", func(dir string) {
			writeDir(t, dir, map[string][]byte{manifestName: append(bytes.Clone(files[manifestName]), 0, 0, 0, 9, 1)})
		}, Options{AllowTornManifest: true}, ""},
		{"cut MANIFEST", func(dir string) { writeDir(t, dir, map[string][]byte{manifestName: cutManifest}) },
			Options{AllowTornManifest: true, MinManifestSize: int64(len(files[manifestName]))}, "bytes, but had"},
		{"MANIFEST of the beginning", func(dir string) {
			writeDir(t, dir, map[string][]byte{manifestName: files[manifestName][:16]})
		}, Options{}, "not named in MANIFEST"},
		{"foreign table name", func(dir string) { writeDir(t, dir, map[string][]byte{"-1.sst": {1}}) }, Options{}, "not a name"},
		{"foreign log name", func(dir string) { writeDir(t, dir, map[string][]byte{"1.mem": {1}}) }, Options{}, "not a name"},
		{"a value log with bytes", func(dir string) {
			writeDir(t, dir, map[string][]byte{"000900.vlog": append(make([]byte, 30), 1)})
		}, Options{}, "not an empty value log"},
		{"an unfinished table", func(dir string) {
			writeDir(t, dir, map[string][]byte{"000900.sst": append([]byte("block"), make([]byte, 4000)...)})
		}, Options{}, ""},
		{"a copy of a table", func(dir string) {
			writeDir(t, dir, map[string][]byte{"000900.sst": files[firstTable]})
		}, Options{}, ""},
		{"torn log", func(dir string) {
			writeDir(t, dir, map[string][]byte{newest: append(bytes.Clone(trimZeros(files[newest])), bytes.Repeat([]byte{7}, maxEntry+1)...)})
		}, Options{}, "neither a transaction"},
		{"torn log after a power loss", func(dir string) {
			writeDir(t, dir, map[string][]byte{newest: append(bytes.Clone(trimZeros(files[newest])), bytes.Repeat([]byte{7}, maxEntry+1)...)})
		}, Options{AllowTornLog: true}, ""},
		{"a gap between logs", func(dir string) {
			writeDir(t, dir, map[string][]byte{"90000.mem": logOf(90000, 90002), "90001.mem": logOf(90004, 90005)})
		}, Options{}, "ends at version 90002"},
		{"an older log torn", func(dir string) {
			cut := logOf(90000, 90002)
			writeDir(t, dir, map[string][]byte{"90000.mem": append(cut[:len(cut)-20], make([]byte, 500)...), "90001.mem": logOf(90002, 90005)})
		}, Options{}, "not the newest log"},
		{"an older log torn by a power loss", func(dir string) {
			cut := logOf(90000, 90002)
			writeDir(t, dir, map[string][]byte{"90000.mem": cut[:len(cut)-20], "90001.mem": logOf(90003, 90005)})
		}, Options{AllowTornLog: true}, ""},
		{"blocks unchecked above the limit", func(dir string) {
			b := bytes.Clone(files[firstTable])
			b[100] ^= 1
			writeDir(t, dir, map[string][]byte{firstTable: b})
		}, Options{VerifyLimit: -1}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "kv")
			if strings.Contains(c.name, "older") || strings.Contains(c.name, "gap") {
				writeDir(t, dir, noLogs)
			} else {
				writeDir(t, dir, files)
			}
			c.change(dir)
			before := readDir(t, dir)
			c.opt.memTable = faultOptions.memTable
			d, err := Open(dir, c.opt)
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				require.ErrorIs(t, err, record.ErrCorrupt)
				var guard *GuardError
				require.ErrorAs(t, err, &guard)
				require.Equal(t, dir, filepath.Dir(guard.File))
				sameDir(t, before, readDir(t, dir), "refused")
				return
			}
			require.NoError(t, err)
			if c.name == "an older log torn by a power loss" {
				// What came after the gap is gone with it.
				require.NoError(t, d.View(func(r kv.Reader) error {
					for v := 90000; v <= 90005; v++ {
						_, err := r.Get([]byte{'k', 0, byte(v)})
						if v <= 90001 {
							require.NoError(t, err)
						} else {
							require.ErrorIs(t, err, kv.ErrNotFound)
						}
					}
					return nil
				}))
			}
			if c.opt.VerifyLimit < 0 {
				require.ErrorIs(t, d.Verify(t.Context()), record.ErrCorrupt)
			} else {
				require.NoError(t, d.Verify(t.Context()))
			}
			require.NoError(t, d.Close())
		})
	}
}

func FuzzScanLog(f *testing.F) {
	f.Add(logOf(1, 3))
	f.Add(logOf(1, 3)[:100])
	f.Add(append(logOf(7, 7), make([]byte, 64)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		rows := 0
		m, err := scanLog(b, func(key []byte, _ uint64) { rows += len(key) })
		if m.end > len(b) || rows > len(b) || err == nil && !m.torn && !allZero(b[m.end:]) {
			t.Fatal(m, err)
		}
	})
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(manifestHead + "\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(b)
		if err == nil && (m.valid > len(b) || !m.torn && m.valid != len(b)) {
			t.Fatal(m)
		}
	})
}

func FuzzTable(f *testing.F) {
	b := table.NewTableBuilder(table.Options{TableSize: 1 << 16, BlockSize: 256, BloomFalsePositive: 0.01})
	for i := range 20 {
		b.Add(y.KeyWithTs(faultKey(i), uint64(i+1)), y.ValueStruct{Value: make([]byte, 20)}, 0)
	}
	f.Add(b.Finish())
	b.Close()
	f.Fuzz(func(t *testing.T, b []byte) {
		table := &sst{r: bytes.NewReader(b), size: int64(len(b))}
		if table.readIndex(nil) != nil {
			return
		}
		defer func() { _ = recover() }() // as checkTable: flatbuffers panic on a forged index
		rows := 0
		if err := table.each(func(key []byte, _ uint64) bool { rows++; return true }); err == nil && 4*rows > len(b) {
			t.Fatal(rows)
		}
	})
}
