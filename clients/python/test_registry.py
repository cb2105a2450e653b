"""The registry and logged models through MlflowClient, proved against MLflow's own server."""

import json

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from test_tour import MLFLOW3, refused


@pytest.fixture(scope="module")
def model_run(client):
    eid = client.create_experiment("models")
    rid = client.create_run(eid).info.run_id
    client.log_text(rid, "flavors: {}\n", "model/MLmodel")
    return eid, rid, f"{client.get_run(rid).info.artifact_uri}/model"


@pytest.fixture
def model(client, model_run, request):
    """A registered model with two versions."""
    name = request.node.name
    client.create_registered_model(name, tags={"a": "1"}, description="about")
    for _ in range(2):
        client.create_model_version(name, model_run[2], model_run[1])
    return name


def stages(client, name):
    found = client.search_model_versions(f"name = '{name}'", order_by=["version_number ASC"])
    return {int(v.version): v.current_stage for v in found}


def test_registered_model(client):
    made = client.create_registered_model("rm", tags={"a": "1"}, description="about")
    assert (made.name, made.description, made.tags) == ("rm", "about", {"a": "1"})
    refused("RESOURCE_ALREADY_EXISTS", "Registered Model (name=rm) already exists.", client.create_registered_model, "rm")
    client.set_registered_model_tag("rm", "b", "2")
    client.delete_registered_model_tag("rm", "a")
    client.delete_registered_model_tag("rm", "a")
    client.update_registered_model("rm", "about more")
    client.rename_registered_model("rm", "rm2")
    got = client.get_registered_model("rm2")
    assert (got.description, got.tags, got.latest_versions) == ("about more", {"b": "2"}, [])
    refused("RESOURCE_DOES_NOT_EXIST", "Registered Model with name=rm not found", client.get_registered_model, "rm")
    client.create_registered_model("rm")
    refused("RESOURCE_ALREADY_EXISTS", "Registered Model (name=rm) already exists.", client.rename_registered_model, "rm2", "rm")
    client.delete_registered_model("rm2")
    refused("RESOURCE_DOES_NOT_EXIST", "Registered Model with name=rm2 not found", client.delete_registered_model, "rm2")


def test_version(client, model, model_run):
    version = client.get_model_version(model, "1")
    assert (version.status, version.current_stage, version.run_id) == ("READY", "None", model_run[1])
    assert version.source == model_run[2] == client.get_model_version_download_uri(model, "1")
    client.set_model_version_tag(model, "1", "k", "v")
    client.update_model_version(model, "1", "words")
    version = client.get_model_version(model, "1")
    assert (version.tags, version.description) == ({"k": "v"}, "words")
    client.delete_model_version_tag(model, "1", "k")
    assert client.get_model_version(model, "1").tags == {}
    refused("RESOURCE_DOES_NOT_EXIST", f"Model Version (name={model}, version=99) not found", client.get_model_version, model, "99")

    client.delete_model_version(model, "2")
    refused("RESOURCE_DOES_NOT_EXIST", f"Model Version (name={model}, version=2) not found", client.get_model_version, model, "2")
    again = client.create_model_version(model, model_run[2], model_run[1])
    assert int(again.version) == 3  # a number is never given twice
    assert set(stages(client, model)) == {1, int(again.version)}


def test_stages(client, model):
    client.transition_model_version_stage(model, "1", "staging")
    client.transition_model_version_stage(model, "2", "Production")
    assert stages(client, model) == {1: "Staging", 2: "Production"}
    client.transition_model_version_stage(model, "1", "Production", archive_existing_versions=True)
    assert stages(client, model) == {1: "Production", 2: "Archived"}
    client.transition_model_version_stage(model, "2", "Production")
    assert stages(client, model) == {1: "Production", 2: "Production"}
    (latest,) = client.get_latest_versions(model, ["Production"])
    assert int(latest.version) == 2
    assert {v.current_stage for v in client.get_latest_versions(model)} == {"Production"}
    refused(
        "INVALID_PARAMETER_VALUE",
        "Invalid Model Version stage: Foo. Value must be one of None, Staging, Production, Archived.",
        client.transition_model_version_stage, model, "1", "Foo",
    )  # fmt: skip


def test_aliases(client, model):
    client.set_registered_model_alias(model, "champion", "1")
    client.set_registered_model_alias(model, "champion", "2")
    got = client.get_model_version_by_alias(model, "champion")
    assert (int(got.version), got.aliases) == (2, ["champion"])
    aliases = client.get_registered_model(model).aliases
    assert {name: int(version) for name, version in aliases.items()} == {"champion": 2}
    client.delete_model_version(model, "2")
    gone = "Registered model alias champion not found."
    refused("INVALID_PARAMETER_VALUE", gone, client.get_model_version_by_alias, model, "champion")
    client.delete_registered_model_alias(model, "champion")
    refused("RESOURCE_DOES_NOT_EXIST", f"Model Version (name={model}, version=77) not found", client.set_registered_model_alias, model, "x", "77")


