package tree

func (*And) expr()        {}
func (*Or) expr()         {}
func (*Not) expr()        {}
func (*Compare) expr()    {}
func (*In) expr()         {}
func (*Between) expr()    {}
func (*Match) expr()      {}
func (*Is) expr()         {}
func (*Literal) expr()    {}
func (*Field) expr()      {}
func (*ToNumber) expr()   {}
func (*Neg) expr()        {}
func (*Arithmetic) expr() {}
func (*Now) expr()        {}
func (*Scalar) expr()     {}
func (*Series) expr()     {}
func (*Quantified) expr() {}
func (*Relative) expr()   {}
func (*Lineage) expr()    {}
func (*Aggregate) expr()  {}
func (*Ref) expr()        {}

// Type is Bool.
func (*And) Type() Type { return Bool }

// Type is Bool.
func (*Or) Type() Type { return Bool }

// Type is Bool.
func (*Not) Type() Type { return Bool }

// Type is Bool.
func (*Compare) Type() Type { return Bool }

// Type is Bool.
func (*In) Type() Type { return Bool }

// Type is Bool.
func (*Between) Type() Type { return Bool }

// Type is Bool.
func (*Match) Type() Type { return Bool }

// Type is Bool.
func (*Is) Type() Type { return Bool }

// Type is Bool.
func (*Quantified) Type() Type { return Bool }

// Type is Bool.
func (*Relative) Type() Type { return Bool }

// Type is Bool.
func (*Lineage) Type() Type { return Bool }

// Type is that of the value.
func (x *Literal) Type() Type { return x.Kind }

// Type is that of the values.
func (x *Field) Type() Type { return x.Kind }

// Type is that of the item.
func (x *Ref) Type() Type { return x.Kind }

// Type is Number.
func (*ToNumber) Type() Type { return Number }

// Type is Number.
func (*Neg) Type() Type { return Number }

// Type is Number.
func (*Arithmetic) Type() Type { return Number }

// Type is Number.
func (*Scalar) Type() Type { return Number }

// Type is Int.
func (*Now) Type() Type { return Int }

// At is that of the string.
func (x *ToNumber) At() Span { return x.X.At() }

// Type is Bool for Plateau, Int for steps and counts, else Number.
func (x *Series) Type() Type {
	switch x.Fn {
	case Plateau:
		return Bool
	case Count, NaNCount, ArgMin, ArgMax:
		return Int
	}
	return Number
}

// Type is Int for counts, that of X for First, else Number.
func (x *Aggregate) Type() Type {
	switch x.Fn {
	case CountRows, CountOf:
		return Int
	case FirstOf:
		return x.X.Type()
	}
	return Number
}

// Moved is a value x as if it stood at s; what is under it stays where it is.
func Moved(x Expr, s Span) Expr {
	switch x := x.(type) {
	case *Literal:
		c := *x
		c.Span = s
		return &c
	case *Field:
		c := *x
		c.Span = s
		return &c
	case *ToNumber:
		return &ToNumber{Moved(x.X, s)}
	case *Neg:
		return &Neg{s, x.X}
	case *Arithmetic:
		return &Arithmetic{s, x.Op, x.L, x.R}
	case *Now:
		return &Now{s, x.Back, x.Text}
	case *Scalar:
		return &Scalar{s, x.Fn, x.X}
	case *Series:
		c := *x
		c.Span = s
		return &c
	case *Aggregate:
		return &Aggregate{s, x.Fn, x.X}
	}
	return x
}

// Walk calls fn for x and every node under it, from left to right, fields of
// series and quantifiers included, until fn returns false for a node, which
// leaves out what is under that.
func Walk(x Expr, fn func(Expr) bool) {
	if !fn(x) {
		return
	}
	each := func(list ...Expr) {
		for _, k := range list {
			if k != nil {
				Walk(k, fn)
			}
		}
	}
	switch x := x.(type) {
	case *And:
		each(x.Kids...)
	case *Or:
		each(x.Kids...)
	case *Not:
		each(x.X)
	case *Compare:
		each(x.L, x.R)
	case *In:
		each(x.X)
		for _, v := range x.Values {
			each(v)
		}
	case *Between:
		each(x.X, x.Lo, x.Hi)
	case *Match:
		each(x.X)
	case *Is:
		each(x.X)
	case *ToNumber:
		each(x.X)
	case *Neg:
		each(x.X)
	case *Arithmetic:
		each(x.L, x.R)
	case *Scalar:
		each(x.X)
	case *Series:
		each(x.Field)
	case *Quantified:
		each(x.Field)
	case *Relative:
		each(x.X)
	case *Aggregate:
		each(x.X)
	}
}
