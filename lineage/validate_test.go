package lineage

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/runstonedb/runstone/store"
)

func TestValidation(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	const asFile = "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve to "
	const chars = "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)."
	tag := func(k, v string) error { return ValidateTag(Tag{k, v}) }
	dataset := func(change func(*Dataset)) error {
		d := Dataset{Name: "n", Digest: "d", SourceType: "local", Source: "s"}
		change(&d)
		return ValidateDataset(&d)
	}
	for name, c := range map[string]struct {
		err  error
		want string // empty: valid
	}{
		"model":               {ValidateModelName("a model. é"), ""},
		"model empty":         {ValidateModelName(" \t"), "Missing value for required parameter 'name'."},
		"model slash":         {ValidateModelName("a/b"), "Invalid model name 'a/b'. Names cannot contain '/' or ':'."},
		"model colon":         {ValidateModelName("a:b"), "Invalid model name 'a:b'. Names cannot contain '/' or ':'."},
		"model path":          {ValidateModelName(".."), `Invalid value ".." for parameter 'name' supplied: ` + asFile + `'..'`},
		"new name":            {validateNewName(""), "Missing value for required parameter 'new_name'."},
		"alias":               {validateNewAlias("Champion_1-é"), ""},
		"alias v":             {validateNewAlias("v"), ""},
		"alias v1a":           {validateNewAlias("v1a"), ""},
		"alias of old":        {ValidateAlias("latest"), ""},
		"alias empty":         {validateNewAlias(""), "Registered model alias name cannot be empty."},
		"alias space":         {validateNewAlias("a b"), "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and dashes (-)."},
		"alias latest":        {validateNewAlias("LaTest"), "'latest' alias name (case insensitive) is reserved."},
		"alias version":       {validateNewAlias("V12"), "Version alias name 'V12' is reserved."},
		"alias full":          {validateNewAlias(long(255)), ""},
		"alias long":          {validateNewAlias(long(256)), "'Registered model alias name' exceeds the maximum length of 255 characters"},
		"tag":                 {tag("a/b.c-d e:f_é", ""), ""},
		"tag bad":             {tag(`a"$`, ""), `Invalid value "a\"$" for parameter 'key' supplied: ` + chars},
		"tag empty":           {tag("", ""), `Invalid value "" for parameter 'key' supplied: ` + asFile + `'.'`},
		"tag path":            {tag("a//b", ""), `Invalid value "a//b" for parameter 'key' supplied: ` + asFile + `'a/b'`},
		"tag root":            {tag("//b", ""), `Invalid value "//b" for parameter 'key' supplied: ` + asFile + `'//b'`},
		"tag key long":        {tag(long(251), ""), "'key' exceeds the maximum length of 250 characters"},
		"tag value":           {tag("k", long(100_000)), ""},
		"tag value long":      {tag("k", long(100_001)), "'value' exceeds the maximum length of 100000 characters"},
		"prompt long":         {validateVersionTag(Tag{"mlflow.prompt.text", long(100_001)}), "Prompt text exceeds max length of 100000 characters."},
		"logged":              {ValidateLoggedModelName("my model"), ""},
		"logged slash":        {ValidateLoggedModelName("a/b"), `Invalid model name ('a/b') provided. Model name must be a non-empty string and cannot contain the following characters: ('/', ':', '.', '%', '"', "'")`},
		"logged empty":        {ValidateLoggedModelName(""), `Invalid model name ('') provided. Model name must be a non-empty string and cannot contain the following characters: ('/', ':', '.', '%', '"', "'")`},
		"logged id":           {validateLoggedID("a b"), "Invalid logged model ID: 'a b'"},
		"dataset":             {dataset(func(*Dataset) {}), ""},
		"dataset unnamed":     {dataset(func(d *Dataset) { d.Name = "" }), "Dataset name cannot be None"},
		"dataset undigested":  {dataset(func(d *Dataset) { d.Digest = "" }), "Dataset digest cannot be None"},
		"dataset name":        {dataset(func(d *Dataset) { d.Name = long(501) }), "'name' exceeds the maximum length of 500 characters"},
		"dataset digest":      {dataset(func(d *Dataset) { d.Digest = long(37) }), "'digest' exceeds the maximum length of 36 characters"},
		"dataset source":      {dataset(func(d *Dataset) { d.Source = long(65_536) }), "'source' exceeds the maximum length of 65535 characters"},
		"dataset schema":      {dataset(func(d *Dataset) { d.Schema = long(1_048_576) }), "'schema' exceeds the maximum length of 1048575 characters"},
		"dataset schema full": {dataset(func(d *Dataset) { d.Schema = long(1_048_575) }), ""},
		"dataset profile":     {dataset(func(d *Dataset) { d.Profile = strings.Repeat("x", 16_777_216) }), "'profile' exceeds the maximum length of 16777215 characters"},
		"input tag key":       {validateInputTag(Tag{long(256), ""}), "'key' exceeds the maximum length of 255 characters"},
		"input tag value":     {validateInputTag(Tag{"k", long(501)}), "'value' exceeds the maximum length of 500 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.want == "" {
				require.NoError(t, c.err)
				return
			}
			refused(t, c.err, store.ErrInvalid, c.want)
		})
	}
}

