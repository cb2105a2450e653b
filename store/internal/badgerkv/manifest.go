package badgerkv

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/dgraph-io/badger/v4/pb"
	"google.golang.org/protobuf/proto"
)

const (
	manifestName = "MANIFEST"
	manifestHead = "Bdgr\x00\x00\x00\x08" // magic, no external version, version 8
	maxLevels    = 7
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// manifest is what MANIFEST says.
//
//	offset  bytes  field
//	0       8      manifestHead
//	then records of
//	0       4      n, big-endian
//	4       4      CRC-32C of the n bytes
//	8       n      protobuf: tables created and deleted
type manifest struct {
	tables map[uint64]bool // live tables
	gone   map[uint64]bool // tables deleted by a record
	valid  int             // bytes of whole records
	torn   bool            // bytes follow that a cut last record explains
}

// parseManifest reads b. Damage is an error that says what; a last record that
// was cut short sets torn instead.
func parseManifest(b []byte) (*manifest, error) {
	if len(b) < len(manifestHead) || string(b[:len(manifestHead)]) != manifestHead {
		return nil, fmt.Errorf("bad magic or version")
	}
	m := &manifest{tables: map[uint64]bool{}, gone: map[uint64]bool{}, valid: len(manifestHead)}
	for first := true; m.valid < len(b); first = false {
		rest := b[m.valid:]
		n, ok := manifestRecord(rest)
		if !ok {
			if !cutRecord(rest) {
				return nil, fmt.Errorf("bad record at offset %d", m.valid)
			}
			m.torn = true
			return m, nil
		}
		if n == 8 && !first {
			// Badger writes an empty record only when it starts the file.
			if !allZero(rest) {
				return nil, fmt.Errorf("empty record at offset %d", m.valid)
			}
			m.torn = true
			return m, nil
		}
		if err := m.apply(rest[8:n]); err != nil {
			return nil, fmt.Errorf("record at offset %d: %w", m.valid, err)
		}
		m.valid += n
	}
	if m.valid == len(manifestHead) {
		m.torn = true // not even the first record
	}
	return m, nil
}

// manifestRecord returns the length of the whole record that b begins with.
func manifestRecord(b []byte) (int, bool) {
	if len(b) < 8 {
		return 0, false
	}
	n := uint64(binary.BigEndian.Uint32(b))
	if n > uint64(len(b)-8) || crc32.Checksum(b[8:8+n], castagnoli) != binary.BigEndian.Uint32(b[4:]) {
		return 0, false
	}
	return 8 + int(n), true
}

// cutRecord reports whether b, no whole record, can be one whose end is
// missing: its length reaches past b, no record follows inside b, and no
// flipped bit of the length makes it whole.
func cutRecord(b []byte) bool {
	if len(b) < 8 {
		return true
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) <= uint64(len(b)-8) {
		return false
	}
	sum, whole := binary.BigEndian.Uint32(b[4:]), uint32(len(b)-8)
	if diff := n ^ whole; diff&(diff-1) == 0 && crc32.Checksum(b[8:], castagnoli) == sum {
		return false
	}
	for i := 1; i+8 <= len(b); i++ {
		if n, ok := manifestRecord(b[i:]); ok && n > 8 {
			return false
		}
	}
	return true
}

func (m *manifest) apply(b []byte) error {
	var set pb.ManifestChangeSet
	if err := proto.Unmarshal(b, &set); err != nil {
		return err
	}
	for _, c := range set.Changes {
		switch {
		case c.Op == pb.ManifestChange_DELETE:
			delete(m.tables, c.Id)
			m.gone[c.Id] = true
		case c.Op != pb.ManifestChange_CREATE:
			return fmt.Errorf("unknown change %d", c.Op)
		case m.tables[c.Id]:
			return fmt.Errorf("table %d created twice", c.Id)
		case c.Level >= maxLevels:
			return fmt.Errorf("table %d on level %d", c.Id, c.Level)
		case c.KeyId != 0 || c.Compression != 0:
			return fmt.Errorf("table %d is encrypted or compressed", c.Id)
		default:
			m.tables[c.Id] = true
		}
	}
	return nil
}
