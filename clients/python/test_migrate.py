"""A store that the real MLflow filled answers the same after `runstone import mlflow`."""

import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import time

import mlflow
import pytest
from conftest import HERE, Server
from migrate_answers import Reader
from migrate_fill import fill, many

RUNS = int(os.environ.get("RUNSTONE_MIGRATE_RUNS", "120"))
BINARY = os.path.abspath(os.environ.get("RUNSTONE_BIN", str(HERE.parents[1] / "bin" / "runstone")))


def runstone(*args, check: bool = True, **more):
    done = subprocess.run([BINARY, *map(str, args)], capture_output=True, text=True, **more)
    assert not check or done.returncode == 0, done.stderr
    return done


def bring(source: pathlib.Path, data: pathlib.Path, *flags) -> dict:
    return json.loads(runstone("import", "mlflow", source / "mlflow.db", "-d", data, "--artifacts", source / "artifacts", "--json", *flags).stdout)


@pytest.fixture(scope="module")
def mlflow_store(tmp_path_factory):
    """The folder of an MLflow server that was stopped, and all that it answered."""
    server = Server(tmp_path_factory.mktemp("mlflow") / "data", real=True)
    try:
        fill(server.url)
        # Without the server in between this takes a tenth of the time.
        many(mlflow.MlflowClient(f"sqlite:///{server.directory}/mlflow.db"), "0", RUNS, 30)
        answers = Reader(server.url).all()
    finally:
        server.kill()
    return server.directory, answers


@pytest.fixture(scope="module")
def imported(mlflow_store, tmp_path_factory):
    data = tmp_path_factory.mktemp("imported") / "data"
    report = bring(mlflow_store[0], data)
    return data, report


def test_every_answer_is_the_same(mlflow_store, imported):
    _, before = mlflow_store
    server = Server(imported[0], real=False)
    try:
        after = Reader(server.url).all()
    finally:
        server.kill()
    assert len(before) > 4 * RUNS
    differ = [name for name in before | after if before.get(name) != after.get(name)]
    shown = "\n".join(f"{n}:\n  {before.get(n)}\n  {after.get(n)}"[:3000] for n in differ[:10])
    assert not differ, f"{len(differ)} of {len(before)} answers differ:\n{shown}"


def test_the_report_counts_what_is_there(mlflow_store, imported):
    report = imported[1]
    with sqlite3.connect(mlflow_store[0] / "mlflow.db") as db:
        count = lambda table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: E731
        assert report["records"]["runs"]["added"] == count("runs")
        assert report["points"] == report["points_added"] == count("metrics")
        assert report["params"] == count("params")
        assert report["tags"] == count("tags")
        assert report["records"]["registered models"]["added"] == count("registered_models")
    assert all(r["conflicts"] == r["skipped"] == 0 for r in report["records"].values()), report


def test_a_second_import_changes_nothing(mlflow_store, imported):
    again = bring(mlflow_store[0], imported[0])
    for kind, first in imported[1]["records"].items():
        assert again["records"][kind] == {**first, "added": 0, "same": first["added"]}
    assert again["points_added"] == 0
    assert again["points"] == imported[1]["points"]


def test_a_dry_run_writes_nothing(mlflow_store, imported, tmp_path):
    dry = bring(mlflow_store[0], tmp_path / "data", "--dry-run")
    assert dry["dry_run"] and not (tmp_path / "data").exists()
    for kind, first in imported[1]["records"].items():
        assert dry["records"][kind]["added"] == first["added"]
        if kind != "artifacts":
            assert dry["records"][kind]["digest"] == first["digest"]


def test_a_killed_import_goes_on(mlflow_store, imported, tmp_path):
    source, data = mlflow_store[0], tmp_path / "data"
    command = [BINARY, "import", "mlflow", source / "mlflow.db", "-d", data, "--artifacts", source / "artifacts"]
    killed = 0
    for wait in (0.02, 0.05, 0.08, 0.12, 0.2, 0.3):
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed
    report = bring(source, data)
    for kind, first in imported[1]["records"].items():
        assert report["records"][kind]["digest"] == first["digest"], kind
        assert report["records"][kind]["added"] + report["records"][kind]["same"] == first["added"], kind
    assert report["points"] == imported[1]["points"]
    assert runstone("verify", "-d", data, "--artifacts", check=False).returncode == 0
    assert bring(source, data)["points_added"] == 0


def test_it_merges_with_what_is_there(mlflow_store, imported, tmp_path):
    data = tmp_path / "data"
    runstone("runs", "log", "-d", data, "-e", "of our own", input='{"step": 0, "loss": 1}\n')
    report = bring(mlflow_store[0], data)
    assert report["records"]["runs"]["added"] == imported[1]["records"]["runs"]["added"]
    found = json.loads(runstone("experiments", "list", "-d", data, "--json").stdout)
    assert {"of our own", "plain", "many"} <= {e["name"] for e in found}


def test_a_conflict_is_never_overwritten(mlflow_store, tmp_path):
    data = tmp_path / "data"
    runstone("runs", "log", "-d", data, "-e", "plain", input='{"step": 0, "loss": 1}\n')
    refused = runstone("import", "mlflow", mlflow_store[0] / "mlflow.db", "-d", data, "--no-artifacts", check=False)
    assert refused.returncode == 4 and "plain" in refused.stderr, refused.stderr
    report = bring(mlflow_store[0], data, "--skip")
    assert report["records"]["experiments"]["conflicts"] == 1
    assert report["records"]["runs"]["skipped"] > 0
    assert [c["kind"] for c in report["conflicts"]] == ["experiments"]
