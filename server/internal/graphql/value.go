package graphql

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Kind is the kind of a [Value].
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	List
	Object
)

// Value is a value as JSON has it: a variable of a request, or the arguments of
// a field. Text is a string, a number as written, or true or false. The names
// of members are in snake case in arguments.
type Value struct {
	Kind    Kind
	Text    string
	List    []Value
	Members []Member
}

// Member is one name and value of an object.
type Member struct {
	Name  string
	Value Value
}

// Get returns the last member of that name, nil when there is none.
func (v *Value) Get(name string) *Value {
	for i := len(v.Members) - 1; i >= 0; i-- {
		if v.Members[i].Name == name {
			return &v.Members[i].Value
		}
	}
	return nil
}

// inspect writes a value as Python does.
func (v *Value) inspect() string {
	var b strings.Builder
	v.write(&b)
	return cut(b.String())
}

func (v *Value) write(b *strings.Builder) {
	if b.Len() > maxEcho {
		return
	}
	switch v.Kind {
	case Null:
		b.WriteString("None")
	case Bool:
		b.WriteString(map[string]string{"true": "True", "false": "False"}[v.Text])
	case String:
		b.WriteString("'" + strings.ReplaceAll(cut(v.Text), "'", `\'`) + "'")
	case List:
		b.WriteByte('[')
		for i := range v.List {
			if i > 0 {
				b.WriteString(", ")
			}
			v.List[i].write(b)
		}
		b.WriteByte(']')
	case Object:
		b.WriteByte('{')
		for i := range v.Members {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString("'" + cut(v.Members[i].Name) + "': ")
			v.Members[i].Value.write(b)
		}
		b.WriteByte('}')
	default:
		b.WriteString(v.Text)
	}
}

// coercion brings the variables of a request to the types that the operation
// says.
type coercion struct {
	schema *Schema
	errs   *[]string
	prefix string // "Variable '$x' got invalid value "
}

func (s *Schema) coerceVariables(o *operation, given Value, errs *[]string) map[string]Value {
	out := map[string]Value{}
	for _, v := range o.vars {
		in := given.Get(v.name)
		switch {
		case in == nil && v.def != nil:
			out[v.name] = s.literalValue(v.def, v.typ, nil)
		case in == nil && v.typ.nonNull:
			addError(errs, "Variable '$%s' of required type '%v' was not provided.", v.name, v.typ)
		case in == nil:
		case in.Kind == Null && v.typ.nonNull:
			addError(errs, "Variable '$%s' of non-null type '%v' must not be null.", v.name, v.typ)
		default:
			c := coercion{s, errs, "Variable '$" + v.name + "' got invalid value "}
			out[v.name] = c.value(in, v.typ, v.name)
		}
	}
	return out
}

func (c *coercion) fail(v *Value, at, format string, args ...any) Value {
	where := ""
	if strings.ContainsAny(at, ".[") {
		where = " at '" + cut(at) + "'"
	}
	addError(c.errs, "%s%s%s; %s", c.prefix, v.inspect(), where, fmt.Sprintf(format, args...))
	return Value{}
}

func (c *coercion) value(v *Value, t *typeRef, at string) Value {
	if v.Kind == Null {
		if t.nonNull {
			return c.fail(v, at, "Expected non-nullable type '%v' not to be None.", t)
		}
		return Value{}
	}
	if t.elem != nil {
		if v.Kind != List {
			return Value{Kind: List, List: []Value{c.value(v, t.elem, at)}}
		}
		out := Value{Kind: List, List: make([]Value, len(v.List))}
		for i := range v.List {
			out.List[i] = c.value(&v.List[i], t.elem, at+"["+strconv.Itoa(i)+"]")
		}
		return out
	}
	def := c.schema.types[t.name]
	switch def.kind {
	case inputType:
		if v.Kind != Object {
			return c.fail(v, at, "Expected type '%s' to be a mapping.", t.name)
		}
		out := Value{Kind: Object}
		for i := range v.Members {
			m := &v.Members[i]
			f := def.byName[m.Name]
			if f == nil {
				c.fail(v, at, "Field '%s' is not defined by type '%s'.", cut(m.Name), t.name)
				continue
			}
			out.Members = append(out.Members, Member{f.tag, c.value(&m.Value, f.typ, at+"."+m.Name)})
		}
		return out
	case enumType:
		return c.enum(v, def, at)
	}
	if msg := def.refuses(v); msg != "" {
		return c.fail(v, at, "%s%s", msg, v.inspect())
	}
	if t.name == scalarLong && v.Kind == String {
		if _, err := strconv.ParseInt(strings.TrimSpace(v.Text), 10, 64); err != nil {
			return c.fail(v, at, "Expected type 'LongString'. invalid literal for int() with base 10: %s", v.inspect())
		}
	}
	return *v
}

