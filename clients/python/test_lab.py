"""The lab's promise: train, promote, kill the server, load by name elsewhere."""

import json
import pathlib
import subprocess
import sys

import mlflow
import pytest
from lab_script import EXPERIMENT, MODEL
from mlflow.models import get_model_info
from mlflow.models.model import Model

HERE = pathlib.Path(__file__).resolve().parent
MLFLOW3 = int(mlflow.__version__.split(".")[0]) >= 3
TRAINING_METRICS = {
    "training_precision_score",
    "training_recall_score",
    "training_f1_score",
    "training_accuracy_score",
    "training_log_loss",
    "training_roc_auc",
    "training_score",
}
PLOTS = {
    "training_confusion_matrix.png",
    "training_roc_curve.png",
    "training_precision_recall_curve.png",
}
MODEL_FILES = {
    "MLmodel",
    "conda.yaml",
    "python_env.yaml",
    "requirements.txt",
    "input_example.json",
}


def run_script(name: str, *args: str, stdin: str = "") -> dict:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(HERE / name), *args],
        input=stdin, capture_output=True, text=True, timeout=300, cwd=HERE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def lab(server):
    """The lab script's report; the server has been killed and started again since."""
    report = run_script("lab_script.py", server.url)
    server.kill()
    server.start()
    return report


def test_load_by_stage_after_kill(server, lab):
    assert lab["stages"] == ["Staging", "Production"]
    loaded = run_script(
        "load_script.py", server.url, f"models:/{MODEL}/Production", stdin=json.dumps(lab["rows"])
    )
    assert loaded["predictions"] == lab["predictions"]
    assert set(lab["predictions"]) == {0, 1}
    assert loaded["run_id"] == lab["run_id"]
    assert loaded["signature"]


def test_load_by_version_after_kill(server, lab):
    loaded = run_script(
        "load_script.py",
        server.url,
        f"models:/{MODEL}/{lab['version']}",
        stdin=json.dumps(lab["rows"]),
    )
    assert loaded["predictions"] == lab["predictions"]


def test_run_record(client, lab):
    run = client.get_run(lab["run_id"])
    assert run.info.status == "FINISHED"
    assert run.info.end_time >= run.info.start_time
    assert run.info.run_name == "logreg_baseline"
    assert client.get_experiment(run.info.experiment_id).name == EXPERIMENT

    params = run.data.params
    assert params["clf"] == "LogisticRegression(max_iter=500)"
    assert params["clf__max_iter"] == "500"
    assert params["scaler"] == "StandardScaler()"
    assert params["scaler__with_mean"] == "True"

    assert TRAINING_METRICS <= set(run.data.metrics)
    assert run.data.metrics["roc_auc"] == lab["roc_auc"]
    history = client.get_metric_history(lab["run_id"], "training_accuracy_score")
    assert {m.value for m in history} == {run.data.metrics["training_accuracy_score"]}
    assert run.data.metrics["training_accuracy_score"] > 0.85

    tags = run.data.tags
    assert tags["estimator_name"] == "Pipeline"
    assert tags["mlflow.source.type"] == "LOCAL"


def test_found_by_search(client, lab):
    found = client.search_runs(
        [lab["experiment_id"]],
        "metrics.roc_auc > 0.9 AND params.clf__max_iter = '500' AND tags.estimator_name = 'Pipeline'",
    )
    assert [run.info.run_id for run in found] == [lab["run_id"]]
    assert client.search_runs([lab["experiment_id"]], "metrics.roc_auc > 0.999") == []


def test_plots_and_files(client, lab, tmp_path):
    listed = {entry.path: entry for entry in client.list_artifacts(lab["run_id"])}
    assert PLOTS | {"estimator.html"} <= set(listed)
    for plot in PLOTS:
        content = pathlib.Path(client.download_artifacts(lab["run_id"], plot, tmp_path)).read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert content.rstrip().endswith(b"IEND\xaeB`\x82")
        assert len(content) == listed[plot].file_size


def test_model_files(client, lab, tmp_path):
    root = mlflow.artifacts.download_artifacts(
        f"models:/{MODEL}/{lab['version']}", dst_path=tmp_path
    )
    names = {path.name for path in pathlib.Path(root).iterdir()}
    assert MODEL_FILES <= names
    assert names & {"model.pkl", "model.skops"}
    model = Model.load(root)
    assert model.run_id == lab["run_id"]
    example = json.loads((pathlib.Path(root) / "input_example.json").read_text())
    assert len(example["inputs"] if "inputs" in example else example) == 3


def test_dataset_inputs(client, lab):
    inputs = client.get_run(lab["run_id"]).inputs.dataset_inputs
    contexts = {tag.value for entry in inputs for tag in entry.tags}
    assert contexts == {"train", "eval"}
    train = [e for e in inputs if e.tags[0].value == "train"]
    assert len(train) == 1
    dataset = train[0].dataset
    assert dataset.source_type == "code"
    assert len(dataset.digest) == 8
    profile = json.loads(dataset.profile)
    assert profile["features_shape"] == [1600, 25]
    assert json.loads(dataset.schema)["mlflow_tensorspec"]["features"]


def test_signature(client, lab):
    signature = get_model_info(f"models:/{MODEL}/{lab['version']}").signature
    assert [spec.shape for spec in signature.inputs.inputs] == [(-1, 25)]
    assert signature.inputs.inputs[0].type.name == "float64"
    assert [spec.shape for spec in signature.outputs.inputs] == [(-1,)]


def test_registry(client, lab):
    (version,) = client.get_latest_versions(MODEL, ["Production"])
    assert str(version.version) == lab["version"]
    assert version.run_id == lab["run_id"]
    assert version.current_stage == "Production"
    assert version.status == "READY"
    assert client.get_latest_versions(MODEL, ["Staging"]) == []
    location = client.get_model_version_download_uri(MODEL, lab["version"])
    assert location.startswith("mlflow-artifacts:/")


def test_models_of_the_run(client, lab):
    """Two models: autolog's and the script's own. MLflow 2 keeps them as a tag of the run."""
    if not MLFLOW3:
        history = json.loads(client.get_run(lab["run_id"]).data.tags["mlflow.log-model.history"])
        assert [entry["artifact_path"] for entry in history] == ["model", "model"]
        assert {entry["run_id"] for entry in history} == {lab["run_id"]}
        return
    models = client.search_logged_models([lab["experiment_id"]])
    assert len(models) == 2
    assert {m.source_run_id for m in models} == {lab["run_id"]}
    assert {str(m.status) for m in models} == {"READY"}
    (registered,) = [m for m in models if "mlflow.modelVersions" in m.tags]
    links = json.loads(registered.tags["mlflow.modelVersions"])
    assert {(link["name"], str(link["version"])) for link in links} == {(MODEL, lab["version"])}
    outputs = client.get_run(lab["run_id"]).outputs.model_outputs
    assert {o.model_id for o in outputs} == {m.model_id for m in models}
    assert any(metric.key == "roc_auc" for m in models for metric in m.metrics)
