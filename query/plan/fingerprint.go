package plan

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"reflect"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/query/tree"
)

// fingerprint is equal for expressions that mean the same, wherever they stand in
// the text. It may be stored.
func fingerprint(x any) string {
	return string(appendPrint(nil, reflect.ValueOf(x)))
}

// printHash is a hash of fingerprints that stays the same over time.
func printHash(list ...any) uint64 {
	h := fnv.New64a()
	for _, x := range list {
		_, _ = h.Write(appendPrint(nil, reflect.ValueOf(x)))
	}
	return h.Sum64()
}

var spanType = reflect.TypeFor[tree.Span]()

func appendPrint(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return append(b, '0')
		}
		return appendPrint(b, v.Elem())
	case reflect.Struct:
		b = append(append(b, v.Type().Name()...), '{')
		for i := range v.NumField() {
			f := v.Type().Field(i)
			// How it was written says nothing of what it means.
			if f.Type == spanType || f.Name == "Quote" || f.Name == "Unit" || f.Name == "Text" {
				continue
			}
			b = appendPrint(b, v.Field(i))
		}
		return append(b, '}')
	case reflect.Slice:
		b = binary.AppendUvarint(append(b, '['), uint64(v.Len()))
		for i := range v.Len() {
			b = appendPrint(b, v.Index(i))
		}
		return b
	case reflect.String:
		return append(binary.AppendUvarint(append(b, 's'), uint64(v.Len())), v.String()...)
	case reflect.Float64:
		return binary.BigEndian.AppendUint64(append(b, 'f'), math.Float64bits(v.Float()))
	case reflect.Int, reflect.Int64:
		return binary.AppendVarint(append(b, 'i'), v.Int())
	case reflect.Uint8:
		return append(b, 'u', byte(v.Uint()))
	case reflect.Bool:
		return append(b, 'b', byte(bit(v.Bool())))
	}
	return append(b, '?')
}

// spelled is the number that a string spells.
func spelled(v Value) Value {
	if v.kind != String {
		return Value{}
	}
	f, ok := index.ParseNumber(v.str)
	if !ok {
		return Value{}
	}
	return Num(f)
}
