package lineage

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

// TestKeys pins the bytes of every key of the package doc: they are on disk.
func TestKeys(t *testing.T) {
	const hashA = "ca978112ca1bbdcafac231b39a23dc4d" // SHA-256 of "a", first half
	for name, c := range map[string]struct {
		key  []byte
		want string
	}{
		"model":         {modelKey(1), "4d 00000001"},
		"model name":    {modelNameKey("a"), "6d " + hashA},
		"version":       {versionKey(1, 2), "56 00000001 00000002"},
		"run's version": {runVersionKey("a", 1, 2), "76 72 " + hashA + " 00000001 00000002"},
		"stage":         {stageVersionKey(1, 3, 2), "76 73 00000001 03 00000002"},
		"logged":        {loggedKey(7), "4c 00000007"},
		"experiment":    {experimentLoggedKey(7), "6c 00000007"},
		"dataset":       {datasetHeadKey(7), "44 00000007 68"},
		"dataset texts": {datasetTextKey(7), "44 00000007 74"},
		"dataset id":    {datasetIDKey(7, "b", "c")[:6], "64 69 00000007"},
		"context":       {contextKey(7, 8, true, "a"), "64 63 00000007 00000008 01 " + hashA},
		"no context":    {contextKey(7, 8, false, "a"), "64 63 00000007 00000008 00 " + hashA},
		"edge":          {edgeKey(9, ModelOutput, 7), "4b 00000009 03 00000007"},
		"back edge":     {backEdgeKey(DatasetInput, 7, 9), "6b 01 00000007 00000009"},
		"part":          {partKey(modelKey(1), 2), "53 4d 00000001 0002"},
		"ordinals":      {table('s', 'M'), "73 4d"},
	} {
		t.Run(name, func(t *testing.T) {
			want := ""
			for _, r := range c.want {
				if r != ' ' {
					want += string(r)
				}
			}
			require.Equal(t, want, hex.EncodeToString(c.key))
		})
	}
}

// TestOrdinalsAreNotReused deletes the newest model and makes another.
func TestOrdinalsAreNotReused(t *testing.T) {
	d := newDB(t)
	for want := range uint32(3) {
		d.do(func(tx *store.Tx) error {
			_, err := CreateModel(tx, Author{At: 1}, "a", "", nil)
			require.NoError(t, err)
			ord, _, err := findModel(tx, "a")
			require.NoError(t, err)
			require.Equal(t, want+1, ord)
			return DeleteModel(tx, "a")
		})
	}
}
