"""A tour of MlflowClient: what the calls give back, proved against MLflow's own server."""

import json
import math
import os
import random

import mlflow
import pytest
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException

MLFLOW3 = int(mlflow.__version__.split(".")[0]) >= 3
MAX_DOUBLE = 1.7976931348623157e308


def refused(code: str, message: str, call, *args, **kwargs):
    """The call must fail with this error code and this text in its message."""
    with pytest.raises(MlflowException) as caught:
        call(*args, **kwargs)
    assert caught.value.error_code == code
    assert message in str(caught.value)


@pytest.fixture
def experiment(client, request):
    return client.create_experiment(request.node.name)


@pytest.fixture
def run(client, experiment):
    return client.create_run(experiment, start_time=1000, run_name="first").info.run_id


# --- experiments ------------------------------------------------------------


def test_default_experiment(client):
    default = client.get_experiment("0")
    assert default.name == "Default"
    assert default.lifecycle_stage == "active"


def test_experiment_create_get_rename(client):
    eid = client.create_experiment("made", tags={"a": "1"})
    got = client.get_experiment(eid)
    assert (got.name, got.tags, got.lifecycle_stage) == ("made", {"a": "1"}, "active")
    assert got.artifact_location == f"mlflow-artifacts:/{eid}"
    assert got.creation_time == got.last_update_time > 0
    assert client.get_experiment_by_name("made").experiment_id == eid
    assert client.get_experiment_by_name("never made") is None
    refused("RESOURCE_ALREADY_EXISTS", "Experiment(name=made) already exists", client.create_experiment, "made")
    refused("RESOURCE_DOES_NOT_EXIST", "No Experiment with id=999 exists", client.get_experiment, "999")
    client.rename_experiment(eid, "made again")
    assert client.get_experiment(eid).name == "made again"
    client.set_experiment_tag(eid, "a", "2")
    client.set_experiment_tag(eid, "b", "3")
    assert client.get_experiment(eid).tags == {"a": "2", "b": "3"}
    if MLFLOW3:
        client.delete_experiment_tag(eid, "a")
        assert client.get_experiment(eid).tags == {"b": "3"}
        refused("RESOURCE_DOES_NOT_EXIST", f"No tag with name: a in experiment with id {eid}", client.delete_experiment_tag, eid, "a")


def test_experiment_delete_restore(client):
    eid = client.create_experiment("goes")
    rid = client.create_run(eid).info.run_id
    client.delete_experiment(eid)
    assert client.get_experiment(eid).lifecycle_stage == "deleted"
    assert client.get_experiment_by_name("goes").lifecycle_stage == "deleted"
    assert client.get_run(rid).info.lifecycle_stage == "deleted"
    assert "goes" not in {e.name for e in client.search_experiments()}
    assert [e.name for e in client.search_experiments(view_type=ViewType.DELETED_ONLY)] == ["goes"]
    state = f"The experiment {eid} must be in the 'active' state. Current state is deleted."
    refused("INVALID_PARAMETER_VALUE", state, client.create_run, eid)
    refused("INVALID_PARAMETER_VALUE", state, client.set_experiment_tag, eid, "a", "b")
    refused("RESOURCE_ALREADY_EXISTS", "Experiment(name=goes) already exists", client.create_experiment, "goes")
    refused("RESOURCE_DOES_NOT_EXIST", f"No Experiment with id={eid} exists", client.delete_experiment, eid)
    client.restore_experiment(eid)
    assert client.get_experiment(eid).lifecycle_stage == "active"
    assert client.get_run(rid).info.lifecycle_stage == "active"


