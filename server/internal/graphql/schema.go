package graphql

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Resolver returns the value of a field: a struct, a slice of structs or what a
// scalar needs. source is the struct that the field is asked of, nil at the root.
// The request is told the text of an *[Error], of other errors only that there
// was one.
type Resolver func(ctx context.Context, source any, args Value) (any, error)

// Schema is what can be asked. It does not change and may be used by any number
// of goroutines.
type Schema struct {
	types      map[string]*typeDef
	directives map[string]*directiveDef
	limits     Limits
}

type typeKind uint8

const (
	scalarType typeKind = iota
	enumType
	objectType
	inputType
)

// The scalars. A LongString is a 64-bit integer, in answers as a string.
const (
	scalarString  = "String"
	scalarInt     = "Int"
	scalarFloat   = "Float"
	scalarBoolean = "Boolean"
	scalarLong    = "LongString"
)

type typeDef struct {
	name   string
	kind   typeKind
	fields []*fieldDef
	byName map[string]*fieldDef
	values []string // of an enum
}

type fieldDef struct {
	name    string
	tag     string // the name in snake case
	typ     *typeRef
	base    *typeDef // inside of lists
	args    []*fieldDef
	null    bool // never has a value
	resolve Resolver
}

func find(fields []*fieldDef, name string) *fieldDef {
	for _, f := range fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

// directiveDef is a directive and where it may stand.
type directiveDef struct {
	args  []*fieldDef
	where []string
}

// NewSchema reads a schema whose root types are called Query and Mutation.
// resolvers are those of fields, as "Query.test"; each must be of a field that is
// there.
func NewSchema(text string, resolvers map[string]Resolver, limits Limits) (*Schema, error) {
	s := &Schema{types: map[string]*typeDef{}, limits: limits}
	for _, name := range []string{scalarString, scalarInt, scalarFloat, scalarBoolean} {
		s.types[name] = &typeDef{name: name}
	}
	p := newParser(text)
	for p.err == nil && p.tok.kind != tokenEOF {
		t := p.typeDef()
		if p.err == nil && s.types[t.name] != nil {
			return nil, fmt.Errorf("schema: type %s is there twice", t.name)
		}
		s.types[t.name] = t
	}
	if p.err != nil {
		return nil, fmt.Errorf("schema: %w", p.err)
	}
	fields := map[string]*fieldDef{}
	for _, t := range s.types {
		for _, f := range t.fields {
			fields[t.name+"."+f.name] = f
			for _, f := range append(slices.Clone(f.args), f) {
				if f.base = s.types[f.typ.base()]; f.base == nil {
					return nil, fmt.Errorf("schema: field %s.%s: no type %s", t.name, f.name, f.typ.base())
				}
			}
		}
	}
	for name, r := range resolvers {
		if fields[name] == nil {
			return nil, fmt.Errorf("schema: no field %s for a resolver", name)
		}
		fields[name].resolve = r
	}
	yes := &fieldDef{name: "if", tag: "if", typ: &typeRef{name: scalarBoolean, nonNull: true}, base: s.types[scalarBoolean]}
	name := &fieldDef{name: "name", tag: "name", typ: &typeRef{name: scalarString, nonNull: true}, base: s.types[scalarString]}
	inside := []string{"field", "fragment spread", "inline fragment"}
	s.directives = map[string]*directiveDef{
		"skip":    {[]*fieldDef{yes}, inside},
		"include": {[]*fieldDef{yes}, inside},
		// MLflow's pages mark their operations with the part that asks.
		"component": {[]*fieldDef{name}, []string{"query", "mutation"}},
	}
	return s, nil
}

// typeDef reads one definition of a schema.
func (p *parser) typeDef() *typeDef {
	kind := p.name()
	t := &typeDef{name: p.name(), byName: map[string]*fieldDef{}}
	switch kind {
	case "scalar":
	case "enum":
		t.kind = enumType
		p.many("{", "}", func() { t.values = append(t.values, p.name()) })
	case "type", "input":
		t.kind = objectType
		if kind == "input" {
			t.kind = inputType
		}
		p.many("{", "}", func() {
			f := p.fieldDef()
			t.fields = append(t.fields, f)
			t.byName[f.name] = f
		})
	default:
		p.fail(syntaxError("Expected a type, found '%s'.", kind))
	}
	return t
}

func (p *parser) fieldDef() *fieldDef {
	f := &fieldDef{name: p.name()}
	f.tag = snake(f.name)
	if p.tok.kind == tokenPunct && p.tok.text == "(" {
		p.many("(", ")", func() { f.args = append(f.args, p.fieldDef()) })
	}
	p.expect(":")
	f.typ = p.typeRef()
	if p.take("@") {
		f.null = p.name() == "null"
	}
	return f
}

// snake turns runId into run_id.
func snake(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// root returns the type of an operation's fields, nil for one that there is not.
func (s *Schema) root(kind string) *typeDef {
	switch kind {
	case "query":
		return s.types["Query"]
	case "mutation":
		return s.types["Mutation"]
	}
	return nil
}

// field returns a field of an object by its name in a query, nil for none.
func (t *typeDef) field(name string) *fieldDef {
	if name == typenameField {
		return &fieldDef{name: name, typ: &typeRef{name: scalarString, nonNull: true}, base: &typeDef{name: scalarString}}
	}
	return t.byName[name]
}

const typenameField = "__typename"
