"""The fluent functions of MLflow 3, each against what the server then has."""

import io
import json
import math
import pathlib
import time

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import LoggedModelInput, LoggedModelOutput, Metric, ViewType
from mlflow.exceptions import MlflowException


@pytest.fixture
def experiment(client, request):
    """An experiment of the test's own, which is the active one."""
    yield mlflow.set_experiment(request.node.name).experiment_id
    while mlflow.active_run():
        mlflow.end_run()


def test_uris(server, client):
    assert mlflow.get_tracking_uri() == mlflow.get_registry_uri() == server.url
    assert mlflow.is_tracking_uri_set()
    mlflow.set_registry_uri(server.url + "/")
    assert mlflow.get_registry_uri() == server.url + "/"
    mlflow.set_registry_uri(server.url)


def test_experiments(client):
    eid = mlflow.create_experiment("fluent made", tags={"a": "1"})
    assert mlflow.get_experiment(eid).tags == {"a": "1"}
    assert mlflow.get_experiment_by_name("fluent made").experiment_id == eid
    assert mlflow.get_experiment_by_name("fluent never made") is None
    assert mlflow.set_experiment(experiment_id=eid).name == "fluent made"
    mlflow.set_experiment_tag("b", 2)
    mlflow.set_experiment_tags({"c": "3", "d": "4"})
    mlflow.delete_experiment_tag("a")
    assert mlflow.get_experiment(eid).tags == {"b": "2", "c": "3", "d": "4"}
    assert [e.experiment_id for e in mlflow.search_experiments(filter_string="tags.b = '2'")] == [eid]
    mlflow.delete_experiment(eid)
    assert mlflow.search_experiments(filter_string="tags.b = '2'") == []
    (gone,) = mlflow.search_experiments(view_type=ViewType.DELETED_ONLY, filter_string="tags.b = '2'")
    assert gone.lifecycle_stage == "deleted"
    with pytest.raises(MlflowException, match="Cannot set a deleted experiment"):
        mlflow.set_experiment("fluent made")
    mlflow.restore_experiment(eid)
    assert mlflow.set_experiment("fluent made").experiment_id == eid


def test_run(client, experiment):
    with mlflow.start_run(run_name="outer", tags={"t": "1"}, description="about it") as outer:
        assert mlflow.active_run().info.run_id == outer.info.run_id
        assert mlflow.log_param("p", 1) == 1
        mlflow.log_params({"q": "x", "r": None, "s": [1, 2]})
        mlflow.log_metric("m", 0.5, step=3, timestamp=77)
        mlflow.log_metrics({"n": math.nan, "o": 2}, step=4, timestamp=78)
        mlflow.set_tag("u", "v")
        mlflow.set_tags({"w": 1, "x": 2})
        mlflow.delete_tag("x")
        assert mlflow.get_artifact_uri("a/b") == f"{outer.info.artifact_uri}/a/b"
        with mlflow.start_run(nested=True, run_name="inner") as inner:
            assert mlflow.get_parent_run(inner.info.run_id).info.run_id == outer.info.run_id
    assert mlflow.get_parent_run(outer.info.run_id) is None
    assert mlflow.last_active_run().info.run_id == outer.info.run_id
    run = mlflow.get_run(outer.info.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"p": "1", "q": "x", "r": "None", "s": "[1, 2]"}
    assert (run.data.metrics["m"], run.data.metrics["o"]) == (0.5, 2) and math.isnan(run.data.metrics["n"])
    (point,) = client.get_metric_history(run.info.run_id, "m")
    assert (point.step, point.timestamp, point.value) == (3, 77, 0.5)
    own = {k: v for k, v in run.data.tags.items() if not k.startswith("mlflow.")}
    assert own == {"t": "1", "u": "v", "w": "1"}
    assert run.data.tags["mlflow.note.content"] == "about it"

    with pytest.raises(ValueError), mlflow.start_run(run_id=outer.info.run_id):
        raise ValueError("the run failed")
    assert mlflow.get_run(outer.info.run_id).info.status == "FAILED"
    with mlflow.start_run(parent_run_id=outer.info.run_id) as child:
        mlflow.end_run("KILLED")
    assert mlflow.get_run(child.info.run_id).info.status == "KILLED"
    mlflow.delete_run(child.info.run_id)
    children = f"tags.mlflow.parentRunId = '{outer.info.run_id}'"
    assert mlflow.search_runs(filter_string=children)["run_id"].tolist() == [inner.info.run_id]
    mlflow.tracking.fluent.restore_run(child.info.run_id)
    assert len(mlflow.search_runs(filter_string=children)) == 2


