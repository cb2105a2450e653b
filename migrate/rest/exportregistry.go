package rest

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/migrate"
	"github.com/runstonedb/runstone/store"
)

// registry exports the registered models.
func (x *exporter) registry(ctx context.Context) error {
	there := map[string]*registered{}
	err := x.c.registered(ctx, func(m *registered, _ bool) error {
		there[m.Name] = m
		return nil
	})
	if err != nil {
		return err
	}
	var ours []*migrate.Model
	err = x.db.View(ctx, func(tx *store.Tx) error {
		for m, err := range lineage.Models(tx) {
			if err != nil {
				return err
			}
			model := &migrate.Model{RegisteredModel: *m}
			for v, err := range lineage.VersionsOf(tx, m.Name) {
				if err != nil {
					return err
				}
				model.Versions = append(model.Versions, v)
			}
			slices.SortFunc(model.Versions, func(a, b *lineage.ModelVersion) int { return cmp.Compare(a.Version, b.Version) })
			ours = append(ours, model)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, m := range ours {
		if err := x.model(ctx, m, there[m.Name]); err != nil && !x.refused(migrate.Models, m.Name, err) {
			return fmt.Errorf("registered model %q: %w", m.Name, err)
		}
		x.progress()
	}
	return nil
}

func (x *exporter) model(ctx context.Context, m *migrate.Model, have *registered) error {
	t := x.report.Tallies[migrate.Models]
	added, changed := have == nil, false
	if added {
		in := map[string]any{"name": m.Name, "tags": pairs(m.Tags), "description": m.Description}
		if err := x.c.post(ctx, api+"/registered-models/create", in, nil); err != nil {
			return err
		}
		have = &registered{Name: m.Name, Tags: pairs(m.Tags), Description: m.Description}
	}
	if m.Description != have.Description {
		in := map[string]any{"name": m.Name, "description": m.Description}
		if err := x.c.call(ctx, http.MethodPatch, api+"/registered-models/update", in, nil); err != nil {
			return err
		}
		changed = true
	}
	for _, kv := range m.Tags {
		if find(have.Tags, kv.Key) == kv.Value {
			continue
		}
		in := map[string]any{"name": m.Name, "key": kv.Key, "value": kv.Value}
		if err := x.c.post(ctx, api+"/registered-models/set-tag", in, nil); err != nil {
			return err
		}
		changed = true
	}
	_, prompt := lineage.FindTag(m.Tags, "mlflow.prompt.is_prompt")
	ok, err := x.versions(ctx, m, prompt)
	if err != nil {
		return err
	}
	if !ok {
		t.Skipped++
		x.note(migrate.Models, "the server has versions of these models that are not from here; they were left out")
		return nil
	}
	aliases, err := x.aliases(ctx, m, have)
	switch {
	case err != nil:
		return err
	case added:
		t.Added++
	case changed || aliases:
		t.Updated++
	default:
		t.Same++
	}
	return nil
}

// versions exports the versions of a model under their numbers. It returns false
// when the server has others there.
func (x *exporter) versions(ctx context.Context, m *migrate.Model, prompt bool) (bool, error) {
	have, err := x.c.versions(ctx, m.Name, prompt)
	if err != nil {
		return false, err
	}
	there := map[int]*version{}
	last := 0
	for i := range have {
		v := &have[i]
		if find(v.Tags, tagVersion) != strconv.Itoa(int(v.Version)) {
			return false, nil
		}
		there[int(v.Version)], last = v, int(v.Version)
	}
	for _, v := range m.Versions {
		to := there[v.Version]
		added := to == nil
		if added && v.Version < last {
			x.note(migrate.Versions, "versions that were deleted on the server were left out")
			x.report.Tallies[migrate.Versions].Skipped++
			continue
		}
		if added {
			if to, err = x.newVersion(ctx, m, v); err != nil {
				if x.refused(migrate.Versions, fmt.Sprintf("%s/%d", m.Name, v.Version), err) {
					continue
				}
				return false, err
			}
		}
		if to == nil {
			x.note(migrate.Versions, "numbers of versions were used up on the server; they were left out")
			x.report.Tallies[migrate.Versions].Skipped++
			continue
		}
		last = max(last, v.Version)
		changed, err := x.settleVersion(ctx, m, v, to)
		if err != nil {
			return false, err
		}
		t := x.report.Tallies[migrate.Versions]
		switch {
		case added:
			t.Added++
		case changed:
			t.Updated++
		default:
			t.Same++
		}
	}
	return true, nil
}

// newVersion makes a version. Numbers before it that were deleted here are used
// up first; nil means that the server has used it up already.
func (x *exporter) newVersion(ctx context.Context, m *migrate.Model, v *lineage.ModelVersion) (*version, error) {
	for {
		in := map[string]any{
			"name": m.Name, "source": x.moved(v.Source), "run_id": x.runs[v.RunID], "run_link": v.RunLink, "description": v.Description,
			"tags": append(pairs(v.Tags), keyValue{tagVersion, strconv.Itoa(v.Version)}),
		}
		// A server asks for the model that a source names.
		if to := x.models[v.LoggedModelID()]; to != "" {
			in["model_id"] = to
		}
		var out struct {
			Version version `json:"model_version"`
		}
		if err := x.c.post(ctx, api+"/model-versions/create", in, &out); err != nil {
			return nil, err
		}
		got := int(out.Version.Version)
		if got == v.Version {
			return &out.Version, nil
		}
		del := map[string]any{"name": m.Name, "version": strconv.Itoa(got)}
		if err := x.c.call(ctx, http.MethodDelete, api+"/model-versions/delete", del, nil); err != nil {
			return nil, err
		}
		if got > v.Version || got < 1 {
			return nil, nil
		}
	}
}

// settleVersion gives a version its stage, description and tags.
func (x *exporter) settleVersion(ctx context.Context, m *migrate.Model, v *lineage.ModelVersion, to *version) (changed bool, err error) {
	number := strconv.Itoa(v.Version)
	if v.Stage != cmp.Or(to.Stage, lineage.StageNone) {
		in := map[string]any{"name": m.Name, "version": number, "stage": v.Stage, "archive_existing_versions": false}
		if err := x.c.post(ctx, api+"/model-versions/transition-stage", in, nil); err != nil {
			return false, err
		}
		changed = true
	}
	if v.Description != to.Description {
		in := map[string]any{"name": m.Name, "version": number, "description": v.Description}
		if err := x.c.call(ctx, http.MethodPatch, api+"/model-versions/update", in, nil); err != nil {
			return false, err
		}
		changed = true
	}
	for _, kv := range v.Tags {
		if find(to.Tags, kv.Key) == kv.Value {
			continue
		}
		in := map[string]any{"name": m.Name, "version": number, "key": kv.Key, "value": kv.Value}
		if err := x.c.post(ctx, api+"/model-versions/set-tag", in, nil); err != nil {
			return false, err
		}
		changed = true
	}
	return changed, nil
}

// aliases sets the aliases of a model.
func (x *exporter) aliases(ctx context.Context, m *migrate.Model, have *registered) (changed bool, err error) {
	for _, a := range m.Aliases {
		known := slices.Contains(have.Aliases, alias{a.Name, integer(a.Version)})
		if known {
			continue
		}
		in := map[string]any{"name": m.Name, "alias": a.Name, "version": strconv.Itoa(a.Version)}
		err := x.c.post(ctx, api+"/registered-models/alias", in, nil)
		if err != nil && !x.refused(migrate.Models, m.Name, err) {
			return changed, err
		}
		changed = true
	}
	return changed, nil
}
