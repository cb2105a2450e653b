package artifact

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// MaxLocation is the longest location in bytes.
const MaxLocation = 2048

// Kind says what a [Location] names.
type Kind uint8

// The kinds of location, with the fields of [Location] that each one sets.
const (
	KindProxied     Kind = iota + 1 // mlflow-artifacts:/<path>                 Path
	KindForeign                     // the same on a named server               Host, Path
	KindLocal                       // /<path> or file:///<path>                Local
	KindRun                         // runs:/<run id>[/<path>]                  ID, Path
	KindModel                       // models:/<name>/<version or stage>        Name, and Version or Stage
	_                               //     or models:/<name>@<alias>            Name, Alias
	KindLoggedModel                 // models:/m-<id>                           ID
	KindRemote                      // <scheme>:/<anything>                     Host
)

// A Location is the typed form of an artifact location or a model source that
// a client sent. It is data: nothing here opens it. Which fields are set
// depends on Kind; Scheme is set for all but plain local paths.
type Location struct {
	Kind    Kind
	Scheme  string
	Host    string // as written, with user and port
	Path    Path   // below the proxy's root, or of the run's artifacts
	Local   string // absolute, clean, '/' between segments, not at the end
	ID      string // of a run, or of a logged model ("m-…")
	Name    string // of a registered model
	Version string // decimal digits
	Stage   string // as written, also "latest"
	Alias   string

	uri string
}

// String returns the location as it was parsed.
func (l Location) String() string { return l.uri }

// Join returns the location of p below l.
func (l Location) Join(p Path) (Location, error) {
	if p.IsRoot() {
		return l, nil
	}
	return ParseLocation(strings.TrimSuffix(l.uri, "/") + "/" + p.s)
}

// In returns the path of a local location below the directory dir, which is
// absolute and clean. ok is false for what is not inside, by name alone:
// links are not looked at.
func (l Location) In(dir string) (p Path, ok bool) {
	if l.Kind != KindLocal || dir == "" || dir[0] != '/' {
		return Path{}, false
	}
	d, err := ParsePath(strings.TrimSuffix(dir[1:], "/"))
	local := Path{l.Local[1:]}
	if err != nil || !d.Contains(local) {
		return Path{}, false
	}
	return Path{strings.TrimPrefix(local.s[len(d.s):], "/")}, true
}

// Below returns the path of l below root, a location of the same kind. ok is
// false for what is not inside, by name alone, and for kinds that are no places:
// runs and models.
func (l Location) Below(root Location) (p Path, ok bool) {
	if l.Kind != root.Kind {
		return Path{}, false
	}
	switch l.Kind {
	case KindLocal:
		return l.In(root.Local)
	case KindProxied:
		if !root.Path.Contains(l.Path) {
			return Path{}, false
		}
		return Path{strings.TrimPrefix(l.Path.s[len(root.Path.s):], "/")}, true
	case KindForeign, KindRemote:
		rest, ok := strings.CutPrefix(l.uri, strings.TrimSuffix(root.uri, "/"))
		if !ok || rest != "" && rest[0] != '/' {
			return Path{}, false
		}
		p, why := parseBelow(strings.TrimPrefix(rest, "/"))
		return p, why == ""
	}
	return Path{}, false
}

// ParseLocation reads one artifact location. It opens, resolves and connects
// to nothing; [Rules] decide what to accept of what it can read.
//
// It refuses, as it stands and under one to five layers of percent-encoding:
// queries, fragments, segments of dots (also behind ';'), backslashes,
// control characters; and it refuses schemes with upper-case letters or of
// one letter, "file:" with a host or without three slashes, paths that begin
// with two slashes, relative paths, invalid UTF-8, spaces at either end, and
// more than [MaxLocation] bytes. Paths of all kinds but remote follow
// [ParsePath]; one slash at the end is dropped. Errors are [*LocationError].
func ParseLocation(uri string) (Location, error) {
	l := Location{uri: uri}
	if why := l.parse(uri); why != "" {
		return Location{}, &LocationError{uri, why}
	}
	return l, nil
}

// parse sets the fields of l from uri, or returns why it cannot.
func (l *Location) parse(uri string) string {
	switch {
	case uri == "":
		return "empty"
	case len(uri) > MaxLocation:
		return "longer than 2048 bytes"
	case !utf8.ValidString(uri):
		return "not UTF-8"
	case uri[0] == ' ' || uri[len(uri)-1] == ' ':
		return "begins or ends with a space"
	}
	if why := checkLayers(uri, checkURI); why != "" {
		return why
	}
	if uri[0] == '/' {
		return l.parseLocal(uri)
	}
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || !isScheme(scheme) {
		return "neither an absolute path nor a URI"
	}
	if rest == "" || rest[0] != '/' {
		return "no '/' after the scheme"
	}
	l.Scheme = scheme
	switch scheme {
	case "file":
		return l.parseFile(rest)
	case "mlflow-artifacts":
		return l.parseProxied(rest)
	case "runs":
		return l.parseRun(rest)
	case "models":
		return l.parseModel(rest)
	}
	return l.parseRemote(rest)
}

