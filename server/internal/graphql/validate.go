package graphql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxErrors bounds the mistakes that one answer names.
const maxErrors = 20

func addError(errs *[]string, format string, args ...any) {
	if len(*errs) < maxErrors {
		*errs = append(*errs, fmt.Sprintf(format, args...))
	}
}

// validator checks a document against a schema. What it lets pass can be
// executed without further checks.
type validator struct {
	schema *Schema
	doc    *document
	errs   []string
	use    *uses // of the operation or fragment at hand
}

// uses are the variables and fragments that an operation or fragment names.
type uses struct {
	vars    []variableUse
	spreads []string
}

type variableUse struct {
	name string
	typ  *typeRef // what is expected where it stands
}

func (s *Schema) validate(d *document) []string {
	v := &validator{schema: s, doc: d}
	fragments := map[string]*uses{}
	for _, f := range d.fragments {
		if fragments[f.name] != nil {
			v.fail("There can be only one fragment named '%s'.", cut(f.name))
			continue
		}
		u := &uses{}
		fragments[f.name], v.use = u, u
		v.directives(f.directives, "fragment definition")
		if t := v.condition(f.on, "Fragment '"+cut(f.name)+"'"); t != nil {
			v.selections(f.selections, t)
		}
	}
	used := map[string]bool{}
	names := map[string]bool{}
	for _, o := range d.operations {
		if o.name == "" && len(d.operations) > 1 {
			v.fail("This anonymous operation must be the only defined operation.")
		}
		if o.name != "" && names[o.name] {
			v.fail("There can be only one operation named '%s'.", cut(o.name))
		}
		names[o.name] = true
		v.use = &uses{}
		v.directives(o.directives, o.kind)
		root := s.root(o.kind)
		if root != nil {
			v.selections(o.selections, root)
		}
		v.variables(o, v.use, fragments, used)
	}
	told := map[string]bool{} // of a cycle
	for _, f := range d.fragments {
		if !used[f.name] {
			v.fail("Fragment '%s' is never used.", cut(f.name))
		}
		if told[f.name] {
			continue
		}
		if path := cycle(fragments, f.name); path != nil {
			for _, name := range path {
				told[name] = true
			}
			v.cycle(f.name, path)
		}
	}
	if v.errs == nil { // among others: no fragment is in itself
		for _, o := range d.operations {
			if root := s.root(o.kind); root != nil {
				v.overlaps(o.selections, root)
			}
		}
	}
	return v.errs
}

func (v *validator) fail(format string, args ...any) { addError(&v.errs, format, args...) }

// condition returns the type that a fragment is on.
func (v *validator) condition(name, what string) *typeDef {
	t := v.schema.types[name]
	switch {
	case t == nil:
		v.fail("Unknown type '%s'.", cut(name))
	case t.kind != objectType:
		v.fail("%s cannot condition on non composite type '%s'.", what, cut(name))
		return nil
	}
	return t
}

func (v *validator) selections(list []*selection, t *typeDef) {
	for _, s := range list {
		switch s.kind {
		case fieldSelection:
			v.directives(s.directives, "field")
			v.field(s, t)
		case spreadSelection:
			v.directives(s.directives, "fragment spread")
			v.spread(s, t)
		case inlineSelection:
			v.directives(s.directives, "inline fragment")
			on := t
			if s.on != "" {
				if on = v.condition(s.on, "Fragment"); on == nil {
					continue
				}
				if on != t {
					v.fail("Fragment cannot be spread here as objects of type '%s' can never be of type '%s'.", t.name, on.name)
				}
			}
			v.selections(s.nested, on)
		}
	}
}

func (v *validator) spread(s *selection, t *typeDef) {
	v.use.spreads = append(v.use.spreads, s.name)
	f := v.doc.byName[s.name]
	if f == nil {
		v.fail("Unknown fragment '%s'.", cut(s.name))
		return
	}
	if on := v.schema.types[f.on]; on != nil && on.kind == objectType && on != t {
		v.fail("Fragment '%s' cannot be spread here as objects of type '%s' can never be of type '%s'.", cut(s.name), t.name, on.name)
	}
}

func (v *validator) field(s *selection, t *typeDef) {
	f := t.field(s.name)
	if f == nil {
		v.fail("Cannot query field '%s' on type '%s'.", cut(s.name), t.name)
		return
	}
	v.arguments(s.args, f.args, func(name string) string {
		return fmt.Sprintf("Unknown argument '%s' on field '%s.%s'.", name, t.name, f.name)
	})
	switch leaf := f.base.kind != objectType; {
	case leaf && s.nested != nil:
		v.fail("Field '%s' must not have a selection since type '%v' has no subfields.", s.name, f.typ)
	case !leaf && s.nested == nil:
		v.fail("Field '%s' of type '%v' must have a selection of subfields. Did you mean '%s { ... }'?", s.name, f.typ, s.name)
	case !leaf:
		v.selections(s.nested, f.base)
	}
}

