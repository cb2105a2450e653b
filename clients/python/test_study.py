"""The study in examples/lab, which the README tells people to begin with."""

import pathlib
import sys

import mlflow
from mlflow.tracking import MlflowClient

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples" / "lab"))
import lab  # noqa: E402


def test_study(server):
    lab.main(server.url, seeds=(1,))
    client = MlflowClient()
    runs = mlflow.search_runs(experiment_names=[lab.EXPERIMENT], order_by=["metrics.auc DESC"])
    assert sorted(runs["params.family"]) == sorted(lab.FAMILIES)
    assert set(runs["status"]) == {"FINISHED"}
    assert runs["metrics.auc"].between(0.9, 1).all()
    best = client.get_run(runs["run_id"][0])
    assert {(d.dataset.name, d.tags[0].value) for d in best.inputs.dataset_inputs} == {("tumours-train", "training"), ("tumours-test", "testing")}
    for part in ("train", "test"):
        history = client.get_metric_history(best.info.run_id, f"{part}/loss")
        assert [m.step for m in history] == list(range(lab.EPOCHS))
    table = mlflow.load_table("predictions.parquet", run_ids=[best.info.run_id])
    assert len(table) == 171 and set(table["y_true"]) == {0, 1}
    model = mlflow.pyfunc.load_model(f"models:/{best.outputs.model_outputs[0].model_id}")
    assert len(model.metadata.signature.inputs) == 30
