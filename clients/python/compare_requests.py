"""The requests that test_compare.py sends to MLflow's own server and to Runstone.

GOOD is a story: each request may use what earlier answers gave ($RUN and the
like, taken from an answer by `keep`). BAD follows it and changes nothing that
a later request sees. DIFFERENT names those that are answered otherwise on
purpose, with the reason; docs/MLFLOW.md has the reasons at length.
"""

from typing import NamedTuple

NO_RUN = "0" * 32
NO_MODEL = "m-" + "0" * 32


class Ask(NamedTuple):
    label: str
    method: str
    path: str  # below /api/2.0/mlflow, or absolute with //
    body: object = None  # of GET and HEAD: the query
    keep: dict = {}  # name → path in the answer
    headers: dict = {}


def post(label, path, body, **keep):
    return Ask(label, "POST", path, body, keep)


def get(label, path, query=None, **keep):
    return Ask(label, "GET", path, query, keep)


def model(number, **more):
    return {"experiment_id": "$EXP", "name": f"net{number}", "source_run_id": "$RUN", **more}


FILES = "//api/2.0/mlflow-artifacts/artifacts"
ROOT = "$EXP/$RUN/artifacts"
DATASET = {"name": "d", "digest": "1a", "source_type": "local", "source": "{\"uri\": \"x\"}", "schema": "{}", "profile": "{}"}
TAG = {"key": "k", "value": "v"}

