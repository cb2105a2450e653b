"""Calls of generative AI: prompts are registered models and work; all else ends at once, as on a server without it (MLflow 3)."""

import time

import mlflow
import pytest
from mlflow.exceptions import MlflowException

PATIENCE = 20  # seconds; a client that repeats its request needs minutes


@pytest.fixture(scope="module")
def experiment(client):
    return mlflow.set_experiment("generative").experiment_id


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """The client's own number of repetitions, and an answer before they would be over."""
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < PATIENCE


def test_nothing_is_found(client, experiment):
    assert mlflow.search_traces(locations=[experiment]).empty
    assert client.search_traces(locations=[experiment]) == []
    assert mlflow.search_sessions(locations=[experiment]) == []
    assert mlflow.get_trace("tr-1") is None


def test_traced_code_runs(client, experiment):
    @mlflow.trace
    def double(x):
        return 2 * x

    with mlflow.start_run() as run:
        assert double(21) == 42
        mlflow.log_metric("m", 1)
    mlflow.flush_trace_async_logging()
    assert mlflow.get_run(run.info.run_id).data.metrics == {"m": 1}


CALLS = {
    "get_trace": lambda c, e: c.get_trace("tr-1"),
    "delete_traces": lambda c, e: c.delete_traces(e, trace_ids=["tr-1"]),
    "set_trace_tag": lambda c, e: mlflow.set_trace_tag("tr-1", "k", "v"),
    "log_feedback": lambda c, e: mlflow.log_feedback(trace_id="tr-1", name="x", value=1),
    "get_assessment": lambda c, e: mlflow.get_assessment("tr-1", "a-1"),
    "link_traces_to_run": lambda c, e: c.link_traces_to_run(["tr-1"], "0" * 32),
    "create_dataset": lambda c, e: c.create_dataset("d", e),
    "get_dataset": lambda c, e: c.get_dataset("d-1"),
    "get_scorer": lambda c, e: mlflow.genai.get_scorer(name="x", experiment_id=e),
    "search_mcp_servers": lambda c, e: c.search_mcp_servers(),
    "search_skills": lambda c, e: c.search_skills(),
    "create_workspace": lambda c, e: mlflow.create_workspace("ws"),
    "list_workspaces": lambda c, e: mlflow.list_workspaces(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_refused_at_once(client, experiment, call):
    with pytest.raises(MlflowException, match="error code 404"):
        call(client, experiment)


def test_evaluate(client, experiment):
    """Without a place for traces the results are metrics of the run."""
    from mlflow.genai.scorers import scorer

    @scorer
    def short(outputs):
        return len(outputs) < 3

    rows = [{"inputs": {"x": 1}, "outputs": "ab"}, {"inputs": {"x": 2}, "outputs": "abc"}]
    result = mlflow.genai.evaluate(data=rows, scorers=[short])
    assert mlflow.get_run(result.run_id).data.metrics["short/mean"] == 0.5


def test_prompts(client, experiment):
    made = mlflow.genai.register_prompt("greeting", "Hello {{name}}", commit_message="first", tags={"k": "v"})
    assert made.version == 1
    mlflow.genai.register_prompt("greeting", "Hi {{name}}")
    assert mlflow.genai.load_prompt("prompts:/greeting/1").format(name="Ann") == "Hello Ann"
    mlflow.genai.set_prompt_alias("greeting", "live", 2)
    assert mlflow.genai.load_prompt("prompts:/greeting@live").template == "Hi {{name}}"
    assert [p.name for p in mlflow.genai.search_prompts()] == ["greeting"]
    assert sorted(p.version for p in client.search_prompt_versions("greeting")) == [1, 2]
    client.set_prompt_tag("greeting", "a", "b")
    client.set_prompt_version_tag("greeting", "1", "c", "d")
    assert mlflow.genai.load_prompt("prompts:/greeting/1").tags["c"] == "d"
    client.delete_prompt_version_tag("greeting", "1", "c")
    client.delete_prompt_tag("greeting", "a")
    assert [m.name for m in client.search_registered_models()] == []
    mlflow.genai.delete_prompt_alias("greeting", "live")
    for version in ("1", "2"):
        client.delete_prompt_version("greeting", version)
    client.delete_prompt("greeting")
    assert mlflow.genai.search_prompts() == []


def test_nothing_there(client, experiment):
    """What MLflow's pages ask of every experiment is answered, with nothing."""
    assert client.search_datasets([experiment]) == []
    assert mlflow.genai.list_scorers(experiment_id=experiment) == []
