package tensorboard

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/internal/record"
)

// batchPoints is how many points go into the database together.
const batchPoints = 16 << 10

// run is a folder that has been looked at.
type run struct {
	id      string
	made    bool // it is in the database
	skip    bool // it is deleted there
	grew    bool // since it is followed
	info    runstone.RunInfo
	offsets map[string]int64  // by file: imported up to there
	looked  map[string]int64  // by file: the size up to which it was read
	params  map[string]string // in the database
	plugins map[string]string // of tags
	keys    map[string]string // of tags
	status  runstone.RunStatus
	last    int64 // time of the last event, Unix ms
}

// piece is the part of a file that a pass reads.
type piece struct {
	name string
	f    *os.File
	from int64
	size int64
}

// restart is where a program began again at a step.
type restart struct {
	file int // index of a piece
	at   int64
	step int64
}

// folder imports what is new in a folder.
func (im *importer) folder(ctx context.Context, f *folder) error {
	r := im.runs[f.path]
	if r == nil {
		r = &run{
			id: runID(im.opt.Experiment, f), offsets: map[string]int64{}, looked: map[string]int64{}, params: map[string]string{},
			plugins: map[string]string{}, keys: map[string]string{},
		}
		if err := im.load(ctx, r, f); err != nil {
			return err
		}
		im.runs[f.path] = r
	}
	if r.skip {
		return nil
	}
	pieces := im.open(f, r)
	defer func() {
		for _, p := range pieces {
			p.f.Close()
		}
	}()
	restarts, err := im.restarts(ctx, f, pieces)
	if err != nil {
		return err
	}
	if len(restarts) > 0 && slices.ContainsFunc(f.files, func(name string) bool { return r.offsets[name] > 0 }) {
		im.report.Late += int64(len(restarts))
	}
	for i := range pieces {
		later := restarts[:0:0]
		for _, s := range restarts {
			if s.file >= i {
				later = append(later, s)
			}
		}
		if err := im.file(ctx, f, r, i, &pieces[i], later); err != nil {
			return err
		}
	}
	return im.settle(ctx, r)
}

// load reads what the database has of a run.
func (im *importer) load(ctx context.Context, r *run, f *folder) error {
	d, err := im.db.Run(ctx, r.id)
	if errors.Is(err, runstone.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	r.made, r.info, r.params = true, d.RunInfo, d.Params
	r.last, r.status = d.End, d.Status
	if d.Status == runstone.Running {
		r.status = 0
	}
	if d.Deleted {
		r.skip = true
		im.problem(f.path, errors.New("its run "+r.id+" is deleted; restore it to go on"))
	}
	for _, name := range f.files {
		n, err := strconv.ParseInt(d.Tags[fileTag(name)], 10, 64)
		if err == nil && n > 0 {
			r.offsets[name] = n
		}
	}
	return nil
}

// fileTag is the tag that keeps the offset of a file.
func fileTag(name string) string { return key(tagFile + name) }

// open opens the files that have grown.
func (im *importer) open(f *folder, r *run) []piece {
	var pieces []piece
	for _, name := range f.files {
		full := path.Join(f.path, name)
		info, err := im.root.Stat(full)
		if err != nil {
			im.problem(full, err)
			continue
		}
		from := r.offsets[name]
		if info.Size() < from {
			im.problem(full, errors.New("shorter than what was imported of it"))
			continue
		}
		if info.Size() == max(from, r.looked[name]) {
			im.report.Unfinished += info.Size() - from
			continue
		}
		file, err := im.root.Open(full)
		if err != nil {
			im.problem(full, err)
			continue
		}
		if info, err = file.Stat(); err != nil || !info.Mode().IsRegular() {
			file.Close()
			continue
		}
		pieces = append(pieces, piece{name: name, f: file, from: from, size: info.Size()})
	}
	return pieces
}

// restarts looks through the pieces for programs that began again at a step.
func (im *importer) restarts(ctx context.Context, f *folder, pieces []piece) (found []restart, err error) {
	var e event
	for i, p := range pieces {
		fr := newFrames(p.f, p.from, p.size)
		for n := 0; ; n++ {
			if n%4096 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			b, err := fr.next()
			if err != nil {
				break // what it is will turn out when the file is imported
			}
			if isRestart(b) && e.parse(b) == nil && e.restart {
				found = append(found, restart{file: i, at: fr.at, step: e.step})
			}
		}
	}
	return found, nil
}

// isRestart reports whether an event may be one, without looking at its values.
func isRestart(b []byte) bool {
	found := false
	_ = message(b, func(f field) error {
		found = found || f.num == 7
		return nil
	})
	return found
}

// file imports a piece. later are the restarts in it and behind it.
func (im *importer) file(ctx context.Context, f *folder, r *run, index int, p *piece, later []restart) error {
	fr := newFrames(p.f, p.from, p.size)
	im.report.Files++
	im.batch.Metrics, im.batch.Params, im.batch.Tags = im.batch.Metrics[:0], im.batch.Params[:0], im.batch.Tags[:0]
	var e event
	for {
		b, err := fr.next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				im.problem(path.Join(f.path, p.name), err)
			}
			break
		}
		switch err := e.parse(b); {
		case errors.Is(err, record.ErrCorrupt):
			im.report.CorruptRecords++
			continue
		case err != nil:
			return err
		}
		if err := im.make(ctx, f, r, &e); err != nil {
			return err
		}
		im.event(r, &e, func() bool {
			return slices.ContainsFunc(later, func(s restart) bool { return e.step >= s.step && (s.file > index || s.at > fr.at) })
		})
		if len(im.batch.Metrics) >= batchPoints || len(im.batch.Tags)+len(im.batch.Params) >= 1000 {
			if err := im.flush(ctx, r, p.name, fr.at); err != nil {
				return err
			}
		}
	}
	im.report.Bytes += fr.at - p.from
	im.report.CorruptRecords += fr.records
	im.report.CorruptBytes += fr.bytes
	im.report.TooLong += fr.long
	im.report.Unfinished += fr.tail()
	r.looked[p.name] = p.size
	if !r.made || fr.at == r.offsets[p.name] {
		return nil
	}
	return im.flush(ctx, r, p.name, fr.at)
}

