"""What a running MLflow server has comes in as it answered, and goes out again."""

import json
import os
import re

import pytest
import requests
from conftest import Server
from migrate_answers import Reader
from migrate_commands import BINARY, answers, bring, differences, kill_on_the_way, runstone
from migrate_fill import fill

RUNS = int(os.environ.get("RUNSTONE_MIGRATE_RUNS", "10"))


def send(data, server, *flags) -> dict:
    return json.loads(runstone("export", "mlflow", server.url, "-d", data, "--json", *flags).stdout)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A running MLflow server with things in it."""
    server = Server(tmp_path_factory.mktemp("real") / "data", real=True)
    fill(server.url, RUNS)
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
        token = None
        while token != "":
            page = ask("runs/search", experiment_ids=[e["experiment_id"]], run_view_type="ALL", max_results=1000, page_token=token)
            token = page.get("next_page_token", "")
            for r in page.get("runs", []):
                tags = {t["key"]: t["value"] for t in r["data"].get("tags", [])}
                names[r["info"]["run_id"]] = "run:" + tags.get("runstone.runId", r["info"]["run_id"])
        models = ask("logged-models/search", experiment_ids=[e["experiment_id"]], max_results=50).get("models", [])
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
