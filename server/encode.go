package server

import (
	"math"
	"strconv"
)

// encoder writes JSON as [encoding/json] indents it by two blanks, without
// looking at types: the answers that carry runs are written by it. An object or
// list that is open ends with its bracket until its first part is in it.
type encoder struct {
	b     []byte
	depth int
}

// encodable is a message that writes itself.
type encodable interface{ encode(e *encoder) }

// lines are as many blanks behind a newline as any message is deep.
const lines = "\n                                "

// line begins a part of what is open.
func (e *encoder) line() {
	if last := e.b[len(e.b)-1]; last != '{' && last != '[' {
		e.b = append(e.b, ',')
	}
	e.b = append(e.b, lines[:1+2*e.depth]...)
}

// open begins an object or a list.
func (e *encoder) open(bracket byte) {
	e.b = append(e.b, bracket)
	e.depth++
}

// end closes it.
func (e *encoder) end(bracket byte) {
	e.depth--
	if last := e.b[len(e.b)-1]; last != '{' && last != '[' {
		e.b = append(e.b, lines[:1+2*e.depth]...)
	}
	e.b = append(e.b, bracket)
}

// name begins a member, whose name needs no escapes.
func (e *encoder) name(name string) {
	e.line()
	e.b = append(append(append(e.b, '"'), name...), `": `...)
}

func (e *encoder) str(name, s string) {
	e.name(name)
	e.b = appendString(e.b, s)
}

// optional is str that leaves out "".
func (e *encoder) optional(name, s string) {
	if s != "" {
		e.str(name, s)
	}
}

func (e *encoder) int(name string, n int64) {
	e.name(name)
	e.b = strconv.AppendInt(e.b, n, 10)
}

func (e *encoder) number(name string, n number) {
	e.name(name)
	e.b = n.append(e.b)
}

func (n number) append(b []byte) []byte {
	if math.IsNaN(float64(n)) {
		return append(b, `"NaN"`...)
	}
	return appendFloat(b, clamp(float64(n)))
}

// list writes a list of messages, and nothing when it is empty.
func list[T any](e *encoder, name string, items []T, one func(e *encoder, item *T)) {
	if len(items) == 0 {
		return
	}
	e.name(name)
	e.open('[')
	for i := range items {
		e.line()
		e.open('{')
		one(e, &items[i])
		e.end('}')
	}
	e.end(']')
}

func (empty) encode(e *encoder) { e.b = append(e.b, "{}"...) }

func (a runAnswer) encode(e *encoder) {
	e.open('{')
	e.name("run")
	e.open('{')
	a.Run.encode(e)
	e.end('}')
	e.end('}')
}

func (a runsAnswer) encode(e *encoder) {
	e.open('{')
	list(e, "runs", a.Runs, func(e *encoder, r *wireRun) { r.encode(e) })
	e.optional("next_page_token", a.Next)
	e.end('}')
}

// encode writes the members of a run.
func (r *wireRun) encode(e *encoder) {
	e.name("info")
	e.open('{')
	r.Info.encode(e)
	e.end('}')
	e.name("data")
	e.open('{')
	list(e, "metrics", r.Data.Metrics, func(e *encoder, m *wireMetric) { m.encode(e) })
	list(e, "params", r.Data.Params, encodeTag)
	list(e, "tags", r.Data.Tags, encodeTag)
	e.end('}')
	e.name("inputs")
	e.open('{')
	list(e, "dataset_inputs", r.Inputs.Datasets, func(e *encoder, in *wireInput) {
		list(e, "tags", in.Tags, encodeTag)
		e.name("dataset")
		e.open('{')
		in.Dataset.encode(e)
		e.end('}')
	})
	list(e, "model_inputs", r.Inputs.Models, encodeModel)
	e.end('}')
	if r.Outputs != nil {
		e.name("outputs")
		e.open('{')
		list(e, "model_outputs", r.Outputs.Models, encodeModel)
		e.end('}')
	}
}

func (i *wireRunInfo) encode(e *encoder) {
	e.str("run_uuid", i.UUID)
	e.str("experiment_id", i.ExperimentID)
	e.str("run_name", i.Name)
	e.str("user_id", i.User)
	e.str("status", i.Status)
	e.int("start_time", i.Start)
	if i.End != 0 {
		e.int("end_time", i.End)
	}
	e.str("artifact_uri", i.ArtifactURI)
	e.str("lifecycle_stage", i.Stage)
	e.str("run_id", i.ID)
}

func (m *wireMetric) encode(e *encoder) {
	e.str("key", m.Key)
	e.number("value", m.Value)
	e.int("timestamp", m.Time)
	e.int("step", m.Step)
	e.optional("dataset_name", m.Dataset)
	e.optional("dataset_digest", m.DatasetDigest)
	e.optional("model_id", m.Model)
	e.optional("run_id", m.Run)
}

func encodeTag(e *encoder, t *wireTag) {
	e.str("key", t.Key)
	e.str("value", t.Value)
}

func (d *wireDataset) encode(e *encoder) {
	e.str("name", d.Name)
	e.str("digest", d.Digest)
	e.str("source_type", d.SourceType)
	e.str("source", d.Source)
	e.optional("schema", d.Schema)
	e.optional("profile", d.Profile)
}

func encodeModel(e *encoder, m *wireModels) {
	e.str("model_id", m.ID)
	if m.Step != nil {
		e.int("step", *m.Step)
	}
}