// make makes the run of a folder when its first event is there.
func (im *importer) make(ctx context.Context, f *folder, r *run, e *event) error {
	if r.made {
		return nil
	}
	name := strings.ToValidUTF8(f.path, "_")
	n := runstone.NewRun{
		ID: r.id, Experiment: im.opt.Experiment, Name: name, User: "unknown", Start: e.ms(), ZeroStart: true,
		Tags: []runstone.KV{{Key: TagFolder, Value: name}},
	}
	info, err := im.db.CreateRun(ctx, n)
	if err != nil {
		return err
	}
	r.made, r.info = true, info
	im.report.Added++
	return nil
}

// flush logs the batch and says with it how far the file is imported.
func (im *importer) flush(ctx context.Context, r *run, name string, at int64) error {
	im.batch.Tags = append(im.batch.Tags, runstone.KV{Key: fileTag(name), Value: strconv.FormatInt(at, 10)})
	if err := im.db.LogBatch(ctx, r.id, im.batch); err != nil {
		return err
	}
	r.offsets[name] = at
	r.grew = im.live
	im.report.Points += int64(len(im.batch.Metrics))
	im.report.Params += int64(len(im.batch.Params))
	im.batch.Metrics, im.batch.Params, im.batch.Tags = im.batch.Metrics[:0], im.batch.Params[:0], im.batch.Tags[:0]
	if im.opt.Progress != nil {
		im.opt.Progress(&im.report)
	}
	return nil
}

// settle gives a run the status and the end that its events say.
func (im *importer) settle(ctx context.Context, r *run) error {
	if !r.made || r.skip {
		return nil
	}
	status := r.status
	switch {
	case status == 0 && im.live && r.grew:
		status = runstone.Running
	case status == 0:
		status = runstone.Finished
	}
	end := max(r.last, r.info.Start, 1)
	if status == r.info.Status && (end == r.info.End || status == runstone.Running) {
		return nil
	}
	u := runstone.RunUpdate{Status: status}
	if status != runstone.Running {
		u.End = end
	}
	info, err := im.db.UpdateRun(ctx, r.id, u)
	if err == nil {
		r.info = info
	}
	return err
}

// event adds what an event has to the batch.
func (im *importer) event(r *run, e *event, orphan func() bool) {
	at := e.ms()
	r.last = max(r.last, at)
	if e.other {
		im.report.skip("graphs and other events")
	}
	orphaned, asked := false, false
	for i := range e.values {
		v := &e.values[i]
		if v.plugin == "" {
			v.plugin = r.plugins[v.tag]
		} else if r.plugins[v.tag] == "" {
			r.plugins[v.tag] = v.plugin
		}
		if v.plugin == pluginHParams && v.data != nil {
			im.session(r, v)
			continue
		}
		switch {
		case v.kind == scalar && !(v.plugin != "" && v.plugin != "scalars"):
			if !asked {
				orphaned, asked = orphan(), true
			}
			if orphaned {
				im.report.Orphaned++
				continue
			}
			im.batch.Metrics = append(im.batch.Metrics, runstone.Metric{Name: r.key(v.tag), Value: v.number, Step: e.step, Time: at})
		case v.kind == text && (v.plugin == "text" || v.plugin == ""):
			im.text(r, v)
		default:
			im.report.skip(v.what())
		}
	}
}

func (r *run) key(tag string) string {
	k, ok := r.keys[tag]
	if !ok {
		k = key(tag)
		r.keys[tag] = k
	}
	return k
}

// what names a value that is left out.
func (v *value) what() string {
	switch v.plugin {
	case "images", "histograms", "audio", "pr_curves", "custom_scalars", "mesh":
		return v.plugin
	}
	return v.kind.String()
}

// session adds hyperparameters. A param keeps its first value.
func (im *importer) session(r *run, v *value) {
	s, err := parseSession(v.data)
	if err != nil {
		im.report.CorruptRecords++
		return
	}
	for _, kv := range s.params {
		k := key(kv.Key)
		if _, there := r.params[k]; there {
			continue
		}
		r.params[k] = kv.Value
		im.batch.Params = append(im.batch.Params, runstone.KV{Key: k, Value: kv.Value})
	}
	if s.status != 0 && s.status != runstone.Running {
		r.status = s.status
	}
	if ms := math.Round(s.end * 1000); ms > 0 && ms < 1<<53 {
		r.last = max(r.last, int64(ms))
	}
}

// text sets the tag of a text.
func (im *importer) text(r *run, v *value) {
	k := r.key("text/" + v.tag)
	t := strings.ToValidUTF8(string(v.text), "\uFFFD")
	im.report.Texts++
	if i := slices.IndexFunc(im.batch.Tags, func(kv runstone.KV) bool { return kv.Key == k }); i >= 0 {
		im.batch.Tags[i].Value = t
		return
	}
	im.batch.Tags = append(im.batch.Tags, runstone.KV{Key: k, Value: t})
}