func (v *validator) arguments(args []argument, defs []*fieldDef, unknown func(string) string) {
	for i, a := range args {
		if repeated(args, i) {
			v.fail("There can be only one argument named '%s'.", cut(a.name))
		}
		if f := find(defs, a.name); f != nil {
			v.literal(a.value, f.typ)
		} else {
			v.fail("%s", unknown(cut(a.name)))
			v.literal(a.value, nil)
		}
	}
}

// repeated reports whether the i-th name is there for the second time.
func repeated(args []argument, i int) bool {
	n := 0
	for _, a := range args[:i] {
		if a.name == args[i].name {
			n++
		}
	}
	return n == 1
}

func (v *validator) directives(list []directive, where string) {
	for i, d := range list {
		def := v.schema.directives[d.name]
		switch {
		case def == nil:
			v.fail("Unknown directive '@%s'.", cut(d.name))
			continue
		case !slices.Contains(def.where, where):
			v.fail("Directive '@%s' may not be used on %s.", d.name, where)
		case slices.ContainsFunc(list[:i], func(o directive) bool { return o.name == d.name }):
			v.fail("The directive '@%s' can only be used once at this location.", d.name)
		}
		v.arguments(d.args, def.args, func(name string) string {
			return fmt.Sprintf("Unknown argument '%s' on directive '@%s'.", name, d.name)
		})
		for _, f := range def.args {
			if !slices.ContainsFunc(d.args, func(a argument) bool { return a.name == f.name }) {
				v.fail("Directive '@%s' argument '%s' of type '%v' is required, but it was not provided.", d.name, f.name, f.typ)
			}
		}
	}
}

// literal checks a value against a type, nil for one that is not known.
func (v *validator) literal(l *literal, t *typeRef) {
	if l.kind == litVariable {
		v.use.vars = append(v.use.vars, variableUse{l.text, t})
		return
	}
	if t == nil {
		for _, item := range l.list {
			v.literal(item, nil)
		}
		for _, f := range l.fields {
			v.literal(f.value, nil)
		}
		return
	}
	if l.kind == litNull {
		if t.nonNull {
			v.fail("Expected value of type '%v', found null.", t)
		}
		return
	}
	if t.elem != nil {
		if l.kind != litList {
			v.literal(l, t.elem)
			return
		}
		for _, item := range l.list {
			v.literal(item, t.elem)
		}
		return
	}
	def := v.schema.types[t.name]
	switch def.kind {
	case inputType:
		v.object(l, def)
	case enumType:
		switch {
		case l.kind != litEnum:
			v.fail("Enum '%s' cannot represent non-enum value: %v.", def.name, l)
		case !def.has(l.text):
			v.fail("Value '%s' does not exist in '%s' enum.", cut(l.text), def.name)
		}
	default:
		v.scalar(l, def)
	}
}

func (v *validator) object(l *literal, def *typeDef) {
	if l.kind != litObject {
		v.fail("Expected value of type '%s', found %v.", def.name, l)
		return
	}
	for i, f := range l.fields {
		if repeated(l.fields, i) {
			v.fail("There can be only one input field named '%s'.", cut(f.name))
		}
		if d := def.byName[f.name]; d != nil {
			v.literal(f.value, d.typ)
		} else {
			v.fail("Field '%s' is not defined by type '%s'.", cut(f.name), def.name)
			v.literal(f.value, nil)
		}
	}
}

func (v *validator) scalar(l *literal, def *typeDef) {
	ok := true
	switch def.name {
	case scalarString:
		ok = l.kind == litString
	case scalarBoolean:
		ok = l.kind == litBool
	case scalarFloat:
		ok = l.kind == litInt || l.kind == litFloat
	case scalarInt:
		if ok = l.kind == litInt; ok {
			if _, err := strconv.ParseInt(l.text, 10, 32); err != nil {
				v.fail("Int cannot represent non 32-bit signed integer value: %v", l)
			}
		}
	}
	if !ok {
		said := map[string]string{
			scalarString: "String cannot represent a non string value", scalarBoolean: "Boolean cannot represent a non boolean value",
			scalarFloat: "Float cannot represent non numeric value", scalarInt: "Int cannot represent non-integer value",
		}[def.name]
		v.fail("%s: %v", said, l)
	}
}

