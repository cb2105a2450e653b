"""The `mlflow` command line against the server, in every version."""

import csv
import io
import json
import os
import pathlib
import subprocess
import sys

import mlflow
import mlflow.cli
import pytest
from click.testing import CliRunner

VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])


@pytest.fixture
def cli(client, tmp_path, monkeypatch):
    """Calls the command line inside this process: a start of its own takes it seconds."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str, fails: bool = False) -> str:
        done = CliRunner().invoke(mlflow.cli.cli, words)
        assert (done.exit_code != 0) == fails, f"{done.output}\n{done.exception!r}"
        return done.stdout

    return call


def test_experiments(client, cli, tmp_path):
    said = cli("experiments", "create", "--experiment-name", "by hand")
    eid = client.get_experiment_by_name("by hand").experiment_id
    assert eid in said
    assert "by hand" in cli("experiments", "search")
    cli("experiments", "rename", "--experiment-id", eid, "--new-name", "renamed")
    assert client.get_experiment(eid).name == "renamed"
    run = client.create_run(eid, run_name="r").info.run_id
    client.log_param(run, "p", "1")
    client.log_metric(run, "m", 0.5)
    if find_pandas():
        cli("experiments", "csv", "--experiment-id", eid, "--filename", str(tmp_path / "runs.csv"))
        (row,) = csv.DictReader(io.StringIO((tmp_path / "runs.csv").read_text()))
        assert (row["run_id"], row["params.p"], float(row["metrics.m"])) == (run, "1", 0.5)
    if VERSION >= (3, 0):
        assert "renamed" in cli("experiments", "get", "--experiment-id", eid)
    cli("experiments", "delete", "--experiment-id", eid)
    assert client.get_experiment(eid).lifecycle_stage == "deleted"
    assert "renamed" in cli("experiments", "search", "--view", "deleted_only")
    cli("experiments", "restore", "--experiment-id", eid)
    assert client.get_experiment(eid).lifecycle_stage == "active"
    cli("experiments", "delete", "--experiment-id", "424242", fails=True)


def find_pandas() -> bool:
    """mlflow-skinny comes without it, and its command line has then no frames to write."""
    import importlib.util

    return importlib.util.find_spec("pandas") is not None


def test_runs(client, cli):
    eid = client.create_experiment("runs by hand")
    run = client.create_run(eid, run_name="named").info.run_id
    client.log_metric(run, "m", 0.25)
    assert "named" in cli("runs", "list", "--experiment-id", eid)
    described = json.loads(cli("runs", "describe", "--run-id", run))
    assert described["info"]["run_id"] == run and described["data"]["metrics"] == {"m": 0.25}
    cli("runs", "delete", "--run-id", run)
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    assert "named" in cli("runs", "list", "--experiment-id", eid, "--view", "deleted_only")
    cli("runs", "restore", "--run-id", run)
    assert client.get_run(run).info.lifecycle_stage == "active"
    cli("runs", "describe", "--run-id", "0" * 32, fails=True)
    if VERSION >= (3, 4):
        cli("runs", "create", "--experiment-id", eid, "--run-name", "made by hand")
        assert [r.info.status for r in client.search_runs([eid], "run_name = 'made by hand'")] == ["FINISHED"]


def test_artifacts(client, cli, tmp_path):
    run = client.create_run("0").info.run_id
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "a.txt").write_text("alone")
    (tmp_path / "tree" / "sub" / "b.txt").write_text("deep")
    cli("artifacts", "log-artifact", "--run-id", run, "--local-file", str(tmp_path / "a.txt"))
    cli("artifacts", "log-artifacts", "--run-id", run, "--local-dir", str(tmp_path / "tree"), "--artifact-path", "tree")
    assert {f["path"] for f in json.loads(cli("artifacts", "list", "--run-id", run))} == {"a.txt", "tree"}
    (listed,) = json.loads(cli("artifacts", "list", "--run-id", run, "--artifact-path", "tree/sub"))
    assert (listed["path"], listed["is_dir"], int(listed["file_size"])) == ("tree/sub/b.txt", False, 4)
    (tmp_path / "out").mkdir()
    cli("artifacts", "download", "--run-id", run, "--artifact-path", "tree", "--dst-path", str(tmp_path / "out"))
    assert (tmp_path / "out" / "tree" / "sub" / "b.txt").read_text() == "deep"


def test_predict(server, client, cli, tmp_path):
    """`mlflow models predict` loads a registered model; it needs pandas."""
    if not find_pandas():
        assert "models" in cli("--help")
        return
    rows = tmp_path / "rows.csv"
    rows.write_text("x\n1.0\n4.0\n")
    mlflow.set_experiment("predict by hand")
    from mlflow_double import Double

    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            "model", python_model=Double(), registered_model_name="double", pip_requirements=[],
            code_paths=[str(pathlib.Path(__file__).with_name("mlflow_double.py"))],
        ) if VERSION >= (2, 12) else mlflow.pyfunc.log_model(
            "model", python_model=Double(), registered_model_name="double", pip_requirements=[],
            code_path=[str(pathlib.Path(__file__).with_name("mlflow_double.py"))],
        )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "mlflow", "models", "predict", "-m", "models:/double/1",
         "-i", str(rows), "-t", "csv", "--env-manager", "local"],
        capture_output=True, text=True, timeout=240, cwd=tmp_path, env={**os.environ, "MLFLOW_TRACKING_URI": server.url},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.strip().splitlines()[-1])["predictions"][-1] in ({"x": 8.0}, 8.0)