GOOD = [
    get("health", "//health"),
    get("version of the server", "//version"),
    get("default experiment", "/experiments/get", {"experiment_id": "0"}),
    post("experiment", "/experiments/create", {"name": "one", "tags": [TAG]}, EXP="experiment_id"),
    post("second experiment", "/experiments/create", {"name": "two"}, EXP2="experiment_id"),
    get("experiment by id", "/experiments/get", {"experiment_id": "$EXP"}),
    get("experiment by name", "/experiments/get-by-name", {"experiment_name": "one"}),
    get("experiment by ajax", "//ajax-api/2.0/mlflow/experiments/get", {"experiment_id": "$EXP"}),
    post("rename experiment", "/experiments/update", {"experiment_id": "$EXP2", "new_name": "deux"}),
    post("tag experiment", "/experiments/set-experiment-tag", {"experiment_id": "$EXP", "key": "a/b", "value": "x" * 300}),
    post("untag experiment", "/experiments/delete-experiment-tag", {"experiment_id": "$EXP", "key": "k"}),
    post("experiments", "/experiments/search", {"max_results": 10, "order_by": ["name ASC"]}),
    post("experiments, one", "/experiments/search", {"max_results": 1, "order_by": ["name DESC"]}, PAGE="next_page_token"),
    post("experiments, the next", "/experiments/search", {"max_results": 1, "order_by": ["name DESC"], "page_token": "$PAGE"}),
    get("experiments by GET", "/experiments/search", [("max_results", 10), ("filter", "tags.`a/b` LIKE 'x%'")]),
    post("delete experiment", "/experiments/delete", {"experiment_id": "$EXP2"}),
    post("deleted experiments", "/experiments/search", {"max_results": 10, "view_type": "DELETED_ONLY"}),
    post("restore experiment", "/experiments/restore", {"experiment_id": "$EXP2"}),
    post("run", "/runs/create", {"experiment_id": "$EXP", "user_id": "ann", "run_name": "r1", "start_time": 1000, "tags": [TAG]}, RUN="run.info.run_id"),
    post("run of numbers as text", "/runs/create", {"experiment_id": "$EXP", "start_time": "2000", "run_name": "r2"}, RUN2="run.info.run_id"),
    post("run without a name", "/runs/create", {"experiment_id": "$EXP2", "start_time": 3000}, RUN3="run.info.run_id"),
    get("run by id", "/runs/get", {"run_id": "$RUN"}),
    get("run by uuid", "/runs/get", {"run_uuid": "$RUN"}),
    post("metric", "/runs/log-metric", {"run_id": "$RUN", "key": "m", "value": 0.5, "timestamp": 10, "step": 1}),
    post("metric of an earlier step", "/runs/log-metric", {"run_id": "$RUN", "key": "m", "value": 0.75, "timestamp": 20, "step": -1}),
    post("metric, the same again", "/runs/log-metric", {"run_id": "$RUN", "key": "m", "value": 0.5, "timestamp": 10, "step": 1}),
    post("metric NaN", "/runs/log-metric", {"run_id": "$RUN", "key": "nan", "value": "NaN", "timestamp": 1}),
    post("metric infinity", "/runs/log-metric", {"run_id": "$RUN", "key": "inf", "value": "-Infinity", "timestamp": 1}),
    post("metric of a run_uuid", "/runs/log-metric", {"run_uuid": "$RUN", "key": "u", "value": 1, "timestamp": "5"}),
    post("param", "/runs/log-parameter", {"run_id": "$RUN", "key": "p", "value": "1"}),
    post("param, the same again", "/runs/log-parameter", {"run_id": "$RUN", "key": "p", "value": "1"}),
    post("param, empty", "/runs/log-parameter", {"run_id": "$RUN", "key": "e", "value": ""}),
    post("batch", "/runs/log-batch", {"run_id": "$RUN", "metrics": [{"key": "b", "value": i / 4, "timestamp": i, "step": i} for i in range(8)], "params": [{"key": "q", "value": "2"}], "tags": [{"key": "t", "value": "1"}, {"key": "t", "value": "2"}]}),
    post("batch, empty", "/runs/log-batch", {"run_id": "$RUN"}),
    post("tag", "/runs/set-tag", {"run_id": "$RUN", "key": "x", "value": "é🧬"}),
    post("tag by uuid", "/runs/set-tag", {"run_uuid": "$RUN", "key": "y", "value": ""}),
    post("untag", "/runs/delete-tag", {"run_id": "$RUN", "key": "k"}),
    post("inputs", "/runs/log-inputs", {"run_id": "$RUN", "datasets": [{"dataset": DATASET, "tags": [{"key": "mlflow.data.context", "value": "train"}]}]}),
    post("inputs again", "/runs/log-inputs", {"run_id": "$RUN", "datasets": [{"dataset": DATASET, "tags": [{"key": "mlflow.data.context", "value": "eval"}]}]}),
    post("datasets", "//ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": ["$EXP"]}),
    get("run with all", "/runs/get", {"run_id": "$RUN"}),
    post("rename run", "/runs/update", {"run_id": "$RUN2", "run_name": "r2b"}),
    post("end run", "/runs/update", {"run_id": "$RUN2", "status": "FINISHED", "end_time": 9000}),
    post("runs", "/runs/search", {"experiment_ids": ["$EXP", "$EXP2"]}),
    post("runs, filtered", "/runs/search", {"experiment_ids": ["$EXP"], "filter": "metrics.b > 1 AND params.q = '2' AND tags.t = '2'", "run_view_type": "ACTIVE_ONLY"}),
    post("runs, ordered", "/runs/search", {"experiment_ids": ["$EXP"], "order_by": ["metrics.m DESC", "attributes.start_time ASC"], "max_results": 1}, RUNS="next_page_token"),
    post("runs, the next", "/runs/search", {"experiment_ids": ["$EXP"], "order_by": ["metrics.m DESC", "attributes.start_time ASC"], "max_results": 1, "page_token": "$RUNS"}),
    post("runs of nowhere", "/runs/search", {"experiment_ids": ["424242"]}),
    post("runs of no experiments", "/runs/search", {}),
    post("runs by dataset", "/runs/search", {"experiment_ids": ["$EXP"], "filter": "dataset.digest = '1a'"}),
    get("history", "/metrics/get-history", {"run_id": "$RUN", "metric_key": "m"}),
    get("history, a page", "/metrics/get-history", {"run_id": "$RUN", "metric_key": "b", "max_results": 5}, HISTORY="next_page_token"),
    get("history, the next page", "/metrics/get-history", {"run_id": "$RUN", "metric_key": "b", "max_results": 5, "page_token": "$HISTORY"}),
    get("history of NaN", "/metrics/get-history", {"run_id": "$RUN", "metric_key": "nan"}),
    get("history of what was never logged", "/metrics/get-history", {"run_id": "$RUN", "metric_key": "never"}),
    get("interval", "/metrics/get-history-bulk-interval", [("run_ids", "$RUN"), ("run_ids", "$RUN2"), ("metric_key", "b"), ("max_results", 3)]),
    get("interval of steps", "/metrics/get-history-bulk-interval", [("run_ids", "$RUN"), ("metric_key", "b"), ("start_step", 2), ("end_step", 4)]),
    get("bulk", "//ajax-api/2.0/mlflow/metrics/get-history-bulk", [("run_id", "$RUN"), ("run_id", "$RUN2"), ("metric_key", "b")]),
    post("delete run", "/runs/delete", {"run_id": "$RUN2"}),
    post("runs, deleted", "/runs/search", {"experiment_ids": ["$EXP"], "run_view_type": "DELETED_ONLY"}),
    post("restore run", "/runs/restore", {"run_id": "$RUN2"}),
    Ask("put file", "PUT", f"{FILES}/{ROOT}/model/MLmodel", b"flavors: {}\n"),
    Ask("put odd name", "PUT", f"{FILES}/{ROOT}/a%20b%2B%C3%BC.txt", b"odd"),
    get("get file", f"{FILES}/{ROOT}/model/MLmodel"),
    Ask("head of a file", "HEAD", f"{FILES}/{ROOT}/model/MLmodel"),
    get("list files", FILES, {"path": ROOT}),
    get("list nothing", FILES, {"path": f"{ROOT}/never"}),
    get("artifacts", "/artifacts/list", {"run_id": "$RUN"}),
    get("artifacts of a folder", "/artifacts/list", {"run_id": "$RUN", "path": "model"}),
    get("get-artifact", "//get-artifact", {"run_id": "$RUN", "path": "model/MLmodel"}),
    Ask("upload", "POST", "//ajax-api/2.0/mlflow/upload-artifact?run_uuid=$RUN&path=up.txt", b"up"),
    Ask("delete file", "DELETE", f"{FILES}/{ROOT}/a%20b%2B%C3%BC.txt"),
    post("logged model", "/logged-models", model(1, model_type="mlp", params=[{"key": "d", "value": "3"}], tags=[TAG]), MODEL="model.info.model_id"),
    post("logged model, other", "/logged-models", model(2), MODEL2="model.info.model_id"),
    get("get logged model", "/logged-models/$MODEL"),
    Ask("tag logged model", "PATCH", "/logged-models/$MODEL/tags", {"tags": [{"key": "z", "value": "1"}]}),
    Ask("untag logged model", "DELETE", "/logged-models/$MODEL/tags/k"),
    post("params of a logged model", "/logged-models/$MODEL/params", {"model_id": "$MODEL", "params": [{"key": "w", "value": "4"}]}),
    post("metric of a logged model", "/runs/log-metric", {"run_id": "$RUN", "key": "acc", "value": 0.9, "timestamp": 1, "step": 1, "model_id": "$MODEL", "dataset_name": "d", "dataset_digest": "1a"}),
    Ask("finalize", "PATCH", "/logged-models/$MODEL", {"model_id": "$MODEL", "status": "LOGGED_MODEL_READY"}),
    post("outputs", "/runs/outputs", {"run_id": "$RUN", "models": [{"model_id": "$MODEL", "step": 3}]}),
    post("logged models", "/logged-models/search", {"experiment_ids": ["$EXP"], "order_by": [{"field_name": "name"}]}),
    post("logged models, filtered", "/logged-models/search", {"experiment_ids": ["$EXP"], "filter": "metrics.acc > 0.5 AND params.d = '3'"}),
    get("files of a logged model", "/logged-models/$MODEL/artifacts/directories"),
    Ask("delete logged model", "DELETE", "/logged-models/$MODEL2"),
    get("deleted logged model", "/logged-models/$MODEL2", {"allow_deleted": "true"}),
    post("registered model", "/registered-models/create", {"name": "reg", "description": "about", "tags": [TAG]}),
    post("registered model, other", "/registered-models/create", {"name": "other"}),
    post("version", "/model-versions/create", {"name": "reg", "source": f"mlflow-artifacts:/{ROOT}/model", "run_id": "$RUN", "tags": [TAG]}),
    post("version of a logged model", "/model-versions/create", {"name": "reg", "source": "models:/$MODEL", "model_id": "$MODEL"}),
    get("version get", "/model-versions/get", {"name": "reg", "version": "1"}),
    get("version of a logged model, get", "/model-versions/get", {"name": "reg", "version": "2"}),
    get("linked logged model", "/logged-models/$MODEL"),
    get("download uri", "/model-versions/get-download-uri", {"name": "reg", "version": "1"}),
    get("download uri of a logged model", "/model-versions/get-download-uri", {"name": "reg", "version": "2"}),
    Ask("describe version", "PATCH", "/model-versions/update", {"name": "reg", "version": "1", "description": "words"}),
    post("stage", "/model-versions/transition-stage", {"name": "reg", "version": "1", "stage": "staging"}),
    post("stage, archiving", "/model-versions/transition-stage", {"name": "reg", "version": "2", "stage": "Staging", "archive_existing_versions": True}),
    post("tag version", "/model-versions/set-tag", {"name": "reg", "version": "1", "key": "t", "value": "1"}),
    Ask("untag version", "DELETE", "/model-versions/delete-tag", {"name": "reg", "version": "1", "key": "k"}),
    post("tag registered model", "/registered-models/set-tag", {"name": "reg", "key": "t", "value": "1"}),
    Ask("untag registered model", "DELETE", "/registered-models/delete-tag", {"name": "reg", "key": "k"}),
    post("alias", "/registered-models/alias", {"name": "reg", "alias": "best", "version": "1"}),
    get("by alias", "/registered-models/alias", {"name": "reg", "alias": "best"}),
    get("registered model get", "/registered-models/get", {"name": "reg"}),
    get("latest", "/registered-models/get-latest-versions", {"name": "reg"}),
    post("latest of stages", "/registered-models/get-latest-versions", {"name": "reg", "stages": ["Staging", "Archived"]}),
    get("registered models", "/registered-models/search", {"max_results": 1, "order_by": "name DESC"}, MODELS="next_page_token"),
    get("registered models, the next", "/registered-models/search", {"max_results": 1, "order_by": "name DESC", "page_token": "$MODELS"}),
    get("versions", "/model-versions/search", {"filter": "name = 'reg'", "order_by": "version_number ASC"}),
    get("versions by run", "/model-versions/search", {"filter": "run_id = '$RUN' AND tags.t = '1'"}),
    Ask("unalias", "DELETE", "/registered-models/alias", {"name": "reg", "alias": "best"}),
    Ask("describe registered model", "PATCH", "/registered-models/update", {"name": "reg", "description": "more"}),
    post("rename registered model", "/registered-models/rename", {"name": "other", "new_name": "another"}),
    Ask("delete version", "DELETE", "/model-versions/delete", {"name": "reg", "version": "2"}),
    Ask("delete registered model", "DELETE", "/registered-models/delete", {"name": "another"}),
    post("model of 2.x", "/runs/log-model", {"run_id": "$RUN3", "model_json": "{\"artifact_path\": \"model\", \"flavors\": {\"f\": {}}, \"utc_time_created\": \"2026-01-01 00:00:00.0\", \"run_id\": \"$RUN3\"}"}),
    get("run with a model of 2.x", "/runs/get", {"run_id": "$RUN3"}),
]  # fmt: skip

