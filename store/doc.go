// Package store keeps rows and metric series in one directory and never loses
// what it acknowledged.
//
// A database directory holds
//
//	RUNSTONE           what this is: format, database id
//	LOCK               locked by the process that holds the database
//	MARK               last checkpoint and journal, in two checksummed slots
//	journal/<n>.log    changes of the holder since the last checkpoint
//	inbox/<writer>.log changes of processes that do not hold the lock
//	kv/                the ordered key space (Badger)
//	tmp/               private copies made by readers
//
// A change is appended to the holder's journal and takes effect in memory:
// rows in an overlay above the key space, points in the heads of their groups.
// A checkpoint moves both into the key space and then drops the journal. The
// key space therefore holds the state of a checkpoint, plus blocks that no row
// refers to yet, and opening after a crash is reading the journals again. That
// is idempotent: rows are put, not computed, and a group skips the journals
// that its state row already includes.
//
// Rows are grouped into tables by their first key byte. This package owns
//
//	'n' kind, hash(text)            → ordinal          dictionary
//	'N' kind, ordinal               → text             dictionary
//	'w' writer                      → applied sequence of an inbox
//	'C'                             → number of the last checkpoint
//	'G' run, group                  → members of a group of series
//	'g' run, group                  → state of the group at a checkpoint
//	'B' run                         → dropped: blocks of it may still take space
//	'b' run, group, column, block   → metric block; column 0 is the clock
//	't' run, group, column, number  → tail of the group: points short of a block
//
// where kind is a byte, column a uint16, writer an id of 16 bytes, hash the
// first 16 bytes of a SHA-256, and the rest uint32. All other
// table bytes belong to the packages above. Every value is sealed with a
// version and a checksum over key and value (internal/record).
//
// A read takes a snapshot of the curves it is about: of a run that is being
// logged what memory holds, of others their 'G' and 'g' rows, and then one view
// of the key space for all (snapshot.go). Blocks of a column lie side by side,
// so a curve is read with one scan for its clock and one for its values
// (column.go). [Store.Points] decodes them; [Store.Downsample], [Store.Ever]
// and their like decide by the zone maps and pyramids at the head of a block
// where these will do (piece.go, visit.go, stretch.go). What is known of whole
// series is in the 'g' rows: [Store.SummariesOf] reads those of thousands of
// runs, with a decoder of its own (staterow.go).
package store
