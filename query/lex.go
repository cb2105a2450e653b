package query

import (
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/runstonedb/runstone/query/tree"
)

// tokenKind is what the lexer found.
type tokenKind uint8

const (
	tokEOF     tokenKind = iota
	tokPath              // entity.key, or a bare or backtick-quoted key
	tokString            // '…', "…" or x'…'; "…" may turn out to be a key
	tokNumber            // -1, .5, 2e-3, 10ms
	tokOp                // a run of = ! < > ~, with a * behind ~
	tokArith             // + - * / %
	tokLParen            // (
	tokRParen            // )
	tokLBrace            // {
	tokRBrace            // }
	tokComma             // ,
	tokSemi              // ;
	tokRange             // ..
	tokKeyword           // one of the keywords, see token.word
	tokBad               // anything else; see token.text
)

// keyword is a word, in any case, that is reserved everywhere. All other words
// of the language mean something only where they may stand, so that whatever
// MLflow takes for a name still is one.
type keyword uint8

const (
	kwNone keyword = iota
	kwAnd
	kwOr
	kwNot
	kwIn
	kwLike
	kwILike
	kwIs
	kwNull
)

var keywords = [...]string{kwAnd: "AND", kwOr: "OR", kwNot: "NOT", kwIn: "IN", kwLike: "LIKE",
	kwILike: "ILIKE", kwIs: "IS", kwNull: "NULL"}

func toKeyword(s string) keyword {
	if len(s) > len("ILIKE") {
		return kwNone
	}
	for k := kwAnd; int(k) < len(keywords); k++ {
		if strings.EqualFold(s, keywords[k]) {
			return k
		}
	}
	return kwNone
}

// token is a piece of the text; pos and end are byte offsets.
type token struct {
	kind     tokenKind
	word     keyword
	pos, end int

	// tokString: val is what stands between the quotes.
	// tokPath: val is the key, without quotes; entity is what stands before the dot.
	// tokNumber: val is the unit.
	val       string
	quote     byte // of the string or key, 0 if bare
	entity    string
	hasEntity bool
	parents   int // how many times parent. stood before a path
	start     int // where the path begins behind those
}

// lexer cuts src up to end into tokens. What is a token does not depend on end:
// a token that begins before it is whole.
type lexer struct {
	src      string
	pos, end int
	kin      bool // parent. is a prefix
	operand  bool // the last token was a value: a sign behind it is an operator
}

func newLexer(src string, d tree.Domain) lexer {
	return lexer{src: src, end: len(src), kin: d == tree.Runs}
}

func (l *lexer) next() token {
	for l.pos < l.end {
		r, w := utf8.DecodeRuneInString(l.src[l.pos:])
		if !unicode.IsSpace(r) {
			break
		}
		l.pos += w
	}
	if l.pos >= l.end {
		return token{pos: l.end, end: l.end}
	}
	t := l.scan()
	t.end = l.pos
	switch t.kind {
	case tokPath, tokString, tokNumber, tokRParen, tokRBrace, tokBad:
		l.operand = true
	default:
		l.operand = false
	}
	return t
}

func (l *lexer) scan() token {
	t := token{pos: l.pos, start: l.pos}
	c := l.src[l.pos]
	if kind := punctuation(c); kind != tokBad {
		t.kind = kind
		l.pos++
		return t
	}
	switch c {
	case '\'', '"', '`':
		return l.quoted(t)
	case '=', '!', '<', '>', '~':
		for l.pos < len(l.src) && strings.IndexByte("=!<>~", l.src[l.pos]) >= 0 {
			l.pos++
		}
		if l.src[l.pos-1] == '~' && l.at(0) == '*' {
			l.pos++
		}
		t.kind = tokOp
		return t
	case '-', '/':
		// -- and /* begin a comment in SQL, which has no place here.
		switch next := l.at(1); {
		case c == '-' && next == '-', c == '/' && next == '*':
			t.kind = tokBad
			l.pos++
			return t
		case c == '/' || l.operand || numberLen(l.src[l.pos:]) == 0:
			t.kind = tokArith
			l.pos++
			return t
		}
	case '.':
		if l.at(1) == '.' {
			t.kind = tokRange
			l.pos += 2
			return t
		}
	}
	if n := numberLen(l.src[l.pos:]); n > 0 {
		return l.number(t, n)
	}
	if n := tree.NameLen(l.src[l.pos:]); n > 0 {
		return l.path(t, n)
	}
	_, w := utf8.DecodeRuneInString(l.src[l.pos:])
	l.pos += w
	t.kind = tokBad
	return t
}

// at is the byte n behind the current one, 0 beyond the end.
func (l *lexer) at(n int) byte {
	if l.pos+n < len(l.src) {
		return l.src[l.pos+n]
	}
	return 0
}

func punctuation(c byte) tokenKind {
	switch c {
	case '(':
		return tokLParen
	case ')':
		return tokRParen
	case '{':
		return tokLBrace
	case '}':
		return tokRBrace
	case ',':
		return tokComma
	case ';':
		return tokSemi
	case '+', '*', '%':
		return tokArith
	}
	return tokBad
}

