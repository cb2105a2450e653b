"""Records GraphQL exchanges with a real MLflow server for server/replay_test.go.

    python record_graphql.py http://localhost:5001 http://localhost:5000 >../../server/testdata/graphql.jsonl

The first server is `mlflow server` on an empty database, the second `runstone server`
on an empty directory. Both get the same requests. The answers of MLflow are recorded;
where DIFFERS says so, those of Runstone with the reason. Any other difference, and a
reason without a difference, is an error.
"""

import json
import re
import sys

import requests

API = "/api/2.0/mlflow"

NO_INPUT = "MLflow repeats an error of Python's here"
SYNTAX = "MLflow answers 500 to what is no GraphQL document"
SUGGESTION = "MLflow suggests other names"
ENUM = "MLflow fails on every enum argument"
NAN = "MLflow adds an error to a null for NaN"
SKIP = "MLflow knows neither @skip nor @include"
INTROSPECTION = "MLflow describes its schema"
ENVIRONMENT = "MLflow goes on with the name of a variable of its own"
STEPS = "MLflow does not look at steps and limits here"
JOBS = "MLflow adds errors to the nulls for states of jobs that there are not"
MANY = "MLflow gives up on comparing so many fields"
EMPTY = "MLflow searches for a run without an id"

RUN = """
  info { runId runUuid runName experimentId userId status startTime endTime artifactUri lifecycleStage }
  data { metrics { key value timestamp step datasetName datasetDigest modelId runId } params { key value } tags { key value } }
  inputs { datasetInputs { tags { key value } dataset { name digest sourceType source schema profile } } modelInputs { modelId } }
  outputs { modelOutputs { modelId step } }
  experiment { experimentId name artifactLocation lifecycleStage lastUpdateTime creationTime tags { key value } effectiveTraceArchivalRetention workspace }
"""
VERSION = """
  name version creationTimestamp lastUpdatedTimestamp userId currentStage description source runId status
  statusMessage tags { key value } runLink aliases modelParams { name value } modelMetrics { key value }
  deploymentJobState { jobId runId currentTaskName }
"""


