package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// What the Makefile's linker flags say; empty in other builds.
var version, commit string

// buildVersion is the version, the commit and whether the sources differed from
// it, as the linker was told or else as the build recorded it.
func buildVersion() (v, rev string) {
	v, rev = version, commit
	info, ok := debug.ReadBuildInfo()
	if ok && v == "" && info.Main.Version != "(devel)" {
		v = info.Main.Version
	}
	if v == "" {
		v = "devel"
	}
	if !ok || rev != "" {
		return v, rev
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			rev = s.Value
		case s.Key == "vcs.modified" && s.Value == "true" && rev != "":
			rev += "+changes"
		}
	}
	return v, rev
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			v, rev := buildVersion()
			platform := runtime.GOOS + "/" + runtime.GOARCH
			line := "runstone " + v
			if rev != "" {
				line += " " + rev
			}
			return a.done(map[string]any{"version": v, "commit": rev, "go": runtime.Version(), "platform": platform},
				"%s", fmt.Sprintf("%s (%s, %s)", line, runtime.Version(), platform))
		},
	}
}
