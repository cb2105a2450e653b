package main

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"

	"github.com/runstonedb/runstone/access"
)

// accessFlags say who may reach the server.
type accessFlags struct {
	auth      bool
	app       string
	cert, key string
	proxy     bool
}

// envAdminPassword is MLflow's variable for the first administrator's password.
const envAdminPassword = "MLFLOW_AUTH_ADMIN_PASSWORD" //nolint:gosec // its name

// guard returns the users of the server, nil when everybody may do everything,
// and refuses an address that other machines reach without protection.
func (a *app) guard(dir string, fl *serverFlags) (*access.Store, error) {
	switch fl.app {
	case "", "basic-auth":
	default:
		return nil, refusedf("leave it out, or give basic-auth", "--app-name %q: there are no other apps", fl.app)
	}
	if (fl.cert == "") != (fl.key == "") {
		return nil, usagef("--tls-cert and --tls-key go together")
	}
	store, err := openUsers(dir)
	if err != nil {
		return nil, err
	}
	users, err := store.Users()
	if err != nil {
		return nil, userFault(err)
	}
	auth := fl.auth || fl.app != "" || len(users) > 0
	switch {
	case isLoopback(fl.host):
	case !auth && !fl.remote:
		return nil, refusedf("give --auth, or --allow-remote where everybody on the network may do everything",
			"other machines reach %q, and there is no authentication", fl.host)
	case auth && fl.cert == "" && !fl.proxy:
		return nil, refusedf("give --tls-cert and --tls-key, or --tls-proxy where a proxy in front of the server ends TLS",
			"other machines reach %q, and passwords would go over the network in clear", fl.host)
	}
	if !auth {
		return nil, nil
	}
	return store, nil
}

// firstAdmin makes an administrator where there is no user, and prints the
// password where it made one up. It is printed whatever --quiet says, and
// nowhere else.
func (a *app) firstAdmin(store *access.Store) error {
	users, err := store.Users()
	if err != nil || len(users) > 0 {
		return userFault(err)
	}
	const name = "admin"
	if password, ok := a.env(envAdminPassword); ok && password != "" {
		if err := store.AddUser(name, password, true); err != nil {
			return userFault(fmt.Errorf("%s: %w", envAdminPassword, err))
		}
		a.note("made the user %s with the password of %s", name, envAdminPassword)
		return nil
	}
	password := rand.Text()
	if err := store.AddUser(name, password, true); err != nil {
		return userFault(err)
	}
	fmt.Fprintf(a.err, "runstone: there was no user, so there is one now; the password is shown this once\n"+
		"  export MLFLOW_TRACKING_USERNAME=%s\n  export MLFLOW_TRACKING_PASSWORD=%s\n", name, password)
	return nil
}

// secure puts TLS on a listener where there is a certificate.
func (fl *serverFlags) secure(l net.Listener, log *slog.Logger) (net.Listener, error) {
	if fl.cert == "" {
		return l, nil
	}
	pair, err := openKeyPair(fl.cert, fl.key, log)
	if err != nil {
		return nil, refusedf("check --tls-cert and --tls-key", "the certificate cannot be used: %v", err)
	}
	return tls.NewListener(l, pair.config()), nil
}
