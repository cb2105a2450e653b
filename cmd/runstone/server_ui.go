package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// uiPlaces are where a web UI may be below the folder that --ui names: in itself,
// in the mlflow package, in a site-packages, in a virtual environment. They are
// patterns of package fs.
func uiPlaces() []string {
	const build = "server/js/build"
	return []string{
		".", "build", build, "mlflow/" + build,
		"lib/python3*/site-packages/mlflow/" + build,
		"Lib/site-packages/mlflow/" + build, // on Windows
	}
}

// openUI opens the folder of the web UI that --ui means, nil for "".
func openUI(dir string) (*os.Root, error) {
	if dir == "" {
		return nil, nil
	}
	base, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("--ui: %w", err)
	}
	if !base.IsDir() {
		return nil, usagef("--ui wants a folder, and %s is none", dir)
	}
	for _, place := range uiPlaces() {
		found, _ := fs.Glob(os.DirFS(dir), path.Join(place, "index.html")) // the pattern is well formed
		for _, index := range found {
			index = filepath.Join(dir, filepath.FromSlash(index))
			if info, err := os.Stat(index); err == nil && info.Mode().IsRegular() {
				root, err := os.OpenRoot(filepath.Dir(index))
				if err != nil {
					return nil, fmt.Errorf("--ui: %w", err)
				}
				return root, nil
			}
		}
	}
	return nil, refusedf("name the build of a web UI, such as the folder server/js/build of an installed mlflow, or the Python environment that it is in",
		"--ui: there is no index.html in %s", dir)
}
