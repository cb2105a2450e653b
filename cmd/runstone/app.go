package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// app is one call of the program: its streams and global flags.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)

	dataDir string
	json    bool
	quiet   bool
	noColor bool

	started bool // the arguments were understood
	stdout  *bufio.Writer
}

// main runs the program and returns its exit code.
func (a *app) main(ctx context.Context, args []string) int {
	// Mistakes in the arguments are reported before the flags are known.
	a.json = slices.Contains(args, "--json")
	a.stdout = bufio.NewWriterSize(a.out, 64<<10)
	root := a.command()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.stdout)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	if ferr := a.stdout.Flush(); err == nil {
		err = ferr
	}
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return exitOK
	}
	if !a.started {
		err = badArgs(cmd, err)
	}
	if ctx.Err() != nil && isCanceled(err) {
		err = errInterrupted
	}
	return a.report(err)
}

const rootLong = `Runstone keeps experiment runs, their metrics, artifacts and models in one
directory. These commands look after such a directory and serve it to MLflow
clients.

A run is named by its id or by the first digits of it, four or more, that no
other run has. An experiment is named by its id or its name.

Commands that read open a private copy of the database: they work beside a
server and on what a crash left. Commands that write need no server. Beside one
their changes of experiments, runs and artifacts go to it through an inbox and
take effect within a second. The registry changes only through the server that
holds it: beside one the models commands that write end with exit code 5.`

// command returns the tree of commands.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use: "runstone", Short: "Keep and serve the record of every run", Long: rootLong,
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.ArbitraryArgs, RunE: group,
	}
	f := root.PersistentFlags()
	f.StringVarP(&a.dataDir, "data-dir", "d", "", "directory of the database (default $"+envDataDir+", else "+defaultDataDir+")")
	f.BoolVar(&a.json, "json", a.json, "print JSON, errors too")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "print no notes and no progress on stderr")
	f.BoolVar(&a.noColor, "no-color", false, "print no colors; so does the variable NO_COLOR")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return asUsage(err) })
	root.AddCommand(
		a.serverCommand(), a.searchCommand(), a.experimentsCommand(), a.runsCommand(), a.metricsCommand(), a.plotCommand(), a.topCommand(),
		a.modelsCommand(), a.artifactsCommand(), a.exportCommand(), a.importCommand(), a.benchCommand(), a.verifyCommand(), a.reindexCommand(), a.inspectCommand(), a.gcCommand(), a.infoCommand(), a.usersCommand(),
		a.versionCommand(),
		&cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitLong},
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	a.refuseShells(root)
	a.prepare(root)
	return root
}

const exitLong = `The exit code says how a call went, for scripts:

  0    it is done
  1    an error that is none of the others
  2    the arguments were not understood
  3    what was asked for is not there
  4    refused: invalid, taken already, or not confirmed
  5    another process holds the database
  6    damaged or lost data
  7    not enough free disk space
  8    the database was written by a newer runstone
  9    benchmarks regressed
  130  interrupted

An error is one line on stderr that also says what to do next; two lines below
it show the place of a mistake in a filter or an order. With --json it is an
object {"error": {"code", "exit", "message", "next"}}.`

// refuseShells makes "completion" with a shell that it does not know a mistake
// in the arguments; Cobra would show the help.
func (a *app) refuseShells(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Args, cmd.RunE = cobra.ArbitraryArgs, group
			for _, shell := range cmd.Commands() {
				shell.Args = noArgs
			}
		}
	}
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &fault{code: exitUsage, msg: fmt.Sprintf("%s takes no arguments, but there is %q", cmd.CommandPath(), args[0]), hint: "usage: " + cmd.UseLine()}
}

// badArgs is a mistake in the arguments of cmd.
func badArgs(cmd *cobra.Command, err error) error {
	if f := (*fault)(nil); errors.As(err, &f) {
		return err
	}
	return &fault{code: exitUsage, msg: err.Error(), hint: "usage: " + cmd.UseLine(), cause: err}
}

// prepare makes cmd and those below it tell mistakes in the arguments from
// errors of the work.
func (a *app) prepare(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil && cmd.Name() != "help" {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.started = true
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		a.prepare(sub)
	}
}

// group is what a command does that only holds others.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	msg := fmt.Sprintf("%s has no command %q", cmd.CommandPath(), args[0])
	next := fmt.Sprintf(`"%s --help" lists the commands`, cmd.CommandPath())
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		next = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return &fault{code: exitUsage, msg: msg, hint: next}
}

// newGroup returns a command that only holds others.
func newGroup(use, short string, sub ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: group, SuggestionsMinimumDistance: 2}
	cmd.AddCommand(sub...)
	return cmd
}

// note tells the person something that is not the answer.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.err, "runstone: "+format+"\n", args...)
	}
}

// done reports a change: a line for people, an object with --json.
func (a *app) done(object any, format string, args ...any) error {
	if a.json {
		return a.writeJSON(object)
	}
	_, err := fmt.Fprintf(a.stdout, format+"\n", args...)
	return err
}