func (c *coercion) enum(v *Value, def *typeDef, at string) Value {
	if v.Kind != String {
		return c.fail(v, at, "Enum '%s' cannot represent non-string value: %s.", def.name, v.inspect())
	}
	if !def.has(v.Text) {
		return c.fail(v, at, "Value '%s' does not exist in '%s' enum.", cut(v.Text), def.name)
	}
	return *v
}

func (t *typeDef) has(value string) bool {
	for _, s := range t.values {
		if s == value {
			return true
		}
	}
	return false
}

// refuses says, up to the value, why a scalar cannot be v; "" if it can.
func (t *typeDef) refuses(v *Value) string {
	switch t.name {
	case scalarString:
		if v.Kind != String {
			return "String cannot represent a non string value: "
		}
	case scalarBoolean:
		if v.Kind != Bool {
			return "Boolean cannot represent a non boolean value: "
		}
	case scalarFloat:
		if v.Kind != Int && v.Kind != Float {
			return "Float cannot represent non numeric value: "
		}
	case scalarInt:
		return refusesInt(v)
	case scalarLong:
		if v.Kind == List || v.Kind == Object || v.Kind == Null {
			return "LongString cannot represent non-integer value: "
		}
	}
	return ""
}

func refusesInt(v *Value) string {
	f, err := strconv.ParseFloat(v.Text, 64)
	switch {
	case v.Kind != Int && v.Kind != Float || err != nil || f != math.Trunc(f):
		return "Int cannot represent non-integer value: "
	case f < math.MinInt32 || f > math.MaxInt32:
		return "Int cannot represent non 32-bit signed integer value: "
	}
	return ""
}

// literalValue returns what a checked literal stands for. A variable that was
// not given is absent: as a member it is left out, elsewhere it is null.
func (s *Schema) literalValue(l *literal, t *typeRef, vars map[string]Value) Value {
	if l.kind == litVariable {
		return vars[l.text]
	}
	if l.kind == litNull {
		return Value{}
	}
	if t.elem != nil {
		if l.kind != litList {
			return Value{Kind: List, List: []Value{s.literalValue(l, t.elem, vars)}}
		}
		out := Value{Kind: List, List: make([]Value, len(l.list))}
		for i, item := range l.list {
			out.List[i] = s.literalValue(item, t.elem, vars)
		}
		return out
	}
	def := s.types[t.name]
	switch {
	case def.kind == inputType:
		return s.arguments(l.fields, def.fields, vars)
	case t.name == scalarLong && l.kind != litInt:
		return Value{} // as MLflow takes it
	}
	kind := map[literalKind]Kind{litBool: Bool, litInt: Int, litFloat: Float, litString: String, litEnum: String}[l.kind]
	return Value{Kind: kind, Text: l.text}
}

// arguments returns the values of arguments, or of the fields of an object.
func (s *Schema) arguments(args []argument, defs []*fieldDef, vars map[string]Value) Value {
	out := Value{Kind: Object}
	for _, a := range args {
		if a.value.kind == litVariable {
			if _, ok := vars[a.value.text]; !ok {
				continue
			}
		}
		f := find(defs, a.name)
		out.Members = append(out.Members, Member{f.tag, s.literalValue(a.value, f.typ, vars)})
	}
	return out
}
