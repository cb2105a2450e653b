"""Bad input by raw HTTP: the status, error_code and message of MLflow's own server, and nothing changed."""

import pytest
import requests

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
MIB = "x" * (1 << 20)
NO_RUN = "0" * 32
SEE = "See the API docs for more information about request parameters."
INVALID = "INVALID_PARAMETER_VALUE"
MISSING = "RESOURCE_DOES_NOT_EXIST"
CHARS = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.),"
    " spaces ( ), colon(:) and slashes (/)."
)


def needs(name: str) -> str:
    return f"Missing value for required parameter '{name}'. {SEE}"


def wrong(value: str, name: str, kind: str) -> str:
    return f"Invalid value {value} for parameter '{name}' supplied:  Hint: Value was of type '{kind}'. {SEE}"


def resolves(value: str, name: str, to: str) -> str:
    return (
        f"Invalid value \"{value}\" for parameter '{name}' supplied: Names may be treated as files in"
        f" certain cases, and must not resolve to other names when treated as such."
        f" This name would resolve to '{to}'"
    )


def long(what: str, limit: int) -> str:
    return f"'{what}' exceeds the maximum length of {limit} characters"


def too_many(what: str, limit: int, got: int) -> str:
    return (
        f"A batch logging request can contain at most {limit} {what}. Got {got} {what}."
        f" Please split up {what} across multiple requests and try again."
    )


