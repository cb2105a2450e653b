package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/runstonedb/runstone"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/migrate"
)

const (
	runPage      = 200
	modelPage    = 50
	registryPage = 100
	versionPage  = 200
	// maxPages bounds a listing that does not end.
	maxPages = 1 << 20
)

// Source is a running server. It is a [migrate.Source].
type Source struct {
	c       *client
	uris    map[string]place                       // of artifacts of the runs and models yielded last
	about   map[string]map[aboutPoint][]modelPoint // points about logged models, by run, of one experiment
	within  string                                 // the experiment of about
	metrics map[string][]string                    // keys of metrics, by run, of the runs yielded last
	left    map[migrate.Note]int64
	logged  bool // the server has logged models, which a search for runs does not name
}

// place is what artifacts belong to: a run or a logged model.
type place struct{ run, model string }

// aboutPoint is a point of a metric of a run, and modelPoint what it is about.
type aboutPoint struct {
	metric     string
	step, time int64
	value      double
}

type modelPoint struct{ model, dataset, digest string }

var _ migrate.Source = (*Source)(nil)

// Open makes sure that there is an MLflow server at an address.
func Open(ctx context.Context, address string, opt *Options) (*Source, error) {
	c, err := newClient(address, opt)
	if err != nil {
		return nil, err
	}
	if err := c.check(ctx); err != nil {
		return nil, err
	}
	return &Source{c: c, uris: map[string]place{}, metrics: map[string][]string{}, left: map[migrate.Note]int64{}}, nil
}

// check asks the server something that every MLflow server since 1.28 answers.
func (c *client) check(ctx context.Context) error {
	var out struct{}
	err := c.post(ctx, api+"/experiments/search", map[string]any{"max_results": 1, "view_type": "ALL"}, &out)
	if statusOf(err) == http.StatusNotFound {
		return fmt.Errorf("%s is no MLflow server, or one older than 1.28", c)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	return nil
}

// Close closes the connections.
func (s *Source) Close() error {
	s.c.Close()
	return nil
}

func (s *Source) leave(kind migrate.Kind, text string) {
	s.left[migrate.Note{Kind: kind, Text: text}]++
}

// Notes is for [migrate.Source], as all methods below are.
func (s *Source) Notes() []migrate.Note {
	var out []migrate.Note
	for n, count := range s.left {
		n.N = count
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b migrate.Note) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Text, b.Text))
	})
	return out
}

func (s *Source) Totals(context.Context) (migrate.Counts, error) {
	return migrate.Counts{Records: map[migrate.Kind]int64{}}, nil // asking would read everything
}

