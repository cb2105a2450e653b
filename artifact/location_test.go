package artifact

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseLocation(t *testing.T) {
	run := "0123456789abcdef0123456789abcdef"
	for uri, want := range map[string]Location{
		"mlflow-artifacts:/":                                    {Kind: KindProxied},
		"mlflow-artifacts:/1/a b/artifacts":                     {Kind: KindProxied, Path: Path{"1/a b/artifacts"}},
		"mlflow-artifacts:/1/":                                  {Kind: KindProxied, Path: Path{"1"}},
		"mlflow-artifacts:///1":                                 {Kind: KindProxied, Path: Path{"1"}},
		"mlflow-artifacts://host:5000/1/x":                      {Kind: KindForeign, Host: "host:5000", Path: Path{"1/x"}},
		"mlflow-artifacts://host":                               {Kind: KindForeign, Host: "host"},
		"http://h/api/2.0/mlflow-artifacts/artifacts/1/x":       {Kind: KindForeign, Host: "h", Path: Path{"1/x"}},
		"https://h:1/pre/api/2.0/mlflow-artifacts/artifacts/1/": {Kind: KindForeign, Host: "h:1", Path: Path{"1"}},
		"https://h/api/2.0/mlflow-artifacts/artifacts":          {Kind: KindForeign, Host: "h"},
		"https://h/api/2.0/mlflow-artifacts/artifactsX":         {Kind: KindRemote, Host: "h"},
		"https://h/x":                         {Kind: KindRemote, Host: "h"},
		"/data/ml":                            {Kind: KindLocal, Local: "/data/ml"},
		"/data/ml/":                           {Kind: KindLocal, Local: "/data/ml"},
		"/data/a%20b":                         {Kind: KindLocal, Local: "/data/a%20b"},
		"file:///data/a%20b":                  {Kind: KindLocal, Local: "/data/a b"},
		"runs:/" + run:                        {Kind: KindRun, ID: run},
		"runs:/" + run + "/model/x":           {Kind: KindRun, ID: run, Path: Path{"model/x"}},
		"models:/my model/12":                 {Kind: KindModel, Name: "my model", Version: "12"},
		"models:/iris/Production":             {Kind: KindModel, Name: "iris", Stage: "Production"},
		"models:/iris/latest":                 {Kind: KindModel, Name: "iris", Stage: "latest"},
		"models:/iris@champion":               {Kind: KindModel, Name: "iris", Alias: "champion"},
		"models:/m-iris/3":                    {Kind: KindModel, Name: "m-iris", Version: "3"},
		"models:/m-" + run:                    {Kind: KindLoggedModel, ID: "m-" + run},
		"s3://bucket/a//b/c":                  {Kind: KindRemote, Host: "bucket"},
		"gs://bucket":                         {Kind: KindRemote, Host: "bucket"},
		"abfss://c@acc.dfs.core.windows.net/": {Kind: KindRemote, Host: "c@acc.dfs.core.windows.net"},
		"dbfs:/x/y":                           {Kind: KindRemote},
		"hdfs:///x":                           {Kind: KindRemote},
	} {
		got, err := ParseLocation(uri)
		require.NoError(t, err, uri)
		require.Equal(t, uri, got.String())
		if uri[0] != '/' {
			require.Equal(t, uri[:strings.Index(uri, ":")], got.Scheme)
		}
		got.Scheme, got.uri = "", ""
		require.Equal(t, want, got, uri)
	}
}

