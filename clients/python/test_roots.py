"""Servers whose clients keep artifacts at a place of their own: a folder that both have, with
--no-serve-artifacts, or a bucket, which the server never opens."""

import os
import pathlib

import mlflow
import pytest
import requests
from mlflow.exceptions import MlflowException

from conftest import REAL, Server

MLFLOW3 = int(mlflow.__version__.split(".")[0]) >= 3


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("shared") / "root"


@pytest.fixture(scope="module")
def server(tmp_path_factory, root):
    flags = ["--no-serve-artifacts", "--default-artifact-root", str(root)]
    running = Server(tmp_path_factory.mktemp("server") / "data", flags=flags)
    yield running
    running.kill()


@pytest.fixture
def run(client, request):
    experiment = client.create_experiment(request.node.name)
    return client.create_run(experiment)


def body(server, path, /, **query):
    answer = requests.get(server.url + path, params=query, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.content


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in pathlib.Path(folder).rglob("*") if p.is_file())


def test_locations(client, run, root):
    assert client.get_experiment("0").artifact_location == f"{root}/0"
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.artifact_location == f"{root}/{experiment.experiment_id}"
    assert run.info.artifact_uri == f"{experiment.artifact_location}/{run.info.run_id}/artifacts"


def test_artifacts(client, server, run, root, tmp_path):
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "one.txt").write_text("one")
    (tmp_path / "tree" / "deep" / "two.bin").write_bytes(b"\0\1")
    rid = run.info.run_id
    client.log_artifact(rid, str(tmp_path / "one.txt"))
    client.log_artifacts(rid, str(tmp_path / "tree"), "tree")
    client.log_text(rid, "three", "texts/three.txt")
    client.log_dict(rid, {"a": 1}, "d.json")
    # They are where the clients wrote them, and nothing went through the server.
    assert files(run.info.artifact_uri) == ["d.json", "one.txt", "texts/three.txt", "tree/deep/two.bin"]
    assert files(server.directory / "artifacts") == []
    assert sorted((f.path, f.is_dir, f.file_size) for f in client.list_artifacts(rid)) == [
        ("d.json", False, (pathlib.Path(run.info.artifact_uri) / "d.json").stat().st_size),
        ("one.txt", False, 3), ("texts", True, None), ("tree", True, None),
    ]  # fmt: skip
    assert [f.path for f in client.list_artifacts(rid, "tree/deep")] == ["tree/deep/two.bin"]
    assert pathlib.Path(client.download_artifacts(rid, "tree/deep/two.bin", str(tmp_path))).read_bytes() == b"\0\1"
    assert mlflow.artifacts.load_text(f"runs:/{rid}/texts/three.txt") == "three"
    # The server's own answers, which MLflow's web UI reads.
    listed = requests.get(f"{server.url}/ajax-api/2.0/mlflow/artifacts/list", params={"run_id": rid}, timeout=30).json()
    assert listed["root_uri"] == run.info.artifact_uri
    assert sorted(f["path"] for f in listed["files"]) == ["d.json", "one.txt", "texts", "tree"]
    assert body(server, "/get-artifact", run_id=rid, path="tree/deep/two.bin") == b"\0\1"
    up = requests.post(f"{server.url}/ajax-api/2.0/mlflow/upload-artifact", params={"run_uuid": rid, "path": "up/x.txt"}, data=b"up", timeout=30)
    assert up.status_code == 200, up.text
    assert (pathlib.Path(run.info.artifact_uri) / "up" / "x.txt").read_bytes() == b"up"
    client.log_text(rid, "beside", "up/y.txt")
    assert [f.path for f in client.list_artifacts(rid, "up")] == ["up/x.txt", "up/y.txt"]
    # The proxy is off.
    for method, path in [("GET", f"/{rid}/one.txt"), ("PUT", "/x"), ("DELETE", "/x"), ("GET", "")]:
        assert requests.request(method, f"{server.url}/api/2.0/mlflow-artifacts/artifacts{path}", timeout=30).status_code == 503


