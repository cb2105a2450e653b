package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// uiPlaces are where a web UI may be below the folder that --ui names: in itself,
// in the mlflow package, in a site-packages, in a virtual environment.
func uiPlaces() []string {
	build := filepath.Join("server", "js", "build")
	return []string{
		".", "build", build, filepath.Join("mlflow", build),
		filepath.Join("lib", "python3*", "site-packages", "mlflow", build),
		filepath.Join("Lib", "site-packages", "mlflow", build), // on Windows
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
		found, _ := filepath.Glob(filepath.Join(escapeGlob(dir), place, "index.html")) // the pattern is well formed
		for _, index := range found {
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

// escapeGlob makes a pattern that matches a path as it is written.
func escapeGlob(path string) string {
	if filepath.Separator == '\\' {
		return path // patterns have no escapes there
	}
	var out []byte
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			out = append(out, '\\')
		}
		out = append(out, path[i])
	}
	return string(out)
}