# Each route with what it requires, right; from these come the bad requests below.
REQUIRED = [
    ("POST", "/experiments/create", {"name": "one"}),
    ("GET", "/experiments/get", {"experiment_id": "999"}),
    ("GET", "/experiments/get-by-name", {"experiment_name": "nope"}),
    ("POST", "/experiments/delete", {"experiment_id": "999"}),
    ("POST", "/experiments/restore", {"experiment_id": "999"}),
    ("POST", "/experiments/update", {"experiment_id": "999", "new_name": "n"}),
    ("POST", "/experiments/set-experiment-tag", {"experiment_id": "999", "key": "k", "value": "v"}),
    ("POST", "/experiments/delete-experiment-tag", {"experiment_id": "999", "key": "k"}),
    ("GET", "/runs/get", {"run_id": NO_RUN}),
    ("POST", "/runs/create", {"experiment_id": "999"}),
    ("POST", "/runs/update", {"run_id": NO_RUN, "status": "FAILED"}),
    ("POST", "/runs/delete", {"run_id": NO_RUN}),
    ("POST", "/runs/restore", {"run_id": NO_RUN}),
    ("POST", "/runs/log-metric", {"run_id": NO_RUN, "key": "k", "value": 1, "timestamp": 1}),
    ("POST", "/runs/log-parameter", {"run_id": NO_RUN, "key": "k", "value": "v"}),
    ("POST", "/runs/log-batch", {"run_id": NO_RUN}),
    ("POST", "/runs/set-tag", {"run_id": NO_RUN, "key": "k", "value": "v"}),
    ("POST", "/runs/delete-tag", {"run_id": NO_RUN, "key": "k"}),
    ("POST", "/runs/log-model", {"run_id": NO_RUN, "model_json": "{}"}),
    ("POST", "/runs/log-inputs", {"run_id": NO_RUN}),
    ("POST", "/runs/outputs", {"run_id": NO_RUN, "models": []}),
    ("GET", "/metrics/get-history", {"run_id": NO_RUN, "metric_key": "m"}),
    ("GET", "/metrics/get-history-bulk-interval", {"run_ids": NO_RUN, "metric_key": "m"}),
    ("GET", "/artifacts/list", {"run_id": NO_RUN}),
    ("POST", "/logged-models", {"experiment_id": "999"}),
    ("POST", "/logged-models/search", {"experiment_ids": ["999"]}),
    ("GET", "/registered-models/get", {"name": "nope"}),
    ("POST", "/registered-models/create", {"name": "reg"}),
    ("POST", "/registered-models/rename", {"name": "nope", "new_name": "n"}),
    ("PATCH", "/registered-models/update", {"name": "nope", "description": "d"}),
    ("DELETE", "/registered-models/delete", {"name": "nope"}),
    ("POST", "/registered-models/set-tag", {"name": "nope", "key": "k", "value": "v"}),
    ("DELETE", "/registered-models/delete-tag", {"name": "nope", "key": "k"}),
    ("POST", "/registered-models/alias", {"name": "nope", "alias": "a", "version": "1"}),
    ("GET", "/registered-models/alias", {"name": "nope", "alias": "a"}),
    ("DELETE", "/registered-models/alias", {"name": "nope", "alias": "a"}),
    ("POST", "/registered-models/get-latest-versions", {"name": "nope"}),
    ("POST", "/model-versions/create", {"name": "nope", "source": "models:/$MODEL"}),
    ("GET", "/model-versions/get", {"name": "reg", "version": "99"}),
    ("PATCH", "/model-versions/update", {"name": "reg", "version": "99", "description": "d"}),
    ("DELETE", "/model-versions/delete", {"name": "reg", "version": "99"}),
    ("GET", "/model-versions/get-download-uri", {"name": "reg", "version": "99"}),
    ("POST", "/model-versions/transition-stage", {"name": "reg", "version": "99", "stage": "Production"}),
    ("POST", "/model-versions/set-tag", {"name": "reg", "version": "99", "key": "k", "value": "v"}),
    ("DELETE", "/model-versions/delete-tag", {"name": "reg", "version": "99", "key": "k"}),
]  # fmt: skip


