"""MLflow's folders of files and running servers come in as they answered, and go out again."""

import json
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
from conftest import ENVIRONMENT, HERE, Server, free_port
from migrate_answers import LOOSE, Reader
from migrate_fill import fill

RUNS = int(os.environ.get("RUNSTONE_MIGRATE_RUNS", "30"))
BINARY = os.path.abspath(os.environ.get("RUNSTONE_BIN", str(HERE.parents[1] / "bin" / "runstone")))
FILES = {**ENVIRONMENT, "MLFLOW_ALLOW_FILE_STORE": "true"}
VERSION = int(mlflow.__version__.split(".")[0])


def runstone(*args, check: bool = True):
    done = subprocess.run([BINARY, *map(str, args)], capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr
    return done


def bring(source, data, *flags) -> dict:
    return json.loads(runstone("import", "mlflow", source, "-d", data, "--json", *flags).stdout)


def send(data, server, *flags) -> dict:
    return json.loads(runstone("export", "mlflow", server.url, "-d", data, "--json", *flags).stdout)


def answers(data) -> dict:
    server = Server(data, real=False)
    try:
        return Reader(server.url).all()
    finally:
        server.kill()


def differences(before: dict, after: dict) -> str:
    differ = [n for n in before | after if before.get(n) != after.get(n)]
    return "\n".join(f"{n}:\n  {before.get(n)}\n  {after.get(n)}"[:3000] for n in differ[:6])


def kill_on_the_way(command: list, waits) -> int:
    killed = 0
    for wait in waits:
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    return killed


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


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A running MLflow server with things in it."""
    server = Server(tmp_path_factory.mktemp("real") / "data", real=True)
    fill(server.url, RUNS // 3)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def from_server(real, tmp_path_factory):
    data = tmp_path_factory.mktemp("from_server") / "data"
    return data, bring(real.url, data)


def test_server_answers_the_same(real, from_server):
    shown = differences(Reader(real.url).all(), answers(from_server[0]))
    assert not shown, shown


def test_second_import_of_a_server_changes_nothing(real, from_server):
    again = bring(real.url, from_server[0])
    for kind, first in from_server[1]["records"].items():
        assert again["records"][kind] == {**first, "added": 0, "same": first["added"]}
    assert again["points_added"] == 0


def test_killed_import_of_a_server_goes_on(real, from_server, tmp_path):
    data = tmp_path / "data"
    assert kill_on_the_way([BINARY, "import", "mlflow", real.url, "-d", data], (0.1, 0.2, 0.4))
    report = bring(real.url, data)
    for kind, first in from_server[1]["records"].items():
        assert report["records"][kind]["digest"] == first["digest"], kind


def without_ids(server, answers: dict) -> list:
    """Answers with names in the place of ids, and without what an export adds and MLflow makes up."""
    client = requests.Session()

    def ask(path, **body):
        return client.post(f"{server.url}/ajax-api/2.0/mlflow/{path}", json=body).json()

    names = {}
    experiments = ask("experiments/search", view_type="ALL", max_results=1000)["experiments"]
    for e in experiments:
        found = ask("runs/search", experiment_ids=[e["experiment_id"]], run_view_type="ALL", max_results=1000).get("runs", [])
        for r in found:
            tags = {t["key"]: t["value"] for t in r["data"].get("tags", [])}
            names[r["info"]["run_id"]] = "run:" + tags.get("runstone.runId", r["info"]["run_id"])
        models = ask("logged-models/search", experiment_ids=[e["experiment_id"]], max_results=50).get("models", []) if VERSION >= 3 else []
        for m in models:
            tags = {t["key"]: t["value"] for t in m["info"].get("tags", [])}
            names[m["info"]["model_id"]] = "model:" + tags.get("runstone.modelId", m["info"]["model_id"])
    made = ("creation_time", "last_update_time", "creation_timestamp", "last_updated_timestamp", "creation_timestamp_ms", "last_updated_timestamp_ms")
    places = {e["experiment_id"]: e["name"] for e in experiments}

    def clean(v, key=""):
        if isinstance(v, dict):
            out = {k: clean(x, k) for k, x in v.items() if k not in made}
            if "experiment_id" in out:
                out["experiment_id"] = places.get(out["experiment_id"], out["experiment_id"])
            return {k: x for k, x in out.items() if x != []}
        if isinstance(v, (list, tuple)):
            return [clean(x) for x in v if not (isinstance(x, dict) and str(x.get("key", "")).startswith("runstone."))]
        if isinstance(v, str):
            for id, name in names.items():
                v = v.replace(id, name)
            return re.sub(r"mlflow-artifacts:/(\d+)/", lambda m: f"mlflow-artifacts:/{places.get(m[1], m[1])}/", v)
        return v

    out = []
    for name, answer in answers.items():
        if name.startswith(("run ", "history ", "files ", "model ", "version ", "logged model ", "alias ")):
            for id, to in names.items():
                name = name.replace(id, to)
            cleaned = clean(answer) if not name.startswith("files ") or "bytes" not in name else answer
            out.append((name, repr(cleaned)))
    return sorted(out)


def test_export_to_a_server(from_server, tmp_path):
    target = Server(tmp_path / "target", real=True)
    try:
        killed = kill_on_the_way([BINARY, "export", "mlflow", target.url, "-d", from_server[0]], (0.5, 1, 2))
        report = send(from_server[0], target)
        assert killed
        assert all(t["skipped"] == 0 for t in report["records"].values()), report
        before = Server(from_server[0], real=False)
        try:
            ours = dict(without_ids(before, Reader(before.url).all()))
        finally:
            before.kill()
        theirs = dict(without_ids(target, Reader(target.url).all()))
        # Names of the one that ours do not have an id for are the ids themselves.
        ours = {re.sub(r"\b[0-9a-f]{32}\b", "#", k): v for k, v in ours.items()}
        theirs = {re.sub(r"\b[0-9a-f]{32}\b", "#", k): v for k, v in theirs.items()}
        assert ours.keys() == theirs.keys()
        differ = [f"{k}\n  {ours[k]}\n  {theirs[k]}"[:900] for k in ours if ours[k] != theirs[k]]
        assert not differ, "\n".join(differ[:4])
        again = send(from_server[0], target)
        assert all(t["added"] == t["updated"] == 0 for t in again["records"].values()), again
        assert again["points_sent"] == again["artifact_bytes_sent"] == 0
    finally:
        target.kill()
