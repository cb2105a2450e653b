package lineage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store"
)

// Dictionaries of this package.
const (
	KindExperiment  store.Kind = 32 // experiment ids
	KindLoggedModel store.Kind = 33 // logged model ids
)

// table starts a key in a table whose rows are of several families.
func table(t, family byte) []byte { return append(tuple.Key(t), family) }

func modelKey(model uint32) []byte     { return tuple.Uint32(tuple.Key('M'), model) }
func modelNameKey(name string) []byte  { return tuple.Text(tuple.Key('m'), name) }
func versionsKey(model uint32) []byte  { return tuple.Uint32(tuple.Key('V'), model) }
func runVersionsKey(run string) []byte { return tuple.Text(table('v', 'r'), run) }

func versionKey(model, version uint32) []byte {
	return tuple.Uint32(versionsKey(model), version)
}

func runVersionKey(run string, model, version uint32) []byte {
	return tuple.Uint32(tuple.Uint32(runVersionsKey(run), model), version)
}

func stageKey(model uint32, stage byte) []byte {
	return append(tuple.Uint32(table('v', 's'), model), stage)
}

func stageVersionKey(model uint32, stage byte, version uint32) []byte {
	return tuple.Uint32(stageKey(model, stage), version)
}

func loggedKey(logged uint32) []byte { return tuple.Uint32(tuple.Key('L'), logged) }

func experimentLoggedKey(experiment uint32) []byte {
	return tuple.Uint32(tuple.Key('l'), experiment)
}

func datasetHeadKey(dataset uint32) []byte {
	return append(tuple.Uint32(tuple.Key('D'), dataset), 'h')
}

func datasetTextKey(dataset uint32) []byte {
	return append(tuple.Uint32(tuple.Key('D'), dataset), 't')
}

// datasetIDKey hashes name and digest with the length between them, so that
// no two pairs make one text.
func datasetIDKey(experiment uint32, name, digest string) []byte {
	text := fmt.Sprintf("%d:%s%s", len(name), name, digest)
	return tuple.Text(tuple.Uint32(table('d', 'i'), experiment), text)
}

func contextsKey(experiment uint32) []byte {
	return tuple.Uint32(table('d', 'c'), experiment)
}

// contextKey differs between no context and an empty one.
func contextKey(experiment, dataset uint32, has bool, context string) []byte {
	key := append(tuple.Uint32(contextsKey(experiment), dataset), 0)
	if has {
		key[len(key)-1] = 1
	}
	return tuple.Text(key, context)
}

func edgesKey(run uint32, role Role) []byte {
	return append(tuple.Uint32(tuple.Key('K'), run), byte(role))
}

func edgeKey(run uint32, role Role, object uint32) []byte {
	return tuple.Uint32(edgesKey(run, role), object)
}

func backEdgesKey(role Role, object uint32) []byte {
	return tuple.Uint32(table('k', byte(role)), object)
}

func backEdgeKey(role Role, object, run uint32) []byte {
	return tuple.Uint32(backEdgesKey(role, object), run)
}

// lastUint32 is the last part of a key that ends in a uint32.
func lastUint32(key []byte) uint32 { return binary.BigEndian.Uint32(key[len(key)-4:]) }

// ordRow holds an ordinal; none is a row whose key says it all.
type ordRow struct{ Ord uint32 }
type none struct{}

// nextOrd gives the next ordinal of a table, from 1.
func nextOrd(tx *store.Tx, t byte) (uint32, error) {
	var row ordRow
	key := table('s', t)
	if err := tx.Load(key, 1, &row); err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	row.Ord++
	return row.Ord, tx.Save(key, 1, row)
}

// lookup reads the ordinal at key, and false when there is no such row.
func lookup(tx *store.Tx, key []byte) (uint32, bool, error) {
	var row ordRow
	err := tx.Load(key, 1, &row)
	if errors.Is(err, store.ErrNotFound) {
		return 0, false, nil
	}
	return row.Ord, err == nil, err
}

// notMissing turns the absence of a row that another row refers to into
// corruption.
func notMissing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("row is missing: %w", store.ErrCorrupt)
	}
	return err
}
