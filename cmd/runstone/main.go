// Command runstone looks after a Runstone database from the command line and
// serves it.
//
// Every subcommand has a file of its own. Commands that read open a private
// copy of the database, so they work beside a running server and on what a
// crash left; commands that write open it as a program would. docs/CLI.md is
// the reference; it is made from the commands themselves.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A reader such as head that has enough must not end the process before it
	// has cleaned up: the write fails instead.
	signal.Ignore(syscall.SIGPIPE)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv}
	code := a.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
