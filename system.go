package runstone

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Tags that StartRun sets. Those of MLflow have the meaning that MLflow's own
// client gives them.
const (
	tagSourceName = "mlflow.source.name"
	tagSourceType = "mlflow.source.type"
	tagCommit     = "mlflow.source.git.commit"
	tagDirty      = "runstone.git.dirty"
	tagHost       = "runstone.host"
	tagPlatform   = "runstone.platform"
	tagCommand    = "runstone.command"
	tagGoVersion  = "runstone.go.version"
	tagGoModule   = "runstone.go.module"
)

// systemTags adds what is known of the machine, the program and its source.
func systemTags(ctx context.Context, tags map[string]string) {
	if host, err := os.Hostname(); err == nil {
		tags[tagHost] = host
	}
	tags[tagPlatform] = fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	tags[tagCommand] = commandLine(os.Args)
	tags[tagSourceName] = filepath.Base(os.Args[0])
	tags[tagSourceType] = "LOCAL"
	tags[tagGoVersion] = runtime.Version()
	for k, v := range sourceTags(ctx) {
		tags[k] = v
	}
}

// commandLine quotes the arguments that need it.
func commandLine(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		if quoted[i] = a; a == "" || strings.ContainsAny(a, " \t\n\"'\\$") {
			quoted[i] = strconv.Quote(a)
		}
	}
	return strings.Join(quoted, " ")
}

// sourceTags looks up the module and the commit once for the process. What the
// build recorded counts; otherwise git is asked about the working directory.
func sourceTags(ctx context.Context) map[string]string {
	source.once.Do(func() {
		source.tags = map[string]string{}
		if info, ok := debug.ReadBuildInfo(); ok {
			buildTags(info, source.tags)
		}
		if source.tags[tagCommit] == "" {
			gitTags(ctx, source.tags)
		}
	})
	return source.tags
}

var source struct {
	once sync.Once
	tags map[string]string
}

func buildTags(info *debug.BuildInfo, tags map[string]string) {
	if info.Main.Path != "" {
		tags[tagGoModule] = info.Main.Path
		if v := info.Main.Version; v != "" && v != "(devel)" {
			tags[tagGoModule] += "@" + v
		}
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			tags[tagCommit] = s.Value
		case "vcs.modified":
			tags[tagDirty] = s.Value
		}
	}
}

// gitPatience bounds how long StartRun waits for git.
const gitPatience = 2 * time.Second

func gitTags(ctx context.Context, tags map[string]string) {
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	commit, err := exec.CommandContext(ctx, "git", "rev-parse", "HEAD").Output()
	if err != nil {
		return // no git, or no repository
	}
	tags[tagCommit] = strings.TrimSpace(string(commit))
	status, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output()
	if err == nil {
		tags[tagDirty] = strconv.FormatBool(len(bytes.TrimSpace(status)) > 0)
	}
}

// newID returns 16 random bytes as 32 hex digits.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return hex.EncodeToString(b[:])
}

// madeUpName returns a name for a run that was given none: adjective, noun and
// number, from the run's id.
func madeUpName(id string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	sum := h.Sum(nil)
	n := binary.BigEndian.Uint64(sum)
	a, n := n%uint64(len(adjectives)), n/uint64(len(adjectives))
	b, n := n%uint64(len(nouns)), n/uint64(len(nouns))
	return fmt.Sprintf("%s-%s-%d", adjectives[a], nouns[b], n%1000)
}

var (
	adjectives = strings.Fields(`able amber ancient bold brave bright brisk calm careful clear clever
		copper crisp curious dapper deft eager early fair fleet frank gentle glad golden grand hardy
		honest humble jolly keen kind lively loyal lucid mellow merry mild neat nimble noble patient
		placid polite proud quick quiet rapid ready robust serene sharp silent silver sincere sleek
		smooth spry stately steady stout sturdy subtle sunny swift tidy tranquil upbeat vivid warm wise witty`)
	nouns = strings.Fields(`acorn alder anchor arbor badger basalt beacon birch bison boulder breeze
		brook canyon cedar cliff clover comet condor coral crane creek crow delta dolphin dune eagle
		elm falcon fern finch fjord flint forest fox gale garnet glacier granite grove gull harbor hare
		hawk heron hill ibex inlet isle ivy jasper kestrel lagoon lake lark ledge lichen lynx maple
		marble marsh meadow mesa mica moor moss oak onyx otter owl pebble pine plover quartz rain raven
		reef ridge river robin sable sage salmon shale shore slate sparrow spruce stone stork summit
		swan teal thistle tide timber trout tundra vale valley willow wolf wren yew`)
)
