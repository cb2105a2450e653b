package index

import "github.com/runstonedb/runstone/store"

// Tables returns the tables of this package in key order.
func Tables() []store.Table {
	return []store.Table{
		{Byte: tableSegments, Name: "index: segments"},
		{Byte: tableSchemas, Name: "index: fields of segments"},
		{Byte: tableHeads, Name: "index: heads of columns"},
		{Byte: tableColumns, Name: "index: columns"},
		{Byte: 'x', Name: "index: runs of experiments"},
		{Byte: tableMarks, Name: "index: runs that changed"},
	}
}