def test_asynchronous(client, experiment):
    with mlflow.start_run() as run:
        pending = [mlflow.log_metric("m", i, step=i, synchronous=False) for i in range(200)]
        mlflow.log_params({f"p{i}": i for i in range(250)}, synchronous=False)
        mlflow.log_metrics({f"n{i}": i for i in range(1200)}, synchronous=False)
        mlflow.set_tag("t", "1", synchronous=False)
        mlflow.log_param("single", 1, synchronous=False)
        pending[0].wait()
        mlflow.flush_async_logging()
        data = mlflow.get_run(run.info.run_id).data
        assert len(data.params) == 251 and len(data.metrics) == 1201 and data.tags["t"] == "1"
        mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), key="dots", step=1)
        mlflow.flush_artifact_async_logging()
        assert len(client.list_artifacts(run.info.run_id, "images")) == 2  # the image and its thumbnail
    history = client.get_metric_history(run.info.run_id, "m")
    assert [(p.step, p.value) for p in history] == [(i, float(i)) for i in range(200)]
    mlflow.config.enable_async_logging()
    with mlflow.start_run() as run:
        for i in range(10):
            mlflow.log_metric("m", i, step=i)
    mlflow.config.enable_async_logging(False)
    mlflow.flush_async_logging()
    assert len(client.get_metric_history(run.info.run_id, "m")) == 10


def test_system_metrics(client, experiment):
    mlflow.set_system_metrics_sampling_interval(0.2)
    mlflow.set_system_metrics_samples_before_logging(1)
    mlflow.set_system_metrics_node_id("node-7")
    mlflow.enable_system_metrics_logging()
    with mlflow.start_run() as run:
        time.sleep(1.5)
    mlflow.disable_system_metrics_logging()
    mlflow.set_system_metrics_node_id(None)
    metrics = mlflow.get_run(run.info.run_id).data.metrics
    wanted = {"cpu_utilization_percentage", "system_memory_usage_megabytes", "disk_usage_percentage"}
    assert {f"system/node-7/{name}" for name in wanted} <= set(metrics)
    history = client.get_metric_history(run.info.run_id, "system/node-7/system_memory_usage_megabytes")
    assert len(history) > 1 and all(point.value > 0 for point in history)
    with mlflow.start_run(log_system_metrics=False) as run:
        pass
    assert mlflow.get_run(run.info.run_id).data.metrics == {}


