package index

import "github.com/runstonedb/runstone/store"

// Tables returns the tables of this package in key order.
func Tables() []store.Table {
	return []store.Table{{Byte: 'x', Name: "index: runs of experiments"}}
}
