package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/runstonedb/runstone/internal/tuple"
)

// Kind separates the dictionaries. The store uses KindSeries; packages above
// pick values from 16 on.
type Kind byte

// KindSeries is the dictionary of series names.
const KindSeries Kind = 1

type nameRow struct{ Ord uint32 }
type textRow struct{ Text string }

func nameKey(k Kind, text string) []byte {
	return tuple.Text(append(tuple.Key('n'), byte(k)), text)
}

func textKey(k Kind, ord uint32) []byte {
	return tuple.Uint32(append(tuple.Key('N'), byte(k)), ord)
}

// Intern returns the ordinal of text in a dictionary and adds it when it is
// new. Ordinals are dense, from 1, and never reused.
func (tx *Tx) Intern(k Kind, text string) (uint32, error) {
	ord, ok, err := tx.Ord(k, text)
	if err != nil || ok {
		return ord, err
	}
	last, err := tx.LastOrd(k)
	if err != nil {
		return 0, err
	}
	ord = last + 1
	if err := tx.Save(nameKey(k, text), 1, nameRow{ord}); err != nil {
		return 0, err
	}
	tx.met(k, ord, text)
	return ord, tx.Save(textKey(k, ord), 1, textRow{text})
}

// Ord returns the ordinal of text, and false when it has none.
func (tx *Tx) Ord(k Kind, text string) (uint32, bool, error) {
	if ord, ok := tx.s.names.ord(k, text); ok {
		return ord, true, nil
	}
	var row nameRow
	err := tx.Load(nameKey(k, text), 1, &row)
	if errors.Is(err, ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	var back textRow
	if err := tx.Load(textKey(k, row.Ord), 1, &back); err != nil {
		return 0, false, fmt.Errorf("name %d of kind %d: %w", row.Ord, k, notMissing(err))
	}
	if back.Text != text {
		return 0, false, fmt.Errorf("name %d of kind %d is %q, not %q: %w", row.Ord, k, back.Text, text, ErrCorrupt)
	}
	tx.met(k, row.Ord, text)
	return row.Ord, true, nil
}

// met remembers a name that is sure to be committed: now, or when the transaction
// is, which may have made it.
func (tx *Tx) met(k Kind, ord uint32, text string) {
	if tx.writes {
		tx.names = append(tx.names, name{k, ord, text})
		return
	}
	tx.s.names.add(k, ord, text)
}

// name is an entry of a dictionary.
type name struct {
	kind Kind
	ord  uint32
	text string
}

// Text returns the text of an ordinal that some row refers to. A missing one
// is [ErrCorrupt].
func (tx *Tx) Text(k Kind, ord uint32) (string, error) {
	if text, ok := tx.s.names.text(k, ord); ok {
		return text, nil
	}
	var row textRow
	if err := tx.Load(textKey(k, ord), 1, &row); err != nil {
		return "", fmt.Errorf("name %d of kind %d: %w", ord, k, notMissing(err))
	}
	tx.met(k, ord, row.Text)
	return row.Text, nil
}

// SeriesName returns the name of a series that some row refers to.
func (tx *Tx) SeriesName(series uint32) (SeriesName, error) {
	text, err := tx.Text(KindSeries, series)
	return parseSeriesName(text), err
}

// SeriesName returns the name of a series. A missing one is [ErrCorrupt].
func (s *Store) SeriesName(series uint32) (SeriesName, error) {
	text, err := s.seriesText(series)
	return parseSeriesName(text), err
}

// LastOrd returns the highest ordinal in use, 0 when there is none.
func (tx *Tx) LastOrd(k Kind) (uint32, error) {
	for row, err := range tx.Prefix(append(tuple.Key('N'), byte(k)), true) {
		if err != nil {
			return 0, err
		}
		return binary.BigEndian.Uint32(row.Key[2:]), nil
	}
	return 0, nil
}

// notMissing turns the absence of a row that must be there into corruption.
func notMissing(err error) error {
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("row is missing: %w", ErrCorrupt)
	}
	return err
}

// Names returns the texts of a dictionary that have the lowest ordinals, at most n.
func (tx *Tx) Names(k Kind, n int) ([]string, error) {
	last, err := tx.LastOrd(k)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, min(n, int(last)))
	for ord := uint32(1); ord <= last && len(names) < n; ord++ {
		text, err := tx.Text(k, ord)
		if err != nil {
			return nil, err
		}
		if k == KindSeries {
			text = parseSeriesName(text).Metric
		}
		names = append(names, text)
	}
	return names, nil
}