def spoiled():
    """What there is not; nothing at all; each required field left out; each of another type."""
    for method, path, body in REQUIRED:
        where = f"{method} {path}"
        yield Ask(f"{where} missing", method, path, body)
        yield Ask(f"{where} empty", method, path, {})
        for name in body:
            if len(body) > 1:
                yield Ask(f"{where} without {name}", method, path, {k: v for k, v in body.items() if k != name})
            if method != "GET" and name != "models":
                yield Ask(f"{where} {name} of another type", method, path, {**body, name: {"a": 1}})


def presigned():
    """URLs of object stores, which neither server has."""
    up, down = "/artifacts/presigned-upload-url", "/artifacts/presigned-download-url"
    yield post("presigned upload", up, {"run_id": "$RUN", "path": "a/x"})
    yield post("presigned upload of a logged model", up, {"model_id": "$MODEL", "path": "x", "expiration": 60})
    yield post("presigned upload of both", up, {"run_id": "$RUN", "model_id": "$MODEL", "path": "x"})
    yield post("presigned upload of neither", up, {"path": "x"})
    yield post("presigned upload without a path", up, {"run_id": "$RUN"})
    yield post("presigned upload up", up, {"run_id": "$RUN", "path": "../x"})
    yield post("presigned upload of no run", up, {"run_id": NO_RUN, "path": "x"})
    yield post("presigned upload of no logged model", up, {"model_id": NO_MODEL, "path": "x"})
    yield post("presigned upload, expiration", up, {"run_id": "$RUN", "path": "x", "expiration": "soon"})
    yield post("presigned download", down, {"run_id": "$RUN", "path": "a/x"})
    yield post("presigned download, expiration", down, {"run_id": "$RUN", "path": "x", "expiration": 604801})
    yield post("presigned download, no time", down, {"run_id": "$RUN", "path": "x", "expiration": 0})
    yield post("presigned download without a path", down, {"run_id": "$RUN"})
    yield post("presigned download without a run", down, {"path": "x"})
    yield post("presigned download, absolute", down, {"run_id": "$RUN", "path": "/etc/passwd"})
    yield post("presigned download of no run", down, {"run_id": NO_RUN, "path": "x"})


