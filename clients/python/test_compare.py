"""The same requests to MLflow's own server and to Runstone: the same answers, ids, times and addresses aside."""

import re
import threading

import pytest
import requests
from compare_requests import BAD, DIFFERENT, GOOD, ROOTED
from conftest import Server

API = "/api/2.0/mlflow"
MADE_UP = re.compile(r"^[a-z]+-[a-z]+-\d+$")


class Side:
    """One of the two servers, and what it gave its objects for names."""

    def __init__(self, directory, real: bool, asks: list, flags: list[str]):
        self.directory = directory
        self.server = Server(directory, real=real, flags=flags)
        self.session = requests.Session()
        self.names: dict[str, str] = {}
        self.answers = {ask.label: self.send(ask) for ask in asks}

    def fill(self, value):
        if isinstance(value, str):
            return re.sub(r"\$([A-Z]+\d?)", lambda m: self.names.get(m[1], m[0]), value)
        if isinstance(value, dict):
            return {k: self.fill(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.fill(v) for v in value]
        return value

    def send(self, ask):
        path = self.fill(ask.path)
        url = self.server.url + (path[1:] if path.startswith("//") else API + path)
        body, more = self.fill(ask.body), {}
        if ask.method in ("GET", "HEAD"):
            more["params"] = body
        elif isinstance(body, bytes):
            more["data"] = body
        elif body is not None:
            more["json"] = body
        answer = self.session.request(ask.method, url, headers=ask.headers, timeout=60, **more)
        try:
            got = answer.json()
        except ValueError:
            got = answer.text
        for name, where in ask.keep.items():
            value = got
            for part in where.split("."):
                value = value[part]
            self.names[name] = value
        return answer.status_code, answer.headers.get("Content-Type", "").split(";")[0], self.plain(got)

    def plain(self, value, key=""):
        """An answer without what no two servers share."""
        if isinstance(value, dict):
            return {k: self.plain(v, k) for k, v in value.items()}
        if isinstance(value, list):
            rows = [self.plain(v, key) for v in value]
            # MLflow leaves the order of tags, params and metrics open.
            keyed = all(isinstance(row, dict) and "key" in row for row in rows)
            return sorted(rows, key=lambda row: row["key"]) if keyed else rows
        if isinstance(value, str):
            if key == "next_page_token":
                return "$TOKEN" if value else value
            for name, real in sorted(self.names.items(), reverse=True):  # runs before experiments
                if name.startswith("EXP"):  # "1" is also a version and more
                    value = f"${name}" if key == "experiment_id" and value == real else value
                    value = re.sub(rf"(?<=mlflow-artifacts:/){real}\b|(?<=/root/){real}\b|\b{real}(?=/\$RUN)", f"${name}", value)
                else:
                    value = value.replace(real, f"${name}")
            # Python prints a set in no fixed order.
            value = re.sub(r"\{('[^{}]*')\}", lambda m: "{" + ", ".join(sorted(m[1].split(", "))) + "}", value)
            value = value.replace(self.server.url, "$URL").replace(str(self.directory.parent / "root"), "$ROOT")
            return "$MADE_UP" if MADE_UP.match(value) else value
        if isinstance(value, int) and not isinstance(value, bool) and value > 1_500_000_000_000:
            return "$TIME"
        return value


def compare(directory, asks, flags=()):
    """Both servers, asked the same; a list of what went wrong where one does not start."""
    sides, failures = {}, []

    def build(name):
        place = directory / name / "data"
        try:
            sides[name] = Side(place, name == "theirs", asks, [flag.format(place.parent) for flag in flags])
        except Exception as failure:
            failures.append(failure)

    builders = [threading.Thread(target=build, args=(name,)) for name in ("ours", "theirs")]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    yield sides if not failures else failures
    for side in sides.values():
        side.server.kill()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    yield from compare(tmp_path_factory.mktemp("compare"), [*GOOD, *BAD])


@pytest.fixture(scope="module")
def rooted(tmp_path_factory):
    flags = ["--no-serve-artifacts", "--default-artifact-root", "{}/root"]
    yield from compare(tmp_path_factory.mktemp("rooted"), ROOTED, flags)


@pytest.mark.parametrize("ask", ROOTED, ids=lambda ask: ask.label)
def test_same_rooted(rooted, ask):
    assert isinstance(rooted, dict), rooted
    ours, theirs = rooted["ours"].answers[ask.label], rooted["theirs"].answers[ask.label]
    if ask.label in DIFFERENT:
        assert ours != theirs
    else:
        assert ours == theirs


@pytest.mark.parametrize("ask", [*GOOD, *BAD], ids=lambda ask: ask.label)
def test_same(both, ask):
    assert isinstance(both, dict), both
    ours, theirs = both["ours"].answers[ask.label], both["theirs"].answers[ask.label]
    if ask.label in DIFFERENT:
        assert ours != theirs, f"no longer different: {DIFFERENT[ask.label]}"
        assert ours[0] < 500 or ours[0] == theirs[0], ours
    else:
        assert ours == theirs


def test_enough():
    labels = [ask.label for ask in [*GOOD, *BAD]]
    assert len(labels) == len(set(labels)) >= 150
    assert set(DIFFERENT) <= set(labels)
