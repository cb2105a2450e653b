package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/server"
	"github.com/spf13/cobra"
)

const serverLong = `Serve the database over MLflow's REST API, to MLflow clients on this machine.

The directory is made if it is not there, and held while the server runs: other
programs that log to it go through the server's inbox. Flags and variables of
"mlflow server" are taken where they make sense; those without a meaning here
are named on stderr and ignored, and those that would change what is served or
who may use it are refused. A flag goes before its variable, MLFLOW_HOST for
--host and so on.

--ui serves a web UI on the same API: a folder with its index.html, or one that
has MLflow's in its usual place: a virtual environment, a site-packages or the
mlflow package. Its files are read while the server runs.

With --auth, and as soon as there is a user (see "runstone users"), everybody is
asked for a name and password or a token. Without, whoever can reach the address
can read, change and delete everything: another address than one of this machine
is then refused without --allow-remote. Passwords go to another machine over TLS
only, from --tls-cert and --tls-key or a proxy, which --tls-proxy promises.`

// serverFlags are the flags that mean something here.
type serverFlags struct {
	host, port     string
	backend        string
	artifacts      string
	root           string
	hosts, origins []string
	prefix, ui     string
	serve, noServe bool
	uiScripts      bool
	remote         bool
	accessFlags
}

func (a *app) serverCommand() *cobra.Command {
	var fl serverFlags
	cmd := &cobra.Command{
		Use: "server", Short: "Serve the database to MLflow clients", Long: serverLong, Args: noArgs,
		Example: `  runstone server
  runstone server -d /srv/tracking --port 5001
  runstone server --ui .venv
  MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python train.py`,
	}
	f := cmd.Flags()
	f.StringVar(&fl.host, "host", "127.0.0.1", "address to listen at")
	f.StringVarP(&fl.port, "port", "p", "5000", "port to listen at; 0 takes a free one")
	f.StringVar(&fl.backend, "backend-store-uri", "", "directory of the database, as a path or a file: URI; the same as --data-dir")
	f.StringVar(&fl.artifacts, "artifacts-destination", "", "folder of artifacts, as a path or a file: URI (default: in the database)")
	f.StringVar(&fl.root, "default-artifact-root", "", "only mlflow-artifacts:/, which is the default")
	f.StringSliceVar(&fl.hosts, "allowed-hosts", nil, "values of the Host header to answer (default localhost and 127.0.0.1)")
	f.StringSliceVar(&fl.origins, "cors-allowed-origins", nil, "origins whose pages may change things")
	f.StringVar(&fl.prefix, "static-prefix", "", "path before every path of the web pages")
	f.StringVar(&fl.ui, "ui", "", "folder of a web UI to serve at /, or a Python environment with mlflow in it")
	f.BoolVar(&fl.uiScripts, "ui-scripts", false, "let HTML files of runs run scripts where the web UI previews them")
	f.BoolVar(&fl.serve, "serve-artifacts", true, "serve artifacts")
	f.BoolVar(&fl.noServe, "no-serve-artifacts", false, "do not serve artifacts")
	f.BoolVar(&fl.remote, "allow-remote", false, "listen at an address that other machines reach, without authentication")
	f.BoolVar(&fl.auth, "auth", false, "ask for a name and password or a token; on by itself when there are users")
	f.StringVar(&fl.app, "app-name", "", "only basic-auth, which is the same as --auth")
	f.StringVar(&fl.cert, "tls-cert", "", "file of the certificate and its chain, in PEM")
	f.StringVar(&fl.key, "tls-key", "", "file of its private key, in PEM")
	f.BoolVar(&fl.proxy, "tls-proxy", false, "a proxy in front of the server ends TLS")
	addForeignFlags(f)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		a.fromEnv(cmd.Flags())
		if err := a.foreignFlags(cmd.Flags()); err != nil {
			return err
		}
		return a.serve(cmd.Context(), &fl)
	}
	return cmd
}

