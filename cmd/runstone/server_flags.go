package main

import (
	"strings"

	"github.com/spf13/pflag"
)

// foreign is a flag of "mlflow server" that does nothing here.
type foreign struct {
	name    string
	short   string
	isBool  bool
	refused string // why, for a flag that must not be passed over
}

// foreignList returns those flags. One that would change who may use the
// server, or which data is served, is refused: passing over it would surprise.
func foreignList() []foreign {
	return []foreign{
		{name: "workers", short: "w"},
		{name: "gunicorn-opts"},
		{name: "uvicorn-opts"},
		{name: "waitress-opts"},
		{name: "dev", isBool: true},
		{name: "read-replica-backend-store-uri"},
		{name: "trace-archival-config"},
		{name: "secrets-cache-ttl"},
		{name: "secrets-cache-max-size"},
		{name: "disable-workspaces", isBool: true},
		{name: "artifacts-presigned-only", isBool: true, refused: "artifacts go through the server"},
		{name: "registry-store-uri", refused: "the registry is in the same database"},
		{name: "enable-workspaces", isBool: true, refused: "there are no workspaces"},
		{name: "workspace-store-uri", refused: "there are no workspaces"},
	}
}

func addForeignFlags(f *pflag.FlagSet) {
	for _, o := range foreignList() {
		usage := "taken for mlflow's sake and ignored"
		if o.refused != "" {
			usage = "refused: " + o.refused
		}
		if o.isBool {
			f.BoolP(o.name, o.short, false, usage)
		} else {
			f.StringP(o.name, o.short, "", usage)
		}
	}
}

// foreignFlags names the flags that were given and do nothing.
func (a *app) foreignFlags(f *pflag.FlagSet) error {
	var ignored []string
	for _, o := range foreignList() {
		flag := f.Lookup(o.name)
		if !flag.Changed || o.isBool && flag.Value.String() == "false" {
			continue
		}
		if o.refused != "" {
			return refusedf("leave it out", "--%s is refused: %s", o.name, o.refused)
		}
		ignored = append(ignored, "--"+o.name)
	}
	if len(ignored) > 0 {
		a.note("ignored, without a meaning here: %s", strings.Join(ignored, ", "))
	}
	return nil
}

// mlflowVariable returns the variable of "mlflow server" for a flag, "" when
// it has none.
func mlflowVariable(flag string) string {
	switch flag {
	case "allowed-hosts", "cors-allowed-origins", "x-frame-options", "disable-security-middleware":
		flag = "server-" + flag
	case "allow-remote", "no-serve-artifacts", "help", "public-url", "durability", "ui", "ui-scripts", "auth", "tls-cert", "tls-key", "tls-proxy":
		return ""
	}
	return "MLFLOW_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnv sets the flags that were not given from MLflow's variables. A value
// that cannot be read is named and passed over.
func (a *app) fromEnv(f *pflag.FlagSet) {
	f.VisitAll(func(flag *pflag.Flag) {
		name := mlflowVariable(flag.Name)
		if flag.Changed || name == "" || flag.Name == "data-dir" {
			return
		}
		v, ok := a.env(name)
		if !ok || v == "" {
			return
		}
		// An explicit directory goes before a variable.
		if flag.Name == "backend-store-uri" && (a.dataDir != "" || a.getenv(envDataDir) != "") {
			return
		}
		if err := f.Set(flag.Name, v); err != nil {
			a.note("%s is ignored: %s", name, oneLine(err.Error()))
		}
	})
}