def test_experiment_search(client):
    ids = [client.create_experiment(f"seek {i}", tags={"odd": str(i % 2)}) for i in range(4)]

    def names(text, **kwargs):
        return [e.name for e in client.search_experiments(filter_string=text, **kwargs)]

    assert names("name LIKE 'seek%'", order_by=["name ASC"]) == [f"seek {i}" for i in range(4)]
    assert names("name ILIKE 'SEEK 3'") == ["seek 3"]
    assert names("name != 'seek 1' AND name LIKE 'seek%' AND tags.odd = '1'") == ["seek 3"]
    assert set(names("name LIKE 'seek%' AND tags.odd = '0'")) == {"seek 0", "seek 2"}
    first = client.search_experiments(filter_string="name LIKE 'seek%'", max_results=3, order_by=["name"])
    assert len(first) == 3 and first.token
    rest = client.search_experiments(filter_string="name LIKE 'seek%'", max_results=3, order_by=["name"], page_token=first.token)
    assert [e.experiment_id for e in rest] == [ids[3]] and not rest.token
    refused("INVALID_PARAMETER_VALUE", "Invalid attribute key 'foo' specified", client.search_experiments, filter_string="foo = 'x'")
    refused("INVALID_PARAMETER_VALUE", "Invalid page token, could not base64-decode", client.search_experiments, page_token="xxx")


# --- runs -------------------------------------------------------------------


def test_run_life(client, experiment):
    made = client.create_run(experiment, start_time=1000, tags={"k": "v"}, run_name="first")
    rid = made.info.run_id
    assert len(rid) == 32 and int(rid, 16) >= 0
    assert made.info.status == "RUNNING"
    assert made.info.start_time == 1000 and made.info.end_time is None
    assert made.info.artifact_uri == f"mlflow-artifacts:/{experiment}/{rid}/artifacts"
    assert made.data.tags == {"k": "v", "mlflow.runName": "first"}
    unnamed = client.create_run(experiment)
    adjective, noun, number = unnamed.info.run_name.split("-")
    assert adjective and noun and number.isdigit()
    assert unnamed.data.tags["mlflow.runName"] == unnamed.info.run_name

    client.set_tag(rid, "mlflow.runName", "second")
    assert client.get_run(rid).info.run_name == "second"
    client.update_run(rid, name="third")
    after = client.get_run(rid)
    assert (after.info.run_name, after.data.tags["mlflow.runName"], after.info.status) == ("third", "third", "RUNNING")
    client.set_terminated(rid, "FAILED", end_time=5000)
    assert (client.get_run(rid).info.status, client.get_run(rid).info.end_time) == ("FAILED", 5000)
    refused("RESOURCE_DOES_NOT_EXIST", f"Run with id={'0' * 32} not found", client.get_run, "0" * 32)


def test_run_delete_restore(client, run, experiment):
    client.delete_run(run)
    client.delete_run(run)
    state = f"The run {run} must be in the 'active' state. Current state is deleted."
    refused("INVALID_PARAMETER_VALUE", state, client.log_metric, run, "x", 1)
    refused("INVALID_PARAMETER_VALUE", state, client.log_param, run, "x", 1)
    refused("INVALID_PARAMETER_VALUE", state, client.set_tag, run, "x", "1")
    refused("INVALID_PARAMETER_VALUE", state, client.log_batch, run, tags=[RunTag("a", "b")])
    refused("INVALID_PARAMETER_VALUE", state, client.update_run, run, status="KILLED")
    assert client.search_runs([experiment]) == []
    deleted = client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)
    assert [r.info.run_id for r in deleted] == [run]
    client.restore_run(run)
    after = client.get_run(run)
    assert after.info.lifecycle_stage == "active"
    assert after.data.params == {} and after.data.metrics == {}


