package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite docs/CLI.md")

const docsHead = `# The command line

This page is made from the commands themselves: go test ./cmd/runstone -run Reference -update

`

// TestReference keeps docs/CLI.md what the commands say.
func TestReference(t *testing.T) {
	root := (&app{}).command()
	var b strings.Builder
	b.WriteString(docsHead)
	fmt.Fprintf(&b, "%s\n\n## Flags of every command\n\n%s\n", root.Long, flagTable(root.PersistentFlags()))
	b.WriteString("## Exit codes\n\n" + strings.ReplaceAll(exitLong, "\n  ", "\n    ") + "\n\n")
	for _, cmd := range root.Commands() {
		reference(&b, cmd)
	}
	name := filepath.Join("..", "..", "docs", "CLI.md")
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(b.String()), 0o644))
	}
	have, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, b.String(), string(bytes.ReplaceAll(have, []byte("\r\n"), []byte("\n"))), "run the test with -update")
}

func reference(b *strings.Builder, cmd *cobra.Command) {
	if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "exit-codes" {
		return
	}
	path := strings.TrimPrefix(cmd.CommandPath(), "runstone ")
	level := "##" + strings.Repeat("#", min(strings.Count(path, " "), 1))
	fmt.Fprintf(b, "%s %s\n\n", level, path)
	if cmd.HasSubCommands() {
		text := cmd.Long
		if text == "" {
			text = cmd.Short + "."
		}
		fmt.Fprintf(b, "%s\n\n", text)
	} else {
		fmt.Fprintf(b, "```\n%s\n```\n\n", cmd.UseLine())
		text := cmd.Long
		if text == "" {
			text = cmd.Short + "."
		}
		// Cobra's texts on shells indent their examples with a tab.
		fmt.Fprintf(b, "%s\n\n", strings.TrimSpace(text))
		if cmd.Example != "" {
			fmt.Fprintf(b, "```\n%s\n```\n\n", strings.ReplaceAll(strings.TrimPrefix(cmd.Example, "  "), "\n  ", "\n"))
		}
		if table := flagTable(cmd.LocalNonPersistentFlags()); table != "" {
			b.WriteString(table + "\n")
		}
	}
	for _, sub := range cmd.Commands() {
		reference(b, sub)
	}
}

func flagTable(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if b.Len() == 0 {
			b.WriteString("| flag | meaning |\n|---|---|\n")
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		kind, usage := pflag.UnquoteUsage(f)
		switch kind {
		case "stringArray", "strings":
			kind = "string"
		}
		if kind != "" {
			name += " " + kind
		}
		switch f.DefValue {
		case "", "false", "[]":
		case "0":
			if !strings.Contains(usage, "0 ") {
				usage += " (default 0)"
			}
		default:
			usage += " (default " + strings.Trim(f.DefValue, "[]") + ")"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, strings.ReplaceAll(usage, "|", "\\|"))
	})
	return b.String()
}

// TestCommandTree holds the habits of the commands.
func TestCommandTree(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		require.NotEmpty(t, cmd.Short, cmd.CommandPath())
		require.False(t, strings.HasSuffix(cmd.Short, "."), "%s: Short is no sentence", cmd.CommandPath())
		if !cmd.HasSubCommands() && cmd.Name() != "help" && cmd.Name() != "exit-codes" {
			require.NotNil(t, cmd.RunE, cmd.CommandPath())
			require.NotNil(t, cmd.Args, "%s takes any arguments", cmd.CommandPath())
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			require.NotEmpty(t, f.Usage, "%s --%s", cmd.CommandPath(), f.Name)
		})
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk((&app{}).command())
}

// mlflowFlags are all flags of "mlflow server" 3.18.
const mlflowFlags = `backend-store-uri read-replica-backend-store-uri registry-store-uri default-artifact-root serve-artifacts no-serve-artifacts
artifacts-only artifacts-presigned-only artifacts-destination host port workers static-prefix allowed-hosts cors-allowed-origins
disable-security-middleware x-frame-options gunicorn-opts waitress-opts uvicorn-opts dev expose-prometheus app-name trace-archival-config
secrets-cache-ttl secrets-cache-max-size workspace-store-uri enable-workspaces disable-workspaces`

// TestMLflowFlags: the server takes each of them, and docs/MLFLOW.md says what
// it does with it.
func TestMLflowFlags(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "MLFLOW.md"))
	require.NoError(t, err)
	flags := (&app{}).serverCommand().Flags()
	ignored := map[string]bool{}
	for _, o := range foreignList() {
		ignored[o.name] = o.refused == ""
	}
	for _, name := range strings.Fields(mlflowFlags) {
		require.NotNil(t, flags.Lookup(name), name)
		_, row, ok := strings.Cut(string(text), "\n| `--"+name+"` | ")
		require.True(t, ok, "docs/MLFLOW.md has no row for --%s", name)
		if is, foreign := ignored[name]; foreign {
			require.Equal(t, is, strings.HasPrefix(row, "ignored"), name)
			require.Equal(t, !is, strings.HasPrefix(row, "refused"), name)
		}
		delete(ignored, name)
	}
	require.Empty(t, ignored, "flags that MLflow does not have")
}
