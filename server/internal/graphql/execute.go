package graphql

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Request is what a client asks. Operation names one of several operations of
// the document. Variables is an object, or null for none.
type Request struct {
	Query     string
	Operation string
	Variables Value
}

// Execute answers a request with {"data": …, "errors": …}: either is null when
// there is none, errors are texts. Mistakes in a request and errors of resolvers
// are in the answer; only an error that the caller should log is returned, and
// then the answer tells no more than that there was one.
func (s *Schema) Execute(ctx context.Context, r Request) ([]byte, error) {
	refuse := func(msgs ...string) ([]byte, error) { return finish([]byte(`{"data":null`), msgs), nil }
	switch {
	case strings.TrimSpace(r.Query) == "":
		return refuse("Must provide query string.")
	case len(r.Query) > s.limits.Text:
		return refuse(fmt.Sprintf("Query exceeds maximum length of %d bytes", s.limits.Text))
	}
	doc, err := parseDocument(r.Query)
	if err == nil {
		err = s.limits.check(doc)
	}
	if err != nil {
		return refuse(err.Error())
	}
	if msgs := s.validate(doc); msgs != nil {
		return refuse(msgs...)
	}
	o, err := doc.operation(r.Operation)
	if err != nil {
		return refuse(err.Error())
	}
	root := s.root(o.kind)
	if root == nil {
		return refuse("Schema is not configured to execute " + o.kind + " operation.")
	}
	var msgs []string
	vars := s.coerceVariables(o, r.Variables, &msgs)
	if msgs != nil {
		return refuse(msgs...)
	}
	e := &executor{ctx: ctx, schema: s, doc: doc, vars: vars, fields: map[fieldKey]int{}}
	e.out = append(e.out, `{"data":`...)
	e.object(e.plan([][]*selection{o.selections}, root), reflect.Value{}, root)
	if e.over {
		return finish([]byte(`{"data":null`), []string{fmt.Sprintf("The answer exceeds the maximum of %d bytes. Please narrow it down.", s.limits.Answer)}), e.err
	}
	return finish(e.out, e.errs), e.err
}

// finish ends an answer that has its data.
func finish(out []byte, msgs []string) []byte {
	out = append(out, `,"errors":`...)
	if msgs == nil {
		return append(out, "null}\n"...)
	}
	for i, m := range msgs {
		sep := byte(',')
		if i == 0 {
			sep = '['
		}
		out = appendString(append(out, sep), m)
	}
	return append(out, "]}\n"...)
}

func (d *document) operation(name string) (*operation, error) {
	if name == "" {
		switch len(d.operations) {
		case 0:
			return nil, &Error{"Must provide an operation."}
		case 1:
			return d.operations[0], nil
		}
		return nil, &Error{"Must provide operation name if query contains multiple operations."}
	}
	for _, o := range d.operations {
		if o.name == name {
			return o, nil
		}
	}
	return nil, &Error{"Unknown operation named '" + cut(name) + "'."}
}

// planned is a field to answer, with all that was merged into it.
type planned struct {
	key    []byte // `"name":`
	def    *fieldDef
	args   Value
	nested []*planned
}

type executor struct {
	ctx    context.Context
	schema *Schema
	doc    *document
	vars   map[string]Value
	fields map[fieldKey]int // places in structs, -1 for none
	out    []byte
	errs   []string
	err    error // the first that is not for the client
	over   bool  // the answer is too large
}

type fieldKey struct {
	typ reflect.Type
	tag string
}

// plan merges selections of one object into a list of fields.
func (e *executor) plan(lists [][]*selection, t *typeDef) []*planned {
	var out []*planned
	nested := map[string][][]*selection{}
	index := map[string]int{}
	var walk func(list []*selection, seen map[string]bool)
	walk = func(list []*selection, seen map[string]bool) {
		for _, s := range list {
			if !e.included(s.directives) {
				continue
			}
			switch s.kind {
			case inlineSelection:
				walk(s.nested, seen)
			case spreadSelection:
				if !seen[s.name] {
					seen[s.name] = true
					walk(e.doc.byName[s.name].selections, seen)
				}
			case fieldSelection:
				key := s.key()
				nested[key] = append(nested[key], s.nested)
				if _, ok := index[key]; ok {
					continue
				}
				index[key] = len(out)
				def := t.field(s.name)
				out = append(out, &planned{
					key: append(appendString(nil, key), ':'), def: def,
					args: e.schema.arguments(s.args, def.args, e.vars),
				})
			}
		}
	}
	seen := map[string]bool{}
	for _, list := range lists {
		walk(list, seen)
	}
	for key, i := range index {
		if out[i].def.base.kind == objectType {
			out[i].nested = e.plan(nested[key], out[i].def.base)
		}
	}
	return out
}