def test_metrics(client, run):
    client.log_metric(run, "loss", 0.5, timestamp=10, step=0)
    client.log_metric(run, "loss", 0.25, timestamp=20, step=1)
    client.log_metric(run, "loss", 0.25, timestamp=20, step=1)
    client.log_metric(run, "loss", 9.0, timestamp=99, step=-5)
    assert client.get_run(run).data.metrics == {"loss": 0.25}
    history = client.get_metric_history(run, "loss")
    assert [(m.timestamp, m.step, m.value) for m in history] == [(10, 0, 0.5), (20, 1, 0.25), (99, -5, 9.0)]
    assert client.get_metric_history(run, "never logged") == []
    for key, value in {"nan": math.nan, "inf": math.inf, "ninf": -math.inf, "a/b c.d-e_f:é": 5e-324}.items():
        client.log_metric(run, key, value, timestamp=1)
    latest = client.get_run(run).data.metrics
    assert math.isnan(latest["nan"])
    assert (latest["inf"], latest["ninf"], latest["a/b c.d-e_f:é"]) == (MAX_DOUBLE, -MAX_DOUBLE, 5e-324)
    assert math.isnan(client.get_metric_history(run, "nan")[0].value)


def test_metric_history_is_exact(client, run):
    draw = random.Random(7)
    values = [draw.gauss(0, 1) for _ in range(3000)]
    for at in range(0, 3000, 1000):
        client.log_batch(run, metrics=[Metric("curve", values[i], 1000 + i, i) for i in range(at, at + 1000)])
    history = client.get_metric_history(run, "curve")
    assert [(m.step, m.timestamp, m.value) for m in history] == [(i, 1000 + i, values[i]) for i in range(3000)]
    assert client.get_run(run).data.metrics["curve"] == values[-1]


def test_params(client, run):
    client.log_param(run, "lr", 0.1)
    client.log_param(run, "lr", 0.1)
    refused(
        "INVALID_PARAMETER_VALUE",
        "Changing param values is not allowed. Param with key='lr' was already logged with value='0.1'"
        f" for run ID='{run}'. Attempted logging new value '0.2'.",
        client.log_param, run, "lr", 0.2,
    )  # fmt: skip
    client.log_param(run, "empty", "")
    client.log_param(run, "long", "x" * 6001)
    assert client.get_run(run).data.params == {"lr": "0.1", "empty": "", "long": "x" * 6000}


def test_tags(client, run):
    client.set_tag(run, "t", "1")
    client.set_tag(run, "t", "2")
    client.set_tag(run, "big", "y" * 8001)
    tags = client.get_run(run).data.tags
    assert (tags["t"], tags["big"]) == ("2", "y" * 8000)
    client.delete_tag(run, "t")
    assert "t" not in client.get_run(run).data.tags
    refused("RESOURCE_DOES_NOT_EXIST", f"No tag with name: t in run with id {run}", client.delete_tag, run, "t")


def test_batch(client, run):
    client.log_batch(
        run,
        metrics=[Metric("acc", i / 10, 100 + i, i) for i in range(10)],
        params=[Param("opt", "adam")],
        tags=[RunTag("bt", "1"), RunTag("bt", "2")],
    )
    data = client.get_run(run).data
    assert (data.metrics["acc"], data.params["opt"], data.tags["bt"]) == (0.9, "adam", "2")
    refused(
        "INVALID_PARAMETER_VALUE", "Duplicate parameter keys have been submitted: ['d']",
        client.log_batch, run, params=[Param("d", "1"), Param("d", "2")],
    )  # fmt: skip
    refused(
        "INVALID_PARAMETER_VALUE", "Changing param values is not allowed. Params were already logged=",
        client.log_batch, run, metrics=[Metric("never", 1, 1, 1)], params=[Param("opt", "sgd")], tags=[RunTag("never", "x")],
    )  # fmt: skip
    data = client.get_run(run).data
    assert "never" not in data.metrics and "never" not in data.tags and "d" not in data.params


def test_inputs(client, run):
    dataset = Dataset("ds", "dig1", "local", "src", schema='{"s":1}', profile='{"p":1}')
    client.log_inputs(run, datasets=[DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])])
    client.log_inputs(run, datasets=[DatasetInput(dataset, [InputTag("mlflow.data.context", "eval")])])
    (only,) = client.get_run(run).inputs.dataset_inputs
    assert vars(only.dataset) == vars(dataset)
    assert [(t.key, t.value) for t in only.tags] == [("mlflow.data.context", "train")]