// badParse has the attacks of the published advisories on MLflow's
// artifact_location and source, by advisory, each with its variants, that no
// rules can allow. badRules has those that are well formed and refused by
// Rules, because they name what is not the client's to name.
var badParse = map[string][]string{
	"CVE-2023-1176, -1177": {"/../etc", "/etc/../etc/passwd", "/data/root/../../etc", "/", "//", "/etc//passwd"},
	"CVE-2023-2356":        {"file://HOST/../../..", "file://localhost/../../etc", "file:///../etc", "file:///data/../../etc", "file://path/to/../../../../x"},
	"CVE-2023-2780":        {"file://./etc", "file://../etc", "file://.", "file://localhost/etc", "file://127.0.0.1/etc"},
	"GHSA-wjq3-7jxx-whj9":  {"file:///./etc", "mlflow-artifacts:/../../etc", "mlflow-artifacts://h/../x", "runs:/../x", "runs:/abc/../../x", "models:/../1", "models:/a/.."},
	"CVE-2023-3765":        {"C:/", "c:/x", `C:\x`, "file:///C:/x", "/C:/x", "mlflow-artifacts:/C:/x", "file:///C%3a/x"},
	"CVE-2023-6753":        {`mlflow-artifacts:/..\..\x`, `file:///..\x`, `/a\..\b`, "mlflow-artifacts:/..%5c..%5cx"},
	"CVE-2023-6831":        {"mlflow-artifacts:/%252E%252E%252F..etc%252fpasswd", "mlflow-artifacts:/..%2f..%2fetc", "s3://b/%2e%2e/x", "s3://b/..%252fx"},
	"CVE-2023-6909":        {"http:///?/../../../etc/", "http:///?x", "http://h/?/../../etc", "s3://b/x?a=../y", "http://h/%3f/x", "s3://b?x"},
	"CVE-2024-1483, -2928": {"http:///#/../../etc/", "http:///#/../..", "http://h#x", "http://h/#/x"},
	"CVE-2024-1594":        {"mlflow-artifacts:/#/../../etc", "/#/../../etc", "s3://b/#x", "file:///#/etc"},
	"CVE-2024-3848":        {"http://h/%23/../../etc", "s3://b/%23x", "http:///%2523/../..", "http:///"},
	"CVE-2024-1593":        {"http://h/a;..", "http://h/a;../..", "s3://b/;..%2f..%2fetc", "mlflow-artifacts:/a;..", "s3://b/x;%2e%2e"},
	"CVE-2023-6977":        {"//proc/self/root", "///proc/self/root", "//proc", "/proc//self", "file:////proc/self/root"},
	"CVE-2024-3573":        {"file:", "FILE://", "FILE:///etc", "File:///etc", "file:/x", "file://", "file:x", ":///x", "://x", ":", ":/x", "", "%66ile:///etc", "fi\nle:///etc", " file:///etc", "file:///etc ", "\tfile:///x", "S3://b/x"},
	"CVE-2024-1558":        {"http://h/%2e%2e/x", "gs://b/%252e%252e%252fx", "s3:/b/models/path/../../other", "http://h/api/2.0/mlflow-artifacts/artifacts/../../../../", "mlflow-artifacts://host:port/..%2f..%2f..%2f..%2f"},
	"CVE-2024-8859":        {"dbfs:/R/artifacts/a%3f/../../..", "dbfs:/R/a?/x", "dbfs:/R/a%3f/x", "dbfs:/../x", "dbfs:"},
	"CVE-2025-11201":       {"models:/../../x/1", "models:/a%2f..%2f..%2fx/1", "models:/a/1/../../x", "models:/", "models:/a", "models:/a/b/c", "models:/C:/1", "models:/a:b/1", "models:/@x", "models:/a@", "models:/a@..", "models:a/1"},
	"CVE-2023-6975, -6976": {"mlflow-artifacts:/a\x00b", "http://h/api/2.0/mlflow-artifacts/artifacts%00", "s3://b/x%00", "s3://b/\x00", "/a\x00", "/a\rb", "s3://b/a%0d%0ab"},
	"CVE-2023-6015":        {"mlflow-artifacts:////etc/x", "mlflow-artifacts:/a//b", "mlflow-artifacts:etc/x", "mlflow-artifacts:", "mlflow-artifacts:/.runstone-tmp-x", "mlflow-artifacts:/%2fetc"},
	"CVE-2023-6018":        {"http://", "https:///x", "http:h/x", "http:/h/x", "http://a%2eb/x", "http://h /x", "http://.", "http://../x", "http://h/api/2.0/mlflow-artifacts/artifacts//etc", "mlflow-artifacts://h%2f../x"},
	"ids as path parts":    {"runs:/", "runs:", "runs://x/y", "runs:/a.b/x", "runs:/a//b", "runs:/" + strings.Repeat("a", 65), "runs:/a%2f..%2fb"},
	"relative":             {"mlruns", "./mlruns", "../mlruns", "~/x", "a/b", "?", "#", "data:text/html,x", "javascript:alert(1)"},
	"length, encoding":     {"s3://b/" + strings.Repeat("x", 2048), "s3://b/\xff", "s3://b/%c0%ae%c0%ae/x", "s3://b/%25252525252525", "s3://b/" + "%" + strings.Repeat("25", 20) + "2e"},
}

var badRules = map[string][]string{
	"CVE-2023-1176, -1177":     {"/etc", "/etc/passwd", "/root/.ssh/id_rsa", "/no/such/file", "/data/root-other/x", "/data"},
	"CVE-2024-1483, 2026-2614": {"file:///etc/", "file:///etc/passwd", "file:///data", "file:///%65tc"},
	"CVE-2023-6018":            {"http://attacker/api/2.0/mlflow-artifacts/artifacts/1/x", "https://attacker/api/2.0/mlflow-artifacts/artifacts", "mlflow-artifacts://attacker/1/x", "http://attacker/x"},
	"CVE-2024-8859":            {"dbfs:/", "dbfs:/x"},
	"GHSA-mr9f-g8qf-4w4j":      {"ftp://h/x", "sftp://h/x", "hdfs://h/x", "http://169.254.169.254/latest", "gopher://h/x"},
}

