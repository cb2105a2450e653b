"""Artifacts over the wire: uploads in parts, signed downloads, files far larger
than the server's memory, and a server that is killed while it receives one.

BIGFILE_MIB is the size of the large file, 512 by default.
"""

import base64
import hashlib
import os
import pathlib
import threading
import time

import mlflow
import pytest
import requests

from conftest import REAL, Server

pytestmark = pytest.mark.skipif(REAL, reason="MLflow's server has no parts on local folders")

MIB = 1 << 20
BIG = int(os.environ.get("BIGFILE_MIB", "512")) * MIB
MEMORY = 64 * MIB  # what the server may take, whatever it serves
BLOCK = os.urandom(MIB)
FILES = "/api/2.0/mlflow-artifacts"


def content(size, block=BLOCK):
    for at in range(0, size, len(block)):
        yield block[: min(len(block), size - at)]


def digest(size, block=BLOCK):
    sha = hashlib.sha256()
    for piece in content(size, block):
        sha.update(piece)
    return sha.digest()


def peak(server):
    """The most memory that the server's process ever had, in bytes."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status")
    if not status.exists():
        pytest.skip("no /proc here")
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def leftovers(server):
    root = server.directory / "artifacts"
    return sum(f.stat().st_size for d in root.glob(".runstone-tmp-*") for f in [d, *d.rglob("*")] if f.is_file())


def test_big_file(server):
    """Up and down in constant memory, with ranges and digests."""
    url = f"{server.url}{FILES}/artifacts/0/big/artifacts/model.bin"
    want = digest(BIG)
    repr_digest = "sha-256=:" + base64.b64encode(want).decode() + ":"
    start = time.monotonic()
    answer = requests.put(url, data=content(BIG), headers={"Content-Digest": repr_digest}, timeout=600)
    assert answer.status_code == 200, answer.text
    up = time.monotonic() - start

    start = time.monotonic()
    sha = hashlib.sha256()
    with requests.get(url, stream=True, timeout=600) as answer:
        assert answer.status_code == 200
        assert int(answer.headers["Content-Length"]) == BIG
        assert answer.headers["Repr-Digest"] == repr_digest
        for piece in answer.iter_content(MIB):
            sha.update(piece)
    down = time.monotonic() - start
    assert sha.digest() == want
    tail = requests.get(url, headers={"Range": f"bytes={BIG - 10}-"}, timeout=60)
    assert (tail.status_code, tail.content) == (206, BLOCK[-10:])

    # Wrong from the first byte on, which shows at the last.
    wrong = requests.put(url, data=content(8 * MIB), headers={"Content-Digest": repr_digest}, timeout=600)
    assert wrong.status_code == 400, wrong.text
    assert int(requests.head(url, timeout=60).headers["Content-Length"]) == BIG, "the old file stays"

    in_parts, begun = 8 * MIB, time.monotonic()
    folder = "0/big/artifacts"
    upload = requests.post(
        f"{server.url}{FILES}/mpu/create/{folder}", json={"path": "parts.bin", "num_parts": BIG // in_parts}, timeout=60
    ).json()
    parts = []
    for part in reversed(upload["credentials"]):
        put = requests.put(part["url"], data=BLOCK * 8, timeout=600)
        assert put.status_code == 200, put.text
        parts.insert(0, {"part_number": part["part_number"], "etag": put.headers["ETag"], "url": part["url"]})
    done = requests.post(
        f"{server.url}{FILES}/mpu/complete/{folder}",
        json={"path": "parts.bin", "upload_id": upload["upload_id"], "parts": parts},
        timeout=600,
    )
    assert done.status_code == 200, done.text
    assert requests.head(f"{server.url}{FILES}/artifacts/{folder}/parts.bin", timeout=60).headers["Repr-Digest"] == repr_digest
    print(
        f"{BIG // MIB} MiB: up {up:.1f} s, down {down:.1f} s, in parts of 8 MiB {time.monotonic() - begun:.1f} s, "
        f"peak memory of the server {peak(server) / MIB:.1f} MiB"
    )
    assert peak(server) < MEMORY


def test_one_name_many_writers(server):
    """Of several uploads of one name a whole one stays."""
    url = f"{server.url}{FILES}/artifacts/0/many/artifacts/f"
    blocks = [os.urandom(MIB) for _ in range(6)]
    writers = [threading.Thread(target=requests.put, args=(url,), kwargs={"data": content(16 * MIB, b)}) for b in blocks]
    for w in writers:
        w.start()
    seen = set()
    while any(w.is_alive() for w in writers):
        answer = requests.get(url, timeout=60)
        if answer.status_code == 200:
            seen.add(hashlib.sha256(answer.content).digest())
    for w in writers:
        w.join()
    seen.add(hashlib.sha256(requests.get(url, timeout=60).content).digest())
    assert seen <= {digest(16 * MIB, b) for b in blocks}
    assert leftovers(server) == 0
    assert peak(server) < MEMORY


@pytest.fixture
def counted(tmp_path):
    running = Server(tmp_path / "data", flags=["--expose-prometheus", "unused"])
    yield running
    running.kill()


def test_client_in_parts(counted, tmp_path, monkeypatch):
    """MLflow's own client, told to send and fetch in parts."""
    server = counted
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE", str(5 * MIB))
    mlflow.set_tracking_uri(server.url)
    mlflow.set_experiment("parts")
    source = tmp_path / "weights é.bin"
    source.write_bytes(BLOCK * 17 + b"end")
    (tmp_path / "small.txt").write_text("small")
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(source), "a/b")
        mlflow.log_artifact(str(tmp_path / "small.txt"))
    for path, want in [("a/b/weights é.bin", source.read_bytes()), ("small.txt", b"small")]:
        got = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=path, dst_path=str(tmp_path / "out"))
        assert pathlib.Path(got).read_bytes() == want
    assert leftovers(server) == 0
    log = server.log.read_text()
    assert "level=ERROR" not in log
    metrics = requests.get(f"{server.url}/metrics", timeout=60).text
    assert 'mlflow_http_request_total{method="PUT",path="/mpu/part/{part...}",status="200"} 5' in metrics
    if "/presigned/" in metrics:  # since MLflow 3.10
        assert 'mlflow_http_request_total{method="GET",path="/signed/{path...}",status="206"} 5' in metrics