@pytest.fixture(scope="module")
def searched(client):
    """Three runs: a (lr 0.1, loss 0.25), b (lr 0.5, loss 0.7), c (child of a, nothing logged)."""
    eid = client.create_experiment("searched")
    a = client.create_run(eid, start_time=1000, run_name="a").info.run_id
    b = client.create_run(eid, start_time=2000, run_name="b").info.run_id
    c = client.create_run(eid, start_time=3000, run_name="c", tags={"mlflow.parentRunId": a}).info.run_id
    client.log_metric(a, "loss", 0.25, step=1)
    client.log_metric(a, "nan", math.nan)
    client.log_metric(b, "loss", 0.7)
    client.log_batch(a, params=[Param("lr", "0.1"), Param("opt", "Adam")], tags=[RunTag("kind", "x y")])
    client.log_param(b, "lr", "0.5")
    client.set_terminated(b, "FINISHED", end_time=5000)
    data = Dataset("ds", "dig1", "local", "src")
    client.log_inputs(a, datasets=[DatasetInput(data, [InputTag("mlflow.data.context", "train")])])
    return eid, {"a": a, "b": b, "c": c}


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", "cba"),
        ("metrics.loss < 0.5", "a"),
        ("metrics.loss = 0.25", "a"),
        ("metric.loss >= 0.25", "ba"),
        ("metrics.loss != 0.25", "b"),
        ("metrics.loss > 0.5 and params.lr = '0.5'", "b"),
        ("metrics.nan > 0", ""),
        ("params.lr LIKE '0.%'", "ba"),
        ("params.opt LIKE 'adam'", ""),
        ("params.opt ILIKE 'adam'", "a"),
        ("parameters.lr != '0.1'", "b"),
        ('params."lr" = "0.1"', "a"),
        ("tags.`kind` = 'x y'", "a"),
        ("tags.kind != 'z'", "a"),
        ("params.lr IS NULL", "c"),
        ("params.lr IS NOT NULL", "ba"),
        ("tags.kind IS NULL", "cb"),
        ("attributes.status = 'RUNNING'", "ca"),
        ("status != 'RUNNING'", "b"),
        ("run_name = 'c'", "c"),
        ("attributes.run_name LIKE '%a%'", "a"),
        ("start_time >= 2000", "cb"),
        ("start_time >= 2000 AND start_time < 3000", "b"),
        ("end_time > 0", "b"),
        ("run_id IN ('{a}', '{c}')", "ca"),
        ("run_id NOT IN ('{a}')", "cb"),
        ("run_id = '{b}'", "b"),
        ("tags.mlflow.parentRunId = '{a}'", "c"),
        ("dataset.name = 'ds'", "a"),
        ("datasets.digest IN ('dig1', 'dig2')", "a"),
        ("dataset.context = 'train'", "a"),
        ("dataset.context = 'test'", ""),
        ("user_id = 'nobody'", ""),
        ("artifact_uri LIKE '%artifacts'", "cba"),
    ],
)
def test_search_filter(client, searched, text, want):
    eid, ids = searched
    found = client.search_runs([eid], text.format(**ids))
    assert "".join(r.info.run_name for r in found) == want


@pytest.mark.parametrize(
    ("order", "want"),
    [
        (["metrics.loss ASC"], "abc"),
        (["metrics.loss DESC"], "bac"),
        (["params.lr"], "abc"),
        (["params.lr DESC"], "bac"),
        (["start_time"], "abc"),
        (["attributes.start_time DESC"], "cba"),
        (["tags.kind DESC"], "acb"),
        (["run_name ASC"], "abc"),
        (["metrics.never"], "cba"),
        (["status ASC", "start_time ASC"], "bac"),
    ],
)
def test_search_order(client, searched, order, want):
    found = client.search_runs([searched[0]], order_by=order)
    assert "".join(r.info.run_name for r in found) == want