def test_files(client, experiment, tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "a.txt").write_text("one")
    (tmp_path / "in" / "sub" / "b.bin").write_bytes(b"\0\1" * 70000)
    with mlflow.start_run() as run:
        mlflow.log_artifact(tmp_path / "in" / "a.txt")
        mlflow.log_artifacts(tmp_path / "in", artifact_path="tree")
        mlflow.log_text("plain", "texts/plain.txt")
        mlflow.log_dict({"a": [1]}, "d.yaml")
        mlflow.log_dict({"b": 2}, "d.json")
        mlflow.log_stream(io.BytesIO(b"streamed" * 9999), "stream.bin")
    root = f"runs:/{run.info.run_id}"
    assert [f.path for f in mlflow.artifacts.list_artifacts(run_id=run.info.run_id)] == ["a.txt", "d.json", "d.yaml", "stream.bin", "texts", "tree"]
    assert mlflow.artifacts.load_text(f"{root}/texts/plain.txt") == "plain"
    assert mlflow.artifacts.load_dict(f"{root}/d.json") == {"b": 2}
    assert "- 1" in mlflow.artifacts.load_text(f"{root}/d.yaml")
    got = pathlib.Path(mlflow.artifacts.download_artifacts(run.info.artifact_uri, dst_path=str(tmp_path / "out")))
    assert (got / "tree" / "sub" / "b.bin").read_bytes() == b"\0\1" * 70000
    assert (got / "stream.bin").read_bytes() == b"streamed" * 9999
    by_parts = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="tree/a.txt")
    assert pathlib.Path(by_parts).read_text() == "one"
    with pytest.raises(MlflowException):
        mlflow.artifacts.download_artifacts(f"{root}/never")


def test_pictures_and_tables(client, experiment):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot([1, 2, 3])
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    with mlflow.start_run() as run:
        mlflow.log_figure(figure, "plots/line.png")
        mlflow.log_image(pixels, artifact_file="pixels.png")
        mlflow.log_image(mlflow.Image(pixels), key="steps", step=2, timestamp=5, synchronous=True)
        mlflow.log_table({"a": [1, 2], "b": ["x", "y"]}, "table.json")
        mlflow.log_table(pd.DataFrame({"a": [3], "b": ["z"]}), "table.json")
    root = f"runs:/{run.info.run_id}"
    assert np.array_equal(np.asarray(mlflow.artifacts.load_image(f"{root}/pixels.png")), pixels)
    assert mlflow.artifacts.load_image(f"{root}/plots/line.png").size == (640, 480)
    names = [f.path for f in client.list_artifacts(run.info.run_id, "images")]
    assert len(names) == 2 and all(name.startswith("images/steps+step+2+timestamp+5") for name in names)
    table = mlflow.load_table("table.json", run_ids=[run.info.run_id], extra_columns=["run_id", "status"])
    assert table["a"].tolist() == [1, 2, 3] and table["b"].tolist() == ["x", "y", "z"]
    assert set(table["run_id"]) == {run.info.run_id} and set(table["status"]) == {"FINISHED"}


def test_datasets(client, experiment, tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]})
    csv = tmp_path / "frame.csv"
    frame.to_csv(csv, index=False)
    table = mlflow.data.from_pandas(frame, source=str(csv), name="frame", targets="y")
    array = mlflow.data.from_numpy(np.eye(3), targets=np.zeros(3), name="eye")
    with mlflow.start_run() as run:
        mlflow.log_input(table, context="train", tags={"k": "v"})
        mlflow.log_input(array)
        mlflow.log_inputs([table, array], contexts=["eval", "eval"], tags_list=[None, {"l": "w"}])
        mlflow.log_metric("on data", 0.9, dataset=table)
    inputs = {(i.dataset.name, i.dataset.digest): i for i in mlflow.get_run(run.info.run_id).inputs.dataset_inputs}
    assert set(inputs) == {("frame", table.digest), ("eye", array.digest)}
    logged = inputs["frame", table.digest]
    assert {t.key: t.value for t in logged.tags} == {"k": "v", "mlflow.data.context": "train"}
    assert logged.dataset.source_type == "local"
    assert json.loads(logged.dataset.profile) == {"num_rows": 2, "num_elements": 4}
    assert [c["name"] for c in json.loads(logged.dataset.schema)["mlflow_colspec"]] == ["x", "y"]
    source = mlflow.data.get_source(logged)
    assert pd.read_csv(source.load()).equals(frame)
    (found,) = mlflow.search_runs(filter_string="dataset.name = 'frame'", output_format="list")
    assert found.info.run_id == run.info.run_id
    assert [len(mlflow.search_runs(filter_string=f"dataset.context = '{c}'")) for c in ("train", "test")] == [1, 0]