def setup(call):
    """Fills a server through REST; returns its ids by placeholder."""
    exp = call("POST", f"{API}/experiments/create", {"name": "graph", "tags": [{"key": "team", "value": "blue"}]})["experiment_id"]
    ids = {"$EXP1$": exp}
    for n, (name, start) in enumerate([("first", 1000), ("second", 2000)], 1):
        body = {"experiment_id": ids["$EXP1$"], "run_name": name, "user_id": "ann", "start_time": start}
        answer = call("POST", f"{API}/runs/create", fill(body, ids))
        ids[f"$RUN{n}$"] = answer["run"]["info"]["run_id"]
    run = ids["$RUN1$"]
    points = [{"key": "loss", "value": 1 / (1 + i), "timestamp": 1000 + i, "step": i} for i in range(20)]
    odd = [{"key": "nan", "value": "NaN", "timestamp": 5, "step": 1}, {"key": "inf", "value": "Infinity", "timestamp": 5, "step": 2}]
    call("POST", f"{API}/runs/log-batch", {"run_id": run, "metrics": points + odd, "params": [{"key": "lr", "value": "0.1 \u00e4\"\\"}], "tags": [{"key": "t", "value": "x"}]})
    call("POST", f"{API}/runs/log-batch", {"run_id": ids["$RUN2$"], "metrics": points[:3]})
    dataset = {"name": "iris", "digest": "abc", "source_type": "local", "source": "{}", "schema": "{}", "profile": "{}"}
    call("POST", f"{API}/runs/log-inputs", {"run_id": run, "datasets": [{"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "training"}]}]})
    call("POST", f"{API}/runs/update", {"run_id": run, "status": "FINISHED", "end_time": 9000})
    call("POST", f"{API}/registered-models/create", {"name": "net"})
    for description in ["one", ""]:
        call("POST", f"{API}/model-versions/create", {"name": "net", "source": f"runs:/{run}/model", "run_id": run, "description": description, "tags": [{"key": "k", "value": "v"}]})
    call("POST", f"{API}/registered-models/alias", {"name": "net", "alias": "best", "version": "1"})
    call("POST", f"{API}/model-versions/transition-stage", {"name": "net", "version": "2", "stage": "Staging", "archive_existing_versions": False})
    return ids


def cases():
    """Yields (query, other members of the request, reason why the answers differ or None)."""
    yield from good()
    yield from bad()
    yield from limits()


def good():
    get_run = "query GetRun($data: MlflowGetRunInput!) @component(name: \"page\") { mlflowGetRun(input: $data) { apiError { code message helpUrl } run {%s modelVersions {%s} } } }" % (RUN, VERSION)
    for run in ["$RUN1$", "$RUN2$"]:
        yield get_run, {"variables": {"data": {"runId": run}}, "operationName": "GetRun"}, None
    yield '{ mlflowGetRun(input: {runUuid: "$RUN1$"}) { __typename run { __typename info { runName } } } }', {}, None
    yield '{ mlflowGetExperiment(input: {experimentId: "$EXP1$"}) { experiment { experimentId name tags { key value } lifecycleStage creationTime } } }', {}, None
    yield '{ mlflowGetExperiment(input: {experimentId: "0"}) { experiment { name tags { key } } } }', {}, None
    history = "mlflowGetMetricHistoryBulkInterval"
    yield '{ %s(input: {runIds: ["$RUN1$", "$RUN2$"], metricKey: "loss"}) { __typename metrics { key value timestamp step runId } apiError { code } } }' % history, {}, None
    yield '{ %s(input: {runIds: "$RUN1$", metricKey: "loss", startStep: 3, endStep: 9, maxResults: 4}) { metrics { step } } }' % history, {}, STEPS
    yield "query ($d: MlflowGetMetricHistoryBulkIntervalInput!) { %s(input: $d) { metrics { step value } } }" % history, {"variables": {"d": {"runIds": ["$RUN1$"], "metricKey": "loss", "maxResults": 320, "startStep": None, "endStep": None}}}, None
    yield '{ %s(input: {runIds: ["$RUN1$"], metricKey: "none"}) { metrics { step } } }' % history, {}, None
    yield '{ %s(input: {runIds: ["$RUN1$"], metricKey: "inf"}) { metrics { value } } }' % history, {}, None
    yield '{ %s(input: {runIds: ["$RUN1$"], metricKey: "nan"}) { metrics { value } } }' % history, {}, NAN
    yield '{ mlflowListArtifacts(input: {runId: "$RUN1$"}) { rootUri files { path isDir fileSize } nextPageToken apiError { code } } }', {}, None
    yield '{ mlflowListArtifacts(input: {runId: "$RUN1$", path: "nowhere"}) { files { path } } }', {}, None
    yield "{ mlflowSearchModelVersions(input: {orderBy: [\"version_number ASC\"]}) { modelVersions {%s} nextPageToken } }" % VERSION, {}, None
    yield "{ mlflowSearchModelVersions(input: {}) { modelVersions { deploymentJobState { jobState runState } } } }", {}, JOBS
    yield '{ mlflowSearchModelVersions(input: {filter: "name=\'net\'", maxResults: 1, orderBy: ["version_number DESC"]}) { modelVersions { version } } }', {}, None
    yield '{ mlflowSearchModelVersions(input: {filter: "name=\'other\'"}) { modelVersions { version } nextPageToken } }', {}, None
    yield '{ mlflowSearchModelVersions(input: {}) { modelVersions { name } } }', {}, None
    yield '{ mlflowSearchModelVersions(input: {maxResults: "x"}) { modelVersions { name } } }', {}, None
    search = "mlflowSearchRuns(input: {experimentIds: [\"$EXP1$\"], filter: \"%s\", orderBy: [\"attributes.start_time %s\"]}) { runs {%s} nextPageToken apiError { code } }"
    yield "{ %s }" % (search % ("", "ASC", RUN)), {}, None
    yield "mutation { %s }" % (search % ("metrics.loss < 0.2", "DESC", RUN)), {}, None
    yield "mutation { %s }" % (search % ("params.lr = 'no'", "DESC", "info { runId }")), {}, None
    yield "mutation M { mlflowSearchDatasets(input: {experimentIds: [\"$EXP1$\"]}) { __typename datasetSummaries { experimentId name digest context } apiError { code } } }", {}, None
    yield 'mutation { mlflowSearchDatasets(input: {experimentIds: ["0"]}) { datasetSummaries { name } } }', {}, None
    yield 'mutation { testMutation(inputString: "a") { output } }', {}, None
    for text in ['"a"', '"\\u00e4\\n\\"\\\\ \\/\\b\\f\\r\\t"', '"""\n    block\n      "quotes" \\"""\n    end\n  """', "null", '""']:
        if text != "null":
            yield "{ test(inputString: %s) { output __typename } __typename }" % text, {}, None
    yield "# words\nquery, A { a: test(inputString: \"1\") { o: output } b: test(inputString: \"2\") { output output } }", {}, None
    yield "query A { test(inputString: \"a\") { output } } query B { test(inputString: \"b\") { output } }", {"operationName": "B"}, None
    yield "query ($s: String = \"def\") { test(inputString: $s) { output } }", {}, None
    yield "query ($s: String = \"def\") { test(inputString: $s) { output } }", {"variables": {"s": "given", "other": 1}}, None
    yield "query ($s: String! = \"def\") { test(inputString: $s) { output } }", {"variables": {}}, None
    yield "query ($r: String) { mlflowGetRun(input: {runId: $r}) { run { info { runName } } } }", {"variables": {"r": "$RUN1$"}}, None
    yield "query ($r: [String!]!) { %s(input: {runIds: $r, metricKey: \"loss\", maxResults: 1}) { metrics { step } } }" % history, {"variables": {"r": ["$RUN2$"]}}, STEPS
    yield "query ($r: String) { %s(input: {runIds: [$r], metricKey: \"loss\", maxResults: 1}) { metrics { step } } }" % history, {"variables": {"r": "$RUN2$"}}, STEPS
    yield "query ($n: LongString) { mlflowSearchModelVersions(input: {maxResults: $n}) { modelVersions { name } } }", {"variables": {"n": "2"}}, None
    yield "query ($n: LongString) { mlflowSearchModelVersions(input: {maxResults: $n}) { modelVersions { name } } }", {"variables": {"n": 2}}, None
    fragments = "fragment R on MlflowRunExtension { info { ...I } info { runName } } fragment I on MlflowRunInfo { status ... { startTime } ... on MlflowRunInfo { endTime } }"
    yield '{ mlflowGetRun(input: {runId: "$RUN1$"}) { run { ...R ...R info { userId } } } } ' + fragments, {}, None
    yield '{ test(inputString: "a") { ...F } } fragment F on Test { output }', {}, None
    for name in ["skip", "include"]:
        for yes in ["true", "false"]:
            yield '{ a: test(inputString: "a") @%s(if: %s) { output } __typename }' % (name, yes), {}, SKIP
    yield 'query ($b: Boolean!) { test(inputString: "a") { ... @include(if: $b) { output } ...F @skip(if: $b) } } fragment F on Test { o: output }', {"variables": {"b": True}}, SKIP
    for view in ["ACTIVE_ONLY", "DELETED_ONLY", "ALL"]:
        yield 'mutation { mlflowSearchRuns(input: {experimentIds: ["$EXP1$"], runViewType: %s}) { runs { info { runName } } } }' % view, {}, ENUM
    yield '{ a: mlflowGetRun(input: {runId: "none"}) { run { info { runId } } } b: test(inputString: "still") { output } }', {}, None


def bad():
    yield '{ mlflowGetRun(input: {runId: "none"}) { run { info { runId } } } }', {}, None
    yield '{ mlflowGetExperiment(input: {experimentId: "123456"}) { experiment { name } } }', {}, None
    yield "{ mlflowGetRun(input: {}) { run { info { runId } } } }", {}, EMPTY
    yield "{ mlflowGetRun(input: null) { run { info { runId } } } }", {}, NO_INPUT
    yield "{ mlflowGetRun { run { info { runId } } } }", {}, NO_INPUT
    yield "{ test { output } }", {}, NO_INPUT
    yield 'mutation { mlflowSearchRuns(input: {experimentIds: ["$EXP1$"], filter: "nope.loss > 1"}) { runs { info { runId } } } }', {}, None
    yield 'mutation { mlflowSearchRuns(input: {experimentIds: ["$EXP1$"], pageToken: "eHh4"}) { runs { info { runId } } } }', {}, None
    yield 'mutation { mlflowSearchDatasets(input: {}) { datasetSummaries { name } } }', {}, None
    yield '{ mlflowGetMetricHistoryBulkInterval(input: {runIds: ["$RUN1$"], metricKey: "loss", startStep: 5, endStep: 1}) { metrics { step } } }', {}, STEPS
    yield '{ mlflowGetMetricHistoryBulkInterval(input: {runIds: ["$RUN1$"], metricKey: "loss", startStep: 5}) { metrics { step } } }', {}, STEPS
    yield '{ mlflowListArtifacts(input: {runId: "$RUN1$", path: "../x"}) { files { path } } }', {}, None
    for query in [
        "{ nope }", "{ mlflowGetRun }", "{ test(inputString: \"a\") { output { x } } }", "{ test(inputString: \"a\") {output} nope { x } }",
        "{ test(inputString: 1) { output } }", "{ test(inputString: true) { output } }", "{ test(inputString: [\"a\"]) { output } }", "{ test(inputString: A) { output } }",
        "{ test(inputString: {a: 1}) { output } }", "{ test(inputString: 1.5e3) { output } }",
        "{ test(zz: 1) { output } }", "{ test(inputString: \"a\", inputString: \"b\") { output } }",
        "{ a: test(inputString: \"a\") { output } a: test(inputString: \"b\") { output } }",
        "{ a: test(inputString: \"a\") { output } a: __typename }",
        '{ r: mlflowGetRun(input: {runId: "a"}) { run { x: info { runId } } } r: mlflowGetRun(input: {runId: "a"}) { run { x: data { params { key } } } } }',
        '{ mlflowGetRun(input: {runId: 1}) { run { info { runId } } } }', '{ mlflowGetRun(input: {zz: 1}) { run { info { runId } } } }', '{ mlflowGetRun(input: "x") { run { info { runId } } } }',
        '{ mlflowGetRun(input: {runId: "a", runId: "b"}) { run { info { runId } } } }',
        '{ mlflowGetMetricHistoryBulkInterval(input: {maxResults: 99999999999}) { metrics { step } } }', '{ mlflowGetMetricHistoryBulkInterval(input: {maxResults: "1"}) { metrics { step } } }',
        '{ mlflowGetMetricHistoryBulkInterval(input: {runIds: [1]}) { metrics { step } } }',
        'mutation { mlflowSearchRuns(input: {runViewType: zzzzzzzz}) { runs { info { runId } } } }',
        "query { ...F }", "fragment F on Test { output }", "{ __typename } fragment F on Test { output }", "{ ...F } fragment F on Test { output }", "{ ... on Test { output } }",
        "{ ...F } fragment F on Zzzzzzzzzzz { a }", "{ ...F } fragment F on String { a }", "{ ... on Qqqqqqqqqqq { a } }",
        "{ ...F } fragment F on Query { ...F }", "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }",
        "{ ...F } fragment F on Query { __typename } fragment F on Query { __typename }",
        "query A { __typename } query A { __typename }", "{ __typename } query A { __typename }", "query A { __typename } query B { __typename }",
        "{ __typename @nope }", "{ __typename @component(name: \"a\") }", "query @component { __typename }", "query @component(name: \"a\") @component(name: \"b\") { __typename }",
        "query @component(name: null) { __typename }",
        "query ($s: String) { __typename }", "query Q($s: String) { __typename }", "{ test(inputString: $s) { output } }", "query Q { test(inputString: $s) { output } }",
        "query ($s: Int) { test(inputString: $s) { output } }", "query ($s: [String]) { test(inputString: $s) { output } }", "query ($s: Zzzzzzzzzzz) { test(inputString: $s) { output } }",
        "query ($s: Test) { test(inputString: $s) { output } }", "query ($s: String, $s: String) { test(inputString: $s) { output } }", "query ($s: String = 1) { test(inputString: $s) { output } }",
        "query ($s: String!) { test(inputString: $s) { output } }", "query ($s: String! = null) { test(inputString: $s) { output } }",
        "subscription { __typename }", "mutation { nope }", "query ($v: MlflowViewType) { test(inputString: $v) { output } }",
    ]:  # fmt: skip
        yield query, {}, None
    yield "{ test(inputStrin: \"a\") { output } }", {}, SUGGESTION
    yield "query @component(nome: \"a\") { __typename }", {}, SUGGESTION
    yield 'mutation { mlflowSearchRuns(input: {runViewType: "ALL"}) { runs { info { runId } } } }', {}, SUGGESTION
    yield "{ tess { output } }", {}, SUGGESTION
    yield "{ __schema { queryType { name } } }", {}, INTROSPECTION
    yield "{ __typename }", {"operationName": "C"}, None
    string = "query ($s: String) { test(inputString: $s) { output } }"
    for value in [1, True, ["a"], {"a": 1}, 1.5]:
        yield string, {"variables": {"s": value}}, None
    yield "query ($s: String!) { test(inputString: $s) { output } }", {"variables": {"s": None}}, None
    run = "query ($i: MlflowGetRunInput) { mlflowGetRun(input: $i) { run { info { runId } } } }"
    for value in [{"zz": 1}, {"runId": 1}, "x", [], {"runId": ["a"]}]:
        yield run, {"variables": {"i": value}}, None
    history = "query ($i: MlflowGetMetricHistoryBulkIntervalInput!) { mlflowGetMetricHistoryBulkInterval(input: $i) { metrics { step } } }"
    for value in [{"runIds": ["a", 1]}, {"maxResults": "1"}, {"maxResults": 1.5}, {"maxResults": 2147483648}]:
        yield history, {"variables": {"i": value}}, None
    yield "mutation ($i: MlflowSearchRunsInput) { mlflowSearchRuns(input: $i) { runs { info { runId } } } }", {"variables": {"i": {"runViewType": "zzzzzzzz"}}}, None
    yield "mutation ($i: MlflowSearchRunsInput) { mlflowSearchRuns(input: $i) { runs { info { runId } } } }", {"variables": {"i": {"runViewType": 3}}}, None
    for query in ["{", "", "}", "{ }", "{ a(b: ) }", "{ test(inputString: \"a) }", "query ($s) { a }", "{ a @ }", "{ 1 }", "nope { a }", "{ a: }", "{ a(x: 01) }", "{ a(x: \"\\q\") }", "type A { b: String }"]:
        yield query, {}, SYNTAX
    yield None, {}, SYNTAX


def limits():
    test = "a%d: test(inputString: \"a\") { output }"
    yield "{ %s }" % " ".join(test % i for i in range(10)), {}, None
    yield "{ %s }" % " ".join(test % i for i in range(11)), {}, ENVIRONMENT
    yield "{ test(inputString: \"a\") { %s } }" % " ".join("a%d: output" % i for i in range(10)), {}, None
    yield "{ test(inputString: \"a\") { %s } }" % " ".join("a%d: output" % i for i in range(11)), {}, ENVIRONMENT
    yield "{ test(inputString: \"a\") { ...A ...B } } fragment A on Test { %s } fragment B on Test { %s }" % (" ".join("a%d: output" % i for i in range(6)), " ".join("b%d: output" % i for i in range(6))), {}, ENVIRONMENT
    yield "{ test(inputString: \"a\") { %s } }" % ("output " * 100), {}, None
    yield "{ test(inputString: \"a\") { %s } }" % ("output " * 999), {}, MANY
    yield "{ test(inputString: \"a\") { %s } }" % ("output " * 1000), {}, None
    yield "{" + "a {" * 9 + "a" + "}" * 10, {}, None
    yield "{" + "a {" * 10 + "a" + "}" * 11, {}, None
    yield "{ test(inputString: \"a\") { ...F } } fragment F on Test { output x { ...F } }", {}, None
    names = [chr(ord("A") + i) for i in range(12)]
    spreads = " ".join("fragment %s on Test { a { ...%s } b { ...%s } }" % (a, b, b) for a, b in zip(names, names[1:]))
    yield "{ test(inputString: \"a\") { ...A } } " + spreads + " fragment L on Test { output }", {}, None


def fill(thing, ids):
    text = json.dumps(thing)
    for name, value in ids.items():
        text = text.replace(name, value)
    return json.loads(text)


def normal(thing, ids):
    text = json.dumps(thing)
    for name, value in ids.items():
        if len(value) < 4:  # MLflow's short ids of experiments would be found everywhere
            text = re.sub(r'(mlflow-artifacts:/)%s\b' % value, lambda m: m[1] + name, text)
            text = re.sub(r'"(experimentId|experiment_id)": "%s"' % value, lambda m: f'"{m[1]}": "{name}"', text)
        else:
            text = text.replace(value, name)
    text = re.sub(r'": "1[789]\d{11}"', '": "$TIME$"', text)
    return json.loads(re.sub(r'": 1[789]\d{11}\b', '": "$TIME$"', text))


def ordered(thing):
    if isinstance(thing, dict):
        return {k: ordered(thing[k]) for k in sorted(thing)}
    if isinstance(thing, list):
        items = [ordered(x) for x in thing]
        return sorted(items, key=lambda x: x["key"]) if items and all(isinstance(x, dict) and "key" in x for x in items) else items
    return thing


def main(real, ours):
    recorded, failed = [], 0

    def rest(url, keep):
        def call(method, path, body):
            answer = requests.request(method, url + path, json=body, timeout=60)
            answer.raise_for_status()
            keep.append((method, path, body, answer.json()))
            return answer.json()
        return call

    steps, ids, mine = [], {}, {}
    ids = setup(rest(real, steps))
    mine = setup(rest(ours, []))
    for method, path, body, answer in steps:
        recorded.append({"label": "setup", "method": method, "path": path, "body": json.dumps(normal(body, ids)), "status": 200, "any": True} if "log-" in path or "registered" in path or "model-" in path or "update" in path
                        else {"label": "setup", "method": method, "path": path, "body": json.dumps(normal(body, ids)), "status": 200, "want": normal(answer, ids)})
    for query, more, reason in cases():
        body = {"query": query, **more}
        theirs = requests.post(real + "/graphql", json=fill(body, ids), timeout=60)
        got = requests.post(ours + "/graphql", json=fill(body, mine), timeout=60)
        want = normal(theirs.json(), ids) if theirs.status_code == 200 else None
        have = normal(got.json(), mine)
        for answer in (want, have):
            if answer and answer["errors"]:
                answer["errors"].sort()
        same = theirs.status_code == got.status_code and ordered(want) == ordered(have)
        if same == (reason is not None):
            failed += 1
            print(f"{query}\n  MLflow   {theirs.status_code} {want}\n  Runstone {got.status_code} {have}\n  reason   {reason}", file=sys.stderr)
        x = {"label": "graphql", "method": "POST", "path": "/graphql", "body": json.dumps(body), "status": got.status_code}
        if reason:
            x |= {"mlflow": theirs.status_code, "differs": reason}
        recorded.append(x | {"want": have if reason else want})
    for x in recorded:
        print(json.dumps(x))
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(*sys.argv[1:]) else 0)