def test_search_pages(client, searched):
    first = client.search_runs([searched[0]], max_results=2)
    assert "".join(r.info.run_name for r in first) == "cb" and first.token
    rest = client.search_runs([searched[0]], max_results=2, page_token=first.token)
    assert "".join(r.info.run_name for r in rest) == "a" and not rest.token
    assert client.search_runs(["424242"]) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrics.loss < 'a'", "Expected numeric value type for metric. Found 'a'"),
        ("foo.bar = 'x'", "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']"),
        ("status = 'a'; status = 'b'", "Search filter contained multiple expression"),
        ("attributes.foo = 'x'", "Invalid attribute key 'foo' specified"),
        ("params.lr", "Invalid clause(s) in filter string: 'params.lr'"),
        ("params.lr > '1'", "Invalid comparator '>' not one of"),
        ("start_time > 'abc'", "Expected numeric value type for numeric attribute: start_time. Found 'abc'"),
        ("dataset.foo = 'x'", "Invalid dataset key 'foo' specified"),
    ],
)
def test_search_refuses(client, searched, text, message):
    refused("INVALID_PARAMETER_VALUE", message, client.search_runs, [searched[0]], text)


# --- artifacts --------------------------------------------------------------


def test_artifacts(client, run, experiment, tmp_path):
    tree = tmp_path / "tree"
    (tree / "sub" / "deep").mkdir(parents=True)
    (tree / "a.txt").write_text("hello")
    (tree / "empty").write_text("")
    (tree / "sub" / "b.bin").write_bytes(bytes(range(256)) * 8192)
    (tree / "sub" / "deep" / "c d+ü%.txt").write_text("odd name")
    client.log_artifact(run, str(tree / "a.txt"))
    client.log_artifacts(run, str(tree), "tree")
    client.log_dict(run, {"a": 1}, "d.json")
    client.log_text(run, "hi", "t/x.txt")

    root = {f.path: (f.is_dir, f.file_size) for f in client.list_artifacts(run)}
    assert root == {"a.txt": (False, 5), "d.json": (False, root["d.json"][1]), "t": (True, None), "tree": (True, None)}
    assert {f.path for f in client.list_artifacts(run, "tree/sub")} == {"tree/sub/b.bin", "tree/sub/deep"}
    assert client.list_artifacts(run, "d.json") == []
    assert client.list_artifacts(run, "never") == []

    got = client.download_artifacts(run, "tree", str(tmp_path))
    for folder, _, files in os.walk(tree):
        for name in files:
            relative = os.path.relpath(os.path.join(folder, name), tree)
            assert (tree / relative).read_bytes() == open(os.path.join(got, relative), "rb").read()
    assert json.load(open(client.download_artifacts(run, "d.json", str(tmp_path)))) == {"a": 1}
    (tree / "a.txt").write_text("hello again")
    client.log_artifact(run, str(tree / "a.txt"))
    out = tmp_path / "out"
    out.mkdir()
    assert open(client.download_artifacts(run, "a.txt", str(out))).read() == "hello again"


def test_table_and_figure(client, run, experiment):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot([1, 2, 3])
    client.log_figure(run, figure, "plots/line.png")
    client.log_table(run, data={"a": [1, 2], "b": ["x", "y"]}, artifact_file="tab.json")
    client.log_table(run, data={"a": [3], "b": ["z"]}, artifact_file="tab.json")
    table = client.load_table(experiment, "tab.json", [run])
    assert table["a"].tolist() == [1, 2, 3] and table["b"].tolist() == ["x", "y", "z"]
    tag = json.loads(client.get_run(run).data.tags["mlflow.loggedArtifacts"])
    assert tag == [{"path": "tab.json", "type": "table"}]
    assert [f.path for f in client.list_artifacts(run, "plots")] == ["plots/line.png"]
