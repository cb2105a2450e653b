package query

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind is what the lexer found.
type tokenKind uint8

const (
	tokEOF     tokenKind = iota
	tokPath              // entity.key, or a bare or backtick-quoted key
	tokString            // '…' or "…"; the latter may turn out to be a key
	tokNumber            // -1, .5, 2e-3
	tokOp                // a run of = ! < > ~
	tokLParen            // (
	tokRParen            // )
	tokComma             // ,
	tokSemi              // ;
	tokKeyword           // one of the keywords, see token.word
	tokBad               // anything else; see token.text
)

// keyword is a reserved word, in any case.
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
	val       string
	quote     byte // of the string or key, 0 if bare
	entity    string
	hasEntity bool
}

// lexer cuts text into tokens.
type lexer struct {
	src string
	pos int
}

func (l *lexer) next() token {
	for l.pos < len(l.src) {
		r, w := utf8.DecodeRuneInString(l.src[l.pos:])
		if !unicode.IsSpace(r) {
			break
		}
		l.pos += w
	}
	t := l.scan()
	t.end = l.pos
	return t
}

func (l *lexer) scan() token {
	t := token{pos: l.pos}
	if l.pos == len(l.src) {
		return t
	}
	switch c := l.src[l.pos]; c {
	case '(':
		t.kind = tokLParen
	case ')':
		t.kind = tokRParen
	case ',':
		t.kind = tokComma
	case ';':
		t.kind = tokSemi
	case '\'', '"', '`':
		return l.quoted(t)
	case '=', '!', '<', '>', '~':
		for l.pos < len(l.src) && strings.IndexByte("=!<>~", l.src[l.pos]) >= 0 {
			l.pos++
		}
		t.kind = tokOp
		return t
	default:
		if n := numberLen(l.src[l.pos:]); n > 0 {
			return l.number(t, n)
		}
		if n := nameLen(l.src[l.pos:]); n > 0 {
			return l.path(t, n)
		}
		_, w := utf8.DecodeRuneInString(l.src[l.pos:])
		l.pos += w
		t.kind = tokBad
		return t
	}
	l.pos++
	return t
}

// number takes n bytes of digits; a name glued to them spoils it: 0x10, 1_000.
func (l *lexer) number(t token, n int) token {
	t.kind = tokNumber
	l.pos += n
	for {
		w := nameLen(l.src[l.pos:])
		if w == 0 && l.pos < len(l.src) && l.src[l.pos] == '.' {
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
	if i < len(s) && s[i] == '.' {
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

// nameLen is the length of the run of letters, digits and _ at the start of s.
func nameLen(s string) int {
	n := 0
	for n < len(s) {
		r, w := utf8.DecodeRuneInString(s[n:])
		if r == utf8.RuneError || r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) {
			break
		}
		n += w
	}
	return n
}

// path takes a bare name of n bytes and, behind a dot, a key.
func (l *lexer) path(t token, n int) token {
	name := l.src[l.pos : l.pos+n]
	l.pos += n
	if l.pos < len(l.src) && l.src[l.pos] == '.' {
		return l.key(t, name)
	}
	if t.word = toKeyword(name); t.word != kwNone {
		t.kind = tokKeyword
		return t
	}
	t.kind, t.val = tokPath, name
	return t
}

// key takes the dot and the key behind an entity.
func (l *lexer) key(t token, entity string) token {
	t.kind, t.entity, t.hasEntity = tokPath, entity, true
	l.pos++
	if l.pos < len(l.src) && strings.IndexByte("`\"'", l.src[l.pos]) >= 0 {
		t.quote = l.src[l.pos]
		n, complete := quotedLen(l.src[l.pos:])
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
			n := nameLen(l.src[l.pos:])
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
		n := nameLen(l.src[l.pos:])
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
	n, complete := quotedLen(l.src[l.pos:])
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
			entity = l.src[t.pos:l.pos]
		}
		t.val, t.quote = "", 0
		return l.key(t, entity)
	}
	return t
}

// quotedLen is the length of the quoted text at the start of s, quotes included.
// Doubled quotes and, but for backticks, a quote behind a backslash do not close
// it. Where nothing else would close it, the quote behind the last backslash
// does: 'C:\' is a string. complete is false then, and for n == 0, no end at all.
func quotedLen(s string) (n int, complete bool) {
	q, last := s[0], 0
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && q != '`' && i+1 < len(s) && s[i+1] == q:
			i++
			last = i + 1
		case s[i] != q:
		case i+1 < len(s) && s[i+1] == q:
			i++
			last = 0
		default:
			return i + 1, true
		}
	}
	return last, false
}