# To servers whose clients write to a folder by themselves: --no-serve-artifacts and
# --default-artifact-root.
ROOTED = [
    get("default experiment", "/experiments/get", {"experiment_id": "0"}),
    post("experiment", "/experiments/create", {"name": "one"}, EXP="experiment_id"),
    get("experiment by id", "/experiments/get", {"experiment_id": "$EXP"}),
    post("run", "/runs/create", {"experiment_id": "$EXP", "start_time": 1000, "run_name": "r"}, RUN="run.info.run_id", URI="run.info.artifact_uri"),
    get("artifacts, none", "/artifacts/list", {"run_id": "$RUN"}),
    Ask("upload", "POST", "//ajax-api/2.0/mlflow/upload-artifact?run_uuid=$RUN&path=m/x.txt", b"text", {}, {"Content-Type": "text/plain"}),
    get("artifacts", "/artifacts/list", {"run_id": "$RUN"}),
    get("artifacts of a folder", "/artifacts/list", {"run_id": "$RUN", "path": "m"}),
    get("artifacts, up", "/artifacts/list", {"run_id": "$RUN", "path": "../x"}),
    get("get-artifact", "//get-artifact", {"run_id": "$RUN", "path": "m/x.txt"}),
    get("get-artifact up", "//get-artifact", {"run_id": "$RUN", "path": "../x"}),
    post("logged model", "/logged-models", {"experiment_id": "$EXP", "name": "lm", "source_run_id": "$RUN"}, MODEL="model.info.model_id"),
    get("files of a logged model, none", "/logged-models/$MODEL/artifacts/directories"),
    post("registered model", "/registered-models/create", {"name": "reg"}),
    post("version", "/model-versions/create", {"name": "reg", "source": "$URI/m", "run_id": "$RUN"}),
    post("version by run", "/model-versions/create", {"name": "reg", "source": "runs:/$RUN/m", "run_id": "$RUN"}),
    post("version by logged model", "/model-versions/create", {"name": "reg", "source": "models:/$MODEL", "model_id": "$MODEL"}),
    post("version of the root", "/model-versions/create", {"name": "reg", "source": "$URI", "run_id": "$RUN"}),
    post("version without a run", "/model-versions/create", {"name": "reg", "source": "$URI/m"}),
    post("version of elsewhere", "/model-versions/create", {"name": "reg", "source": "/etc", "run_id": "$RUN"}),
    get("place of a version", "/model-versions/get-download-uri", {"name": "reg", "version": "1"}),
    get("place of a version by run", "/model-versions/get-download-uri", {"name": "reg", "version": "2"}),
    get("place of a version by logged model", "/model-versions/get-download-uri", {"name": "reg", "version": "3"}),
    get("file of a version", "//model-versions/get-artifact", {"name": "reg", "version": "1", "path": "x.txt"}),
    get("file by proxy", f"{FILES}/{ROOT}/m/x.txt"),
    get("files by proxy", FILES, {"path": ROOT}),
    Ask("file by proxy, put", "PUT", f"{FILES}/{ROOT}/y", b"y"),
    post("runs of a place", "/runs/search", {"experiment_ids": ["$EXP"], "filter": "attributes.artifact_uri = '$URI'"}),
    *presigned(),
    get("server-info", "//api/3.0/mlflow/server-info"),
]

