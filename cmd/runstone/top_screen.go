package main

import (
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen is a terminal that is drawn on as a whole. What was on it before comes
// back with close.
type screen struct {
	in, out *os.File
	before  *term.State
	frame   string // that is seen
}

// Sequences that every terminal of today knows.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l" // the other screen, no cursor, no line breaks of its own
	leaveScreen = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
)

func openScreen(in, out *os.File) (*screen, error) {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	s := &screen{in: in, out: out, before: before}
	_, err = s.out.WriteString(enterScreen)
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// close brings the terminal back; it does so as often as it is called.
func (s *screen) close() {
	_, _ = s.out.WriteString(leaveScreen) // the terminal may be gone
	_ = term.Restore(int(s.in.Fd()), s.before)
}

// draw shows lines, if they are others than before.
func (s *screen) draw(lines []string) error {
	var b strings.Builder
	b.WriteString("\x1b[?2026h\x1b[H") // as one picture, from the top
	for i, l := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(l + "\x1b[K")
	}
	b.WriteString("\x1b[J\x1b[?2026l")
	if b.String() == s.frame {
		return nil
	}
	s.frame = b.String()
	_, err := s.out.WriteString(s.frame)
	return err
}

// size returns columns and lines.
func (s *screen) size() (width, height int) {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// parseKeys names the keys of what a terminal sent at once: characters by
// themselves, others as "up", "pgdn", "enter", "ctrl-c". What it does not know it
// leaves out.
func parseKeys(in []byte) []string {
	known := map[string]string{
		"\x1b[A": "up", "\x1b[B": "down", "\x1b[C": "right", "\x1b[D": "left", "\x1bOA": "up", "\x1bOB": "down", "\x1bOC": "right", "\x1bOD": "left",
		"\x1b[5~": "pgup", "\x1b[6~": "pgdn", "\x1b[H": "home", "\x1b[F": "end", "\x1bOH": "home", "\x1bOF": "end", "\x1b[1~": "home", "\x1b[4~": "end",
		"\r": "enter", "\n": "enter", "\x7f": "backspace", "\b": "backspace", "\x03": "ctrl-c", "\x15": "ctrl-u",
	}
	var out []string
	for len(in) > 0 {
		n := sequence(in)
		part := string(in[:n])
		in = in[n:]
		r, _ := utf8.DecodeRuneInString(part)
		switch {
		case known[part] != "":
			out = append(out, known[part])
		case part == "\x1b":
			out = append(out, "esc")
		case r >= ' ' && r != utf8.RuneError:
			out = append(out, part)
		}
	}
	return out
}

// sequence returns how many bytes the first key has.
func sequence(in []byte) int {
	_, n := utf8.DecodeRune(in)
	if in[0] != 0x1b || len(in) == 1 {
		return n
	}
	switch in[1] {
	case 'O':
		return min(3, len(in))
	case '[':
		for i := 2; i < len(in); i++ {
			if in[i] >= 0x40 && in[i] <= 0x7e {
				return i + 1
			}
		}
		return len(in)
	}
	return 1
}
