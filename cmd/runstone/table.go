package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// table is rows of text in aligned columns, plain so that other programs can
// cut it: the first line names the columns, two blanks lie between columns.
type table struct {
	head  []string
	right []bool // columns aligned at the right
	rows  [][]string
}

// newTable returns a table with named columns; a name that begins with '>'
// aligns its column at the right.
func newTable(head ...string) *table {
	t := &table{right: make([]bool, len(head))}
	for i, h := range head {
		t.right[i] = strings.HasPrefix(h, ">")
		t.head = append(t.head, strings.TrimPrefix(h, ">"))
	}
	return t
}

func (t *table) add(cells ...string) {
	for i, c := range cells {
		cells[i] = oneCell(c)
	}
	t.rows = append(t.rows, cells)
}

// oneCell keeps what users wrote on one line and harmless to a terminal.
func oneCell(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}

// minColumn is how narrow a column may get to fit into the terminal.
const minColumn = 8

// widths returns the width of each column in a terminal of the given width; 0
// is no limit. The widest columns give way first.
func (t *table) widths(limit int) []int {
	w := make([]int, len(t.head))
	total := 2 * (len(t.head) - 1)
	for i, h := range t.head {
		w[i] = utf8.RuneCountInString(h)
		for _, r := range t.rows {
			w[i] = max(w[i], utf8.RuneCountInString(r[i]))
		}
		total += w[i]
	}
	for limit > 0 && total > limit {
		widest := 0
		for i := range w {
			if w[i] > w[widest] {
				widest = i
			}
		}
		if w[widest] <= minColumn {
			break
		}
		w[widest]--
		total--
	}
	return w
}

// write prints the table.
func (t *table) write(out io.Writer, limit int) error {
	w := t.widths(limit)
	var b strings.Builder
	for i := -1; i < len(t.rows); i++ {
		cells := t.head
		if i >= 0 {
			cells = t.rows[i]
		}
		b.Reset()
		for k, c := range cells {
			c = truncate(c, w[k])
			pad := strings.Repeat(" ", w[k]-utf8.RuneCountInString(c))
			switch {
			case t.right[k]:
				b.WriteString(pad + c)
			case k == len(cells)-1:
				b.WriteString(c)
			default:
				b.WriteString(c + pad)
			}
			if k < len(cells)-1 {
				b.WriteString("  ")
			}
		}
		b.WriteByte('\n')
		if _, err := io.WriteString(out, b.String()); err != nil {
			return err
		}
	}
	return nil
}

// truncate shortens s to n characters, the last of which is then an ellipsis.
func truncate(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	for i := range s {
		if n == 1 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}

// print writes a table as wide as the terminal, and as wide as needed where
// there is none.
func (a *app) print(t *table) error {
	width, _ := a.terminal()
	return t.write(a.stdout, width)
}

// terminal returns the size of the terminal that the answer goes to; zeros
// when it goes elsewhere.
func (a *app) terminal() (width, height int) {
	f, ok := a.out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, 0
	}
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 80, 24
	}
	if n, err := strconv.Atoi(a.getenv("COLUMNS")); err == nil && n > 0 {
		width = n
	}
	return width, height
}

// watched reports whether a person sees stderr as it is written.
func (a *app) watched() bool {
	f, ok := a.err.(*os.File)
	return ok && !a.quiet && !a.json && term.IsTerminal(int(f.Fd()))
}

// colors reports whether the answer may have colors.
func (a *app) colors() bool {
	width, _ := a.terminal()
	return width > 0 && !a.noColor && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

func (a *app) getenv(name string) string {
	v, _ := a.env(name)
	return v
}