// number takes n bytes of digits and a unit; any other name glued to them spoils
// it: 0x10, 1_000.
func (l *lexer) number(t token, n int) token {
	t.kind = tokNumber
	l.pos += n
	if n := tree.NameLen(l.src[l.pos:]); n > 0 {
		if _, _, ok := tree.UnitSize(l.src[l.pos : l.pos+n]); ok {
			t.val = l.src[l.pos : l.pos+n]
			l.pos += n
		}
	}
	for {
		w := tree.NameLen(l.src[l.pos:])
		if w == 0 && l.at(0) == '.' && l.at(1) != '.' {
			w = 1
		}
		if w == 0 {
			return t
		}
		t.kind = tokBad
		l.pos += w
	}
}

// numberLen is the length of the number at the start of s, 0 if there is none.
func numberLen(s string) int {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	start := i
	digits := func() int {
		n := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i - n
	}
	whole := digits()
	frac := 0
	if i < len(s) && s[i] == '.' && (i+1 == len(s) || s[i+1] != '.') {
		i++
		frac = digits()
	}
	if whole+frac == 0 {
		return 0
	}
	mantissa := i
	if i > start && i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '-' || s[i] == '+') {
			i++
		}
		if digits() == 0 {
			return mantissa
		}
	}
	return i
}

// path takes a bare name of n bytes and, behind a dot, a key.
func (l *lexer) path(t token, n int) token {
	for l.kin && l.src[l.pos:l.pos+n] == "parent" && l.at(n) == '.' {
		l.pos += n + 1
		t.parents++
		t.start = l.pos
		if l.at(0) == '`' {
			return l.quoted(t)
		}
		if n = tree.NameLen(l.src[l.pos:]); n == 0 {
			t.kind = tokBad
			return t
		}
	}
	name := l.src[l.pos : l.pos+n]
	l.pos += n
	if l.at(0) == '.' && (t.parents > 0 || l.at(1) != '.') {
		return l.key(t, name)
	}
	if t.parents == 0 {
		if t.word = toKeyword(name); t.word != kwNone {
			t.kind = tokKeyword
			return t
		}
		if (name == "x" || name == "X") && l.at(0) == '\'' {
			return l.hex(t)
		}
	}
	t.kind, t.val = tokPath, name
	return t
}

// hex takes the quoted digits of x'433a5c', a string whatever its bytes.
func (l *lexer) hex(t token) token {
	n := strings.IndexByte(l.src[l.pos+1:], '\'')
	if n < 0 {
		t.kind = tokBad
		return t
	}
	val, err := hex.DecodeString(l.src[l.pos+1 : l.pos+1+n])
	l.pos += n + 2
	if t.kind = tokString; err != nil {
		t.kind = tokBad
	}
	t.val, t.quote = string(val), '\''
	return t
}

// key takes the dot and the key behind an entity.
func (l *lexer) key(t token, entity string) token {
	t.kind, t.entity, t.hasEntity = tokPath, entity, true
	l.pos++
	if l.pos < len(l.src) && strings.IndexByte("`\"'", l.src[l.pos]) >= 0 {
		t.quote = l.src[l.pos]
		n, complete := tree.QuotedLen(l.src[l.pos:])
		if !complete {
			l.pos++
			t.kind = tokBad
			return t
		}
		t.val = l.src[l.pos+1 : l.pos+n-1]
		l.pos += n
	} else {
		start := l.pos
		for {
			n := tree.NameLen(l.src[l.pos:])
			if n == 0 {
				t.kind = tokBad
				return t
			}
			l.pos += n
			if l.pos == len(l.src) || l.src[l.pos] != '.' {
				break
			}
			l.pos++
		}
		t.val = l.src[start:l.pos]
	}
	if t.val == "" {
		t.kind = tokBad
	}
	// A key must end where it seems to end: metrics."a"b, metrics.a.`b` and the
	// like have no meaning worth guessing.
	for l.pos < len(l.src) {
		n := tree.NameLen(l.src[l.pos:])
		if n == 0 && strings.IndexByte(".`\"", l.src[l.pos]) >= 0 {
			n = 1
		}
		if n == 0 {
			break
		}
		t.kind = tokBad
		l.pos += n
	}
	return t
}

// quoted takes a string, or a key in backticks.
func (l *lexer) quoted(t token) token {
	q := l.src[l.pos]
	n, complete := tree.QuotedLen(l.src[l.pos:])
	if !complete && (q == '`' || n == 0) {
		l.pos++
		t.kind = tokBad
		return t
	}
	t.val, t.quote, t.kind = l.src[l.pos+1:l.pos+n-1], q, tokString
	if q == '`' {
		t.kind = tokPath
	}
	l.pos += n
	if q != '\'' && l.pos < len(l.src) && l.src[l.pos] == '.' {
		entity := t.val
		if q == '"' {
			// MLflow takes only backticks off an entity.
			entity = l.src[t.start:l.pos]
		}
		t.val, t.quote = "", 0
		return l.key(t, entity)
	}
	return t
}
