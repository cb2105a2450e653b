package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	lib "modernc.org/sqlite"
)

// ErrNotMLflow says that a file is not the database of an MLflow store.
var ErrNotMLflow = errors.New("not the database of an MLflow store")

// conn is a connection with one read transaction, for one goroutine.
type conn struct {
	c       driver.Conn
	columns map[string][]string // of the tables that are there
}

// open opens the file for reading and begins the transaction.
func open(ctx context.Context, path string) (*conn, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: %w", path, ErrNotMLflow)
	}
	c, err := begin(ctx, path, false)
	if err != nil && quiet(path) {
		// A folder that cannot be written to keeps SQLite from taking its
		// locks. Without a journal nobody can be writing there either.
		if c, ierr := begin(ctx, path, true); ierr == nil {
			return c, nil
		}
	}
	return c, err
}

// quiet reports whether no journal lies beside the database.
func quiet(path string) bool {
	for _, suffix := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(path + suffix); err == nil && info.Size() > 0 {
			return false
		}
	}
	return true
}

func begin(ctx context.Context, path string, immutable bool) (*conn, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	uri := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: "mode=ro"}
	if immutable {
		uri.RawQuery += "&immutable=1"
	}
	dc, err := (&lib.Driver{}).Open(uri.String())
	if err != nil {
		return nil, explain(path, err)
	}
	c := &conn{c: dc}
	for _, q := range []string{
		"PRAGMA trusted_schema = OFF", "PRAGMA cell_size_check = ON",
		"PRAGMA busy_timeout = 10000", "PRAGMA cache_size = -32768", "BEGIN",
	} {
		if err := c.each(ctx, q, nil, func([]driver.Value) error { return nil }); err != nil {
			return nil, errors.Join(explain(path, err), c.close())
		}
	}
	if err := c.schema(ctx); err != nil {
		return nil, errors.Join(explain(path, err), c.close())
	}
	return c, nil
}

// explain says what to do about the errors that a user can do something about.
func explain(path string, err error) error {
	msg := err.Error()
	switch {
	case strings.Contains(msg, "file is not a database"), strings.Contains(msg, "file is encrypted"):
		return fmt.Errorf("%s: %w", path, ErrNotMLflow)
	case strings.Contains(msg, "attempt to write a readonly database"), strings.Contains(msg, "SQLITE_READONLY"):
		return fmt.Errorf("%s has an unfinished transaction of a process that died; open it once with MLflow or sqlite3, which takes it back: %w", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

func (c *conn) close() error { return c.c.Close() }

// each calls fn for each row of a query. The row is valid during the call.
func (c *conn) each(ctx context.Context, query string, args []any, fn func(row []driver.Value) error) (err error) {
	values := make([]driver.NamedValue, len(args))
	for i, a := range args {
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	rows, err := c.c.(driver.QueryerContext).QueryContext(ctx, query, values)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := rows.Close(); err == nil {
			err = cerr
		}
	}()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := fn(row); err != nil {
			return err
		}
	}
}

// schema reads the columns of the tables. Views do not count: a query on one
// could be anything.
func (c *conn) schema(ctx context.Context) error {
	c.columns = map[string][]string{}
	err := c.each(ctx, "SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table'", nil, func(row []driver.Value) error {
		c.columns[text(row[0])] = append(c.columns[text(row[0])], text(row[1]))
		return nil
	})
	if err != nil {
		return err
	}
	for table, columns := range map[string][]string{
		"experiments": {"experiment_id", "name"},
		"runs":        {"run_uuid", "experiment_id", "status"},
		"metrics":     {"run_uuid", "key", "value", "timestamp"},
		"params":      {"run_uuid", "key", "value"},
		"tags":        {"run_uuid", "key", "value"},
	} {
		for _, column := range columns {
			if !c.has(table, column) {
				return fmt.Errorf("it has no column %s.%s: %w", table, column, ErrNotMLflow)
			}
		}
	}
	return nil
}

// has reports whether there is a table with all these columns.
func (c *conn) has(table string, columns ...string) bool {
	there, ok := c.columns[table]
	for _, column := range columns {
		ok = ok && slices.Contains(there, column)
	}
	return ok
}

// pick lists columns of a table for a SELECT, with NULL for those that are not
// there. Names come from this package alone.
func (c *conn) pick(table string, columns ...string) string {
	for i, column := range columns {
		if !c.has(table, column) {
			columns[i] = "NULL"
		} else {
			columns[i] = table + "." + column
		}
	}
	return strings.Join(columns, ", ")
}

// own limits a query on a table to the workspace that a server without
// workspaces shows.
func (c *conn) own(table string) string {
	if c.has(table, "workspace") {
		return table + ".workspace = 'default'"
	}
	return "1"
}

// marks returns n question marks.
func marks(n int) string { return "(" + strings.TrimSuffix(strings.Repeat("?,", n), ",") + ")" }

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// text, integer and number read a value of a row, whatever type SQLite kept it
// as. NULL is "" or 0.
func text(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case nil:
		return ""
	}
	return fmt.Sprint(v)
}

func integer(v driver.Value) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case bool:
		if v {
			return 1
		}
	case float64:
		if v > math.MinInt64 && v < math.MaxInt64 {
			return int64(v)
		}
	}
	return 0
}

func number(v driver.Value) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	}
	return math.NaN()
}
