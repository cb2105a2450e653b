package store

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/runstonedb/runstone/store/internal/journal"
)

// formatVersion is the version of the directory as a whole.
const formatVersion = 1

// formatFile is the content of RUNSTONE, as JSON for people.
type formatFile struct {
	Product  string `json:"product"`
	Format   int    `json:"format"`
	Database string `json:"database"` // 32 hex digits
	Created  string `json:"created"`  // RFC 3339
	Check    string `json:"check"`    // CRC-32C of the fields above, 8 hex digits
}

func (f *formatFile) sum() string {
	text := fmt.Sprintf("%s %d %s %s", f.Product, f.Format, f.Database, f.Created)
	return fmt.Sprintf("%08x", crc32.Checksum([]byte(text), castagnoli))
}

// Paths inside a database directory.
func formatPath(dir string) string  { return filepath.Join(dir, "RUNSTONE") }
func markPath(dir string) string    { return filepath.Join(dir, "MARK") }
func kvPath(dir string) string      { return filepath.Join(dir, "kv") }
func inboxPath(dir string) string   { return filepath.Join(dir, "inbox") }
func tmpPath(dir string) string     { return filepath.Join(dir, "tmp") }
func journalDir(dir string) string  { return filepath.Join(dir, "journal") }
func artifactDir(dir string) string { return filepath.Join(dir, "artifacts") }
func journalPath(dir string, n uint64) string {
	return filepath.Join(journalDir(dir), fmt.Sprintf("%016d.log", n))
}

// ArtifactDir is where the files of runs and models of a database live.
func ArtifactDir(dir string) string { return artifactDir(dir) }

// readFormat returns the database id. Errors: fs.ErrNotExist, ErrNotDatabase,
// ErrFuture.
func readFormat(dir string) (id [16]byte, err error) {
	text, err := readSmall(formatPath(dir))
	if err != nil {
		return id, err
	}
	var f formatFile
	if err := json.Unmarshal(text, &f); err != nil || f.Product == "" {
		return id, fmt.Errorf("%s: %w or damaged: %w", formatPath(dir), ErrNotDatabase, ErrCorrupt)
	}
	if f.Format > formatVersion {
		return id, fmt.Errorf("%s: format %d, this version reads up to %d: %w", dir, f.Format, formatVersion, ErrFuture)
	}
	b, err := hex.DecodeString(f.Database)
	if f.Check != f.sum() || err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%s: unreadable: %w", formatPath(dir), ErrCorrupt)
	}
	return [16]byte(b), nil
}

// readSmall reads a file of which no more than 64 KiB can mean anything.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 64<<10))
}

// layout is what a database directory may hold; true means a folder. Nothing
// of it may be a link: it could lead our writes to any file of the user.
var layout = map[string]bool{
	"RUNSTONE": false, "RUNSTONE.tmp": false, "LOCK": false, "MARK": false, "MARK.tmp": false,
	"journal": true, "inbox": true, "kv": true, "tmp": true, "artifacts": true,
}

// checkLayout refuses a directory in which a link or special file stands where
// a file or folder of the database belongs.
func checkLayout(dir string) error {
	for name, folder := range layout {
		info, err := os.Lstat(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if errors.Is(err, syscall.ENOTDIR) {
			return fmt.Errorf("%s: a file, not a directory: %w", dir, ErrNotDatabase)
		}
		if err != nil {
			return err
		}
		if folder != info.IsDir() || !folder && !info.Mode().IsRegular() {
			return fmt.Errorf("%s: a link or special file where a database has its own: %w", filepath.Join(dir, name), ErrNotDatabase)
		}
	}
	return nil
}

// createFormat makes a new database directory out of an empty or absent one.
// The RUNSTONE file comes last, by rename: with it the directory is complete.
func createFormat(dir string) (id [16]byte, err error) {
	if err := checkEmpty(dir); err != nil {
		return id, err
	}
	for _, sub := range []string{journalDir(dir), inboxPath(dir), kvPath(dir)} {
		if err := os.MkdirAll(sub, 0o700); err != nil {
			return id, err
		}
	}
	if _, err := createMark(dir); err != nil {
		return id, err
	}
	_, _ = rand.Read(id[:])
	f := formatFile{
		Product: "runstone", Format: formatVersion,
		Database: hex.EncodeToString(id[:]), Created: time.Now().UTC().Format(time.RFC3339),
	}
	f.Check = f.sum()
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return id, err
	}
	return id, writeFileSynced(formatPath(dir), append(text, '\n'))
}

// checkEmpty refuses a directory that holds anything but the remains of an
// unfinished createFormat.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case name == "LOCK" || name == "MARK" || name == "MARK.tmp" || name == "RUNSTONE.tmp":
		case name == "journal" || name == "inbox" || name == "kv":
			inside, err := os.ReadDir(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			if len(inside) > 0 {
				return fmt.Errorf("%s: its RUNSTONE file is missing: %w", dir, ErrCorrupt)
			}
		default:
			return fmt.Errorf("%s: not empty and has no RUNSTONE file (found %q): %w", dir, name, ErrNotDatabase)
		}
	}
	return nil
}

// writeFileSynced writes a file so that it is there whole or not at all.
func writeFileSynced(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err == nil {
		err = journal.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return err
}

// journalNumbers returns the numbers of the journals in dir in order.
func journalNumbers(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(journalDir(dir))
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries { // ReadDir sorts by name, and names are of one width
		var n uint64
		name, ok := strings.CutSuffix(e.Name(), ".log")
		if _, err := fmt.Sscanf(name, "%016d", &n); !ok || err != nil || len(name) != 16 {
			return nil, fmt.Errorf("%s: foreign file in the journal folder: %w", filepath.Join(journalDir(dir), e.Name()), ErrCorrupt)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// prepareDir makes the directory itself where it may be created.
func prepareDir(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(dir, 0o700)
	}
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%s: a file, not a directory: %w", dir, ErrNotDatabase)
	}
	return err
}