func TestLocationAttacks(t *testing.T) {
	all := Rules{
		Within: []string{"/data/root"},
		Remote: []string{"s3", "gs", "dbfs", "http", "https", "hdfs", "models", "file", "runs", "mlflow-artifacts"},
	}
	for id, uris := range badParse {
		for _, uri := range uris {
			_, err := ParseLocation(uri)
			require.ErrorIs(t, err, ErrLocation, "%s: %q", id, uri)
			var le *LocationError
			require.ErrorAs(t, err, &le)
			_, err = all.Parse(uri)
			require.ErrorIs(t, err, ErrLocation, "%s: %q", id, uri)
		}
	}
	for id, uris := range badRules {
		for _, uri := range uris {
			_, err := ParseLocation(uri)
			require.NoError(t, err, "%s: %q", id, uri)
			for _, rules := range []Rules{{}, {Within: []string{"/data/root"}, Remote: []string{"s3", "gs"}}} {
				_, err = rules.Parse(uri)
				require.ErrorIs(t, err, ErrLocation, "%s: %q", id, uri)
			}
		}
	}
}

// One to five layers of encoding hide nothing, in no kind of location.
func TestLocationAttacksEncoded(t *testing.T) {
	for _, prefix := range []string{"mlflow-artifacts:/", "s3://b/", "dbfs:/", "file:///data/", "/data/", "runs:/abc/", "http://h/", "models:/"} {
		for _, tail := range []string{"../x", "a/../../x", `a\..\x`, "a\x00", "a;../x", "?/..", "#/.."} {
			for n := range 7 {
				_, err := ParseLocation(prefix + tail)
				require.ErrorIs(t, err, ErrLocation, "%d layers: %q", n, prefix+tail)
				tail = escapeAll(tail)
			}
		}
	}
}

func TestRules(t *testing.T) {
	rules := Rules{Within: []string{"/data/root", "/data/a b"}, Remote: []string{"s3"}}
	for _, uri := range []string{"/data/root", "/data/root/1", "file:///data/root/1/x/", "file:///data/a%20b/x", "s3://b/x", "mlflow-artifacts:/1", "runs:/a/b", "models:/a/1"} {
		l, err := rules.Parse(uri)
		require.NoError(t, err)
		require.Equal(t, uri, l.String())
	}
	for _, uri := range []string{"mlflow-artifacts:/1/x", "runs:/a/b", "models:/a/1", "models:/m-1"} {
		_, err := Rules{}.Parse(uri)
		require.NoError(t, err)
	}
}

func TestLocationInAndJoin(t *testing.T) {
	l, err := ParseLocation("file:///data/root/1/x/")
	require.NoError(t, err)
	for dir, want := range map[string]string{"/data/root": "1/x", "/data/root/": "1/x", "/data/root/1/x": "", "/": "data/root/1/x"} {
		p, ok := l.In(dir)
		require.True(t, ok, dir)
		require.Equal(t, want, p.String())
	}
	for _, dir := range []string{"/data/roo", "/data/root/1/x/y", "", "data", "/data/../data"} {
		_, ok := l.In(dir)
		require.False(t, ok, dir)
	}
	below, err := l.Join(mustPath(t, "model/MLmodel"))
	require.NoError(t, err)
	require.Equal(t, "file:///data/root/1/x/model/MLmodel", below.String())
	same, err := l.Join(Path{})
	require.NoError(t, err)
	require.Equal(t, l, same)
	root, err := ParseLocation("mlflow-artifacts:/")
	require.NoError(t, err)
	below, err = root.Join(mustPath(t, "7/run/artifacts"))
	require.NoError(t, err)
	require.Equal(t, "mlflow-artifacts:/7/run/artifacts", below.String())
	require.Equal(t, mustPath(t, "7/run/artifacts"), below.Path)
	_, err = root.Join(mustPath(t, "what?"))
	require.ErrorIs(t, err, ErrLocation)
}

func FuzzParseLocation(f *testing.F) {
	for _, list := range []map[string][]string{badParse, badRules} {
		for _, uris := range list {
			for _, uri := range uris {
				f.Add(uri)
			}
		}
	}
	f.Add("models:/m-0123@x")
	f.Add("runs:/0123/model")
	f.Fuzz(func(t *testing.T, uri string) {
		l, err := ParseLocation(uri)
		if err != nil {
			require.ErrorIs(t, err, ErrLocation)
			return
		}
		require.Equal(t, uri, l.String())
		if !l.Path.IsRoot() {
			_, err := ParsePath(l.Path.String())
			require.NoError(t, err)
		}
		if l.Kind == KindLocal {
			require.Equal(t, path.Clean(l.Local), l.Local)
			require.Equal(t, byte('/'), l.Local[0])
		}
		for s, n := uri, 0; n <= maxDecode; n++ {
			for _, seg := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(`/\?#;`, r) }) {
				require.NotEqual(t, "..", seg, "%q", uri)
			}
			require.NotContains(t, s, "\x00")
			s, _ = unescape(s)
		}
		// What a standard URL parser sees must agree about the host.
		if u, err := url.Parse(uri); err == nil && l.Kind == KindForeign {
			require.Equal(t, l.Host, strings.TrimPrefix(u.User.String()+"@"+u.Host, "@"))
		}
		_, err = Rules{}.Parse(uri)
		if l.Kind == KindLocal || l.Kind == KindForeign || l.Kind == KindRemote {
			require.ErrorIs(t, err, ErrLocation)
		} else {
			require.NoError(t, err)
		}
	})
}
