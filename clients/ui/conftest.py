"""Fixtures: a server with MLflow's web UI, filled by the real client, and a page of headless Chromium.

The UI and the client are those of the environment that MLFLOW_PYTHON names (default: the one
that `make test-client-mlflow3` makes). With MLFLOW_REAL=1 the server is `mlflow server` itself,
so that the same assertions can be proved against MLflow.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse

import pytest
import requests
from playwright.sync_api import expect, sync_playwright

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REAL = os.environ.get("MLFLOW_REAL") == "1"
PYTHON = os.environ.get("MLFLOW_PYTHON", str(ROOT / ".cache" / "venv-mlflow3" / "bin" / "python"))
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Answers of 400 and more that do not matter, by method and path, with the reason.
ALLOWED = {
    ("GET", "/ajax-api/2.0/mlflow/users/current", 404): "MLflow without users answers the same: nobody is logged in",
}
if REAL:
    ALLOWED |= {("GET", f"/ajax-api/3.0/mlflow/assistant/{what}", 500): "MLflow's assistant fails under load" for what in ("config", "providers")}

# Requests that go nowhere, by the start of their address.
ELSEWHERE = {
    "https://mlflow.org/": "a film about tracing: the pages talk to nobody but the server",
}


TIMEOUT = 45_000  # ms; a page takes two seconds on an idle machine
expect.set_options(timeout=TIMEOUT)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Server:
    def __init__(self, directory, *flags):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        binary = os.path.abspath(os.environ.get("RUNSTONE_BIN", ROOT / "bin" / "runstone"))
        # The environment is that of MLFLOW_PYTHON: --ui finds MLflow's pages in it.
        command = [binary, "server", "--port", str(self.port), "--data-dir", str(directory), "--ui", str(pathlib.Path(PYTHON).parents[1]), *flags]
        if REAL:
            command = [PYTHON, "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1", "--backend-store-uri", f"sqlite:///{directory}/mlflow.db", "--artifacts-destination", f"{directory}/artifacts", *flags]
        directory.mkdir(parents=True)
        self.log = open(directory.with_suffix(".log"), "wb")
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, cwd=directory, env=environment, start_new_session=True)
        deadline = time.monotonic() + 120
        prefix = flags[flags.index("--static-prefix") + 1] if "--static-prefix" in flags else ""
        while True:
            try:
                if requests.get(f"{self.url}{prefix}/health", timeout=5).text == "OK":
                    return
            except requests.RequestException:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("server did not start:\n" + pathlib.Path(self.log.name).read_text()[-4000:]) from None
            time.sleep(0.1)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def api(self, method, path, **body):
        arguments = {"params": body} if method == "GET" else {"json": body}
        answer = requests.request(method, f"{self.url}/api/2.0/mlflow/{path}", timeout=30, **arguments)
        answer.raise_for_status()
        return answer.json()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("ui") / "data")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def world(server):
    """The ids of what fill.py made."""
    done = subprocess.run([PYTHON, str(HERE / "fill.py"), server.url], capture_output=True, text=True, timeout=300, cwd=HERE)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def browser():
    assert CHROMIUM, "no chromium in the PATH: install Debian's package, or name one in CHROMIUM"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield running
        running.close()


class Watch:
    """What went wrong on a page."""

    def __init__(self, page):
        self.wrong, self.asked, self.allowed = [], [], set(ALLOWED)
        page.on("response", self.response)
        page.on("requestfailed", self.failed)
        page.on("pageerror", lambda error: self.wrong.append(f"page error: {error}"))
        page.on("console", self.console)

    def response(self, response):
        path = urllib.parse.urlsplit(response.url).path
        self.asked.append((response.request.method, path, response.status))
        if response.status >= 400 and (response.request.method, path, response.status) not in self.allowed:
            self.wrong.append(f"{response.request.method} {response.url}: {response.status}")
        if path.endswith("/graphql"):
            answer = response.json()
            if answer["errors"]:
                self.wrong.append(f"GraphQL: {answer['errors']} of {response.request.post_data}")

    def failed(self, request):
        # The browser gives up what a page asked for when it goes to another.
        if request.failure != "net::ERR_ABORTED" and not any(request.url.startswith(start) for start in ELSEWHERE):
            self.wrong.append(f"{request.method} {request.url}: {request.failure}")

    def console(self, message):
        text = message.text
        if message.type == "error" and "Content Security Policy" in text and not any(start in text for start in ELSEWHERE):
            self.wrong.append(text)


@pytest.fixture
def page(server, browser, request, tmp_path):
    context = browser.new_context(viewport={"width": 1800, "height": 1100}, base_url=server.url)
    context.set_default_timeout(TIMEOUT)
    page = context.new_page()
    page.watch = Watch(page)
    yield page
    wrong = page.watch.wrong
    if folder := os.environ.get("UI_SCREENSHOTS"):
        page.screenshot(path=str(pathlib.Path(folder) / f"{request.node.name}.png"))
    context.close()
    assert not wrong, "\n".join(wrong)
