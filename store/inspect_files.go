package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/runstonedb/runstone/store/internal/badgerkv"
)

// FileSpace is what the files of one kind take.
type FileSpace struct {
	Kind      string // "key space tables", "key space logs", "key space other", "journals", "inboxes", "artifacts", "copies" or "other"
	Files     int64
	Bytes     int64 // lengths of the files
	Allocated int64 // on the disk: less for a file with holes, more for a short one
}

// KeySpaceTables is the kind of the files that hold rows in their final place.
const KeySpaceTables = "key space tables"

// Files adds up the files of the database in dir, by kind. It needs no lock,
// opens none of them and follows no link: one counts as a file by itself.
// What lies below except, a path, is left out; "" leaves out nothing.
func Files(ctx context.Context, dir, except string) ([]FileSpace, error) {
	kinds := []FileSpace{
		{Kind: KeySpaceTables}, {Kind: "key space logs"}, {Kind: "key space other"}, {Kind: "journals"},
		{Kind: "inboxes"}, {Kind: "artifacts"}, {Kind: "copies"}, {Kind: "other"},
	}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name != "." {
			return nil // a running holder replaces files
		}
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if d.IsDir() {
			if except != "" && filepath.Join(dir, filepath.FromSlash(name)) == except {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		k := &kinds[fileKind(name)]
		k.Files++
		k.Bytes += info.Size()
		k.Allocated += allocated(info)
		return nil
	})
	return kinds, err
}

// fileKind returns the index in Files' kinds of a file in a database directory.
func fileKind(name string) int {
	top, below, inside := strings.Cut(name, "/")
	if !inside {
		return 7
	}
	switch top {
	case "kv":
		switch badgerkv.FileKind(path.Base(below)) {
		case "tables":
			return 0
		case "logs":
			return 1
		}
		return 2
	case "journal":
		return 3
	case "inbox":
		return 4
	case "artifacts":
		return 5
	case "tmp":
		return 6
	}
	return 7
}