// pages calls ask for page after page, with the token of each, until there is
// no next one.
func pages(ctx context.Context, ask func(token string) (next string, err error)) error {
	token := ""
	for range maxPages {
		next, err := ask(token)
		if err != nil || next == "" {
			return err
		}
		if next == token {
			return errors.New("the server sends the same page again and again")
		}
		if token = next; ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.New("the server's list does not end")
}

// experiments returns all experiments of a server, the oldest first.
func (c *client) experiments(ctx context.Context) (all []experiment, err error) {
	err = pages(ctx, func(token string) (string, error) {
		var out struct {
			Experiments []experiment `json:"experiments"`
			Next        string       `json:"next_page_token"`
		}
		in := map[string]any{"max_results": 1000, "view_type": "ALL", "order_by": []string{"creation_time ASC"}, "page_token": token}
		err := c.post(ctx, api+"/experiments/search", in, &out)
		all = append(all, out.Experiments...)
		return out.Next, err
	})
	return all, err
}

func (s *Source) Experiments(ctx context.Context) iter.Seq2[*runstone.Experiment, error] {
	return func(yield func(*runstone.Experiment, error) bool) {
		all, err := s.c.experiments(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, e := range all {
			out := &runstone.Experiment{
				ID: e.ID, Name: e.Name, Location: e.Location, Deleted: e.Stage == stageOfDeleted,
				Created: time.UnixMilli(int64(e.Created)), Updated: time.UnixMilli(int64(e.Updated)), Tags: map[string]string{},
			}
			for _, t := range e.Tags {
				out.Tags[t.Key] = t.Value
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}

// runs calls fn for pages of the runs of an experiment, the oldest first.
func (c *client) runs(ctx context.Context, experiment string, fn func([]run) (more bool)) error {
	return pages(ctx, func(token string) (string, error) {
		var out struct {
			Runs []run  `json:"runs"`
			Next string `json:"next_page_token"`
		}
		in := map[string]any{
			"experiment_ids": []string{experiment}, "run_view_type": "ALL", "max_results": runPage,
			"order_by": []string{"attributes.start_time ASC"}, "page_token": token,
		}
		err := c.post(ctx, api+"/runs/search", in, &out)
		if err != nil || !fn(out.Runs) {
			return "", err
		}
		return out.Next, nil
	})
}

func (s *Source) Runs(ctx context.Context, experiment string) iter.Seq2[*runstone.ImportedRun, error] {
	return func(yield func(*runstone.ImportedRun, error) bool) {
		if err := s.findAbout(ctx, experiment); err != nil {
			yield(nil, err)
			return
		}
		var failed error
		seen := map[string]bool{} // a page may begin with runs of the one before, when runs were deleted for good meanwhile
		err := s.c.runs(ctx, experiment, func(page []run) bool {
			if failed = s.details(ctx, page); failed != nil {
				return false
			}
			clear(s.uris)
			clear(s.metrics)
			for i := range page {
				r := page[i].imported()
				s.uris[r.ArtifactURI] = place{run: r.ID}
				for _, m := range page[i].Data.Metrics {
					if !slices.Contains(s.metrics[r.ID], m.Key) {
						s.metrics[r.ID] = append(s.metrics[r.ID], m.Key)
					}
				}
			}
			for i := range page {
				r := page[i].imported()
				if r.ExperimentID != experiment || seen[r.ID] {
					continue
				}
				seen[r.ID] = true
				if !yield(r, nil) {
					return false
				}
			}
			return true
		})
		if err = cmp.Or(err, failed); err != nil {
			yield(nil, err)
		}
	}
}

// details asks for the runs of a page one by one, which also tells the logged
// models that they used.
func (s *Source) details(ctx context.Context, page []run) error {
	if !s.logged {
		return nil
	}
	next := make(chan int)
	errs := make(chan error, concurrency)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for range concurrency {
		go func() {
			var err error
			for i := range next {
				var out struct {
					Run run `json:"run"`
				}
				e := s.c.get(ctx, api+"/runs/get", url.Values{"run_id": {page[i].id()}}, &out)
				switch {
				case statusOf(e) == http.StatusNotFound: // deleted for good meanwhile
				case e != nil && err == nil:
					err = e
					stop()
				case e == nil && out.Run.id() == page[i].id():
					page[i].Inputs, page[i].Outputs = out.Run.Inputs, out.Run.Outputs
				}
			}
			errs <- err
		}()
	}
	for i := range page {
		next <- i
	}
	close(next)
	var first error
	for range concurrency {
		if err := <-errs; err != nil && (first == nil || errors.Is(first, context.Canceled)) {
			first = err
		}
	}
	return first
}

// loggedModels calls fn for pages of the logged models of an experiment. A
// server before MLflow 3 has none.
func (c *client) loggedModels(ctx context.Context, experiment string, fn func([]loggedModel) (more bool)) error {
	err := pages(ctx, func(token string) (string, error) {
		var out struct {
			Models []loggedModel `json:"models"`
			Next   string        `json:"next_page_token"`
		}
		in := map[string]any{
			"experiment_ids": []string{experiment}, "max_results": modelPage, "page_token": token,
			"order_by": []any{map[string]any{"field_name": "creation_timestamp", "ascending": true}},
		}
		err := c.post(ctx, api+"/logged-models/search", in, &out)
		if err != nil || !fn(out.Models) {
			return "", err
		}
		return out.Next, nil
	})
	if statusOf(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// hasLogged reports whether a server is of MLflow 3.
func (c *client) hasLogged(ctx context.Context) (bool, error) {
	err := c.post(ctx, api+"/logged-models/search", map[string]any{"experiment_ids": []string{runstone.DefaultExperiment}, "max_results": 1}, nil)
	if statusOf(err) != 0 {
		return false, nil
	}
	return err == nil, err
}

// findAbout finds the points of runs that are about logged models.
func (s *Source) findAbout(ctx context.Context, experiment string) error {
	s.about, s.within = map[string]map[aboutPoint][]modelPoint{}, experiment
	var err error
	if s.logged, err = s.c.hasLogged(ctx); err != nil {
		return err
	}
	return s.c.loggedModels(ctx, experiment, func(page []loggedModel) bool {
		for i := range page {
			for _, m := range page[i].Data.Metrics {
				of := s.about[m.Run]
				if of == nil {
					of = map[aboutPoint][]modelPoint{}
					s.about[m.Run] = of
				}
				p := aboutPoint{m.Key, int64(m.Step), int64(m.Time), m.Value}
				if to := (modelPoint{page[i].Info.ID, m.Dataset, m.DatasetDigest}); !slices.Contains(of[p], to) {
					of[p] = append(of[p], to)
				}
			}
		}
		return true
	})
}

func (s *Source) LoggedModels(ctx context.Context, experiment string) iter.Seq2[*lineage.LoggedModel, error] {
	return func(yield func(*lineage.LoggedModel, error) bool) {
		err := s.c.loggedModels(ctx, experiment, func(page []loggedModel) bool {
			for i := range page {
				m := &page[i]
				s.uris[m.Info.ArtifactURI] = place{model: m.Info.ID}
				out := &lineage.LoggedModel{
					ModelID: m.Info.ID, ExperimentID: m.Info.ExperimentID, Name: m.Info.Name, ModelType: m.Info.Type, SourceRunID: m.Info.SourceRun,
					Status: loggedStatus(m.Info.Status), StatusMessage: m.Info.StatusMessage, ArtifactURI: m.Info.ArtifactURI,
					CreatedAt: int64(m.Info.Created), UpdatedAt: int64(m.Info.Updated), Params: sorted(m.Data.Params), Tags: sorted(m.Info.Tags),
				}
				if !yield(out, nil) {
					return false
				}
			}
			return true
		})
		if err != nil {
			yield(nil, err)
		}
	}
}

func loggedStatus(name string) string {
	switch s := strings.TrimPrefix(name, "LOGGED_MODEL_"); s {
	case "", "STATUS_UNSPECIFIED":
		return lineage.LoggedPending
	default:
		return s
	}
}

// registered calls fn for the registered models, prompts included.
func (c *client) registered(ctx context.Context, fn func(m *registered, prompt bool) error) error {
	seen := map[string]bool{}
	for _, filter := range []string{"", promptFilter} {
		err := pages(ctx, func(token string) (string, error) {
			var out struct {
				Models []registered `json:"registered_models"`
				Next   string       `json:"next_page_token"`
			}
			q := url.Values{"max_results": {fmt.Sprint(registryPage)}}
			if filter != "" {
				q.Set("filter", filter)
			}
			if token != "" {
				q.Set("page_token", token)
			}
			if err := c.get(ctx, api+"/registered-models/search", q, &out); err != nil {
				return "", err
			}
			for i := range out.Models {
				m := &out.Models[i]
				if seen[m.Name] {
					continue
				}
				seen[m.Name] = true
				if err := fn(m, filter != ""); err != nil {
					return "", err
				}
			}
			return out.Next, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const promptFilter = "tags.`mlflow.prompt.is_prompt` = 'true'"

// versions returns the versions of a registered model, by number.
func (c *client) versions(ctx context.Context, name string, prompt bool) (all []version, err error) {
	quote := "'"
	if strings.Contains(name, quote) {
		if quote = `"`; strings.Contains(name, quote) {
			return nil, fmt.Errorf("%w: a name with both quotation marks cannot be asked for", errName)
		}
	}
	filter := "name = " + quote + name + quote
	if prompt {
		filter += " AND " + promptFilter
	}
	err = pages(ctx, func(token string) (string, error) {
		var out struct {
			Versions []version `json:"model_versions"`
			Next     string    `json:"next_page_token"`
		}
		q := url.Values{"filter": {filter}, "max_results": {fmt.Sprint(versionPage)}, "order_by": {"version_number ASC"}}
		if token != "" {
			q.Set("page_token", token)
		}
		if err := c.get(ctx, api+"/model-versions/search", q, &out); err != nil {
			return "", err
		}
		for _, v := range out.Versions {
			if v.Name == name {
				all = append(all, v)
			}
		}
		return out.Next, nil
	})
	slices.SortFunc(all, func(a, b version) int { return cmp.Compare(a.Version, b.Version) })
	return slices.CompactFunc(all, func(a, b version) bool { return a.Version == b.Version }), err
}

var errName = errors.New("unusable name")

var errStop = errors.New("the caller has enough")

func (s *Source) Models(ctx context.Context) iter.Seq2[*migrate.Model, error] {
	return func(yield func(*migrate.Model, error) bool) {
		err := s.c.registered(ctx, func(r *registered, prompt bool) error {
			m, err := s.model(ctx, r, prompt)
			if errors.Is(err, errName) {
				s.leave(migrate.Models, "models whose name has both quotation marks were left out")
				return nil
			}
			if err == nil && !yield(m, nil) {
				return errStop
			}
			return err
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

func (s *Source) model(ctx context.Context, r *registered, prompt bool) (*migrate.Model, error) {
	versions, err := s.c.versions(ctx, r.Name, prompt)
	if err != nil {
		return nil, err
	}
	m := &migrate.Model{}
	m.Name, m.Description, m.CreatedAt, m.UpdatedAt, m.Tags = r.Name, r.Description, int64(r.Created), int64(r.Updated), sorted(r.Tags)
	for _, v := range versions {
		m.LastVersion = max(m.LastVersion, int(v.Version))
		var at struct {
			URI string `json:"artifact_uri"`
		}
		err := s.c.get(ctx, api+"/model-versions/get-download-uri", url.Values{"name": {r.Name}, "version": {fmt.Sprint(v.Version)}}, &at)
		if err != nil && statusOf(err) == 0 {
			return nil, err
		}
		m.Versions = append(m.Versions, &lineage.ModelVersion{
			Model: r.Name, Version: int(v.Version), CreatedAt: int64(v.Created), UpdatedAt: int64(v.Updated), UserID: v.User, Description: v.Description,
			Source: v.Source, StorageLocation: cmp.Or(at.URI, v.Source), RunID: v.Run, RunLink: v.RunLink, ModelID: v.Model,
			Status: v.Status, StatusMessage: v.StatusMessage, Stage: cmp.Or(v.Stage, lineage.StageNone), Tags: sorted(v.Tags),
		})
		for _, a := range v.Aliases {
			m.Aliases = append(m.Aliases, lineage.Alias{Name: a, Version: int(v.Version)})
		}
	}
	for _, a := range r.Aliases {
		known := slices.ContainsFunc(m.Aliases, func(b lineage.Alias) bool { return b.Name == a.Alias })
		there := slices.ContainsFunc(versions, func(v version) bool { return v.Version == a.Version })
		if !known && there {
			m.Aliases = append(m.Aliases, lineage.Alias{Name: a.Alias, Version: int(a.Version)})
		}
	}
	slices.SortFunc(m.Aliases, func(a, b lineage.Alias) int { return cmp.Compare(a.Name, b.Name) })
	return m, nil
}
