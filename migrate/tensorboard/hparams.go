package tensorboard

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/runstonedb/runstone"
	"google.golang.org/protobuf/encoding/protowire"
)

const pluginHParams = "hparams"

// session is what a value of the plugin hparams says of a run.
type session struct {
	params []runstone.KV // by key as they come, keys not checked
	status runstone.RunStatus
	start  float64 // seconds since 1970, 0 when it does not say
	end    float64
}

// parseSession decodes the data of the plugin hparams. That of experiments,
// which lists what the runs of a folder may have, says nothing of a run.
func parseSession(b []byte) (s session, err error) {
	err = message(b, func(f field) error {
		switch {
		case f.num == 3 && f.isBytes():
			return s.parseStart(f.bytes)
		case f.num == 4 && f.isBytes():
			return s.parseEnd(f.bytes)
		}
		return nil
	})
	slices.SortStableFunc(s.params, func(a, b runstone.KV) int { return strings.Compare(a.Key, b.Key) })
	return s, err
}

func (s *session) parseStart(b []byte) error {
	return message(b, func(f field) error {
		switch {
		case f.num == 1 && f.isBytes():
			var kv runstone.KV
			err := message(f.bytes, func(f field) (err error) {
				switch {
				case f.num == 1 && f.isBytes():
					kv.Key = string(f.bytes)
				case f.num == 2 && f.isBytes():
					kv.Value, err = wellKnownValue(f.bytes)
				}
				return err
			})
			s.params = append(s.params, kv)
			return err
		case f.num == 5 && f.typ == protowire.Fixed64Type:
			s.start = f.double()
		}
		return nil
	})
}

func (s *session) parseEnd(b []byte) error {
	s.status = runstone.Finished
	return message(b, func(f field) error {
		switch {
		case f.num == 1 && f.isVarint():
			const failure, running = 2, 3
			switch f.n {
			case failure:
				s.status = runstone.Failed
			case running:
				s.status = runstone.Running
			}
		case f.num == 2 && f.typ == protowire.Fixed64Type:
			s.end = f.double()
		}
		return nil
	})
}

// wellKnownValue is a google.protobuf.Value as a param has it: numbers and
// truth values as Python writes them, structures as JSON of their bytes.
func wellKnownValue(b []byte) (string, error) {
	out := ""
	err := message(b, func(f field) error {
		switch {
		case f.num == 1:
			out = "None"
		case f.num == 2 && f.typ == protowire.Fixed64Type:
			out = number(f.double())
		case f.num == 3 && f.isBytes():
			out = strings.ToValidUTF8(string(f.bytes), "�")
		case f.num == 4 && f.isVarint():
			if out = "False"; f.n != 0 {
				out = "True"
			}
		case f.isBytes(): // a structure or a list; no writer makes one
			j, err := json.Marshal(f.bytes)
			out = string(j)
			return err
		}
		return nil
	})
	return out, err
}

// number writes whole numbers without a point: the plugin has no other type for
// them.
func number(x float64) string {
	switch {
	case math.IsNaN(x):
		return "nan"
	case math.IsInf(x, 0):
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(x, 'g', -1, 64), "+"))
	case x == math.Trunc(x) && math.Abs(x) < 1e15:
		return strconv.FormatInt(int64(x), 10)
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

// key makes a tag into a key of a metric, param or tag. Slashes stay if they
// divide names.
func key(tag string) string {
	if runstone.CheckKey(tag, "", "") == nil {
		return tag
	}
	name := plain(tag, true)
	if runstone.CheckKey(name+"_", "", "") != nil {
		name = plain(tag, false)
	}
	const room = runstone.MaxKey - 1 - 2*digestSize
	if r := []rune(name); len(r) > room {
		name = string(r[:room])
	}
	return name + "_" + shortDigest(tag)
}

// plain replaces what a key cannot have by "_".
func plain(s string, slashes bool) string {
	return strings.Map(func(r rune) rune {
		if r == '/' && slashes || r != utf8.RuneError && runstone.CheckKey(string(r)+"x", "", "") == nil {
			return r
		}
		return '_'
	}, s)
}
