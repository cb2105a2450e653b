package query

// Match tells if the row satisfies f. It does not allocate.
func (f *Filter) Match(row Row) bool {
	if f == nil || f.root == nil {
		return true
	}
	return eval(f.root, row)
}

// eval recurses at most as deep as Parse allows parentheses and NOT.
func eval(n Node, row Row) bool {
	switch n := n.(type) {
	case *Pred:
		return n.match(row)
	case *And:
		for _, k := range n.Kids {
			if !eval(k, row) {
				return false
			}
		}
		return true
	case *Or:
		for _, k := range n.Kids {
			if eval(k, row) {
				return true
			}
		}
		return false
	case *Not:
		return !eval(n.X, row)
	}
	return false
}

func (c *Pred) match(row Row) bool {
	switch c.Field.Entity {
	case DatasetInput:
		return c.matchDatasets(row.Datasets())
	case Metric:
		if m, ok := row.(MetricRow); ok {
			return c.matchMetrics(m.MetricValues(c.Field.Key))
		}
	}
	v := row.Field(c.Field.Entity, c.Field.Key)
	if c.promptTag && v.kind == KindMissing {
		v = c.missingPrompt()
	}
	return c.holds(v)
}

// matchDatasets asks whether any input matches, so that != finds a run that has
// some other dataset; IS NULL asks whether none has the key.
func (c *Pred) matchDatasets(list []Dataset) bool {
	has := false
	for i := range list {
		v := Str(list[i].Name)
		switch c.Field.Key {
		case "digest":
			v = Str(list[i].Digest)
		case "context":
			if v = Str(list[i].Context); v.str == "" {
				continue
			}
		}
		has = true
		if c.Op != IsNull && c.holds(v) {
			return true
		}
	}
	return c.Op == IsNull && !has
}

func (c *Pred) matchMetrics(list []float64) bool {
	if c.Op == IsNull {
		return len(list) == 0
	}
	for _, x := range list {
		if c.holds(Num(x)) {
			return true
		}
	}
	return false
}

// missingPrompt is 'false', but only to = and !=: IS NULL tells the truth.
func (c *Pred) missingPrompt() Value {
	if c.Op == Eq || c.Op == Ne {
		return Str("false")
	}
	return Value{}
}

// holds compares one value. A missing one satisfies IS NULL and nothing else.
func (c *Pred) holds(v Value) bool {
	if v.kind == KindMissing {
		return c.Op == IsNull
	}
	switch c.Op {
	case IsNull:
		return false
	case IsNotNull:
		return true
	}
	if c.Field.Numeric {
		return c.holdsNumber(v)
	}
	return v.kind == KindString && c.holdsString(v.str)
}

// holdsNumber: every comparison with NaN is false but !=.
func (c *Pred) holdsNumber(v Value) bool {
	if v.kind == KindString {
		return false
	}
	cmp, ordered := compareNumber(v, &c.Values[0])
	if !ordered {
		return c.Op == Ne
	}
	switch c.Op {
	case Eq:
		return cmp == 0
	case Ne:
		return cmp != 0
	case Lt:
		return cmp < 0
	case Le:
		return cmp <= 0
	case Gt:
		return cmp > 0
	}
	return cmp >= 0
}

func (c *Pred) holdsString(s string) bool {
	switch c.Op {
	case Eq:
		return s == c.Values[0].Str
	case Ne:
		return s != c.Values[0].Str
	case Like, ILike:
		return c.like.match(s)
	case NotLike, NotILike:
		return !c.like.match(s)
	}
	for i := range c.Values {
		if c.Values[i].Str == s {
			return c.Op == In
		}
	}
	return c.Op == NotIn
}
