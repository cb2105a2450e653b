package mlruns

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/runstonedb/runstone/internal/record"
	"go.yaml.in/yaml/v3"
)

const (
	maxMeta = 32 << 20 // of a dataset, which has its profile in it
	maxText = 32 << 20 // of a param or a tag
)

// errTooLong is what a file is that nothing of MLflow's is as long as.
var errTooLong = errors.New("file is too long")

// meta is a mapping of a meta.yaml. Scalars are kept as they are written: what
// the value 1e5 is depends on the field, and readers of YAML differ there.
type meta map[string]*yaml.Node

// readMeta reads a meta.yaml.
func (s *Source) readMeta(name string) (meta, error) {
	b, err := s.readFile(name, maxMeta)
	if err != nil {
		return nil, err
	}
	m, err := parseMeta(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

func parseMeta(b []byte) (meta, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(bytes.ToValidUTF8(b, []byte("\uFFFD")), &doc); err != nil {
		return nil, fmt.Errorf("%w: %w", err, record.ErrCorrupt)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("no mapping: %w", record.ErrCorrupt)
	}
	m := meta{}
	for i, c := 0, doc.Content[0].Content; i+1 < len(c); i += 2 {
		m[c[i].Value] = c[i+1]
	}
	return m, nil
}

// text returns a scalar, "" when it is missing or null.
func (m meta) text(key string) string {
	n := m[key]
	if n == nil || n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		return ""
	}
	return n.Value
}

// integer returns a whole number, 0 when there is none.
func (m meta) integer(key string) int64 {
	s := m.text(key)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f > -1<<53 && f < 1<<53 {
		return int64(f)
	}
	return 0
}

// mapping returns a mapping of scalars.
func (m meta) mapping(key string) meta {
	n := m[key]
	out := meta{}
	if n == nil || n.Kind != yaml.MappingNode {
		return out
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		out[n.Content[i].Value] = n.Content[i+1]
	}
	return out
}

// readFile reads a whole file of the store.
func (s *Source) readFile(name string, limit int64) ([]byte, error) {
	f, err := s.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, &os.PathError{Op: "read", Path: name, Err: os.ErrInvalid})
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s: %w", name, errTooLong)
	}
	return b, err
}