@pytest.fixture(scope="module")
def frame(client):
    """Six runs in two experiments, as the frame of one search sees them."""
    for name in ("frame a", "frame b"):
        mlflow.set_experiment(name)
        for i in range(3):
            with mlflow.start_run(run_name=f"{name} {i}", tags={"kind": "even" if i % 2 == 0 else "odd"}):
                mlflow.log_param("lr", f"0.{i}")
                mlflow.log_metrics({"loss": 1 / (i + 1), "only a": i} if name == "frame a" else {"loss": -i})
                if i == 0:
                    mlflow.log_input(mlflow.data.from_numpy(np.ones(2), name="ones"), context="train")
    return ["frame a", "frame b"]


def test_search_into_pandas(client, frame):
    found = mlflow.search_runs(experiment_names=frame, order_by=["attributes.run_name ASC"])
    assert isinstance(found, pd.DataFrame) and len(found) == 6
    assert {"run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"} <= set(found.columns)
    assert found["tags.mlflow.runName"].tolist() == [f"{name} {i}" for name in frame for i in range(3)]
    assert found["params.lr"].tolist() == ["0.0", "0.1", "0.2"] * 2
    assert found["metrics.loss"].tolist() == [1, 1 / 2, 1 / 3, 0, -1, -2]
    assert found["metrics.only a"].isna().tolist() == [False] * 3 + [True] * 3
    assert str(found["start_time"].dtype).startswith("datetime64") and (found["end_time"] >= found["start_time"]).all()
    assert len(mlflow.search_runs(search_all_experiments=True, filter_string="run_name LIKE 'frame %'")) == 6
    assert len(mlflow.search_runs(experiment_names=frame, max_results=4)) == 4
    empty = mlflow.search_runs(experiment_names=frame, filter_string="metrics.loss > 5")
    assert isinstance(empty, pd.DataFrame) and empty.empty


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("metrics.loss > 0.4", "a0 a1"),
        ("metrics.loss >= 0 AND metrics.loss <= 0.5", "a1 a2 b0"),
        ("metrics.loss < 0", "b1 b2"),
        ("metrics.loss = -2", "b2"),
        ("metrics.loss != 1", "a1 a2 b0 b1 b2"),
        ("metrics.`only a` = 2", "a2"),
        ("params.lr = '0.1'", "a1 b1"),
        ("params.lr != '0.1'", "a0 a2 b0 b2"),
        ("params.lr LIKE '%.2'", "a2 b2"),
        ("params.lr ILIKE '0._' and tags.kind = 'odd'", "a1 b1"),
        ("tags.kind != 'odd'", "a0 a2 b0 b2"),
        ("tags.kind ILIKE 'O%'", "a1 b1"),
        ("tags.never IS NULL", "a0 a1 a2 b0 b1 b2"),
        ("params.lr IS NOT NULL", "a0 a1 a2 b0 b1 b2"),
        ("run_name = 'frame b 1'", "b1"),
        ("attributes.run_name LIKE 'frame a%'", "a0 a1 a2"),
        ("attributes.status = 'FINISHED'", "a0 a1 a2 b0 b1 b2"),
        ("attributes.start_time > 0 AND end_time > 0", "a0 a1 a2 b0 b1 b2"),
        ("user_id != 'nobody'", "a0 a1 a2 b0 b1 b2"),
        ("dataset.name = 'ones'", "a0 b0"),
        ("dataset.name IN ('ones', 'twos') AND dataset.context = 'train'", "a0 b0"),
        ("dataset.digest NOT IN ('x')", "a0 b0"),
    ],
)
def test_search_by_filter(client, frame, text, want):
    found = mlflow.search_runs(experiment_names=frame, filter_string=text, order_by=["run_name"])
    names = found["tags.mlflow.runName"].tolist() if len(found) else []
    assert " ".join(name.removeprefix("frame ").replace(" ", "") for name in names) == want


