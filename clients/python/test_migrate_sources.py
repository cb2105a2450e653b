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
from migrate_answers import Reader
from migrate_fill import fill

RUNS = int(os.environ.get("RUNSTONE_MIGRATE_RUNS", "30"))
BINARY = os.path.abspath(os.environ.get("RUNSTONE_BIN", str(HERE.parents[1] / "bin" / "runstone")))
FILES = {**ENVIRONMENT, "MLFLOW_ALLOW_FILE_STORE": "true"}
THREE = int(mlflow.__version__.split(".")[0]) >= 3


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


def differences(before: dict, after: dict, settle=lambda name, answer: answer) -> str:
    before = {k: settle(k, v) for k, v in before.items()}
    after = {k: settle(k, v) for k, v in after.items()}
    differ = [n for n in before | after if before.get(n) != after.get(n)]
    return "\n".join(f"{n}:\n  {before.get(n)}\n  {after.get(n)}"[:900] for n in differ[:6])


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


def points_of(body: dict) -> list:
    return [(m["timestamp"], m.get("step", 0), str(m["value"])) for m in body.get("metrics", [])]


def test_folder_answers_the_same(folder, from_folder):
    home, before = folder
    after = answers(from_folder[0])
    root = re.escape(str(home))

    # What the store of files answers otherwise than MLflow's databases and Runstone do, see docs/MIGRATE.md:
    # points about datasets read back with step 0, and infinities as they are.
    known = ("auc", "inf")

    def settle(name, answer):
        body = answer[1] if answer else {}
        data = body.get("run", {}).get("data", body)
        if "metrics" in data:
            data["metrics"] = [m for m in data["metrics"] if m["key"] not in known]
        # Its store of files names the run of a point, and a database does not.
        text = re.sub(r", 'run_id': '[0-9a-f]{32}'(?=\}[,\]])", "", repr(answer)) if name.startswith(("run ", "history ")) else repr(answer)
        return re.sub(rf"(file://)?{root}/(\.trash/)?", "mlflow-artifacts:/", text)

    # A search's order among equals and its filters are those of a database, see docs/MIGRATE.md.
    skip = ("runs by", "runs with", "experiments ", "runs of", "models page", "versions page", "logged models")
    names = [n for n in before if not n.startswith(skip)]
    shown = differences({n: before[n] for n in names}, {n: after.get(n) for n in names}, settle)
    assert not shown, shown
    assert len(names) > 3 * RUNS


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
        models = ask("logged-models/search", experiment_ids=[e["experiment_id"]], max_results=50).get("models", []) if THREE else []
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