def test_search(client, model, model_run):
    client.set_model_version_tag(model, "1", "z", "1")

    def versions(text):
        return sorted(int(v.version) for v in client.search_model_versions(text))

    assert versions(f"name = '{model}'") == [1, 2]
    assert versions(f"name = '{model}' AND version_number > 1") == [2]
    assert versions(f"name = '{model}' AND tags.z = '1'") == [1]
    assert versions(f"name = '{model}' AND run_id = '{model_run[1]}'") == [1, 2]
    assert versions(f"name = '{model}' AND run_id IN ('{model_run[1]}', 'x')") == [1, 2]
    assert versions(f"name = '{model}' AND source_path LIKE '%/model'") == [1, 2]
    assert versions(f"name = '{model}' AND source_path LIKE '%/other'") == []

    def models(text, **kwargs):
        return [m.name for m in client.search_registered_models(text, **kwargs)]

    assert models(f"name = '{model}'") == [model]
    assert models(f"name ILIKE '{model.upper()}' AND tags.a = '1'") == [model]
    assert models(f"name = '{model}' AND tags.a = '2'") == []
    for name in ("page 1", "page 2", "page 3"):
        client.create_registered_model(name)
    first = client.search_registered_models("name LIKE 'page%'", max_results=2, order_by=["name DESC"])
    assert [m.name for m in first] == ["page 3", "page 2"] and first.token
    assert models("name LIKE 'page%'", max_results=2, order_by=["name DESC"], page_token=first.token) == ["page 1"]
    refused("INVALID_PARAMETER_VALUE", "Invalid attribute key 'foo' specified", client.search_registered_models, "foo = 'x'")
    refused("INVALID_PARAMETER_VALUE", "Invalid comparator for attribute: >", client.search_registered_models, "name > 'a'")


def test_copy(client, model):
    copied = client.copy_model_version(f"models:/{model}/1", "copied")
    assert (copied.name, int(copied.version)) == ("copied", 1)
    assert copied.source == f"models:/{model}/1"
    want = client.get_model_version_download_uri(model, "1")
    assert client.get_model_version_download_uri("copied", "1") == want


def test_logged_model(client, model_run, tmp_path):
    eid, rid, _ = model_run
    if not MLFLOW3:
        assert not hasattr(client, "create_logged_model")  # MLflow 2: models are files of a run
        return
    made = client.create_logged_model(eid, name="lm", source_run_id=rid, tags={"t": "1"}, params={"p": "2"}, model_type="sk")
    assert made.model_id.startswith("m-") and len(made.model_id) == 34
    assert made.artifact_location == f"mlflow-artifacts:/{eid}/models/{made.model_id}/artifacts"
    assert str(made.status) == "PENDING"
    client.log_metric(rid, "lmacc", 0.9, timestamp=7, step=3, model_id=made.model_id, dataset_name="d", dataset_digest="1")
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    client.log_model_artifacts(made.model_id, str(tmp_path))
    assert [f.path for f in client.list_logged_model_artifacts(made.model_id)] == ["MLmodel"]
    client.finalize_logged_model(made.model_id, "READY")
    client.set_logged_model_tags(made.model_id, {"x": "y"})
    client.delete_logged_model_tag(made.model_id, "t")
    got = client.get_logged_model(made.model_id)
    assert (str(got.status), got.tags, got.params) == ("READY", {"x": "y"}, {"p": "2"})
    (metric,) = got.metrics
    assert (metric.key, metric.value, metric.step, metric.run_id, metric.dataset_name) == ("lmacc", 0.9, 3, rid, "d")
    refused("RESOURCE_DOES_NOT_EXIST", f"No tag with key 't' found for model with ID '{made.model_id}'.", client.delete_logged_model_tag, made.model_id, "t")

    for text in ("name = 'lm'", "params.p = '2'", "tags.x = 'y'", "metrics.lmacc > 0.5", "name LIKE 'l%'", f"source_run_id = '{rid}'"):
        assert [m.model_id for m in client.search_logged_models([eid], text)] == [made.model_id], text
    assert client.search_logged_models([eid], "metrics.lmacc > 0.95") == []

    version = client.create_model_version
    client.create_registered_model("from lm")
    made_version = version("from lm", f"models:/{made.model_id}", model_id=made.model_id)
    assert made_version.run_id == rid
    links = client.get_logged_model(made.model_id).tags["mlflow.modelVersions"]
    assert {(v["name"], str(v["version"])) for v in json.loads(links)} == {("from lm", "1")}
    assert client.get_model_version_download_uri("from lm", "1") == made.artifact_location

    other = client.create_logged_model(eid, name="gone")
    client.delete_logged_model(other.model_id)
    refused("RESOURCE_DOES_NOT_EXIST", f"Logged model with ID '{other.model_id}' not found.", client.get_logged_model, other.model_id)


def test_registered_by_uri(client, model_run):
    """register_model by runs:/ URI, then download by stage, alias and version."""
    registered = mlflow.register_model(f"runs:/{model_run[1]}/model", "by uri")
    client.transition_model_version_stage("by uri", registered.version, "Production")
    client.set_registered_model_alias("by uri", "best", registered.version)
    # MLflow 2.9 takes an alias for a model, not for a path in one.
    alias = "models:/by uri@best" if MLFLOW3 else f"models:/by uri/{registered.version}"
    for uri in ("models:/by uri/Production", alias, f"models:/by uri/{registered.version}", "models:/by uri/latest"):
        assert mlflow.artifacts.load_text(f"{uri}/MLmodel") == "flavors: {}\n", uri
    with pytest.raises(MlflowException):
        mlflow.artifacts.load_text("models:/by uri@worst/MLmodel")
