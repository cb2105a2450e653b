"""Fixtures: a tracking server of its own for each test module, stopped at the end.

By default the server is the runstone binary (RUNSTONE_BIN, else bin/runstone of
the checkout). With MLFLOW_REAL=1 it is the installed `mlflow server`, started by
the interpreter that MLFLOW_REAL_PYTHON names (default: this one), so that the
same assertions can be proved against MLflow itself.
"""

import importlib.metadata
import importlib.util
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests

HERE = pathlib.Path(__file__).resolve().parent
REAL = os.environ.get("MLFLOW_REAL") == "1"
START_SECONDS = 120

# MLflow's server starts a dozen processes for jobs of its own unless it is told not to.
ENVIRONMENT = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

# A differential test needs both servers of one version: the filters of MLflow 2.22 lack
# IS NULL and lists, take a NaN for 0, and its client has no logged models.
PACKAGES = [d for d in importlib.metadata.distributions() if d.name in ("mlflow", "mlflow-skinny")]
collect_ignore = [] if importlib.util.find_spec("torch") else ["test_deep.py"]
if int(PACKAGES[0].version.split(".")[0]) < 3:
    collect_ignore += [
        "test_search_differential.py", "test_migrate.py", "test_migrate_server.py", "test_compare.py", "test_calls.py",
        "test_fluent.py", "test_autolog.py", "test_generative.py", "test_study.py",
    ]  # fmt: skip

# A client that meets an unexpected 5xx answer must fail the test, not retry for minutes.
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "60"


def command(port: int, directory: pathlib.Path, real: bool) -> list[str]:
    """The server's command line: the one place that knows its flags."""
    if real:
        python = os.environ.get("MLFLOW_REAL_PYTHON", sys.executable)
        return [
            python, "-m", "mlflow", "server",
            "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{directory}/mlflow.db",
            "--artifacts-destination", str(directory / "artifacts"),
        ]  # fmt: skip
    binary = os.environ.get("RUNSTONE_BIN", str(HERE.parents[1] / "bin" / "runstone"))
    return [
        os.path.abspath(binary), "server",
        "--host", "127.0.0.1", "--port", str(port),
        "--data-dir", str(directory),
    ]  # fmt: skip


def free_port() -> int:
    """A port that no client's end of a connection takes before the server does."""
    while True:
        port = random.randrange(10000, 30000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Server:
    """A server process on a loopback port; start again on the same directory after kill."""

    def __init__(self, directory: pathlib.Path, real: bool = REAL, flags: list[str] | None = None):
        self.directory = directory
        self.real = real
        self.flags = flags or []
        self.port = free_port()
        self.log = directory.with_suffix(".log")
        self.process = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as out:
            # A session of its own: a kill then reaches MLflow's worker processes too.
            self.process = subprocess.Popen(
                command(self.port, self.directory, self.real) + self.flags,
                stdout=out, stderr=out, cwd=self.directory, start_new_session=True, env=ENVIRONMENT,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if requests.get(f"{self.url}/health", timeout=5).text == "OK":
                    return
            except (requests.ConnectionError, requests.Timeout):
                pass
            time.sleep(0.1)
        self.kill()
        raise RuntimeError("server did not start:\n" + self.log.read_text()[-4000:])

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, no handler runs."""
        if self.process.poll() is None:  # else the number may be another's by now
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ended(self) -> str:
        """How the server ended by itself, "" while it runs."""
        code = self.process.poll()
        return "" if code is None else f"the server ended with {code}:\n" + self.log.read_text()[-4000:]


@pytest.fixture(scope="module", autouse=True)
def environment():
    """MLflow tells the processes it starts of its server, registry and experiment by variables:
    those of one module's tests must not reach the next one's."""
    before = dict(os.environ)
    yield
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)
        sys.modules["mlflow"].set_registry_uri("")
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("server") / "data")
    yield running
    ended = running.ended()
    running.kill()
    assert not ended, ended


@pytest.fixture(scope="module")
def client(server):
    import mlflow

    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    yield mlflow.MlflowClient()
