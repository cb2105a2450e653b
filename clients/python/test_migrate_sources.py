"""Folders of files of MLflow 2 and 3 come in as their server answered."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import mlflow
import pytest
import requests
from conftest import ENVIRONMENT, HERE, free_port
from migrate_answers import LOOSE, Reader
from migrate_commands import BINARY, answers, bring, differences, kill_on_the_way, runstone

RUNS = int(os.environ.get("RUNSTONE_MIGRATE_RUNS", "20"))
FILES = {**ENVIRONMENT, "MLFLOW_ALLOW_FILE_STORE": "true"}
VERSION = int(mlflow.__version__.split(".")[0])


class FileServer:
    """MLflow's server of its own over a folder of files."""

    def __init__(self, folder: pathlib.Path):
        port = free_port()
        self.url = f"http://localhost:{port}"
        self.log = folder.with_suffix(".log")
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--no-serve-artifacts",
                 "--backend-store-uri", str(folder), "--default-artifact-root", str(folder)],
                stdout=out, stderr=out, cwd=folder.parent, start_new_session=True, env=FILES,
            )  # fmt: skip
        for _ in range(1200):
            try:
                if requests.get(f"{self.url}/health", timeout=5).text == "OK":
                    return
            except (requests.ConnectionError, requests.Timeout):
                time.sleep(0.1)
        self.kill()
        raise RuntimeError(self.log.read_text()[-4000:])

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that MLflow filled, and all that its server answered."""
    home = tmp_path_factory.mktemp("files") / "mlruns"
    subprocess.run([sys.executable, str(HERE / "migrate_fill.py"), str(home), str(RUNS)], check=True, env=FILES, capture_output=True)
    server = FileServer(home)
    try:
        return home, Reader(server.url).all()
    finally:
        server.kill()


@pytest.fixture(scope="module")
def from_folder(folder, tmp_path_factory):
    data = tmp_path_factory.mktemp("from_folder") / "data"
    return data, bring(folder[0], data)


class Database:
    """What a store of files answers, as a database of MLflow would: the differences are those in docs/MIGRATE.md."""

    TEXTS = ("description", "run_link", "run_id")  # of a version: not told by the one, "" by the other

    def __init__(self, home: pathlib.Path, answers: dict):
        self.home, self.histories = home, {}
        self.answers = {name: self.values(answer) for name, answer in answers.items()}
        for name, answer in self.answers.items():
            if name.startswith("history "):
                self.history(name, answer[1]["metrics"])
        for name, answer in self.answers.items():
            if not name.startswith("files "):
                self.records(name, answer[1])

    def values(self, v):
        """Places of files are those of an artifact proxy, and infinities the largest numbers."""
        if isinstance(v, str):
            v = {"Infinity": sys.float_info.max, "-Infinity": -sys.float_info.max}.get(v, v)
            return v if isinstance(v, float) else re.sub(rf"(file://)?{re.escape(str(self.home))}/(\.trash/)?", "mlflow-artifacts:/", v)
        if isinstance(v, dict):
            return {k: self.values(x) for k, x in v.items()}
        return type(v)(map(self.values, v)) if isinstance(v, (list, tuple)) else v

    def history(self, name: str, points: list) -> None:
        """Repeated points are told once, without their run and dataset; those about a dataset have the step that is in the file."""
        _, run, key = name.split(" ", 2)
        about = any("dataset_name" in p for p in points)
        if about:
            (file,) = self.home.glob(f"**/{run}/metrics/{key}")
            lines = [line.split() for line in file.read_text().splitlines()]
            assert len(lines) == len(points)
            points[:] = [{"key": key, "value": float(line[1]), "timestamp": int(line[0]), "step": int(line[2])} for line in lines]
        for p in points:
            p.pop("run_id", None)
        points.sort(key=LOOSE["metrics"])
        points[:] = [p for i, p in enumerate(points) if i == 0 or p != points[i - 1]]
        if about:
            self.histories[run, key] = points

    def records(self, name: str, body: dict) -> None:
        for run in [body["run"]] if "run" in body else body.get("runs", []):
            metrics = run["data"].get("metrics", [])
            for i, m in enumerate(metrics):
                m.pop("run_id", None)
                if points := self.histories.get((run["info"]["run_uuid"], m["key"])):
                    metrics[i] = max(points, key=lambda p: (p["step"], p["timestamp"], p["value"]))
        models = [body["registered_model"]] if "registered_model" in body else body.get("registered_models", [])
        for m in models:
            self.versions(m.get("latest_versions", []), aliases=False)
        self.versions(body.get("model_versions", []), aliases=not name.startswith("versions page"))
        self.versions([body["model_version"]] if "model_version" in body else [], aliases=True)
        if name.startswith("latest of ") and body:
            body["model_versions"].sort(key=lambda v: int(v["version"]))

    def versions(self, versions: list, aliases: bool) -> None:
        for v in versions:
            for key in self.TEXTS:
                v.setdefault(key, "")
            if not aliases:
                v.pop("aliases", None)


def known_to(version: int, answer):
    """An answer without what a server of that version of MLflow does not know of."""
    if version >= 3 or not isinstance(answer, (dict, list, tuple)):
        return answer
    if isinstance(answer, dict):
        return {k: known_to(version, v) for k, v in answer.items() if k not in ("workspace", "outputs", "sqlstate", "error_class")}
    return type(answer)(known_to(version, v) for v in answer)


def test_folder_answers_the_same(folder, from_folder):
    home, before = folder
    before = Database(home, before).answers
    after = {name: known_to(VERSION, answer) for name, answer in answers(from_folder[0]).items() if VERSION >= 3 or not name.startswith("logged models ")}
    shown = differences(before, after)
    assert not shown, shown
    assert len(before) > 3 * RUNS
    told = [name for name, answer in after.items() if name.startswith("logged model m-") and "dataset_digest" in repr(answer)]
    assert len(told) == (2 if VERSION >= 3 else 0)  # the points of models tell their dataset; the third was deleted


def test_folder_comes_in_whole(folder, from_folder):
    lines = sum(len(f.read_bytes().splitlines()) for f in folder[0].glob("**/metrics/**/*") if f.is_file() and "models" not in f.parts)
    assert from_folder[1]["points"] == from_folder[1]["points_added"] == lines  # repeated points too
    assert from_folder[1]["records"]["runs"]["added"] == len([f for f in folder[0].glob("**/meta.yaml") if (f.parent / "params").is_dir() and f.parent.parent.name != "models"])
    assert all(r["conflicts"] == r["skipped"] == 0 for r in from_folder[1]["records"].values()), from_folder[1]


def test_second_import_of_a_folder_changes_nothing(folder, from_folder):
    again = bring(folder[0], from_folder[0])
    for kind, first in from_folder[1]["records"].items():
        assert again["records"][kind] == {**first, "added": 0, "same": first["added"]}
    assert again["points_added"] == 0
    uri = bring(f"file://{folder[0]}", from_folder[0])
    assert uri["records"] == again["records"]


def test_killed_import_of_a_folder_goes_on(folder, from_folder, tmp_path):
    data = tmp_path / "data"
    assert kill_on_the_way([BINARY, "import", "mlflow", folder[0], "-d", data], (0.02, 0.04, 0.06, 0.1))
    report = bring(folder[0], data)
    for kind, first in from_folder[1]["records"].items():
        assert report["records"][kind]["digest"] == first["digest"], kind
    assert report["points"] == from_folder[1]["points"]
    assert runstone("verify", "-d", data, "--artifacts", check=False).returncode == 0