func (a *app) serve(ctx context.Context, fl *serverFlags) error {
	dir, err := a.serverDir(fl)
	if err != nil {
		return err
	}
	users, err := a.guard(dir, fl)
	if err != nil {
		return err
	}
	if _, err := strconv.ParseUint(fl.port, 10, 16); err != nil {
		return usagef("--port is a number up to 65535, not %q", fl.port)
	}
	level := slog.LevelWarn
	if a.quiet {
		level = slog.LevelError
	}
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
	opt := &runstone.Options{Exclusive: true, Durability: runstone.Synced, Logger: log}
	if opt.Artifacts, err = artifactFolder(fl); err != nil {
		return err
	}
	ui, err := openUI(fl.ui)
	if err != nil {
		return err
	}
	if ui != nil {
		defer ui.Close()
	}
	// The address comes first: where it is taken, no database is made.
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(fl.host, fl.port))
	if err != nil {
		f := asFault(err)
		f.hint = "choose another address with --host and --port"
		if errors.Is(err, syscall.EADDRINUSE) {
			f.hint = "another program listens there; stop it or choose another port with --port"
		}
		return f
	}
	secured, err := fl.secure(listener)
	if err != nil {
		_ = listener.Close()
		return err
	}
	err = with(ctx, dir, opt, func(ctx context.Context, db *runstone.DB) error {
		if users != nil {
			if err := a.firstAdmin(users); err != nil {
				return err
			}
		}
		s, err := server.New(db, &server.Options{
			Access: users, AllowedHosts: fl.hosts, TrustedOrigins: fl.origins, StaticPrefix: fl.prefix,
			NoArtifacts: fl.noServe || !fl.serve, UI: ui, UIScripts: fl.uiScripts, Logger: log,
		})
		if err != nil {
			return asUsage(err)
		}
		if err := a.announce(db, listener.Addr(), fl, users != nil); err != nil {
			return err
		}
		return s.Serve(ctx, secured)
	})
	_ = listener.Close()
	if errors.Is(err, runstone.ErrLocked) {
		return &fault{code: exitLocked, msg: err.Error(), cause: err, hint: "use that process, stop it, or serve another directory with --data-dir"}
	}
	if err == nil {
		a.note("stopped; everything is on disk")
	}
	return err
}

// announce says where the server is and what to do with it, and whether users
// are asked who they are.
func (a *app) announce(db *runstone.DB, addr net.Addr, fl *serverFlags, asked bool) error {
	scheme := "http://"
	if fl.cert != "" {
		scheme = "https://"
	}
	base := scheme + addr.String()
	if at, err := netip.ParseAddrPort(addr.String()); err == nil && at.Addr().IsUnspecified() {
		base = fmt.Sprintf("%s127.0.0.1:%d", scheme, at.Port())
	}
	if a.json {
		if err := a.writeJSON(map[string]any{"url": base, "address": addr.String(), "data_dir": db.Dir()}); err != nil {
			return err
		}
		return a.stdout.Flush()
	}
	fmt.Fprintf(a.stdout, `Serving %s
     at %s

Log to it      export MLFLOW_TRACKING_URI=%s
Look into it   %s experiments list -d %s
Stop it        Ctrl-C
`, db.Dir(), base+fl.prefix, base, quoteArg(os.Args[0]), quoteArg(db.Dir()))
	if fl.artifacts != "" {
		a.note("artifacts go to %s; the artifacts commands look into the database's own folder", fl.artifacts)
	}
	if !asked && !isLoopback(fl.host) {
		a.note("other machines reach %s, and there is no authentication", addr)
	}
	return a.stdout.Flush()
}

// quoteArg quotes a path for a shell where it needs it.
func quoteArg(s string) string {
	if strings.ContainsAny(s, " \t\n'\"\\$`&|;<>()*?[]#~!") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}

// serverDir returns the directory to serve. --data-dir and --backend-store-uri
// go before RUNSTONE_DATA_DIR.
func (a *app) serverDir(fl *serverFlags) (string, error) {
	if fl.backend == "" {
		return a.dir(), nil
	}
	for _, scheme := range []string{"sqlite", "postgresql", "postgres", "mysql", "mssql"} {
		if rest, ok := strings.CutPrefix(fl.backend, scheme); ok && strings.HasPrefix(strings.TrimLeft(rest, "+abcdefghijklmnopqrstuvwxyz0123456789"), ":") {
			return "", refusedf("name a directory with --data-dir; reading other databases comes later",
				"%s: is a database of another kind, which runstone cannot use or import yet", scheme)
		}
	}
	dir, ok := localPath(fl.backend)
	if !ok {
		return "", refusedf("name a directory with --data-dir", "%q is not a path or a file: URI", fl.backend)
	}
	if a.dataDir != "" && filepath.Clean(a.dataDir) != filepath.Clean(dir) {
		return "", usagef("--data-dir and --backend-store-uri name different directories")
	}
	return dir, nil
}

func artifactFolder(fl *serverFlags) (string, error) {
	if fl.root != "" && strings.TrimRight(fl.root, "/") != "mlflow-artifacts:" {
		return "", refusedf("leave it out, and choose the folder with --artifacts-destination",
			"--default-artifact-root %q: artifacts go through the server, as mlflow-artifacts:/ says", fl.root)
	}
	if fl.artifacts == "" {
		return "", nil
	}
	dir, ok := localPath(fl.artifacts)
	if !ok {
		return "", refusedf("give a path or a file: URI", "--artifacts-destination %q: only local folders work so far", fl.artifacts)
	}
	return dir, nil
}
