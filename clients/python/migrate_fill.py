"""Fill a store of MLflow with one of everything, and then with many runs.

Works with every client from MLflow 2.0 on: what a version does not have is left
out. Called with a tracking URI and the number of further runs, it fills the store
itself: sqlite:///mlflow.db, a folder, or a server.

    python migrate_fill.py sqlite:///mlflow.db 300
"""

import math
import os
import random
import sys
import tempfile

import mlflow
from mlflow.entities import Metric, Param, RunTag

MS = 1_700_000_000_000


def fill(uri: str, runs: int = 0, artifacts: bool = True, steps: int = 40) -> None:
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    plain = experiments(client)
    run = everything(client, plain, artifacts)
    nested(client, plain)
    life_cycle(client, plain)
    registry(client, run, artifacts)
    logged_models(client, plain, artifacts)
    many(client, plain, runs, steps)


def experiments(client) -> str:
    client.set_experiment_tag("0", "note", "the first one")
    first = client.create_experiment("plain", tags={"team": "vision", "naïve": "ünïcode ☃"} if not old() else {"team": "vision"})
    client.create_experiment("empty")
    client.create_experiment("many")
    moved = client.create_experiment("to be renamed")
    client.rename_experiment(moved, "renamed")
    gone = client.create_experiment("gone")
    lost = client.create_run(gone, run_name="lost with it") if not old() else client.create_run(gone)
    client.log_metric(lost.info.run_id, "loss", 1.0, timestamp=MS)
    client.delete_experiment(gone)
    return first


def old() -> bool:
    return tuple(int(p) for p in mlflow.__version__.split(".")[:2]) < (2, 2)


