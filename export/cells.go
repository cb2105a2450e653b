package export

import (
	"fmt"
	"io"
	"strconv"

	"github.com/parquet-go/parquet-go"
)

// Cells writes a small table as one file: what a query with SELECT found. A cell
// is nil, a string, int64, float64 or bool. A column has the type of its cells;
// integers among real numbers become real, anything else of several types text.
// Columns of one name get numbers.
func Cells(w io.Writer, f Format, columns []string, rows [][]any) error {
	if _, err := ParseFormat(string(f)); err != nil {
		return err
	}
	for i, row := range rows {
		if len(row) != len(columns) {
			return fmt.Errorf("export: row %d has %d cells for %d columns", i, len(row), len(columns))
		}
	}
	columns = distinct(columns)
	if f == CSV {
		return cellsCSV(w, columns, rows)
	}
	return cellsParquet(w, columns, rows)
}

// distinct makes names of columns differ.
func distinct(columns []string) []string {
	out := make([]string, len(columns))
	seen := map[string]bool{}
	for i, name := range columns {
		out[i] = text(name)
		for n := 2; seen[out[i]]; n++ {
			out[i] = text(name) + "_" + strconv.Itoa(n)
		}
		seen[out[i]] = true
	}
	return out
}

func cellsCSV(w io.Writer, columns []string, rows [][]any) error {
	kinds := columnKinds(columns, rows)
	var line []byte
	for i, name := range columns {
		if i > 0 {
			line = append(line, ',')
		}
		line = appendText(line, name)
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return err
	}
	for _, row := range rows {
		line = line[:0]
		for i, c := range row {
			if i > 0 {
				line = append(line, ',')
			}
			switch c := as(kinds[i], c).(type) {
			case string:
				line = appendText(line, c)
			case int64:
				line = strconv.AppendInt(line, c, 10)
			case float64:
				line = appendReal(line, c)
			case bool:
				line = strconv.AppendBool(line, c)
			}
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// cellKind is the type of a column.
type cellKind uint8

const (
	noCells cellKind = iota
	boolCells
	intCells
	realCells
	textCells
)

func columnKinds(columns []string, rows [][]any) []cellKind {
	kinds := make([]cellKind, len(columns))
	for _, row := range rows {
		for i, c := range row {
			kinds[i] = kinds[i].with(c)
		}
	}
	return kinds
}

func (k cellKind) with(c any) cellKind {
	var of cellKind
	switch c.(type) {
	case nil:
		return k
	case bool:
		of = boolCells
	case int64:
		of = intCells
	case float64:
		of = realCells
	default:
		of = textCells
	}
	switch {
	case k == noCells || k == of:
		return of
	case k == boolCells || of == boolCells:
		return textCells
	}
	return max(k, of)
}

// as returns a cell in the type of its column.
func as(k cellKind, c any) any {
	switch v := c.(type) {
	case nil:
		return nil
	case int64:
		if k == realCells {
			return float64(v)
		}
	case string:
		return text(v)
	}
	if k == textCells {
		return text(fmt.Sprint(c))
	}
	return c
}

// ordered is a group of columns that keeps their order.
type ordered struct {
	parquet.Group
	fields []parquet.Field
}

// Fields implements [parquet.Node].
func (o *ordered) Fields() []parquet.Field { return o.fields }

func cellsParquet(w io.Writer, columns []string, rows [][]any) error {
	kinds := columnKinds(columns, rows)
	group := parquet.Group{}
	for i, name := range columns {
		var leaf parquet.Node
		switch kinds[i] {
		case boolCells:
			leaf = parquet.Leaf(parquet.BooleanType)
		case intCells:
			leaf = parquet.Int(64)
		case realCells:
			leaf = parquet.Leaf(parquet.DoubleType)
		default:
			leaf = parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
		}
		group[name] = parquet.Optional(leaf)
	}
	byName := map[string]parquet.Field{}
	for _, f := range group.Fields() {
		byName[f.Name()] = f
	}
	node := &ordered{Group: group}
	for _, name := range columns {
		node.fields = append(node.fields, byName[name])
	}
	out := parquet.NewWriter(w, parquet.NewSchema("rows", node),
		parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(groupRows), parquet.CreatedBy("runstone", "1", "parquet-go"))
	line := make(parquet.Row, len(columns))
	for _, row := range rows {
		for i, c := range row {
			if c = as(kinds[i], c); c == nil {
				line[i] = parquet.NullValue().Level(0, 0, i)
			} else {
				line[i] = parquet.ValueOf(c).Level(0, 1, i)
			}
		}
		if _, err := out.WriteRows([]parquet.Row{line}); err != nil {
			return err
		}
	}
	return out.Close()
}
