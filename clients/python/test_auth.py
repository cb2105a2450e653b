"""Users, tokens and permissions, as real clients meet them: through MLflow's own
environment variables, and on MLflow 3 through its AuthServiceClient."""

import os
import pathlib
import re
import subprocess

import mlflow
import pytest
import requests
from conftest import HERE, Server
from mlflow.exceptions import MlflowException
from test_tour import MLFLOW3

PASSWORD = "zebra-quartz-19"
VARIABLES = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
BINARY = os.path.abspath(os.environ.get("RUNSTONE_BIN", str(HERE.parents[1] / "bin" / "runstone")))


def runstone(directory: pathlib.Path, *args: str, stdin: str = "") -> str:
    done = subprocess.run([BINARY, *args, "-d", str(directory)], input=stdin, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server that began without users and with --auth, and the password it printed."""
    running = Server(tmp_path_factory.mktemp("guarded") / "data", flags=["--auth"], real=False)
    password = re.search(r"MLFLOW_TRACKING_PASSWORD=(\S+)", running.log.read_text()).group(1)
    runstone(running.directory, "users", "add", "ada", "--password-stdin", stdin=PASSWORD + "\n")
    runstone(running.directory, "users", "add", "bob", "--password-stdin", stdin=PASSWORD + "\n")
    runstone(running.directory, "users", "default", "NO_PERMISSIONS")
    mlflow.set_tracking_uri(running.url)
    mlflow.set_registry_uri(running.url)
    running.admin = password
    yield running
    log = running.log.read_text()
    running.kill()
    assert PASSWORD not in log
    assert "rst_" not in log
    assert log.count(password) == 1, "printed once"


@pytest.fixture
def become(monkeypatch):
    """become(user, password) or become(token=…): who this client is from now on."""

    def change(user=None, password=None, token=None):
        for name, value in zip(VARIABLES, (user, password, token)):
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        return mlflow.MlflowClient()

    yield change


def denied(status: int, call, *args, **kwargs) -> None:
    """MLflow's clients show a refusal without JSON with its status."""
    with pytest.raises((MlflowException, requests.HTTPError), match=f"error code {status}|^{status} Client Error"):
        call(*args, **kwargs)


def test_nobody_gets_in(guarded, become):
    for who in ({}, {"user": "ada", "password": "wrong"}, {"user": "admin", "password": "password1234"}, {"token": "rst_no"}):
        client = become(**who)
        denied(401, client.search_experiments)
        denied(401, client.create_experiment, "no")
    answer = requests.get(f"{guarded.url}/api/2.0/mlflow/experiments/get?experiment_id=0", timeout=10)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="mlflow"'
    assert requests.get(f"{guarded.url}/version", timeout=10).status_code == 200


def test_owner_and_others(guarded, become, tmp_path):
    client = become("ada", PASSWORD)
    eid = client.create_experiment("hers")
    run = client.create_run(eid)
    rid = run.info.run_id
    client.log_metric(rid, "loss", 0.5)
    client.log_text(rid, "secret", "notes.txt")
    client.create_registered_model("hers")
    client.create_model_version("hers", f"{run.info.artifact_uri}/m", rid)
    assert [e.name for e in client.search_experiments()] == ["hers"]

    client = become("bob", PASSWORD)
    assert client.search_experiments() == []
    assert client.search_registered_models() == []
    assert list(client.search_runs([eid])) == []
    for call, args in [
        (client.get_run, [rid]),
        (client.get_experiment, [eid]),
        (client.log_metric, [rid, "loss", 1]),
        (client.set_tag, [rid, "a", "b"]),
        (client.delete_run, [rid]),
        (client.get_metric_history, [rid, "loss"]),
        (client.list_artifacts, [rid]),
        (client.log_text, [rid, "x", "x.txt"]),
        (client.get_registered_model, ["hers"]),
        (client.delete_registered_model, ["hers"]),
        (client.get_model_version_download_uri, ["hers", "1"]),
    ]:
        denied(403, call, *args)
    path = f"{guarded.url}/api/2.0/mlflow-artifacts/artifacts/{eid}/{rid}/artifacts/notes.txt"
    assert requests.get(path, auth=("bob", PASSWORD), timeout=10).status_code == 403
    assert requests.get(path, auth=("ada", PASSWORD), timeout=10).text == "secret"

    runstone(guarded.directory, "users", "grant", "bob", "READ", "-e", "hers")
    assert client.get_run(rid).data.metrics == {"loss": 0.5}
    assert [r.info.run_id for r in client.search_runs([eid])] == [rid]
    assert pathlib.Path(client.download_artifacts(rid, "notes.txt", str(tmp_path))).read_text() == "secret"
    denied(403, client.log_metric, rid, "loss", 1)
    runstone(guarded.directory, "users", "grant", "bob", "EDIT", "-e", "hers")
    client.log_metric(rid, "loss", 0.25)
    denied(403, client.delete_run, rid)
    runstone(guarded.directory, "users", "revoke", "bob", "-e", "hers")
    denied(403, client.get_run, rid)


def test_fluent(guarded, become, tmp_path):
    become("ada", PASSWORD)
    mlflow.set_experiment("fluent")
    with mlflow.start_run() as run:
        mlflow.log_params({"a": 1})
        mlflow.log_metrics({"m": 1.0}, step=1)
        mlflow.log_dict({"x": 1}, "d/x.json")
    assert mlflow.get_run(run.info.run_id).data.params == {"a": "1"}
    assert len(mlflow.search_runs(experiment_names=["fluent"])) == 1


def test_token(guarded, become):
    token = runstone(guarded.directory, "users", "token", "add", "ada", "--expires", "1d")
    client = become(token=token)
    assert client.get_experiment_by_name("hers") is not None
    assert become("token", token).get_experiment_by_name("hers") is not None
    shown = runstone(guarded.directory, "users", "show", "ada")
    name = re.search(r"^([0-9a-f]{8}) ", shown, re.MULTILINE).group(1)
    runstone(guarded.directory, "users", "token", "revoke", "ada", name)
    denied(401, become(token=token).search_experiments)


@pytest.mark.parametrize("kind", ["experiments", "registered-models"])
def test_permissions_of_mlflow2(guarded, kind):
    """The requests behind MLflow 2's AuthServiceClient."""
    auth = ("ada", PASSWORD)
    if kind == "experiments":
        found = requests.get(f"{guarded.url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=hers", auth=auth, timeout=10)
        thing = {"experiment_id": found.json()["experiment"]["experiment_id"]}
    else:
        thing = {"name": "hers"}
    base = f"{guarded.url}/api/2.0/mlflow/{kind}/permissions"
    grant = {**thing, "username": "bob", "permission": "READ"}
    assert requests.post(f"{base}/create", json=grant, auth=("bob", PASSWORD), timeout=10).status_code == 403
    made = requests.post(f"{base}/create", json=grant, auth=auth, timeout=10)
    assert made.status_code == 200, made.text
    assert next(iter(made.json().values()))["permission"] == "READ"
    assert requests.patch(f"{base}/update", json={**grant, "permission": "EDIT"}, auth=auth, timeout=10).status_code == 200
    got = requests.get(f"{base}/get", params={**thing, "username": "bob"}, auth=auth, timeout=10)
    assert next(iter(got.json().values()))["permission"] == "EDIT"
    assert requests.delete(f"{base}/delete", json=grant, auth=auth, timeout=10).status_code == 200


if MLFLOW3:

    def test_auth_service_client(guarded, become):
        from auth_service import auth_service_client

        become("admin", guarded.admin)
        service = auth_service_client()(guarded.url)
        eid = mlflow.MlflowClient().get_experiment_by_name("hers").experiment_id
        user = service.create_user("zoe", PASSWORD)
        assert (user.username, user.is_admin) == ("zoe", False)
        for name, password in [("zoe", PASSWORD), ("ann", "short"), ("ann", "password1234")]:
            with pytest.raises(MlflowException):
                service.create_user(name, password)
        assert service.get_user("zoe").id == user.id
        service.grant_user_permission("zoe", "experiment", eid, "READ")
        result = service.get_user_permission("zoe", "experiment", eid)
        assert (result.allowed, result.permission) == (False, "READ")

        client = become("zoe", PASSWORD)
        assert client.get_experiment(eid).name == "hers"
        denied(403, service.create_user, "ann", PASSWORD)
        denied(403, service.grant_user_permission, "zoe", "experiment", eid, "MANAGE")
        denied(403, service.update_user_admin, "zoe", True)
        denied(403, service.get_user, "ada")
        with pytest.raises(MlflowException, match="Current password"):
            service.update_user_password("zoe", "an-other-secret")
        service.update_user_password("zoe", "an-other-secret", current_password=PASSWORD)
        denied(401, client.get_experiment, eid)
        client = become("zoe", "an-other-secret")
        assert client.get_experiment(eid).name == "hers"

        become("admin", guarded.admin)
        service.revoke_user_permission("zoe", "experiment", eid)
        denied(403, become("zoe", "an-other-secret").get_experiment, eid)
        become("admin", guarded.admin)
        service.update_user_admin("zoe", True)
        assert become("zoe", "an-other-secret").get_experiment(eid).name == "hers"
        become("admin", guarded.admin)
        service.delete_user("zoe")
        denied(401, become("zoe", "an-other-secret").get_experiment, eid)