def test_killed_while_receiving(tmp_path):
    """What a killed server had received is invisible, and swept when it is old."""
    server = Server(tmp_path / "data")
    try:
        base = f"{server.url}{FILES}"
        requests.put(f"{base}/artifacts/0/k/artifacts/old", data=b"old", timeout=60).raise_for_status()
        stop = threading.Event()

        def slowly():
            for piece in content(64 * MIB):
                yield piece
                if stop.wait(0.02):
                    return

        def put():
            try:
                requests.put(f"{base}/artifacts/0/k/artifacts/old", data=slowly(), timeout=60)
            except requests.RequestException:
                pass

        writer = threading.Thread(target=put)
        writer.start()
        upload = requests.post(f"{base}/mpu/create/0/k/artifacts", json={"path": "parts", "num_parts": 2}, timeout=60).json()
        requests.put(upload["credentials"][1]["url"], data=BLOCK, timeout=60).raise_for_status()
        while leftovers(server) < 3 * MIB:
            time.sleep(0.01)
        server.kill()
        stop.set()
        writer.join()
        assert leftovers(server) >= 3 * MIB

        old = time.time() - 3 * 3600
        for left in (server.directory / "artifacts").glob(".runstone-tmp-*"):
            os.utime(left, (old, old))
        server.start()
        assert requests.get(f"{base}/artifacts/0/k/artifacts/old", timeout=60).content == b"old"
        listed = requests.get(f"{base}/artifacts", params={"path": "0/k/artifacts"}, timeout=60).json()
        assert [f["path"] for f in listed["files"]] == ["old"]
        assert "tmp" not in requests.get(f"{base}/artifacts", timeout=60).text
        deadline = time.monotonic() + 30
        while leftovers(server) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert leftovers(server) == 0
        late = requests.put(upload["credentials"][0]["url"], data=BLOCK, timeout=60)
        assert late.status_code == 404
    finally:
        server.kill()