BAD = [
    *spoiled(),
    get("logged model missing", f"/logged-models/{NO_MODEL}"),
    Ask("logged model missing, finalize", "PATCH", f"/logged-models/{NO_MODEL}", {"model_id": NO_MODEL, "status": "LOGGED_MODEL_READY"}),
    Ask("logged model missing, delete", "DELETE", f"/logged-models/{NO_MODEL}"),
    Ask("logged model missing, tags", "PATCH", f"/logged-models/{NO_MODEL}/tags", {"tags": [TAG]}),
    Ask("logged model, no such tag", "DELETE", "/logged-models/$MODEL/tags/never"),
    post("logged model missing, params", f"/logged-models/{NO_MODEL}/params", {"model_id": NO_MODEL, "params": [TAG]}),
    post("params without the id in the body", "/logged-models/$MODEL/params", {"params": [{"key": "w", "value": "4"}]}),
    get("deleted logged model, hidden", "/logged-models/$MODEL2"),
    post("param of another value", "/runs/log-parameter", {"run_id": "$RUN", "key": "p", "value": "2"}),
    post("metric key with dots", "/runs/log-metric", {"run_id": "$RUN", "key": "../x", "value": 1, "timestamp": 1}),
    post("metric before 1970", "/runs/log-metric", {"run_id": "$RUN", "key": "m", "value": 1, "timestamp": -1}),
    post("filter unfinished", "/runs/search", {"experiment_ids": ["$EXP"], "filter": "metrics.m >"}),
    post("filter of an unknown entity", "/runs/search", {"experiment_ids": ["$EXP"], "filter": "nothing.m > 1"}),
    post("order by what there is not", "/runs/search", {"experiment_ids": ["$EXP"], "order_by": ["attributes.nope"]}),
    post("view of runs", "/runs/search", {"experiment_ids": ["$EXP"], "run_view_type": "SOME"}),
    post("too many results", "/runs/search", {"experiment_ids": ["$EXP"], "max_results": 50001}),
    post("experiments, no max_results", "/experiments/search", {}),
    post("stage of no name", "/model-versions/transition-stage", {"name": "reg", "version": "1", "stage": "Nope"}),
    post("alias latest", "/registered-models/alias", {"name": "reg", "alias": "latest", "version": "1"}),
    get("registered models, filter", "/registered-models/search", {"filter": "name > 'a'"}),
    get("versions, filter", "/model-versions/search", {"filter": "color = 'red'"}),
    get("file missing", f"{FILES}/{ROOT}/never"),
    get("file that is a folder", f"{FILES}/{ROOT}/model"),
    get("file up", f"{FILES}/..%2Fx"),
    get("get-artifact missing", "//get-artifact", {"run_id": "$RUN", "path": "never"}),
    get("get-artifact without a path", "//get-artifact", {"run_id": "$RUN"}),
    get("get-artifact of no run", "//get-artifact", {"run_id": NO_RUN, "path": "x"}),
    Ask("multipart create", "POST", f"//api/2.0/mlflow-artifacts/mpu/create/{ROOT}/big", {"path": "big", "num_parts": 2}),
    Ask("method", "PUT", "/runs/create", {}),
    Ask("method of GET", "POST", "/runs/get", {}),
    get("path", "/runs/nope"),
    Ask("text", "POST", "/runs/create", b"hello", headers={"Content-Type": "text/plain"}),
    Ask("not JSON", "POST", "/runs/create", b"{", headers={"Content-Type": "application/json"}),
    Ask("text of JSON", "POST", "/runs/search", b'"{\\"experiment_ids\\": [\\"424242\\"]}"', headers={"Content-Type": "application/json"}),
    *presigned(),
    get("server-info", "//api/3.0/mlflow/server-info"),
    get("workspaces", "//api/3.0/mlflow/workspaces"),
    get("traces of 2.x", "//ajax-api/2.0/mlflow/traces", {"experiment_ids": "$EXP"}),
    get("users", "//ajax-api/2.0/mlflow/users/current"),
]  # fmt: skip

SQL = "MLflow's message is the SQL that failed"
NEVER_500 = "bad input never gets a 5xx, which clients repeat"
WORDS = "the words are those of the other endpoints"

# label → reason
DIFFERENT = {
    "run with a model of 2.x": "the tag mlflow.log-model.history has what the client sent, without MLflow's spaces, order and nulls",
    "POST /experiments/create missing": SQL,
    "POST /runs/create empty": SQL,
    "not JSON": SQL,
    "POST /runs/log-metric value of another type": NEVER_500,
    "POST /runs/log-metric timestamp of another type": NEVER_500,
    "GET /model-versions/get-download-uri empty": WORDS,
    "GET /model-versions/get-download-uri without name": WORDS,
    "GET /model-versions/get-download-uri without version": WORDS,
    "params without the id in the body": "the id in the path is enough",
    "experiments, no max_results": "max_results has a default, as in other searches",
    "multipart create": "multipart uploads are there",
    "order by what there is not": "more names of attributes are known",
    "version of the server": "plain text, not HTML",
    "server-info": "only what is there is announced",
    "workspaces": "404: clients repeat a request after MLflow's 503 for minutes",
}
