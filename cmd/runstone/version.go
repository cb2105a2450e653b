package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// buildVersion is what the build recorded: module version, commit and whether
// the sources differed from it.
func buildVersion() (version, commit string) {
	version = "devel"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, ""
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		version = v
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true" && commit != "":
			commit += "+changes"
		}
	}
	return version, commit
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			version, commit := buildVersion()
			platform := runtime.GOOS + "/" + runtime.GOARCH
			line := "runstone " + version
			if commit != "" {
				line += " " + commit
			}
			return a.done(map[string]any{"version": version, "commit": commit, "go": runtime.Version(), "platform": platform},
				"%s", fmt.Sprintf("%s (%s, %s)", line, runtime.Version(), platform))
		},
	}
}
