package lineage

import "github.com/runstonedb/runstone/store"

// Tables returns the tables of this package in key order.
func Tables() []store.Table {
	return []store.Table{
		{Byte: 'D', Name: "datasets"},
		{Byte: 'H', Name: "history of models"},
		{Byte: 'K', Name: "edges of runs", Run: true},
		{Byte: 'L', Name: "logged models"},
		{Byte: 'M', Name: "registered models"},
		{Byte: 'S', Name: "long texts"},
		{Byte: 'V', Name: "model versions"},
		{Byte: 'd', Name: "dataset ids and contexts"},
		{Byte: 'k', Name: "edges backwards"},
		{Byte: 'l', Name: "logged models of experiments"},
		{Byte: 'm', Name: "model names"},
		{Byte: 's', Name: "last ordinals"},
		{Byte: 'v', Name: "versions by run and stage"},
	}
}
