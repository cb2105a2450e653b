package server

import (
	"github.com/runstonedb/runstone/artifact"
)

// place is where artifacts are, as far as this server is concerned: a path in
// the database's folder of artifacts, or below the artifact root, where clients
// read and write without the server. A path in one is never one in the other.
type place struct {
	direct bool // below the artifact root
	path   artifact.Path
}

func (p place) contains(q place) bool { return p.direct == q.direct && p.path.Contains(q.path) }

// join returns the place of a client's name below p.
func (p place) join(name string) (place, error) {
	q, err := artifact.ParsePath(name)
	if err != nil {
		return place{}, err
	}
	p.path, err = p.path.Join(q)
	return p, err
}

// placeOf returns the place that a URI names, and false for what is neither in
// the database's folder nor below the artifact root. It only compares names.
func (s *Server) placeOf(uri string) (place, bool) {
	l, err := artifact.ParseLocation(uri)
	if err != nil {
		return place{}, false
	}
	if l.Kind == artifact.KindProxied {
		return place{path: l.Path}, true
	}
	p, ok := l.Below(s.db.ArtifactRoot())
	return place{true, p}, ok
}

// folder returns the place of a stored URI whose files this server can open.
func (s *Server) folder(uri string) (place, error) {
	p, ok := s.placeOf(uri)
	switch {
	case !ok:
		return p, badRequest("The artifacts at '%s' are not served here.", cutEcho(uri))
	case s.filesOf(p) == nil:
		return p, badRequest("The artifacts at '%s' are at a place that clients reach by themselves: this server does not open it, and can neither list nor send what is there.", cutEcho(uri))
	}
	return p, nil
}

// within returns the place of a client's name in the folder that a URI names.
func (s *Server) within(uri, name string) (place, error) {
	dir, err := s.folder(uri)
	if err != nil {
		return dir, err
	}
	return dir.join(name)
}

// filesOf returns the folder that a place is in, nil for one that this server
// does not open.
func (s *Server) filesOf(p place) *artifact.Root {
	if p.direct {
		return s.opt.RootFiles
	}
	return s.db.Artifacts()
}