def test_logged_models(client, experiment, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"w")
    with mlflow.start_run() as run:
        made = mlflow.initialize_logged_model(name="net", params={"depth": "3"}, tags={"a": "1"}, model_type="mlp")
        assert (str(made.status), made.source_run_id) == ("PENDING", run.info.run_id)
        client.log_model_artifact(made.model_id, str(tmp_path / "weights.bin"))
        mlflow.log_model_params({"width": "8"}, model_id=made.model_id)
        assert str(mlflow.finalize_logged_model(made.model_id, "READY").status) == "READY"
        external = mlflow.create_external_model(name="outside", params={"p": "1"})
        mlflow.log_metric("acc", 0.75, step=1, model_id=made.model_id)
        mlflow.log_metrics({"f1": 0.5}, model_id=made.model_id)
        mlflow.log_outputs([LoggedModelOutput(external.model_id, step=9)])
        mlflow.log_input(model=LoggedModelInput(made.model_id))
    assert mlflow.last_logged_model().model_id == external.model_id
    got = mlflow.get_logged_model(made.model_id)
    assert (got.params, got.model_type) == ({"depth": "3", "width": "8"}, "mlp")
    assert got.tags.items() >= {"a": "1", "mlflow.source.type": "LOCAL"}.items()
    assert {m.key: m.value for m in got.metrics} == {"acc": 0.75, "f1": 0.5}
    assert str(mlflow.get_logged_model(external.model_id).status) == "READY"
    mlflow.set_logged_model_tags(made.model_id, {"b": 2})
    mlflow.delete_logged_model_tag(made.model_id, "a")
    tags = mlflow.get_logged_model(made.model_id).tags
    assert tags["b"] == "2" and "a" not in tags
    kept = mlflow.get_run(run.info.run_id)
    assert (external.model_id, 9) in {(o.model_id, o.step) for o in kept.outputs.model_outputs}
    assert [i.model_id for i in kept.inputs.model_inputs] == [made.model_id]

    table = mlflow.search_logged_models([experiment], order_by=[{"field_name": "name", "ascending": True}])
    assert table["name"].tolist() == ["net", "outside"]
    best = mlflow.search_logged_models([experiment], "metrics.acc > 0.7", output_format="list", max_results=1)
    assert [m.model_id for m in best] == [made.model_id]
    failed = mlflow.initialize_logged_model(name="fails")
    assert str(mlflow.finalize_logged_model(failed.model_id, "FAILED").status) == "FAILED"

    assert mlflow.get_active_model_id() is None
    active = mlflow.set_active_model(name="net")
    assert active.model_id == mlflow.get_active_model_id() == made.model_id
    with mlflow.start_run():
        mlflow.log_metric("while active", 3)
    mlflow.clear_active_model()
    assert mlflow.get_active_model_id() is None
    assert "while active" in {m.key for m in mlflow.get_logged_model(made.model_id).metrics}
    assert [f.path for f in mlflow.artifacts.list_artifacts(f"models:/{made.model_id}")] == ["weights.bin"]


class Doubling(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[float]) -> list[float]:
        return [2 * v for v in model_input]