class Twice(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [2 * x for x in model_input]


def test_models(client, server, root, tmp_path):
    mlflow.set_experiment("models at a root")
    where = {"name": "model"} if MLFLOW3 else {"artifact_path": "model"}
    with mlflow.start_run() as run:
        info = mlflow.pyfunc.log_model(python_model=Twice(), pip_requirements=[], registered_model_name="rooted", **where)
    rid = run.info.run_id
    experiment = client.get_experiment(run.info.experiment_id)
    folder = pathlib.Path(experiment.artifact_location) / (f"models/{info.model_id}" if MLFLOW3 else rid) / "artifacts"
    assert (folder / ("MLmodel" if MLFLOW3 else "model/MLmodel")).is_file()
    assert folder.is_relative_to(root)
    version = client.get_model_version("rooted", "1")
    assert version.run_id == rid
    assert client.get_model_version_download_uri("rooted", "1") == (str(folder) if MLFLOW3 else f"{folder}/model")
    client.set_registered_model_alias("rooted", "best", 1)
    for uri in (info.model_uri, f"runs:/{rid}/model", "models:/rooted/1", "models:/rooted@best"):
        assert mlflow.pyfunc.load_model(uri).predict([1, 4]) == [2, 8], uri
    again = mlflow.register_model(f"runs:/{rid}/model", "rooted")
    assert again.version in ("2", 2)
    copied = client.copy_model_version("models:/rooted/2", "copied")
    assert mlflow.pyfunc.load_model(f"models:/copied/{copied.version}").predict([3]) == [6]
    local = mlflow.artifacts.download_artifacts("models:/rooted/1", dst_path=str(tmp_path))
    assert (pathlib.Path(local) / "MLmodel").is_file()
    for model, number in (("rooted", 1), ("rooted", 2), ("copied", copied.version)):
        text = body(server, "/model-versions/get-artifact", name=model, version=number, path="MLmodel")
        assert b"python_function" in text
    if MLFLOW3:
        directory = f"/api/2.0/mlflow/logged-models/{info.model_id}/artifacts/directories"
        assert "MLmodel" in [f["path"] for f in requests.get(server.url + directory, timeout=30).json()["files"]]
        name = f"/ajax-api/2.0/mlflow/logged-models/{info.model_id}/artifacts/files"
        assert b"python_function" in body(server, name, artifact_file_path="MLmodel")
    assert files(server.directory / "artifacts") == []


@pytest.mark.skipif(REAL, reason="MLflow's server follows links and takes any location")
def test_attacks(client, server, run, root, tmp_path):
    rid, folder = run.info.run_id, pathlib.Path(run.info.artifact_uri)
    client.log_text(rid, "fine", "fine.txt")
    os.symlink("/etc/passwd", folder / "passwd")
    os.symlink("/etc", folder / "etc")
    os.symlink(folder / "fine.txt", folder / "near.txt")
    os.symlink(server.directory, folder / "db")
    listed = requests.get(f"{server.url}/api/2.0/mlflow/artifacts/list", params={"run_id": rid}, timeout=30).json()
    assert [f["path"] for f in listed["files"]] == ["fine.txt"]
    for path in ("passwd", "etc/passwd", "near.txt", "db/RUNSTONE", "../../../x", "/etc/passwd"):
        answer = requests.get(f"{server.url}/get-artifact", params={"run_id": rid, "path": path}, timeout=30)
        assert answer.status_code in (400, 404) and "root:" not in answer.text, path
    for place in (tmp_path, "/etc", "/", f"file://{tmp_path}", f"{root}/../x", f"{root}x", "s3://bucket/x", server.directory):
        with pytest.raises(MlflowException, match="nvalid artifact location|Invalid artifact"):
            client.create_experiment(f"at {place}", artifact_location=str(place))
    below = client.create_experiment("below the root", artifact_location=f"{root}/team")
    assert client.create_run(below).info.artifact_uri.startswith(f"{root}/team/")
    client.create_registered_model("attack")
    for source in ("/etc", f"{folder.parent.parent}", "file:///etc/passwd", "s3://bucket/x"):
        with pytest.raises(MlflowException):
            client.create_model_version("attack", source, rid)


@pytest.mark.skipif(REAL, reason="MLflow's server opens the bucket")
def test_bucket(tmp_path_factory):
    """The place is told to clients, and asked for by them alone."""
    flags = ["--no-serve-artifacts", "--default-artifact-root", "s3://bucket/team"]
    running = Server(tmp_path_factory.mktemp("bucket") / "data", flags=flags)
    try:
        client = mlflow.MlflowClient(running.url, running.url)
        run = client.create_run(client.create_experiment("b"))
        assert run.info.artifact_uri == f"s3://bucket/team/{run.info.experiment_id}/{run.info.run_id}/artifacts"
        for path, query in (
            ("/api/2.0/mlflow/artifacts/list", {"run_id": run.info.run_id}),
            ("/get-artifact", {"run_id": run.info.run_id, "path": "x"}),
        ):
            answer = requests.get(running.url + path, params=query, timeout=30)
            assert answer.status_code == 400 and "does not open it" in answer.json()["message"]
        client.create_registered_model("m")
        version = client.create_model_version("m", f"{run.info.artifact_uri}/model", run.info.run_id)
        assert client.get_model_version_download_uri("m", version.version) == f"{run.info.artifact_uri}/model"
    finally:
        running.kill()
