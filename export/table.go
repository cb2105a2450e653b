package export

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/parquet-go/parquet-go"
)

const (
	groupRows  = 1 << 18  // rows of a row group at most
	groupBytes = 32 << 20 // text of a row group, about
	fileRows   = 1 << 24  // rows of a file, about
)

// encoder writes rows of one kind to one file at a time.
type encoder[T any] interface {
	// begin starts a file.
	begin(w io.Writer) error
	write(rows []T) error
	// flush ends a row group.
	flush() error
	end() error
}

func newEncoder[T any](f Format, sorted ...string) encoder[T] {
	if f == CSV {
		return newCSV[T]()
	}
	return &parquetEncoder[T]{sorted: sorted}
}

type parquetEncoder[T any] struct {
	w      *parquet.GenericWriter[T]
	sorted []string
}

func (e *parquetEncoder[T]) begin(w io.Writer) error {
	if e.w != nil {
		e.w.Reset(w)
		return nil
	}
	var order []parquet.SortingColumn
	for _, name := range e.sorted {
		order = append(order, parquet.Ascending(name))
	}
	e.w = parquet.NewGenericWriter[T](w,
		parquet.Compression(&parquet.Zstd),
		parquet.MaxRowsPerRowGroup(groupRows),
		parquet.DictionaryMaxBytes(1<<20),
		parquet.CreatedBy("runstone", "1", "parquet-go"),
		parquet.SortingWriterConfig(parquet.SortingColumns(order...)),
	)
	return nil
}

func (e *parquetEncoder[T]) write(rows []T) error {
	_, err := e.w.Write(rows)
	return err
}

func (e *parquetEncoder[T]) flush() error { return e.w.Flush() }
func (e *parquetEncoder[T]) end() error   { return e.w.Close() }

// table writes the files of one table, one experiment after the other.
type table[T any] struct {
	x     *exporter
	name  string
	enc   encoder[T]
	part  string // "experiment=<id>", or "" for a table that is not divided
	files int    // of part
	out   *output
	rows  int64 // of out
	bytes int   // since the last row group, about
	sum   Table
}

func newTable[T any](x *exporter, name string, sorted ...string) *table[T] {
	return &table[T]{x: x, name: name, enc: newEncoder[T](x.opt.Format, sorted...), sum: Table{Name: name}}
}

// to ends the file at hand; rows go to another experiment from here.
func (t *table[T]) to(part string) error {
	err := t.end()
	t.part, t.files = part, 0
	return err
}

// write adds rows with a text of about so many bytes.
func (t *table[T]) write(bytes int, rows ...T) error {
	if t.out != nil && t.rows >= fileRows {
		if err := t.end(); err != nil {
			return err
		}
	}
	if err := t.begin(); err != nil {
		return err
	}
	if err := t.enc.write(rows); err != nil {
		return fmt.Errorf("%s: %w", t.out.name, err)
	}
	t.rows += int64(len(rows))
	t.x.report.Rows += int64(len(rows))
	if t.bytes += bytes; t.bytes < groupBytes {
		return nil
	}
	t.bytes = 0
	return t.enc.flush()
}

func (t *table[T]) begin() (err error) {
	if t.out != nil {
		return nil
	}
	name := path.Join(t.name, t.part, fmt.Sprintf("part-%d.%s", t.files, t.x.opt.Format))
	if t.out, err = t.x.create(name); err != nil {
		return err
	}
	return t.enc.begin(t.out.w)
}

// end completes the file at hand.
func (t *table[T]) end() error {
	if t.out == nil {
		return nil
	}
	out := t.out
	t.out = nil
	err := t.enc.end()
	if cerr := out.close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("%s: %w", out.name, err)
	}
	t.sum.Files = append(t.sum.Files, File{Path: out.name, Rows: t.rows, Bytes: out.n})
	t.sum.Rows += t.rows
	t.sum.Bytes += out.n
	t.x.report.Bytes += out.n
	t.rows, t.bytes = 0, 0
	t.files++
	return nil
}

// finish ends the table, which has a file even when it has no rows: readers
// find its columns there.
func (t *table[T]) finish(divided bool) error {
	err := t.end()
	if err == nil && len(t.sum.Files) == 0 {
		if t.part = ""; divided {
			t.part = partition(noExperiment)
		}
		if err = t.begin(); err == nil {
			err = t.end()
		}
	}
	t.x.report.Tables = append(t.x.report.Tables, t.sum)
	return err
}

// abort closes the file at hand after an error.
func (t *table[T]) abort() {
	if t.out != nil {
		_ = t.out.close()
		t.out = nil
	}
}

// output is a file that is being written, or a stream.
type output struct {
	name string // below the folder
	f    *os.File
	w    *bufio.Writer
	n    int64
}

func newOutput(name string, f *os.File, w io.Writer) *output {
	o := &output{name: name, f: f}
	o.w = bufio.NewWriterSize(&counter{w: w, n: &o.n}, 1<<18)
	return o
}

type counter struct {
	w io.Writer
	n *int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	*c.n += int64(n)
	return n, err
}

func (o *output) close() error {
	err := o.w.Flush()
	if o.f != nil {
		if err == nil {
			err = o.f.Sync()
		}
		err = errors.Join(err, o.f.Close())
	}
	return err
}

// create makes a file below the folder that is being filled, or stands for the
// stream.
func (x *exporter) create(name string) (*output, error) {
	if x.stream != nil {
		return newOutput(name, nil, x.stream), nil
	}
	full := filepath.Join(x.temp, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(full, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return newOutput(name, f, f), nil
}