def test_load_by_every_uri(client, experiment):
    with mlflow.start_run() as run:
        info = mlflow.pyfunc.log_model(
            name="doubling", python_model=Doubling(), registered_model_name="doubling", pip_requirements=[]
        )
    registered = mlflow.register_model(f"models:/{info.model_id}", "doubling", tags={"k": "v"})
    assert str(registered.version) == "2"
    client.transition_model_version_stage("doubling", "2", "Production")
    client.set_registered_model_alias("doubling", "champion", "1")
    uris = [
        f"models:/{info.model_id}", f"runs:/{run.info.run_id}/doubling", "models:/doubling/1", "models:/doubling/latest",
        "models:/doubling/Production", "models:/doubling@champion",
    ]  # fmt: skip
    for uri in uris:
        assert mlflow.pyfunc.load_model(uri).predict([1.0, 4.0]) == [2.0, 8.0], uri
        assert mlflow.models.get_model_info(uri).model_id == info.model_id, uri
    mlflow.set_model_version_tag("doubling", "2", "seen", "yes")
    found = mlflow.search_model_versions(filter_string="name = 'doubling'", order_by=["version_number ASC"])
    assert [(str(v.version), v.run_id, v.tags) for v in found] == [
        ("1", run.info.run_id, {}), ("2", run.info.run_id, {"k": "v", "seen": "yes"}),
    ]  # fmt: skip
    assert [m.name for m in mlflow.search_registered_models(filter_string="name = 'doubling'")] == ["doubling"]
    with pytest.raises(MlflowException):
        mlflow.pyfunc.load_model("models:/doubling@nobody")
    mlflow.models.set_signature(f"models:/{info.model_id}", mlflow.models.infer_signature([1.0], [2.0]))
    assert mlflow.models.get_model_info("models:/doubling/1").signature is not None


def test_registered_by_pages(client):
    for i in range(205):
        client.create_registered_model(f"shelf {i:03}")
    found = mlflow.search_registered_models(filter_string="name LIKE 'shelf %'", order_by=["name ASC"])
    assert [m.name for m in found] == [f"shelf {i:03}" for i in range(205)]
    client.create_registered_model("long")
    with mlflow.start_run() as run:
        mlflow.log_text("x", "m/MLmodel")
    for _ in range(30):
        client.create_model_version("long", f"{run.info.artifact_uri}/m", run.info.run_id)
    assert len(mlflow.search_model_versions(filter_string="name = 'long'", max_results=20)) == 20
    first = client.search_model_versions("name = 'long'", max_results=20, order_by=["version_number ASC"])
    rest = client.search_model_versions("name = 'long'", max_results=20, order_by=["version_number ASC"], page_token=first.token)
    assert [int(v.version) for v in [*first, *rest]] == list(range(1, 31)) and not rest.token


def test_many_points(client, experiment):
    """The client splits what is too much for one request, and follows the pages of a long history."""
    points = [Metric("curve", i / 7, i, i) for i in range(30_000)]
    with mlflow.start_run() as run:
        for at in range(0, len(points), 1000):
            client.log_batch(run.info.run_id, metrics=points[at : at + 1000])
    history = client.get_metric_history(run.info.run_id, "curve")
    assert [(p.step, p.value) for p in history] == [(p.step, p.value) for p in points]


def test_the_client_alone(client, experiment, tmp_path):
    """What the other tests leave of MlflowClient."""
    run = client.create_run(experiment).info.run_id
    child = client.create_run(experiment, tags={"mlflow.parentRunId": run}).info.run_id
    assert client.get_parent_run(child).info.run_id == run
    client.log_stream(run, io.BytesIO(b"bytes"), "s.bin")
    client.log_image(run, np.zeros((2, 2, 3), dtype=np.uint8), "black.png")
    assert {f.path for f in client.list_artifacts(run)} == {"s.bin", "black.png"}
    made = client.create_logged_model(experiment, name="net", source_run_id=run)
    client.log_model_params(made.model_id, {"p": "1"})
    client.log_outputs(run, [LoggedModelOutput(made.model_id, step=2)])
    assert client.get_logged_model(made.model_id).params == {"p": "1"}
    assert [(o.model_id, o.step) for o in client.get_run(run).outputs.model_outputs] == [(made.model_id, 2)]
    client.create_registered_model("staged")
    client.create_model_version("staged", f"models:/{made.model_id}", model_id=made.model_id)
    assert client.get_model_version_stages("staged", "1") == ["None", "Staging", "Production", "Archived"]