class World:
    """One server with an experiment, a run that has a param, a file, and a model with a version."""

    def __init__(self, url: str):
        self.url = url
        self.exp = self.ok("/experiments/create", {"name": "bad input"})["experiment_id"]
        made = self.ok("/runs/create", {"experiment_id": self.exp, "start_time": 5, "run_name": "r"})
        self.run = made["run"]["info"]["run_id"]
        self.ok("/runs/log-parameter", {"run_id": self.run, "key": "w", "value": "1"})
        self.ok("/runs/log-metric", {"run_id": self.run, "key": "m", "value": 1, "timestamp": 1})
        self.root = f"{self.exp}/{self.run}/artifacts"
        assert requests.put(f"{url}{FILES}/{self.root}/model/MLmodel", data=b"flavors: {}\n").status_code == 200
        self.ok("/registered-models/create", {"name": "reg"})
        self.source = f"mlflow-artifacts:/{self.root}/model"
        self.ok("/model-versions/create", {"name": "reg", "source": self.source, "run_id": self.run})

    def ok(self, path: str, body: dict) -> dict:
        answer = requests.post(self.url + API + path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fill(self, value):
        """Puts this world's ids where a case says $RUN, $EXP, $SRC or $ROOT."""
        if isinstance(value, str) and len(value) < 1000:
            names = {"$RUN": self.run, "$EXP": self.exp, "$SRC": self.source, "$ROOT": self.root}
            for name, real in names.items():
                value = value.replace(name, real)
        elif isinstance(value, dict):
            return {k: self.fill(v) for k, v in value.items()}
        elif isinstance(value, list):
            return [self.fill(v) for v in value]
        return value

    def state(self) -> list:
        """All that a refused request could have changed."""
        get = lambda at, **q: requests.get(self.url + API + at, params=q).json()  # noqa: E731
        post = lambda at, **b: requests.post(self.url + API + at, json=b).json()  # noqa: E731
        return [
            post("/experiments/search", max_results=100, view_type="ALL"),
            post("/runs/search", experiment_ids=[self.exp], run_view_type="ALL"),
            get("/registered-models/search"),
            get("/model-versions/search"),
            post("/logged-models/search", experiment_ids=[self.exp]),
            get("/artifacts/list", run_id=self.run),
            get("/artifacts/list", run_id=self.run, path="model"),
        ]


@pytest.fixture(scope="module")
def world(server):
    return World(server.url)


def metric(**change):
    body = {"run_id": "$RUN", "key": "k", "value": 1.0, "timestamp": 1}
    body.update(change)
    return {k: v for k, v in body.items() if v is not ...}


def param(**change):
    return {"run_id": "$RUN", "key": "k", "value": "v", **change}


def batch(**change):
    return {"run_id": "$RUN", **change}


def metrics(count):
    return [{"key": f"b{i}", "value": 1, "timestamp": 1, "step": 0} for i in range(count)]


def pairs(count):
    return [{"key": f"p{i}", "value": "1"} for i in range(count)]


RUN_GONE = (404, MISSING, f"Run with id={NO_RUN} not found")
EXP_GONE = (404, MISSING, "No Experiment with id=999 exists")
NO_VERSION = (404, MISSING, "Model Version (name=reg, version=99) not found")
NOT_INT = (400, INVALID, "Parameter 'version' must be an integer, got 'x'.")
NO_MODEL = (404, MISSING, "Registered Model with name=nope not found")
ONE = {"key": "ok", "value": 1, "timestamp": 1}

# (name, verb and path, body, status, error_code, message)
CASES = [
    ("experiment-empty", "POST /experiments/create", {"name": ""}, 400, INVALID, needs("name")),
    ("experiment-null", "POST /experiments/create", {"name": None}, 400, INVALID, needs("name")),
    ("experiment-int", "POST /experiments/create", {"name": 7}, 400, INVALID, wrong("7", "name", "int")),
    ("experiment-space", "POST /experiments/create", {"name": " "}, 400, INVALID, "Invalid experiment name: ' '"),
    ("experiment-501", "POST /experiments/create", {"name": "x" * 501}, 400, INVALID, long("name", 500)),
    ("experiment-1MiB", "POST /experiments/create", {"name": MIB}, 400, INVALID, long("name", 500)),
    ("experiment-tag-251", "POST /experiments/create", {"name": "q", "tags": [{"key": "k" * 251, "value": "v"}]}, 400, INVALID, long("key", 250)),
    ("experiment-location-query", "POST /experiments/create", {"name": "q", "artifact_location": "s3://b/x?y=1#f"}, 400, INVALID, "'artifact_location' URL can't include fragments or params."),
    ("rename-none", "POST /experiments/update", {"experiment_id": "$EXP"}, 400, INVALID, needs("new_name")),
    ("rename-missing", "POST /experiments/update", {"experiment_id": "999", "new_name": "z"}, *EXP_GONE),
    ("rename-501", "POST /experiments/update", {"experiment_id": "$EXP", "new_name": "z" * 501}, 400, INVALID, long("name", 500)),
    ("delete-experiment-missing", "POST /experiments/delete", {"experiment_id": "999"}, *EXP_GONE),
    ("delete-experiment-none", "POST /experiments/delete", {}, 400, INVALID, needs("experiment_id")),
    ("restore-experiment-missing", "POST /experiments/restore", {"experiment_id": "999"}, *EXP_GONE),
    ("experiment-tag-key-251", "POST /experiments/set-experiment-tag", {"experiment_id": "$EXP", "key": "k" * 251, "value": "v"}, 400, INVALID, long("key", 250)),
    ("experiment-tag-no-key", "POST /experiments/set-experiment-tag", {"experiment_id": "$EXP", "value": "v"}, 400, INVALID, needs("key")),
    ("run-in-missing", "POST /runs/create", {"experiment_id": "999"}, *EXP_GONE),
    ("run-in-text", "POST /runs/create", {"experiment_id": "abc"}, 400, INVALID, "Invalid experiment ID 'abc'. Experiment ID must be a valid integer."),
    ("run-in-int", "POST /runs/create", {"experiment_id": 0}, 400, INVALID, wrong("0", "experiment_id", "int")),
    ("run-start-text", "POST /runs/create", {"experiment_id": "$EXP", "start_time": "x"}, 400, INVALID, wrong('"x"', "start_time", "str")),
    ("run-two-names", "POST /runs/create", {"experiment_id": "$EXP", "run_name": "A", "tags": [{"key": "mlflow.runName", "value": "B"}]}, 400, INVALID, "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='A', mlflow.runName='B')."),
    ("run-update-none", "POST /runs/update", {}, 400, INVALID, needs("run_id")),
    ("run-update-missing", "POST /runs/update", {"run_id": NO_RUN}, *RUN_GONE),
    ("run-delete-missing", "POST /runs/delete", {"run_id": NO_RUN}, *RUN_GONE),
    ("run-restore-missing", "POST /runs/restore", {"run_id": NO_RUN}, *RUN_GONE),
    ("metric-no-run", "POST /runs/log-metric", metric(run_id=...), 400, INVALID, needs("run_id")),
    ("metric-run-path", "POST /runs/log-metric", metric(run_id="../x"), 404, MISSING, "Run with id=../x not found"),
    ("metric-run-missing", "POST /runs/log-metric", metric(run_id=NO_RUN), *RUN_GONE),
    ("metric-no-key", "POST /runs/log-metric", metric(key=...), 400, INVALID, needs("key")),
    ("metric-key-empty", "POST /runs/log-metric", metric(key=""), 400, INVALID, needs("key")),
    ("metric-key-int", "POST /runs/log-metric", metric(key=5), 400, INVALID, wrong("5", "key", "int")),
    ("metric-key-251", "POST /runs/log-metric", metric(key="k" * 251), 400, INVALID, long("Metric name", 250)),
    ("metric-key-1MiB", "POST /runs/log-metric", metric(key=MIB), 400, INVALID, long("Metric name", 250)),
    ("metric-key-nul", "POST /runs/log-metric", metric(key="a\0b"), 400, INVALID, f'Invalid value "a\\u0000b" for parameter \'name\' supplied: {CHARS}'),
    ("metric-key-dollar", "POST /runs/log-metric", metric(key="a$b"), 400, INVALID, f"Invalid value \"a$b\" for parameter 'name' supplied: {CHARS}"),
    ("metric-key-dotdot", "POST /runs/log-metric", metric(key=".."), 400, INVALID, resolves("..", "name", "..")),
    ("metric-key-up", "POST /runs/log-metric", metric(key="../b"), 400, INVALID, resolves("../b", "name", "../b")),
    ("metric-key-absolute", "POST /runs/log-metric", metric(key="/a"), 400, INVALID, resolves("/a", "name", "/a")),
    ("metric-key-double-slash", "POST /runs/log-metric", metric(key="a//b"), 400, INVALID, resolves("a//b", "name", "a/b")),
    ("metric-key-trailing", "POST /runs/log-metric", metric(key="a/"), 400, INVALID, resolves("a/", "name", "a")),
    ("metric-key-dot", "POST /runs/log-metric", metric(key="."), 400, INVALID, resolves(".", "name", ".")),
    ("metric-no-value", "POST /runs/log-metric", metric(value=...), 400, INVALID, needs("value")),
    ("metric-value-null", "POST /runs/log-metric", metric(value=None), 400, INVALID, needs("value")),
    ("metric-value-text", "POST /runs/log-metric", metric(value="abc"), 400, INVALID, wrong('"abc"', "value", "str")),
    ("metric-no-timestamp", "POST /runs/log-metric", metric(timestamp=...), 400, INVALID, needs("timestamp")),
    ("metric-timestamp-text", "POST /runs/log-metric", metric(timestamp="x"), 400, INVALID, wrong('"x"', "timestamp", "str")),
    ("metric-timestamp-NaN", "POST /runs/log-metric", metric(timestamp="NaN"), 400, INVALID, wrong('"NaN"', "timestamp", "str")),
    ("metric-timestamp-negative", "POST /runs/log-metric", metric(timestamp=-1), 400, INVALID, "Invalid value -1 for parameter 'timestamp' supplied: metric 'k' (value=1.0). Timestamp must be a nonnegative long (64-bit integer) "),
    ("metric-step-NaN", "POST /runs/log-metric", metric(step="NaN"), 400, INVALID, wrong('"NaN"', "step", "str")),
    ("param-251", "POST /runs/log-parameter", param(key="k" * 251), 400, INVALID, long("Param key", 250)),
    ("param-nul", "POST /runs/log-parameter", param(key="a\0b"), 400, INVALID, f'Invalid value "a\\u0000b" for parameter \'key\' supplied: {CHARS}'),
    ("param-up", "POST /runs/log-parameter", param(key="../x"), 400, INVALID, resolves("../x", "key", "../x")),
    ("param-empty", "POST /runs/log-parameter", param(key=""), 400, INVALID, needs("key")),
    ("param-int", "POST /runs/log-parameter", param(value=5), 400, INVALID, wrong("5", "value", "int")),
    ("param-list", "POST /runs/log-parameter", param(value=[1]), 400, INVALID, wrong("[1]", "value", "list")),
    ("param-run-missing", "POST /runs/log-parameter", param(run_id=NO_RUN), *RUN_GONE),
    ("param-rewrite", "POST /runs/log-parameter", param(key="w", value="2"), 400, INVALID, "Changing param values is not allowed. Param with key='w' was already logged with value='1' for run ID='$RUN'. Attempted logging new value '2'."),
    ("tag-251", "POST /runs/set-tag", param(key="k" * 251), 400, INVALID, long("key", 250)),
    ("tag-dotdot", "POST /runs/set-tag", param(key=".."), 400, INVALID, resolves("..", "key", "..")),
    ("tag-nul", "POST /runs/set-tag", param(key="a\0b"), 400, INVALID, f'Invalid value "a\\u0000b" for parameter \'key\' supplied: {CHARS}'),
    ("tag-run-missing", "POST /runs/set-tag", param(run_id=NO_RUN), *RUN_GONE),
    ("tag-delete-missing", "POST /runs/delete-tag", {"run_id": "$RUN", "key": "zzz"}, 404, MISSING, "No tag with name: zzz in run with id $RUN"),
    ("batch-1001-metrics", "POST /runs/log-batch", batch(metrics=metrics(1001)), 400, INVALID, too_many("metrics", 1000, 1001)),
    ("batch-101-params", "POST /runs/log-batch", batch(params=pairs(101)), 400, INVALID, too_many("params", 100, 101)),
    ("batch-101-tags", "POST /runs/log-batch", batch(tags=pairs(101)), 400, INVALID, too_many("tags", 100, 101)),
    ("batch-1001-in-all", "POST /runs/log-batch", batch(metrics=metrics(801), params=pairs(100), tags=pairs(100)), 400, INVALID, too_many("metrics, params, and tags", 1000, 1001)),
    ("batch-metric-no-value", "POST /runs/log-batch", batch(metrics=[ONE, {"key": "x", "timestamp": 1}]), 400, INVALID, needs("metrics[1].value")),
    ("batch-metric-no-timestamp", "POST /runs/log-batch", batch(metrics=[{"key": "x", "value": 1}]), 400, INVALID, needs("metrics[0].timestamp")),
    ("batch-metric-key", "POST /runs/log-batch", batch(metrics=[ONE, {**ONE, "key": "a//b"}], params=pairs(1)), 400, INVALID, resolves("a//b", "metrics[1].name", "a/b")),
    ("batch-metric-251", "POST /runs/log-batch", batch(metrics=[{**ONE, "key": "k" * 251}]), 400, INVALID, long("Metric name", 250)),
    ("batch-metric-negative", "POST /runs/log-batch", batch(metrics=[{"key": "x", "value": 1, "timestamp": -1}]), 400, INVALID, "Invalid value -1 for parameter 'metrics[0].timestamp' supplied: metric 'x' (value=1.0). Timestamp must be a nonnegative long (64-bit integer) "),
    ("batch-param-251", "POST /runs/log-batch", batch(metrics=[ONE], params=[{"key": "k" * 251, "value": "1"}]), 400, INVALID, long("Param key", 250)),
    ("batch-param-no-key", "POST /runs/log-batch", batch(params=[{"value": "x"}]), 400, INVALID, needs("params[0].key")),
    ("batch-tag-251", "POST /runs/log-batch", batch(metrics=[ONE], tags=[{"key": "k" * 251, "value": "1"}]), 400, INVALID, long("tags[0].key", 250)),
    ("batch-tag-no-key", "POST /runs/log-batch", batch(tags=[{"value": "x"}]), 400, INVALID, needs("tags[0].key")),
    ("batch-param-twice", "POST /runs/log-batch", batch(metrics=[ONE], params=[{"key": "d", "value": "1"}, {"key": "d", "value": "1"}]), 400, INVALID, "Duplicate parameter keys have been submitted: ['d']. Please ensure the request contains only one param value per param key."),
    ("batch-param-rewrite", "POST /runs/log-batch", batch(metrics=[ONE], params=[{"key": "w", "value": "5"}], tags=pairs(1)), 400, INVALID, "Changing param values is not allowed. Params were already logged='[{'key': 'w', 'old_value': '1', 'new_value': '5'}]' for run ID='$RUN'."),
    ("batch-not-a-list", "POST /runs/log-batch", batch(metrics="x"), 400, INVALID, wrong('"x"', "metrics", "str")),
    ("batch-run-missing", "POST /runs/log-batch", batch(run_id=NO_RUN, metrics=[ONE]), *RUN_GONE),
    ("search-ids-text", "POST /runs/search", {"experiment_ids": "1"}, 400, INVALID, wrong('"1"', "experiment_ids", "str")),
    ("search-max-negative", "POST /runs/search", {"experiment_ids": ["$EXP"], "max_results": -1}, 400, INVALID, "Invalid value -1 for parameter 'max_results' supplied. It must be a positive integer"),
    ("search-max-50001", "POST /runs/search", {"experiment_ids": ["$EXP"], "max_results": 50001}, 400, INVALID, wrong("50001", "max_results", "int")),
    ("search-filter-int", "POST /runs/search", {"experiment_ids": ["$EXP"], "filter": 5}, 400, INVALID, wrong("5", "filter", "int")),
    ("search-token", "POST /runs/search", {"experiment_ids": ["$EXP"], "page_token": "zz"}, 400, INVALID, "Invalid page token, could not base64-decode"),
    ("inputs-digest-37", "POST /runs/log-inputs", {"run_id": "$RUN", "datasets": [{"dataset": {"name": "n", "digest": "d" * 37, "source_type": "t", "source": "s"}}]}, 400, INVALID, long("digest", 36)),
    ("inputs-name-501", "POST /runs/log-inputs", {"run_id": "$RUN", "datasets": [{"dataset": {"name": "n" * 501, "digest": "d", "source_type": "t", "source": "s"}}]}, 400, INVALID, long("name", 500)),
    ("inputs-tag-256", "POST /runs/log-inputs", {"run_id": "$RUN", "datasets": [{"dataset": {"name": "n", "digest": "d", "source_type": "t", "source": "s"}, "tags": [{"key": "k" * 256, "value": "v"}]}]}, 400, INVALID, long("key", 255)),
    ("inputs-run-missing", "POST /runs/log-inputs", {"run_id": NO_RUN, "datasets": []}, *RUN_GONE),
    ("outputs-run-missing", "POST /runs/outputs", {"run_id": NO_RUN, "models": [{"model_id": "m", "step": 0}]}, *RUN_GONE),
    ("log-model-json", "POST /runs/log-model", {"run_id": "$RUN", "model_json": "{"}, 400, INVALID, "Malformed model info. \n { \n is not a valid JSON."),
    ("logged-model-none", "POST /logged-models", {}, 400, INVALID, needs("experiment_id")),
    ("logged-model-in-missing", "POST /logged-models", {"experiment_id": "999"}, *EXP_GONE),
    ("logged-model-slash", "POST /logged-models", {"experiment_id": "$EXP", "name": "a/b"}, 400, INVALID, "Invalid model name ('a/b') provided. Model name must be a non-empty string and cannot contain the following characters: ('/', ':', '.', '%', '\"', \"'\")"),
    ("logged-model-missing", "DELETE /logged-models/m-nope", {}, 404, MISSING, "Logged model with ID 'm-nope' not found."),
    ("logged-search-none", "POST /logged-models/search", {}, 400, INVALID, needs("experiment_ids")),
    ("model-taken", "POST /registered-models/create", {"name": "reg"}, 400, "RESOURCE_ALREADY_EXISTS", "Registered Model (name=reg) already exists."),
    ("model-empty", "POST /registered-models/create", {"name": ""}, 400, INVALID, needs("name")),
    ("model-int", "POST /registered-models/create", {"name": 5}, 400, INVALID, wrong("5", "name", "int")),
    ("model-slash", "POST /registered-models/create", {"name": "a/b"}, 400, INVALID, "Invalid model name 'a/b'. Names cannot contain '/' or ':'."),
    ("model-colon", "POST /registered-models/create", {"name": "a:b"}, 400, INVALID, "Invalid model name 'a:b'. Names cannot contain '/' or ':'."),
    ("model-dotdot", "POST /registered-models/create", {"name": ".."}, 400, INVALID, resolves("..", "name", "..")),
    ("model-tag-251", "POST /registered-models/create", {"name": "t", "tags": [{"key": "k" * 251, "value": "v"}]}, 400, INVALID, long("key", 250)),
    ("model-tag-100001", "POST /registered-models/set-tag", {"name": "reg", "key": "k", "value": "v" * 100001}, 400, INVALID, long("value", 100000)),
    ("model-tag-missing", "POST /registered-models/set-tag", {"name": "nope", "key": "k", "value": "v"}, *NO_MODEL),
    ("model-rename-slash", "POST /registered-models/rename", {"name": "reg", "new_name": "a/b"}, 400, INVALID, "Invalid model name 'a/b'. Names cannot contain '/' or ':'."),
    ("model-update-missing", "PATCH /registered-models/update", {"name": "nope", "description": "x"}, *NO_MODEL),
    ("model-delete-missing", "DELETE /registered-models/delete", {"name": "nope"}, *NO_MODEL),
    ("version-no-source", "POST /model-versions/create", {"name": "reg"}, 400, INVALID, needs("source")),
    ("version-not-owned", "POST /model-versions/create", {"name": "reg", "source": "$SRC"}, 400, INVALID, "Invalid model version source: '$SRC'. The run_id request parameter must identify the resource that contains the source."),
    ("version-run-missing", "POST /model-versions/create", {"name": "reg", "source": "$SRC", "run_id": NO_RUN}, 400, INVALID, "Invalid model version source: '$SRC'. The run_id request parameter must identify the resource that contains the source."),
    ("version-stage", "POST /model-versions/transition-stage", {"name": "reg", "version": "1", "stage": "Foo"}, 400, INVALID, "Invalid Model Version stage: Foo. Value must be one of None, Staging, Production, Archived."),
    ("version-stage-missing", "POST /model-versions/transition-stage", {"name": "reg", "version": "99", "stage": "Staging"}, *NO_VERSION),
    ("version-stage-text", "POST /model-versions/transition-stage", {"name": "reg", "version": "x", "stage": "Staging"}, *NOT_INT),
    ("version-archive-text", "POST /model-versions/transition-stage", {"name": "reg", "version": "1", "stage": "Staging", "archive_existing_versions": "yes"}, 400, INVALID, wrong('"yes"', "archive_existing_versions", "str")),
    ("version-tag-251", "POST /model-versions/set-tag", {"name": "reg", "version": "1", "key": "k" * 251, "value": "v"}, 400, INVALID, long("key", 250)),
    ("version-tag-text", "POST /model-versions/set-tag", {"name": "reg", "version": "x", "key": "k", "value": "v"}, *NOT_INT),
    ("version-update-missing", "PATCH /model-versions/update", {"name": "reg", "version": "99", "description": "x"}, *NO_VERSION),
    ("version-delete-missing", "DELETE /model-versions/delete", {"name": "reg", "version": "99"}, *NO_VERSION),
    ("alias-slash", "POST /registered-models/alias", {"name": "reg", "alias": "a/b", "version": "1"}, 400, INVALID, "Invalid alias name: 'a/b'. Names may only contain alphanumerics, underscores (_), and dashes (-)."),
    ("alias-nul", "POST /registered-models/alias", {"name": "reg", "alias": "a\0b", "version": "1"}, 400, INVALID, "Invalid alias name: 'a\0b'. Names may only contain alphanumerics, underscores (_), and dashes (-)."),
    ("alias-latest", "POST /registered-models/alias", {"name": "reg", "alias": "LATEST", "version": "1"}, 400, INVALID, "'latest' alias name (case insensitive) is reserved."),
    ("alias-version", "POST /registered-models/alias", {"name": "reg", "alias": "V12", "version": "1"}, 400, INVALID, "Version alias name 'V12' is reserved."),
    ("alias-256", "POST /registered-models/alias", {"name": "reg", "alias": "a" * 256, "version": "1"}, 400, INVALID, long("Registered model alias name", 255)),
    ("alias-version-missing", "POST /registered-models/alias", {"name": "reg", "alias": "q", "version": "99"}, *NO_VERSION),
]  # fmt: skip

# GET: the body is the query string.
READS = [
    ("experiment-none", "/experiments/get", {}, 400, INVALID, needs("experiment_id")),
    ("experiment-path", "/experiments/get", {"experiment_id": "../x"}, 400, INVALID, "Invalid experiment ID '../x'. Experiment ID must be a valid integer."),
    ("experiment-by-name", "/experiments/get-by-name", {"experiment_name": "zz"}, 404, MISSING, "Could not find experiment with name 'zz'"),
    ("run-path", "/runs/get", {"run_id": "../x"}, 404, MISSING, "Run with id=../x not found"),
    ("history-no-key", "/metrics/get-history", {"run_id": "$RUN"}, 400, INVALID, needs("metric_key")),
    ("history-max-0", "/metrics/get-history", {"run_id": "$RUN", "metric_key": "m", "max_results": "0"}, 400, INVALID, "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer."),
    ("interval-2501", "/metrics/get-history-bulk-interval", {"run_ids": "$RUN", "metric_key": "m", "max_results": "2501"}, 400, INVALID, f"max_results must be between 1 and 2500. {SEE}"),
    ("interval-backwards", "/metrics/get-history-bulk-interval", {"run_ids": "$RUN", "metric_key": "m", "start_step": "5", "end_step": "1"}, 400, INVALID, "end_step must be greater than start_step. Found start_step=5 and end_step=1."),
    ("files-up", "/artifacts/list", {"run_id": "$RUN", "path": "../x"}, 400, INVALID, "Invalid path"),
    ("files-run-missing", "/artifacts/list", {"run_id": NO_RUN}, *RUN_GONE),
    ("model-missing", "/registered-models/get", {"name": "nope"}, *NO_MODEL),
    ("model-search-1001", "/registered-models/search", {"max_results": "1001"}, 400, INVALID, wrong('"1001"', "max_results", "str")),
    ("version-missing", "/model-versions/get", {"name": "reg", "version": "99"}, *NO_VERSION),
    ("version-text", "/model-versions/get", {"name": "reg", "version": "x"}, *NOT_INT),
    ("alias-missing", "/registered-models/alias", {"name": "reg", "alias": "zz"}, 400, INVALID, "Registered model alias zz not found."),
]  # fmt: skip


def check(world, answer, status, code, message):
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"].startswith("application/json")
    body = answer.json()
    assert body["error_code"] == code
    assert body["message"] == world.fill(message)


@pytest.mark.parametrize(("where", "body", "status", "code", "message"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_refused(world, where, body, status, code, message):
    verb, path = where.split(" ")
    before = world.state()
    answer = requests.request(verb, world.url + API + path, json=world.fill(body))
    check(world, answer, status, code, message)
    assert world.state() == before


@pytest.mark.parametrize(("path", "query", "status", "code", "message"), [c[1:] for c in READS], ids=[c[0] for c in READS])
def test_read_refused(world, path, query, status, code, message):
    check(world, requests.get(world.url + API + path, params=world.fill(query)), status, code, message)


@pytest.mark.parametrize(
    ("source", "start"),
    [
        ("/etc/passwd", "Invalid model version source: '/etc/passwd'. To use a local path as a model version source"),
        ("file:///etc", "Invalid model version source: '/etc'. To use a local path as a model version source"),
        ("$SRC/../../..", "Invalid model version source: '$SRC/../../..'. If supplying a source as an http, https, local"),
        ("$SRC/%2e%2e/%2e%2e", "Invalid model version source: '$SRC/%2e%2e/%2e%2e'. If supplying a source as an http, https, local"),
        ("s3://b/\0x", "Invalid model version source: 's3://b/\0x'. If supplying a source as an http, https, local"),
        ("http://example.invalid/x", "'source' cannot use the 'http' scheme"),
    ],
)
def test_version_source_refused(world, source, start):
    before = world.state()
    body = {"name": "reg", "source": world.fill(source), "run_id": world.run}
    answer = requests.post(f"{world.url}{API}/model-versions/create", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, INVALID)
    assert answer.json()["message"].startswith(world.fill(start))
    assert world.state() == before


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["%2e%2e/%2e%2e/x", "%252e%252e/x", "..%2f..%2fx", "a/%2e%2e/%2e%2e/%2e%2e/%2e%2e/x"])
def test_artifact_path_refused(world, verb, path):
    before = world.state()
    request = requests.Request(verb, world.url, data=b"x" if verb == "PUT" else None).prepare()
    request.url = f"{world.url}{FILES}/{world.root}/{path}"  # as it is: requests would tidy it up
    with requests.Session() as session:
        answer = session.send(request)
    check(world, answer, 400, INVALID, "Invalid path")
    assert world.state() == before


def test_artifact_missing(world):
    answer = requests.get(f"{world.url}{FILES}/{world.root}/never")
    check(world, answer, 404, MISSING, "No such artifact: '$ROOT/never'")
    assert requests.get(f"{world.url}{FILES}/{world.root}/model").status_code == 400
    assert requests.put(f"{world.url}{FILES}/{world.root}/z/", data=b"x").status_code == 400


def test_protocol(world):
    create = f"{world.url}{API}/experiments/create"
    before = world.state()
    check(world, requests.post(create, data='{"name":"a"}'), 400, INVALID, "Bad Request. Content-Type header is missing.")
    text = requests.post(create, data='{"name":"a"}', headers={"Content-Type": "text/plain"})
    check(world, text, 400, INVALID, "Bad Request. Content-Type must be one of ['application/json'].")
    for body in ("", "null", "{", b'{"name":"\xff\xfe"}'):
        answer = requests.post(create, data=body, headers={"Content-Type": "application/json"})
        check(world, answer, 400, INVALID, needs("name"))
    assert requests.get(create).status_code == 405
    assert requests.get(f"{world.url}{API}/never").status_code == 404
    host = requests.post(create, json={"name": "a"}, headers={"Host": "evil.example"})
    assert host.status_code == 403
    origin = requests.post(create, json={"name": "a"}, headers={"Origin": "http://evil.example"})
    assert origin.status_code == 403
    assert world.state() == before


def test_accepted_oddities(world):
    """Not bad input for MLflow: numbers as text, text of text, unknown fields, NaN and infinities."""
    run = world.ok("/runs/create", {"experiment_id": world.exp, "start_time": "77", "unknown": [1]})["run"]["info"]
    assert run["start_time"] == 77
    for key, value in {"a": "NaN", "b": "Infinity", "c": "-Infinity", "d": "1.5"}.items():
        world.ok("/runs/log-metric", {"run_id": run["run_id"], "key": key, "value": value, "timestamp": "12", "step": "-4"})
    data = requests.get(f"{world.url}{API}/runs/get", params={"run_id": run["run_id"]}).json()["run"]["data"]
    largest = 1.7976931348623157e308
    assert {m["key"]: m["value"] for m in data["metrics"]} == {"a": "NaN", "b": largest, "c": -largest, "d": 1.5}
    assert {(m["timestamp"], m["step"]) for m in data["metrics"]} == {(12, -4)}
    for name in ("a/b", "..", "🧬é", "x" * 500):
        made = world.ok("/experiments/create", {"name": name})["experiment_id"]
        got = requests.get(f"{world.url}{API}/experiments/get", params={"experiment_id": made}).json()
        assert got["experiment"]["name"] == name
    twice = requests.post(f"{world.url}{API}/experiments/create", json='{"name": "text of text"}')
    assert twice.status_code == 200