// included evaluates @skip and @include.
func (e *executor) included(list []directive) bool {
	for _, d := range list {
		if d.name != "skip" && d.name != "include" {
			continue
		}
		def := e.schema.directives[d.name]
		args := e.schema.arguments(d.args, def.args, e.vars)
		v := args.Get("if")
		if yes := v != nil && v.Text == "true"; yes == (d.name == "skip") {
			return false
		}
	}
	return true
}

// object writes the fields of an object. rv is its struct, invalid for the root
// and for an object of defaults.
func (e *executor) object(fields []*planned, rv reflect.Value, t *typeDef) {
	e.out = append(e.out, '{')
	for i, f := range fields {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.out = append(e.out, f.key...)
		e.field(f, rv, t)
	}
	e.out = append(e.out, '}')
}

func (e *executor) field(f *planned, rv reflect.Value, t *typeDef) {
	if len(e.out) > e.schema.limits.Answer {
		e.over = true
	}
	switch {
	case e.over || f.def.null:
		e.out = append(e.out, "null"...)
	case f.def.name == typenameField:
		e.out = appendString(e.out, t.name)
	case f.def.resolve == nil:
		e.value(f, f.def.typ, e.member(rv, f.def.tag))
	default:
		var source any
		if rv.IsValid() {
			source = rv.Interface()
		}
		v, err := f.def.resolve(e.ctx, source, f.args)
		if err != nil {
			e.fail(err)
			e.out = append(e.out, "null"...)
			return
		}
		e.value(f, f.def.typ, reflect.ValueOf(v))
	}
}

func (e *executor) fail(err error) {
	var told *Error
	if errors.As(err, &told) {
		addError(&e.errs, "%s", told.Message)
		return
	}
	addError(&e.errs, "The server met an internal error. See its log.")
	if e.err == nil {
		e.err = err
	}
}

// member returns a field of a struct by its JSON tag, invalid if it has none.
func (e *executor) member(rv reflect.Value, tag string) reflect.Value {
	if rv.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	key := fieldKey{rv.Type(), tag}
	i, ok := e.fields[key]
	if !ok {
		i = slices.IndexFunc(reflect.VisibleFields(key.typ), func(f reflect.StructField) bool {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			return name == tag && len(f.Index) == 1
		})
		e.fields[key] = i
	}
	if i < 0 {
		return reflect.Value{}
	}
	return rv.Field(i)
}

// value writes a value of a type, or the default of the type.
func (e *executor) value(f *planned, t *typeRef, rv reflect.Value) {
	for rv.Kind() == reflect.Pointer || rv.Kind() == reflect.Interface {
		rv = rv.Elem()
	}
	if t.elem != nil {
		e.out = append(e.out, '[')
		for i := 0; rv.Kind() == reflect.Slice && i < rv.Len() && !e.over; i++ {
			if i > 0 {
				e.out = append(e.out, ',')
			}
			e.value(f, t.elem, rv.Index(i))
		}
		e.out = append(e.out, ']')
		return
	}
	if f.def.base.kind == objectType {
		e.object(f.nested, rv, f.def.base)
		return
	}
	e.leaf(f.def.base, rv)
}

func (e *executor) leaf(t *typeDef, rv reflect.Value) {
	switch t.name {
	case scalarFloat:
		x := 0.0
		if rv.CanFloat() {
			x = rv.Float()
		}
		if math.IsNaN(x) {
			e.out = append(e.out, "null"...)
			return
		}
		x = max(-math.MaxFloat64, min(x, math.MaxFloat64))
		e.out = strconv.AppendFloat(e.out, x, 'g', -1, 64)
	case scalarBoolean:
		e.out = strconv.AppendBool(e.out, rv.Kind() == reflect.Bool && rv.Bool())
	case scalarInt, scalarLong:
		var n int64
		if rv.CanInt() {
			n = rv.Int()
		}
		if t.name == scalarInt {
			e.out = strconv.AppendInt(e.out, n, 10)
			return
		}
		e.out = append(strconv.AppendInt(append(e.out, '"'), n, 10), '"')
	default:
		text := ""
		if rv.Kind() == reflect.String {
			text = rv.String()
		}
		if text == "" && t.kind == enumType {
			text = t.values[0]
		}
		e.out = appendString(e.out, text)
	}
}

// appendString writes a string as JSON. Bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		i++
	}
	return append(dst, '"')
}