// checkURI returns why s is refused as the text of any location, or "".
func checkURI(s string) string {
	if why := checkChars(s); why != "" {
		return why
	}
	if strings.Contains(s, "?") {
		return "'?'"
	}
	for more := true; more; {
		var seg string
		if seg, s, more = strings.Cut(s, "/"); climbs(seg) {
			return "segment of dots"
		}
	}
	return ""
}

func isScheme(s string) bool {
	if len(s) < 2 || len(s) > 32 || s[0] < 'a' || s[0] > 'z' {
		return false // one letter is a drive
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789+.-") == ""
}

// parseFile reads what follows "file:". Its readers decode it once, so it is
// judged decoded.
func (l *Location) parseFile(rest string) string {
	path, ok := strings.CutPrefix(rest, "//")
	if !ok || path == "" || path[0] != '/' {
		return "a file URI is file:///path"
	}
	path, _ = unescape(path)
	return l.parseLocal(path)
}

func (l *Location) parseLocal(path string) string {
	l.Kind = KindLocal
	p, why := parseBelow(path[1:])
	if why == "" && p.IsRoot() {
		why = "the root of the file system"
	}
	l.Local = "/" + p.s
	return why
}

func (l *Location) parseProxied(rest string) (why string) {
	l.Kind = KindProxied
	path := rest[1:]
	if host, ok := strings.CutPrefix(rest, "//"); ok {
		l.Host, path, _ = strings.Cut(host, "/")
		if l.Host != "" { // mlflow-artifacts:///path is the path alone
			l.Kind = KindForeign
			if !isAuthority(l.Host) {
				return "bad host"
			}
		}
	}
	l.Path, why = parseBelow(path)
	return why
}

func (l *Location) parseRun(rest string) (why string) {
	l.Kind = KindRun
	id, path, _ := strings.Cut(rest[1:], "/")
	if !isID(id) {
		return "bad run id"
	}
	l.ID = id
	l.Path, why = parseBelow(path)
	return why
}

func (l *Location) parseModel(rest string) string {
	l.Kind = KindModel
	name, suffix, two := strings.Cut(rest[1:], "/")
	switch at := strings.LastIndexByte(name, '@'); {
	case two && isDigits(suffix):
		l.Version = suffix
	case two && isID(suffix):
		l.Stage = suffix
	case two:
		return "bad model version or stage"
	case at >= 0:
		l.Alias = name[at+1:]
		name = name[:at]
		if _, err := ParsePath(l.Alias); err != nil || l.Alias == "" {
			return "bad model alias"
		}
	case strings.HasPrefix(name, "m-") && isID(name):
		l.Kind, l.ID = KindLoggedModel, name
		return ""
	default:
		return "a model URI is models:/name/version, models:/name@alias or models:/m-id"
	}
	if _, err := ParsePath(name); err != nil || name == "" || strings.Contains(name, ":") {
		return "bad model name"
	}
	l.Name = name
	return ""
}

// proxyRoute is where MLflow's server mounts its artifact proxy.
const proxyRoute = "/api/2.0/mlflow-artifacts/artifacts"

func (l *Location) parseRemote(rest string) (why string) {
	l.Kind = KindRemote
	web := l.Scheme == "http" || l.Scheme == "https"
	path := rest
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		l.Host, path, _ = strings.Cut(after, "/")
		path = "/" + path
	}
	switch {
	case l.Host != "" && !isAuthority(l.Host):
		return "bad host"
	case !web:
		return ""
	case l.Host == "":
		return "no host"
	}
	i := strings.Index(path, proxyRoute)
	if i < 0 {
		return ""
	}
	if below := path[i+len(proxyRoute):]; below == "" || below[0] == '/' {
		l.Kind = KindForeign
		l.Path, why = parseBelow(strings.TrimPrefix(below, "/"))
	}
	return why
}

// parseBelow is ParsePath for the rest of a URI: one slash may end it.
func parseBelow(s string) (Path, string) {
	if s == "/" {
		return Path{}, "empty segment"
	}
	p, err := ParsePath(strings.TrimSuffix(s, "/"))
	var bad *PathError
	if errors.As(err, &bad) {
		return Path{}, bad.Reason
	}
	return p, ""
}

// isAuthority reports whether s can stand between "//" and "/": user, host and
// port, or the container@account of Azure. Percent signs are not let in, so
// there is one spelling of a host.
func isAuthority(s string) bool {
	for i := range len(s) {
		if !isWord(s[i]) && !strings.ContainsRune(".:@[]$~+", rune(s[i])) {
			return false
		}
	}
	return s != ""
}

// isID reports whether s has 1 to 64 letters, digits, '_' and '-': the form
// of all ids, and of stages.
func isID(s string) bool {
	for i := range len(s) {
		if !isWord(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func isWord(c byte) bool {
	return isLetter(c) || '0' <= c && c <= '9' || c == '_' || c == '-'
}

func isDigits(s string) bool {
	return s != "" && len(s) <= 18 && strings.Trim(s, "0123456789") == ""
}
