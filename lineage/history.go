package lineage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/runstonedb/runstone/internal/tuple"
	"github.com/runstonedb/runstone/store"
)

// Limits of the history, in characters.
const (
	MaxAuthor     = 250
	MaxReason     = 2000
	MaxChangeText = 500 // of Old and New of a [Change]; longer ones are cut
)

// Author says who changes the registry, when and why. Functions that change it
// write it into the model's history, in the transaction of the change.
type Author struct {
	At     int64  // Unix ms; also the time of what the change makes
	Name   string // empty where nobody is known
	Reason string
}

func (by *Author) check() error {
	if err := checkLength("author", by.Name, MaxAuthor); err != nil {
		return err
	}
	if err := checkLength("comment", by.Reason, MaxReason); err != nil {
		return err
	}
	if !utf8.ValidString(by.Name) || !utf8.ValidString(by.Reason) {
		return invalid("Author and comment of a change must be UTF-8.")
	}
	return nil
}

// Action is what was done to a model or to one of its versions.
type Action byte

// Actions. Values are part of rows.
const (
	Created      Action = 1
	Imported     Action = 2 // with all that it had; what was before is not known
	Renamed      Action = 3
	Described    Action = 4
	TagSet       Action = 5
	TagRemoved   Action = 6
	Moved        Action = 7 // to another stage
	AliasSet     Action = 8
	AliasRemoved Action = 9
	Deleted      Action = 10
)

var actionNames = [...]string{
	"", "created", "imported", "renamed", "described", "tag set", "tag removed", "moved", "alias set", "alias removed", "deleted",
}

func (a Action) String() string {
	if int(a) < len(actionNames) && a > 0 {
		return actionNames[a]
	}
	return fmt.Sprintf("action %d", byte(a))
}

// Change is an entry of a model's history.
type Change struct {
	Number  int // from 1, in the order of changes
	Author  Author
	Action  Action
	Version int    // that it concerns, 0 for the model itself
	Name    string // of the tag or alias
	// Old and New are what the change replaced and put there, cut to
	// MaxChangeText characters: names, descriptions, values of a tag, stages,
	// numbers of the versions that an alias names, the source of a new version, the
	// stage that an imported one had.
	Old, New string
}

type changeRow struct {
	At       int64
	By       string
	Reason   string
	Action   Action
	Version  uint32
	Name     string
	Old, New string
}

func historyKey(model uint32) []byte { return tuple.Uint32(tuple.Key('H'), model) }

func changeKey(model, number uint32) []byte { return tuple.Uint32(historyKey(model), number) }

// record appends a change to the history of a model.
func (by *Author) record(tx *store.Tx, model uint32, row changeRow) error {
	if err := by.check(); err != nil {
		return err
	}
	last, err := lastChange(tx, model)
	if err != nil {
		return err
	}
	if last == math.MaxUint32 {
		return invalid("The history of a registered model has at most %d changes.", uint32(math.MaxUint32))
	}
	return by.save(tx, model, last+1, row)
}

// save writes a change under its number.
func (by *Author) save(tx *store.Tx, model, number uint32, row changeRow) error {
	row.At, row.By, row.Reason = by.At, by.Name, by.Reason
	row.Old, row.New = cutText(row.Old), cutText(row.New)
	return tx.Save(changeKey(model, number), 1, row)
}

// tagged records that a tag is set, unless it has the value already.
func (by *Author) tagged(tx *store.Tx, model, version uint32, tags []Tag, t Tag) error {
	old, found := FindTag(tags, t.Key)
	if found && old == t.Value {
		return nil
	}
	return by.record(tx, model, changeRow{Action: TagSet, Version: version, Name: t.Key, Old: old, New: t.Value})
}

func lastChange(tx *store.Tx, model uint32) (uint32, error) {
	for r, err := range tx.Prefix(historyKey(model), true) {
		if err != nil {
			return 0, err
		}
		return lastUint32(r.Key), nil
	}
	return 0, nil
}

func cutText(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= MaxChangeText || utf8.RuneCountInString(s) <= MaxChangeText {
		return s
	}
	n := 0
	for i := range s {
		if n++; n == MaxChangeText {
			return s[:i] + "…"
		}
	}
	return s
}

func dropHistory(tx *store.Tx, model uint32) error {
	for r, err := range tx.Prefix(historyKey(model), false) {
		if err != nil {
			return err
		}
		if err := tx.Delete(r.Key); err != nil {
			return err
		}
	}
	return nil
}

// History iterates over the changes of a registered model, the newest first,
// from the one before number on; 0 begins with the newest. A model that was
// renamed keeps its history, one that is deleted takes it along, and that of an
// imported one begins with the import of itself and of each version. Errors: store.ErrNotFound,
// store.ErrInvalid.
func History(tx *store.Tx, name string, before int) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		ord, _, err := findModel(tx, name)
		if err == nil && (before < 0 || before > math.MaxUint32) {
			err = invalid("There is no change %d.", before)
		}
		if err != nil {
			yield(Change{}, err)
			return
		}
		for r, err := range changes(tx, ord, uint32(before)) {
			var c Change
			if err == nil {
				c, err = decodeChange(r)
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// changes scans the rows before a number, the newest first.
func changes(tx *store.Tx, model, before uint32) iter.Seq2[store.Row, error] {
	if before == 0 {
		return tx.Prefix(historyKey(model), true)
	}
	return tx.Scan(historyKey(model), changeKey(model, before), true)
}

func decodeChange(r store.Row) (Change, error) {
	var row changeRow
	if err := r.Decode(1, &row); err != nil {
		return Change{}, err
	}
	if row.Action == 0 || int(row.Action) >= len(actionNames) {
		return Change{}, fmt.Errorf("row %x has %v: %w", r.Key, row.Action, store.ErrCorrupt)
	}
	return Change{
		Number: int(lastUint32(r.Key)), Author: Author{row.At, row.By, row.Reason}, Action: row.Action,
		Version: int(row.Version), Name: row.Name, Old: row.Old, New: row.New,
	}, nil
}

// VerifyHistory reads the histories of all models and calls problem for each
// change that cannot be read or is of no model, and for gaps between numbers.
func VerifyHistory(tx *store.Tx, problem func(where string, err error)) error {
	var model, last uint32
	for r, err := range tx.Prefix(tuple.Key('H'), false) {
		if err != nil {
			return err
		}
		ord, number := binary.BigEndian.Uint32(r.Key[1:]), lastUint32(r.Key)
		where := fmt.Sprintf("change %d of registered model %d", number, ord)
		if ord != model {
			if _, err := loadModel(tx, ord); errors.Is(err, store.ErrCorrupt) {
				problem(where, err)
			} else if err != nil {
				return err
			}
			model, last = ord, 0
		}
		if number != last+1 {
			problem(where, fmt.Errorf("follows change %d: %w", last, store.ErrCorrupt))
		}
		last = number
		if _, err := decodeChange(r); err != nil {
			problem(where, err)
		}
	}
	return nil
}

// versionText is the number of a version in Old and New, "" for none.
func versionText(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
