package artifact

import "slices"

// Rules say which locations a server takes from its clients. The zero Rules
// take what the server resolves by itself: proxied paths, runs and models. A
// foreign server's artifacts are never taken: what it names, some client
// would fetch and store.
type Rules struct {
	Within []string // absolute directories; a local location must lie in one
	Remote []string // schemes of remote locations to keep, such as "s3"
}

// Parse is [ParseLocation] and then the rules. Nothing but the text decides,
// so the answer tells nothing about this machine's files. Errors are
// [*LocationError].
func (r Rules) Parse(uri string) (Location, error) {
	l, err := ParseLocation(uri)
	if err != nil {
		return Location{}, err
	}
	why := ""
	switch l.Kind {
	case KindForeign:
		why = "artifacts of another server"
	case KindLocal:
		inside := func(dir string) bool { _, ok := l.In(dir); return ok }
		if !slices.ContainsFunc(r.Within, inside) {
			why = "a local path outside the allowed directories"
		}
	case KindRemote:
		if !slices.Contains(r.Remote, l.Scheme) {
			why = "scheme not allowed"
		}
	}
	if why != "" {
		return Location{}, &LocationError{uri, why}
	}
	return l, nil
}
