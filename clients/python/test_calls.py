"""Every public call of tracking, registry, artifacts and logged models is made by some test, or is out of scope for a reason."""

import inspect
import pathlib
import re

import mlflow
from mlflow import MlflowClient

HERE = pathlib.Path(__file__).parent

GENERATIVE = "generative AI: test_generative.py shows that it ends at once"
WORKSPACES = "workspaces are not there"
WEBHOOKS = "webhooks have tests of their own beside the server"
LOCAL = "asks no tracking server"
DATABRICKS = "only of Databricks"

# (pattern of names, reason)
OUT_OF_SCOPE = [
    (r".*(trace|span|assessment|expectation|feedback|session|issue|prompt|skill|mcp_).*", GENERATIVE),
    (r"(add_dataset_to_experiments|create_dataset|delete_dataset.*|get_dataset|remove_dataset.*|search_datasets|set_dataset_tags)", GENERATIVE),
    (r".*workspace.*", WORKSPACES),
    (r".*webhooks?", WEBHOOKS),
    (r"(context|doctor|login|run|test)", LOCAL),
    (r"import_checkpoints", DATABRICKS),
]  # fmt: skip


def reason(name: str) -> str | None:
    return next((why for pattern, why in OUT_OF_SCOPE if re.fullmatch(pattern, name)), None)


def sources() -> str:
    return "\n".join(path.read_text() for path in sorted(HERE.glob("*.py")) if path.name != pathlib.Path(__file__).name)


def unused(names, owner: str) -> list[str]:
    text = sources()
    return [n for n in names if reason(n) is None and not re.search(rf"\b{owner}\.{n}\b", text)]


def test_every_fluent_function():
    names = [n for n in mlflow.__all__ if inspect.isfunction(getattr(mlflow, n, None))]
    assert len(names) > 80
    assert unused(names, r"mlflow(?:\.tracking\.fluent)?") == []


def test_every_method_of_the_client():
    names = [n for n, _ in inspect.getmembers(MlflowClient, inspect.isfunction) if not n.startswith("_")]
    assert len(names) > 130
    assert unused(names, r"(?:client|c)") == []


def test_artifacts_and_datasets():
    names = [n for n, f in inspect.getmembers(mlflow.artifacts, inspect.isfunction) if f.__module__ == "mlflow.artifacts" and not n.startswith("_")]
    assert unused(names, "artifacts") == []


def test_no_reason_without_a_name():
    names = {*mlflow.__all__, *dir(MlflowClient)}
    for pattern, why in OUT_OF_SCOPE:
        assert any(re.fullmatch(pattern, n) for n in names), f"{pattern}: {why}"


def test_documented_versions():
    """docs/MLFLOW.md names the versions that the environments have."""
    page = (HERE.parents[1] / "docs" / "MLFLOW.md").read_text()
    for environment in ("mlflow3", "mlflow2", "mlflow29", "skinny"):
        pins = (HERE / f"requirements-{environment}.txt").read_text().split()
        name = "mlflow-skinny" if environment == "skinny" else "mlflow"
        (version,) = [pin.removeprefix(f"{name}==") for pin in pins if pin.startswith(f"{name}==")]
        assert f"| {name} {version} |" in page
    from compare_requests import BAD, GOOD

    assert f"{len(GOOD) + len(BAD)} requests compared" in page