func TestCanonicalStage(t *testing.T) {
	for in, want := range map[string]string{"none": "None", "STAGING": "Staging", "Production": "Production", "aRCHIVED": "Archived"} {
		got, err := CanonicalStage(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := CanonicalStage("Live")
	refused(t, err, store.ErrInvalid, "Invalid Model Version stage: Live. Value must be one of None, Staging, Production, Archived.")
}

func TestWording(t *testing.T) {
	for in, want := range map[string]struct{ json, repr string }{
		"a":            {`"a"`, `'a'`},
		`it's`:         {`"it's"`, `"it's"`},
		`it's "x"`:     {`"it's \"x\""`, `'it\'s "x"'`},
		"\\\n\r\t":     {`"\\\n\r\t"`, `'\\\n\r\t'`},
		"\b\f\x01":     {`"\b\f\u0001"`, `'\x08\x0c\x01'`},
		"\x7fé€":       {`"\u007f\u00e9\u20ac"`, `'\x7fé€'`},
		"😀":            {`"\ud83d\ude00"`, `'😀'`},
		"\u200b\u00ad": {`"\u200b\u00ad"`, `'\u200b\xad'`},
	} {
		require.Equal(t, want.json, string(appendJSON(nil, in)), "%q", in)
		require.Equal(t, want.repr, repr(in), "%q", in)
	}
}

func TestAppendVersion(t *testing.T) {
	for _, c := range []struct{ list, want string }{
		{"", `[{"name": "n", "version": 2}]`},
		{"[]", `[{"name": "n", "version": 2}]`},
		{"no list", `[{"name": "n", "version": 2}]`},
		{`[{"name": "n", "version": 1}]`, `[{"name": "n", "version": 1}, {"name": "n", "version": 2}]`},
		{`[{"name": "n", "version": "2"}]`, `[{"name": "n", "version": "2"}, {"name": "n", "version": 2}]`},
		{`[{"name": "n", "version": 2}]`, `[{"name": "n", "version": 2}]`},
	} {
		require.Equal(t, c.want, appendVersion(c.list, "n", 2))
	}
	require.Equal(t, `[{"name": "\u00fc\"", "version": 1}]`, appendVersion("", `ü"`, 1))
}

func FuzzAppendVersion(f *testing.F) {
	f.Add(`[{"name": "n", "version": 1}]`, "n", uint32(1))
	f.Add(`[1, [2], null ]`, "ü\x00", uint32(7))
	f.Fuzz(func(t *testing.T, list, name string, number uint32) {
		once := appendVersion(list, name, number)
		var items []json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(once), &items))
		require.NotEmpty(t, items)
		require.Equal(t, once, appendVersion(once, name, number), "a second time changes nothing")
	})
}

func FuzzValidate(f *testing.F) {
	for _, s := range []string{"", "v1", "a//b", "..", "é\xff", "latest"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, err := range []error{
			ValidateModelName(s), validateNewName(s), ValidateAlias(s), validateNewAlias(s),
			ValidateTag(Tag{s, s}), ValidateLoggedModelName(s), validateLoggedID(s),
		} {
			if err != nil {
				require.ErrorIs(t, err, store.ErrInvalid)
				require.NotEmpty(t, err.Error())
			}
		}
		if validateNewAlias(s) == nil {
			require.NoError(t, ValidateAlias(s))
		}
	})
}