def everything(client, experiment: str, artifacts: bool):
    run = client.create_run(experiment, start_time=MS, tags={"mlflow.user": "ada", "mlflow.note.content": "a *note*", "kind": "everything"})
    id = run.info.run_id
    client.log_batch(
        id,
        metrics=[Metric(k, math.cos(s) * s, MS + 10 * s, s) for s in range(50) for k in ("loss", "acc", "lr")],
        params=[Param("lr", "0.01"), Param("empty", ""), Param("long", "x" * 500), Param("unicode", "ünïcode ☃ 'quoted' \"twice\"")],
        tags=[RunTag("empty", ""), RunTag("long", "y" * 4000), RunTag("newline", "a\nb\tc")],
    )
    odd = [
        ("nan", math.nan, 0, 0), ("inf", math.inf, 0, 0), ("inf", -math.inf, 1, 1), ("zero", -0.0, 0, 0), ("tiny", 5e-324, 0, 0),
        ("mixed", 1.0, 5, 1), ("mixed", math.nan, 6, 2), ("mixed", 2.0, 7, 3), ("mixed", math.nan, 8, 4),
        ("back", 3.0, 100, 9), ("back", 2.0, 50, 4), ("back", 1.0, 75, -3), ("back", 4.0, 100, 9), ("back", 4.0, 100, 9),
        ("big step", 1.0, 0, 2**53 + 1), ("a/b/c.d", 0.1 + 0.2, 1, 0), ("same step", 1.0, 1, 7), ("same step", 2.0, 2, 7),
    ]
    for key, value, at, step in odd:
        client.log_metric(id, key, value, timestamp=MS + at, step=step)
    datasets(client, id)
    if artifacts:
        with tempfile.TemporaryDirectory() as tmp:
            for name, body in {"readme.txt": b"hello", "empty.bin": b"", "a/b/deep.bin": bytes(range(256)) * 40, "ünï code.txt": "☃".encode()}.items():
                path = os.path.join(tmp, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as f:
                    f.write(body)
            client.log_artifacts(id, tmp)
            client.log_artifacts(id, tmp, "folder")
    client.set_terminated(id, "FINISHED", MS + 5000)
    return client.get_run(id)


def datasets(client, id: str) -> None:
    try:
        from mlflow.entities import Dataset, DatasetInput, InputTag
    except ImportError:
        return
    client.log_inputs(id, [
        DatasetInput(Dataset("iris", "abc123", "local", '{"uri": "iris.csv"}', '{"columns": []}', '{"rows": 150}'), [InputTag("mlflow.data.context", "train"), InputTag("a", "1")]),
        DatasetInput(Dataset("iris", "def456", "http", '{"url": "http://example.com"}'), []),
    ])  # fmt: skip


def nested(client, experiment: str) -> None:
    parent = client.create_run(experiment, start_time=MS + 1, tags={"mlflow.runName": "parent"})
    for i in range(3):
        child = client.create_run(experiment, start_time=MS + 2 + i, tags={"mlflow.runName": f"child {i}", "mlflow.parentRunId": parent.info.run_id})
        client.log_param(child.info.run_id, "depth", i)
        client.log_metric(child.info.run_id, "score", i / 3, timestamp=MS + i, step=i)
        datasets(client, child.info.run_id)
        client.set_terminated(child.info.run_id, ("FINISHED", "FAILED", "KILLED")[i], MS + 100 + i)


def life_cycle(client, experiment: str) -> None:
    for i in range(3):
        run = client.create_run(experiment, start_time=MS + 20 + i)
        client.log_param(run.info.run_id, "gone", i)
        client.log_metric(run.info.run_id, "m", i, timestamp=MS)
        client.delete_run(run.info.run_id)
        if i == 2:
            client.restore_run(run.info.run_id)
    client.create_run("0", start_time=MS + 30)  # left running
    scheduled = client.create_run("0", start_time=MS + 31)
    client.set_terminated(scheduled.info.run_id, "SCHEDULED", MS + 32)


def registry(client, run, artifacts: bool) -> None:
    client.create_registered_model("forest", tags={"task": "tabular", "owner": "ada"}, description="a *model*")
    client.create_registered_model("no versions")
    source = run.info.artifact_uri + "/folder"
    kinds = [dict(run_id=run.info.run_id), dict(run_id=run.info.run_id, tags={"v": "2"}, description="second"), dict(), dict(run_id=run.info.run_id), dict(run_id=run.info.run_id)]
    for i, more in enumerate(kinds):
        client.create_model_version("forest", source if artifacts and "run_id" in more else f"s3://bucket/{i}", **more)
    client.transition_model_version_stage("forest", "1", "Archived")
    client.transition_model_version_stage("forest", "2", "Production")
    client.transition_model_version_stage("forest", "3", "Staging")
    client.delete_model_version("forest", "5")  # its number is not given again
    client.set_model_version_tag("forest", "1", "checked", "yes")
    if hasattr(client, "set_registered_model_alias"):
        client.set_registered_model_alias("forest", "champion", "2")
        client.set_registered_model_alias("forest", "challenger", "3")
    client.create_registered_model("to be renamed model")
    client.create_model_version("to be renamed model", "s3://bucket/r", run.info.run_id, run_link="http://example.com/run")
    client.rename_registered_model("to be renamed model", "renamed model")
    client.create_registered_model("gone model")
    client.delete_registered_model("gone model")


def logged_models(client, experiment: str, artifacts: bool) -> None:
    if not hasattr(client, "create_logged_model"):
        return
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    run = client.create_run(experiment, start_time=MS + 40, tags={"mlflow.runName": "makes models"})
    id = run.info.run_id
    made = []
    for i in range(3):
        model = client.create_logged_model(experiment, f"model-{i}", id, tags={"n": str(i), "a": "b"}, params={"depth": str(i), "z": "1"}, model_type="classifier")
        made.append(model.model_id)
        client.log_metric(id, "auc", 0.5 + i / 10, timestamp=MS + i, step=i, model_id=model.model_id)
        client.log_metric(id, "auc", 0.6 + i / 10, timestamp=MS + 10 + i, step=i, model_id=model.model_id, dataset_name="iris", dataset_digest="abc123")
        if artifacts and i == 0:
            with tempfile.TemporaryDirectory() as tmp:
                for name in ("MLmodel", "weights.bin"):
                    with open(os.path.join(tmp, name), "w") as f:
                        f.write(name * 100)
                client.log_model_artifacts(model.model_id, tmp)
    client.finalize_logged_model(made[0], "READY")
    client.finalize_logged_model(made[1], "FAILED")
    client.log_outputs(id, [LoggedModelOutput(made[0], 3), LoggedModelOutput(made[1], 0)])
    user = client.create_run(experiment, start_time=MS + 41)
    client.log_inputs(user.info.run_id, models=[LoggedModelInput(made[0])])
    client.delete_logged_model(made[2])
    client.create_registered_model("from logged")
    client.create_model_version("from logged", f"models:/{made[0]}", model_id=made[0])
    client.set_terminated(id, "FINISHED", MS + 4000)


def many(client, experiment: str, runs: int, steps: int) -> None:
    rng = random.Random(7)
    other = client.get_experiment_by_name("many").experiment_id
    for i in range(runs):
        run = client.create_run(other if i % 3 else experiment, start_time=MS + 1000 * i, tags={"mlflow.runName": f"run {i}", "group": str(i % 7)})
        id = run.info.run_id
        metrics = [Metric(k, rng.gauss(s, 1), MS + 1000 * i + s, s) for s in range(steps) for k in ("loss", "val_loss")]
        params = [Param("lr", str(rng.random())), Param("depth", str(i % 9)), Param("optimizer", rng.choice(["adam", "sgd"]))]
        for at in range(0, len(metrics), 900):
            client.log_batch(id, metrics[at : at + 900], params if at == 0 else [], [])
        if not steps:
            client.log_batch(id, [], params, [])
        client.set_terminated(id, rng.choice(["FINISHED", "FAILED"]), MS + 1000 * i + 900)
        if i % 11 == 0:
            client.delete_run(id)


if __name__ == "__main__":
    fill(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
