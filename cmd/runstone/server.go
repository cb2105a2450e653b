package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
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

Artifacts go through the server, to a folder in the directory or the one that
--artifacts-destination names. --default-artifact-root names another place for
those of new experiments, to which clients write by themselves, with the server
or, with --no-serve-artifacts, instead of it: a folder that they have at the same
path, of which the server lists and sends everything that is in it, or a bucket
or other place such as s3://bucket/prefix, which the server never opens.
--no-serve-artifacts alone means ./mlruns, as it does for MLflow. Experiments
keep the place that they were made with.

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
	durability     string
	remote         bool
	accessFlags
	guardFlags
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
	f.Bool("help", false, "help for server") // -h is MLflow's for --host
	f.StringVarP(&fl.host, "host", "h", "127.0.0.1", "address to listen at")
	f.StringVarP(&fl.port, "port", "p", "5000", "port to listen at; 0 takes a free one")
	f.StringVar(&fl.backend, "backend-store-uri", "", "directory of the database, as a path or a file: URI; the same as --data-dir")
	f.StringVar(&fl.artifacts, "artifacts-destination", "", "folder of the artifacts that go through the server, as a path or a file: URI (default: in the database)")
	f.StringVar(&fl.root, "default-artifact-root", "", "where clients keep the artifacts of new experiments: a folder or a URI (default mlflow-artifacts:/, which is through the server)")
	f.StringSliceVar(&fl.hosts, "allowed-hosts", nil, "values of the Host header to answer, without patterns; * is all (default localhost and 127.0.0.1)")
	f.StringSliceVar(&fl.origins, "cors-allowed-origins", nil, "origins such as https://ui.example.org whose pages may read and change things; * is all")
	f.StringVar(&fl.frame, "x-frame-options", "SAMEORIGIN", "which pages may show those of the server in a frame: SAMEORIGIN, DENY or NONE")
	f.BoolVar(&fl.unguarded, "disable-security-middleware", false, "take every Host and Origin; for tests only")
	f.StringVar(&fl.prometheus, "expose-prometheus", "", "answer /metrics; the value is a folder, which is not used")
	f.StringVar(&fl.publicURL, "public-url", "", "how clients reach the server through a proxy that changes the Host header, for the URLs of uploads in parts")
	f.BoolVar(&fl.only, "artifacts-only", false, "serve artifacts and nothing else")
	f.StringVar(&fl.durability, "durability", "synced", "what new runs, metrics, params and tags survive once they are answered: synced, power loss; appended, the process")
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
	a.completeWords(cmd, "durability", "synced", "appended")
	a.completeWords(cmd, "x-frame-options", "SAMEORIGIN", "DENY", "NONE")
	a.completeWords(cmd, "app-name", "basic-auth")
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
	opt := &runstone.Options{Exclusive: true, Logger: log}
	switch fl.durability {
	case "synced":
		opt.Durability = runstone.Synced
	case "appended":
		opt.Durability = runstone.Appended
	default:
		return usagef("--durability is synced or appended, not %q", fl.durability)
	}
	files, err := a.artifactPlaces(dir, fl)
	if err != nil {
		return err
	}
	opt.Artifacts, opt.ArtifactRoot = files.folder, files.root
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
	secured, err := fl.secure(listener, log)
	if err != nil {
		_ = listener.Close()
		return err
	}
	err = with(ctx, dir, opt, func(ctx context.Context, db *runstone.DB) error {
		root, err := files.open()
		if err != nil {
			return err
		}
		if root != nil {
			defer root.Close()
		}
		if users != nil {
			if err := a.firstAdmin(users); err != nil {
				return err
			}
		}
		opt := &server.Options{
			Access: users, AllowedHosts: fl.hosts, TrustedOrigins: fl.origins, StaticPrefix: fl.prefix,
			NoArtifacts: fl.serveless(), RootFiles: root, UI: ui, UIScripts: fl.uiScripts, Logger: log,
		}
		if err := fl.fill(a, opt); err != nil {
			return err
		}
		s, err := server.New(db, opt)
		if err != nil {
			return asUsage(err)
		}
		if err := a.announce(ctx, db, listener.Addr(), fl, users != nil); err != nil {
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
func (a *app) announce(ctx context.Context, db *runstone.DB, addr net.Addr, fl *serverFlags, asked bool) error {
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
	if err := a.tellPlaces(ctx, db, fl); err != nil {
		return err
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
