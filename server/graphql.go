package server

import (
	"context"
	_ "embed" // for the schema
	"fmt"
	"strings"

	"github.com/runstonedb/runstone/server/internal/graphql"
)

//go:embed schema.graphql
var graphqlSchema string

// graphqlLimits are MLflow's, besides those of text and answer, which it has not.
// Its web UI asks with documents of up to 3 KiB.
func graphqlLimits() graphql.Limits {
	return graphql.Limits{Text: 32 << 10, Depth: 10, Fields: 1000, Roots: 10, Aliases: 10, Answer: 64 << 20}
}

// newGraphQL makes the schema, whose fields are answered by the handlers of the
// routes that have the same messages.
func (s *Server) newGraphQL() (*graphql.Schema, error) {
	searchRuns, searchVersions := s.graphField("POST", "/runs/search"), s.graphField("GET", "/model-versions/search")
	getExperiment := s.graphField("GET", "/experiments/get")
	return graphql.NewSchema(graphqlSchema, map[string]graphql.Resolver{
		"Query.test":                               graphTest,
		"Query.mlflowGetExperiment":                getExperiment,
		"Query.mlflowGetRun":                       s.graphField("GET", "/runs/get"),
		"Query.mlflowGetMetricHistoryBulkInterval": s.graphField("GET", "/metrics/get-history-bulk-interval"),
		"Query.mlflowListArtifacts":                s.graphField("GET", "/artifacts/list"),
		"Query.mlflowSearchModelVersions":          searchVersions,
		"Query.mlflowSearchRuns":                   searchRuns,
		"Mutation.mlflowSearchRuns":                searchRuns,
		"Mutation.mlflowSearchDatasets":            s.graphField("POST", "/experiments/search-datasets"),
		"MlflowRunExtension.experiment": func(ctx context.Context, source any, _ graphql.Value) (any, error) {
			run, _ := source.(wireRun)
			v, err := getExperiment(ctx, nil, graphInput("experiment_id", run.Info.ExperimentID))
			if a, ok := v.(experimentAnswer); ok {
				return a.Experiment, err
			}
			return nil, err
		},
		"MlflowRunExtension.modelVersions": func(ctx context.Context, source any, _ graphql.Value) (any, error) {
			run, _ := source.(wireRun)
			v, err := searchVersions(ctx, nil, graphInput("filter", "run_id='"+run.Info.ID+"'"))
			if a, ok := v.(versionsAnswer); ok {
				return a.Versions, err
			}
			return nil, err
		},
	}, graphqlLimits())
}

// graphField answers a field by the handler of a route, which gets what the
// field's input says.
func (s *Server) graphField(method, path string) graphql.Resolver {
	rt := findRoute(method, path)
	return func(ctx context.Context, _ any, in graphql.Value) (any, error) {
		if err := ctx.Err(); err != nil {
			return nil, &graphql.Error{Message: toWire(err).message}
		}
		a := args{v: value{kind: kindObject}, err: new(error)}
		if input := in.Get("input"); input != nil && input.Kind == graphql.Object {
			a.v = fromGraph(input)
		}
		var err error
		if s.opt.Access != nil {
			err = s.permit(ctx, rt, a)
		}
		var v any
		if err == nil {
			v, err = rt.call(s, ctx, a)
		}
		if err != nil {
			if e := toWire(err); e.status < 500 {
				return nil, &graphql.Error{Message: e.message}
			}
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return v, nil
	}
}

// findRoute returns the one route of a method and path.
func findRoute(method, path string) *route {
	for i := range routes {
		if rt := &routes[i]; rt.method == method && rt.path == path {
			return rt
		}
	}
	return nil
}

func graphInput(name, text string) graphql.Value {
	m := []graphql.Member{{Name: name, Value: graphql.Value{Kind: graphql.String, Text: text}}}
	return graphql.Value{Kind: graphql.Object, Members: []graphql.Member{{Name: "input", Value: graphql.Value{Kind: graphql.Object, Members: m}}}}
}

type graphEcho struct {
	Output string `json:"output"`
}

func graphTest(_ context.Context, _ any, in graphql.Value) (any, error) {
	v := in.Get("input_string")
	if v == nil {
		return nil, &graphql.Error{Message: "Missing value for required parameter 'inputString'."}
	}
	return graphEcho{v.Text}, nil
}

// graphql answers a query; whatever is wrong with it is told with status 200.
func (s *Server) graphql(ctx context.Context, a args) (any, error) {
	r := graphql.Request{Query: a.str("query"), Operation: a.str("operationName")}
	if v := a.get("variables"); v != nil {
		if a.query {
			parsed, err := parseJSON(v.text)
			if err != nil {
				parsed = value{kind: kindString}
			}
			v = &parsed
		}
		if v.kind != kindObject {
			a.fail(badRequest("Variables must be a JSON object."))
		} else {
			r.Variables = toGraph(v)
		}
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	out, err := s.schema.Execute(ctx, r)
	if err != nil {
		s.log.ErrorContext(ctx, "graphql request failed", "operation", cutEcho(strings.ToValidUTF8(r.Operation, "")), "error", err)
	}
	return prepared(out), nil
}

// toGraph turns JSON into a value of variables.
func toGraph(v *value) graphql.Value {
	out := graphql.Value{Text: v.text}
	out.Kind = [...]graphql.Kind{
		kindNull: graphql.Null, kindBool: graphql.Bool, kindInt: graphql.Int, kindFloat: graphql.Float,
		kindString: graphql.String, kindList: graphql.List, kindObject: graphql.Object,
	}[v.kind]
	for i := range v.list {
		out.List = append(out.List, toGraph(&v.list[i]))
	}
	for i := range v.members {
		out.Members = append(out.Members, graphql.Member{Name: v.members[i].name, Value: toGraph(&v.members[i].value)})
	}
	return out
}

// fromGraph turns a field's input into the arguments of a handler.
func fromGraph(v *graphql.Value) value {
	out := value{text: v.Text}
	out.kind = [...]kind{
		graphql.Null: kindNull, graphql.Bool: kindBool, graphql.Int: kindInt, graphql.Float: kindFloat,
		graphql.String: kindString, graphql.List: kindList, graphql.Object: kindObject,
	}[v.Kind]
	for i := range v.List {
		out.list = append(out.list, fromGraph(&v.List[i]))
	}
	for i := range v.Members {
		out.members = append(out.members, member{v.Members[i].Name, fromGraph(&v.Members[i].Value)})
	}
	return out
}
