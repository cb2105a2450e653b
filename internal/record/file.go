package record

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// WriteFile replaces the file at path by one sealed value, whose key is the
// file's name without its folder: it is there whole or not at all, also after a
// power cut, and only its owner may read it. Two writers at once need a lock.
func WriteFile(path string, version byte, body []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(Seal(nil, []byte(filepath.Base(path)), version, body))
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return err
}

// ReadFile returns version and body of a file that [WriteFile] made. A file of
// more than limit bytes, or a damaged one, gives an error that wraps
// [ErrCorrupt]; one that is not there, [os.ErrNotExist].
func ReadFile(path string, limit int64) (version byte, body []byte, err error) {
	f, err := os.Open(path) //nolint:gosec // the caller names the file
	if err != nil {
		return 0, nil, err
	}
	value, err := io.ReadAll(io.LimitReader(f, limit+1))
	err = errors.Join(err, f.Close())
	if err != nil {
		return 0, nil, err
	}
	if int64(len(value)) > limit {
		return 0, nil, fmt.Errorf("%s: longer than %d bytes: %w", path, limit, ErrCorrupt)
	}
	version, body, err = Open([]byte(filepath.Base(path)), value)
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", path, err)
	}
	return version, body, nil
}

// syncDir makes the names in a folder durable. Windows has no such call.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir) //nolint:gosec // the caller names the folder
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
