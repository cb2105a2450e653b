package graphql

import "fmt"

// check holds a document to the limits before anything else reads it. It counts
// as MLflow does: a fragment that is spread twice in one selection once, and one
// that contains itself until a limit is met.
func (l *Limits) check(d *document) error {
	type level struct {
		selections []*selection
		depth      int
	}
	if len(d.fragments) > maxFragments {
		return &Error{fmt.Sprintf("Query exceeds maximum of %d fragments", maxFragments)}
	}
	roots, fields, aliases, work := 0, 0, 0, 0
	for _, o := range d.operations {
		stack := []level{{o.selections, 1}}
		for len(stack) > 0 {
			at := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if at.depth > l.Depth {
				return &Error{fmt.Sprintf("Query exceeds maximum depth of %d", l.Depth)}
			}
			here := 0
			flat, visited := d.flatten(at.selections)
			if work += visited; work > maxWork {
				return &Error{"Query is too complex"}
			}
			for _, f := range flat {
				if f.alias != "" {
					here++
				}
				if at.depth == 1 {
					roots++
				}
				if f.nested != nil {
					stack = append(stack, level{f.nested, at.depth + 1})
				}
				if fields++; fields > l.Fields {
					return &Error{fmt.Sprintf("Query exceeds maximum total selections of %d", l.Fields)}
				}
			}
			aliases = max(aliases, here)
		}
	}
	const tooMany = "GraphQL queries should have at most %d %s, got %d %s."
	if roots > l.Roots {
		return &Error{fmt.Sprintf(tooMany, l.Roots, "root fields", roots, "root fields")}
	}
	if aliases > l.Aliases {
		return &Error{fmt.Sprintf(tooMany, l.Aliases, "aliases", aliases, "aliases")}
	}
	return nil
}

// Bounds of what has no limit in MLflow: definitions of fragments, and selections
// looked at, where fragments may spread each other without a field.
const (
	maxFragments = 100
	maxWork      = 50_000
)

// flatten returns the fields of a selection with those of its fragments, each
// fragment once, and how many selections it saw.
func (d *document) flatten(selections []*selection) (out []*selection, visited int) {
	var seen map[string]bool
	var walk func([]*selection)
	walk = func(list []*selection) {
		for _, s := range list {
			visited++
			switch s.kind {
			case fieldSelection:
				out = append(out, s)
			case inlineSelection:
				walk(s.nested)
			case spreadSelection:
				if f := d.byName[s.name]; f != nil && !seen[s.name] {
					if seen == nil {
						seen = map[string]bool{}
					}
					seen[s.name] = true
					walk(f.selections)
				}
			}
		}
	}
	walk(selections)
	return out, visited
}
