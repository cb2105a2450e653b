"""Event files of real writers arrive as TensorBoard itself reads them."""

import json
import math
import os
import pathlib
import signal
import subprocess
import time

import fill
import pytest
from tensorboardX import SummaryWriter

BINARY = os.environ.get("RUNSTONE_BIN", str(pathlib.Path(__file__).resolve().parents[2] / "bin" / "runstone"))


def runstone(*args) -> str:
    done = subprocess.run([BINARY, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def bring(logs, data, *flags) -> dict:
    return json.loads(runstone("import", "tensorboard", logs, "-d", data, "--json", *flags))


def runs(data) -> dict:
    return {r["run_name"]: r for r in json.loads(runstone("search", "-d", data, "--json"))["items"]}


def points(data, run: str, metric: str) -> list:
    rows = json.loads(runstone("metrics", "history", run, metric, "-d", data, "--json"))
    return [(p["step"], p["time"], float(p["value"])) for p in rows]


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    fill.fill(folder)
    return folder


def test_points_are_those_of_tensorboard(logs, tmp_path):
    data = tmp_path / "data"
    report = bring(logs, data, "-e", "boards")
    expected = {name: curves for name, curves in fill.read(logs).items()}
    found = runs(data)
    assert set(found) == set(expected)
    assert report["runs_added"] == len(expected)
    assert report["points"] == sum(len(c) for curves in expected.values() for c in curves.values())
    assert report["corrupt_records"] == report["unfinished_bytes"] == 0
    for name, curves in expected.items():
        for tag, curve in curves.items():
            key = tag if tag != "odd name (1)" else next(m["metric"] for m in found[name]["metrics"] if m["metric"].startswith("odd name"))
            got = points(data, found[name]["run_id"], key)
            want = sorted((step, round(at * 1000), value) for step, at, value in curve)
            assert [p[:2] for p in sorted(got, key=lambda p: p[:2])] == [w[:2] for w in want]
            for (_, _, g), (_, _, w) in zip(sorted(got, key=lambda p: p[:2]), want):
                assert g == w or math.isnan(g) and math.isnan(w)
    hyper = next(r for n, r in found.items() if n.startswith("hyper/"))
    assert hyper["params"] == {"lr": "0.001", "batch": "64", "bias": "True", "opt": "adam"}
    assert found["train"]["tags"]["text/note/text_summary"] == "last *one*"

    again = bring(logs, data, "-e", "boards")
    assert again["runs_added"] == again["points"] == again["params"] == again["texts"] == again["files"] == 0
    assert runs(data) == found


def test_follow_a_live_writer(tmp_path):
    data, folder = tmp_path / "data", tmp_path / "live"
    folder.mkdir()
    process = subprocess.Popen([BINARY, "import", "tensorboard", folder, "-d", data, "--follow", "--interval", "50ms", "-q", "--json"], stdout=subprocess.PIPE, text=True)
    try:
        with SummaryWriter(str(folder / "one"), flush_secs=1) as w:
            for step in range(30):
                w.add_scalar("loss", 1 / (step + 1), step)
                w.flush()
                time.sleep(0.01)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            one = runs(data).get("one") if (data / "RUNSTONE").exists() else None
            if one and len(points(data, one["run_id"], "loss")) == 30:
                break
            time.sleep(0.1)
        assert one and one["status"] == "RUNNING"
    finally:
        process.send_signal(signal.SIGINT)
    report = json.loads(process.communicate(timeout=30)[0])
    assert process.returncode == 0
    assert report["points"] == 30
    assert runs(data)["one"]["status"] == "FINISHED"
    assert bring(folder, data)["points"] == 0


def test_a_killed_import_goes_on(tmp_path):
    data, folder = tmp_path / "data", tmp_path / "big"
    with SummaryWriter(str(folder)) as w:
        for step in range(60_000):
            w.add_scalar("loss", step, step, walltime=step)
    killed = 0
    for wait in (0.03, 0.06, 0.1, 0.15):
        process = subprocess.Popen([BINARY, "import", "tensorboard", folder, "-d", data, "-q"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        process.kill()
        killed += process.wait() == -signal.SIGKILL
    assert killed
    bring(folder, data)
    got = points(data, runs(data)["."]["run_id"], "loss")
    assert sorted(p[0] for p in got) == list(range(60_000))