// variables checks those of an operation, with the uses in all fragments that it
// reaches.
func (v *validator) variables(o *operation, own *uses, fragments map[string]*uses, used map[string]bool) {
	in := ""
	if o.name != "" {
		in = " operation '" + cut(o.name) + "'"
	}
	byName := map[string]*variable{}
	for i := range o.vars {
		d := &o.vars[i]
		if byName[d.name] != nil {
			v.fail("There can be only one variable named '$%s'.", cut(d.name))
		}
		byName[d.name] = d
		switch t := v.schema.types[d.typ.base()]; {
		case t == nil:
			v.fail("Unknown type '%s'.", cut(d.typ.base()))
		case t.kind == objectType:
			v.fail("Variable '$%s' cannot be non-input type '%s'.", cut(d.name), cut(d.typ.String()))
		case d.def != nil:
			v.literal(d.def, d.typ)
		}
	}
	all := slices.Clone(own.vars)
	reached := map[string]bool{}
	for queue := slices.Clone(own.spreads); len(queue) > 0; queue = queue[1:] {
		u := fragments[queue[0]]
		if u == nil || reached[queue[0]] {
			continue
		}
		reached[queue[0]], used[queue[0]] = true, true
		all = append(all, u.vars...)
		queue = append(queue, u.spreads...)
	}
	needed := map[string]bool{}
	for _, use := range all {
		needed[use.name] = true
		d := byName[use.name]
		if d == nil {
			by := ""
			if in != "" {
				by = " by" + in
			}
			v.fail("Variable '$%s' is not defined%s.", cut(use.name), by)
			continue
		}
		if use.typ != nil && v.schema.types[d.typ.base()] != nil && !fits(d.typ, use.typ, d.def != nil && d.def.kind != litNull) {
			v.fail("Variable '$%s' of type '%v' used in position expecting type '%v'.", cut(use.name), d.typ, use.typ)
		}
	}
	for _, d := range o.vars {
		if !needed[d.name] {
			by := ""
			if in != "" {
				by = " in" + in
			}
			v.fail("Variable '$%s' is never used%s.", cut(d.name), by)
		}
	}
}

// fits reports whether a variable of type have, with or without a default, may
// stand where want is expected.
func fits(have, want *typeRef, withDefault bool) bool {
	if want.nonNull && !have.nonNull && !withDefault {
		return false
	}
	if (have.elem != nil) != (want.elem != nil) {
		return false
	}
	if have.elem != nil {
		return fits(have.elem, want.elem, false)
	}
	return have.name == want.name
}

// cycle returns the fragments on a way from one back to itself, nil for none.
func cycle(fragments map[string]*uses, name string) []string {
	seen := map[string]bool{}
	var walk func(at string) []string
	walk = func(at string) []string {
		u := fragments[at]
		if u == nil {
			return nil
		}
		for _, next := range u.spreads {
			if next == name {
				return []string{}
			}
			if seen[next] {
				continue
			}
			seen[next] = true
			if path := walk(next); path != nil {
				return append([]string{next}, path...)
			}
		}
		return nil
	}
	return walk(name)
}

func (v *validator) cycle(name string, path []string) {
	via := ""
	for i, p := range path {
		path[i] = "'" + cut(p) + "'"
	}
	if len(path) > 0 {
		via = " via " + strings.Join(path, ", ")
	}
	v.fail("Cannot spread fragment '%s' within itself%s.", cut(name), via)
}

// overlaps checks that fields of one name in the answer are the same field.
func (v *validator) overlaps(selections []*selection, t *typeDef) {
	for _, key := range v.conflicts([][]*selection{selections}, t) {
		v.fail("Fields '%s' conflict because %s. Use different aliases on the fields to fetch both if this was intentional.", cut(key.name), key.why)
	}
}

type conflict struct{ name, why string }

// conflicts returns what cannot be merged of selections that are of one object.
func (v *validator) conflicts(lists [][]*selection, t *typeDef) []conflict {
	var out []conflict
	var order []string
	groups := map[string][]*selection{}
	for _, list := range lists {
		flat, _ := v.doc.flatten(list)
		for _, f := range flat {
			if groups[f.key()] == nil {
				order = append(order, f.key())
			}
			groups[f.key()] = append(groups[f.key()], f)
		}
	}
	for _, key := range order {
		fields := groups[key]
		why := ""
		for _, f := range fields[1:] {
			switch first := fields[0]; {
			case first.name != f.name:
				why = fmt.Sprintf("'%s' and '%s' are different fields", cut(first.name), cut(f.name))
			case !sameArgs(first.args, f.args):
				why = "they have differing arguments"
			}
		}
		def := t.field(fields[0].name)
		if why == "" && def != nil && def.base.kind == objectType {
			nested := make([][]*selection, len(fields))
			for i, f := range fields {
				nested[i] = f.nested
			}
			var parts []string
			for _, c := range v.conflicts(nested, def.base) {
				if len(fields) == 1 {
					out = append(out, c)
				} else {
					parts = append(parts, fmt.Sprintf("subfields '%s' conflict because %s", cut(c.name), c.why))
				}
			}
			why = strings.Join(parts, " and ")
		}
		if why != "" {
			out = append(out, conflict{key, why})
		}
	}
	return out
}
