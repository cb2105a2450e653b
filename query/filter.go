package query

import (
	"slices"
	"strings"
)

// promptTag marks MLflow's prompts, which are registered models underneath.
const promptTag = "mlflow.prompt.is_prompt"

// Filter is a parsed filter. The nil and the zero Filter match every row.
type Filter struct {
	domain Domain
	root   Node
	needs  Needs
}

// Needs names what a filter or an order reads of a row, so that a caller loads
// only that. The names are sorted and without repetition.
type Needs struct {
	Attributes []string // canonical spellings
	Metrics    []string
	Params     []string
	Tags       []string
	Datasets   bool
}

// Add makes n cover m too.
func (n *Needs) Add(m Needs) {
	n.Attributes = union(n.Attributes, m.Attributes)
	n.Metrics = union(n.Metrics, m.Metrics)
	n.Params = union(n.Params, m.Params)
	n.Tags = union(n.Tags, m.Tags)
	n.Datasets = n.Datasets || m.Datasets
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// note collects one field; normalize must follow the last.
func (n *Needs) note(f *Field) {
	switch f.Entity {
	case Attribute:
		n.Attributes = append(n.Attributes, f.Key)
	case Metric:
		n.Metrics = append(n.Metrics, f.Key)
	case Param:
		n.Params = append(n.Params, f.Key)
	case Tag:
		n.Tags = append(n.Tags, f.Key)
	case DatasetInput:
		n.Datasets = true
	}
}

func (n *Needs) normalize() {
	for _, list := range []*[]string{&n.Attributes, &n.Metrics, &n.Params, &n.Tags} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
}

// Needs is what Match reads. The caller must not change its slices.
func (f *Filter) Needs() Needs {
	if f == nil {
		return Needs{}
	}
	return f.needs
}

// Domain is the domain that f was parsed for.
func (f *Filter) Domain() Domain {
	if f == nil {
		return Runs
	}
	return f.domain
}

// Root is the tree, nil if f matches every row.
func (f *Filter) Root() Node {
	if f == nil {
		return nil
	}
	return f.root
}

// String is the canonical form of f. Parsing it gives an equal filter, unless
// the original text was close to the limits of [Parse] and the canonical one,
// which writes every AND and blank, is beyond them.
func (f *Filter) String() string {
	if f.Root() == nil {
		return ""
	}
	var p printer
	walk(f.root, func(c *Pred) {
		for i := range c.Values {
			if v := &c.Values[i]; v.Kind == LitString && len(v.Str) > 0 && v.Str[len(v.Str)-1] == '\\' {
				p.verbatim = true
			}
		}
	})
	f.root.appendTo(&p)
	return string(p.buf)
}

// WantsPrompts tells if a filter over registered models or their versions asks
// for MLflow's prompts. If not, a search must leave out the rows that are tagged
// mlflow.prompt.is_prompt = 'true', as MLflow does; Match itself does not.
func (f *Filter) WantsPrompts() bool {
	wants, decided := false, false
	decide := func(n Node) {
		// MLflow looks at the first clause on the tag, and at no other.
		c, ok := n.(*Pred)
		if !ok || !c.promptTag || decided {
			return
		}
		decided = true
		wants = c.Op == Eq && strings.EqualFold(c.Values[0].Str, "true") ||
			c.Op == Ne && strings.EqualFold(c.Values[0].Str, "false")
	}
	switch root := f.Root().(type) {
	case *And:
		for _, k := range root.Kids {
			decide(k)
		}
	case *Pred:
		decide(root)
	}
	return wants
}
