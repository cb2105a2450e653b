package tensorboard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// folder is a run of TensorBoard: a folder with event files.
type folder struct {
	path  string   // below the folder imported, "." for itself
	files []string // names of event files, sorted
}

const (
	// maxDepth bounds how deep folders are looked for.
	maxDepth = 64
	// maxFolders bounds how many of them are looked into.
	maxFolders = 1 << 20
)

// find yields the folders below root that hold event files, by path. Symbolic
// links are not followed. A folder that cannot be read is told to problem and
// left out.
func find(ctx context.Context, root *os.Root, problem func(path string, err error)) ([]folder, error) {
	var found []folder
	looked := 0
	var walk func(dir string, depth int) error
	walk = func(dir string, depth int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if looked++; looked > maxFolders || depth > maxDepth {
			problem(dir, errors.New("too many folders, or too deep a one"))
			return nil
		}
		entries, err := fs.ReadDir(root.FS(), dir)
		if err != nil {
			if dir == "." {
				return err
			}
			problem(dir, err)
			return nil
		}
		at := len(found)
		f := folder{path: dir}
		for _, e := range entries {
			switch {
			case e.IsDir():
				if err := walk(path.Join(dir, e.Name()), depth+1); err != nil {
					return err
				}
			case e.Type().IsRegular() && isEvents(e.Name()):
				f.files = append(f.files, e.Name())
			}
		}
		if len(f.files) > 0 {
			slices.Sort(f.files)
			found = slices.Insert(found, at, f)
		}
		return nil
	}
	return found, walk(".", 0)
}

// isEvents reports whether TensorBoard takes a file of this name for an event
// file. The empty one that a profiler leaves is none.
func isEvents(name string) bool {
	return strings.Contains(name, "tfevents") && !strings.HasSuffix(name, ".profile-empty")
}

// runID is the id of the run of a folder.
func runID(experiment string, f *folder) string {
	sum := sha256.Sum256([]byte("tensorboard\x00" + experiment + "\x00" + f.path + "\x00" + f.files[0]))
	return hex.EncodeToString(sum[:16])
}

const digestSize = 4

func shortDigest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:digestSize])
}
