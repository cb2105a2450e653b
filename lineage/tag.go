package lineage

import (
	"cmp"
	"slices"
)

// Tag is a key with a text. Lists of tags are sorted by key.
type Tag struct{ Key, Value string }

func byKey(t Tag, key string) int { return cmp.Compare(t.Key, key) }

// setTag replaces the value of a key in a sorted list.
func setTag(tags []Tag, t Tag) []Tag {
	i, found := slices.BinarySearchFunc(tags, t.Key, byKey)
	if found {
		tags[i] = t
		return tags
	}
	return slices.Insert(tags, i, t)
}

// dropTag removes a key from a sorted list.
func dropTag(tags []Tag, key string) []Tag {
	return slices.DeleteFunc(tags, func(t Tag) bool { return t.Key == key })
}

// FindTag returns the value of a key in a sorted list.
func FindTag(tags []Tag, key string) (string, bool) {
	i, found := slices.BinarySearchFunc(tags, key, byKey)
	if !found {
		return "", false
	}
	return tags[i].Value, true
}

// sortTags returns a sorted copy in which the last of equal keys stays.
func sortTags(tags []Tag) []Tag {
	out := slices.Clone(tags)
	slices.SortStableFunc(out, func(a, b Tag) int { return cmp.Compare(a.Key, b.Key) })
	n := 0
	for i, t := range out {
		if i+1 < len(out) && out[i+1].Key == t.Key {
			continue
		}
		out[n] = t
		n++
	}
	return out[:n]
}
