package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/runstonedb/runstone/server"
	"github.com/runstonedb/runstone/webhook"
)

// guardFlags say which pages may use the server, and what it counts.
type guardFlags struct {
	frame      string
	unguarded  bool
	prometheus string
	publicURL  string
	only       bool
}

// fill sets the options that follow from them.
func (fl *guardFlags) fill(a *app, opt *server.Options) error {
	opt.XFrameOptions, opt.PublicURL, opt.ArtifactsOnly = fl.frame, fl.publicURL, fl.only
	opt.Metrics = fl.prometheus != ""
	if opt.Metrics {
		a.note("metrics are at /metrics; they are counted in memory, and the folder %s is not used", fl.prometheus)
	}
	if fl.unguarded {
		opt.AllowedHosts, opt.TrustedOrigins, opt.XFrameOptions = []string{"*"}, []string{"*"}, "NONE"
		a.note("--disable-security-middleware: any web page that a user of this server opens can read and change what is here")
	}
	var err error
	opt.Webhooks, err = a.webhookOptions()
	return err
}

// webhookOptions reads MLflow's variables.
func (a *app) webhookOptions() (*webhook.Options, error) {
	opt := &webhook.Options{}
	if v, _ := a.env("_MLFLOW_WEBHOOK_ALLOWED_SCHEMES"); v != "" {
		for s := range strings.SplitSeq(v, ",") {
			if s = strings.TrimSpace(s); s != "http" && s != "https" {
				return nil, usagef("_MLFLOW_WEBHOOK_ALLOWED_SCHEMES: %q is neither http nor https", s)
			}
			opt.Schemes = append(opt.Schemes, s)
		}
	}
	switch v, _ := a.env("_MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS"); strings.ToLower(v) {
	case "", "false", "0":
	case "true", "1":
		opt.AllowPrivate = true
		a.note("webhooks may reach this machine and private networks, as _MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS says")
	default:
		return nil, usagef("_MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS is true or false, not %q", v)
	}
	number := func(name string, least int) (int, error) {
		v, _ := a.env(name)
		if v == "" {
			return 0, nil
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > 3600 {
			return 0, usagef("%s is a number from %d to 3600, not %q", name, least, v)
		}
		return n, nil
	}
	seconds, err := number("MLFLOW_WEBHOOK_REQUEST_TIMEOUT", 1)
	if err != nil {
		return nil, err
	}
	opt.Timeout = time.Duration(seconds) * time.Second
	if opt.Workers, err = number("MLFLOW_WEBHOOK_DELIVERY_MAX_WORKERS", 1); err != nil {
		return nil, err
	}
	if opt.Retries, err = number("MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES", 0); err != nil {
		return nil, err
	}
	if v, _ := a.env("MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES"); v == "0" {
		opt.Retries = -1
	}
	return opt, nil
}
