"""Fills a tracking server with what the pages of MLflow's web UI show; prints its ids as JSON.

    python fill.py http://localhost:5000

Runs under the interpreter of an MLflow 3 environment.
"""

import json
import logging
import math
import os
import sys
import warnings

os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import mlflow  # noqa: E402
import pandas as pd  # noqa: E402
from mlflow.entities import Metric  # noqa: E402
from mlflow.models import infer_signature  # noqa: E402
from PIL import Image  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

STEPS = 60


def train(name, lr, depth, parent=False):
    """One run with histories, params, tags, a dataset and files of several kinds."""
    with mlflow.start_run(run_name=name, nested=parent, description=f"about {name}") as run:
        mlflow.log_params({"lr": lr, "depth": depth, "optimizer": "adam"})
        mlflow.set_tags({"team": "blue", "stage": name})
        now = run.info.start_time
        loss = [Metric("loss", math.exp(-step * lr), now + step, step) for step in range(STEPS)]
        accuracy = [Metric("accuracy", 1 - point.value / 2, point.timestamp, point.step) for point in loss]
        mlflow.MlflowClient().log_batch(run.info.run_id, metrics=loss + accuracy)
        mlflow.log_metric("final", lr * 10)
        frame = pd.DataFrame({"height": [1.5, 1.6], "weight": [50, 60]})
        mlflow.log_input(mlflow.data.from_pandas(frame, source="people.csv", name="people"), context="training")
        mlflow.log_text("plain words of the run\nsecond line", "notes/readme.txt")
        mlflow.log_dict({"threshold": 0.25, "labels": ["cat", "dog"]}, "config.json")
        mlflow.log_text("name,value\nfirstcell,11\nsecondcell,22\n", "table.csv")
        mlflow.log_image(Image.new("RGB", (48, 32), (200, 30, 30)), "picture.png")
        mlflow.log_text("<h1>Heading of a page</h1><script>document.title='taken over'</script>", "page.html")
        return run.info.run_id


def main(uri):
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = mlflow.MlflowClient()
    empty = client.create_experiment("quiet-experiment")
    experiment = client.create_experiment("house-prices", tags={"mlflow.note.content": "Prices of houses.", "owner": "ann"})
    mlflow.set_experiment(experiment_id=experiment)
    ids = {"experiment": experiment, "empty": empty, "runs": {}}
    with mlflow.start_run(run_name="parent-run") as parent:
        ids["runs"]["parent"] = parent.info.run_id
        mlflow.log_param("search", "grid")
        for i in range(3):
            ids["runs"][f"child{i}"] = train(f"child-{i}", 0.05 * (i + 1), i + 2, parent=True)
    with mlflow.start_run(run_name="model-run") as run:
        ids["runs"]["model"] = run.info.run_id
        x, y = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]}), [0, 0, 1, 1]
        model = LogisticRegression().fit(x, y)
        logged = mlflow.sklearn.log_model(model, name="classifier", signature=infer_signature(x, y), input_example=x.head(1))
        ids["logged_model"] = logged.model_id
        mlflow.log_metric("rmse", 0.5, model_id=logged.model_id)
        mlflow.log_metric("odd", float("nan"))
    with mlflow.start_run(run_name="failed-run") as run:
        ids["runs"]["failed"] = run.info.run_id
        mlflow.log_metric("loss", 9.5)
    client.set_terminated(ids["runs"]["failed"], "FAILED")
    with mlflow.start_run(run_name="deleted-run") as run:
        ids["runs"]["deleted"] = run.info.run_id
    client.delete_run(ids["runs"]["deleted"])
    client.create_registered_model("price-model", tags={"domain": "housing"}, description="Predicts prices of houses.")
    for i in range(3):
        client.create_model_version("price-model", f"models:/{logged.model_id}", run_id=ids["runs"]["model"], model_id=logged.model_id,
                                    description=f"version number {i + 1}", tags={"checked": "yes"})
    client.transition_model_version_stage("price-model", "1", "Archived")
    client.transition_model_version_stage("price-model", "2", "Production")
    client.transition_model_version_stage("price-model", "3", "Staging")
    client.set_registered_model_alias("price-model", "champion", "2")
    client.set_registered_model_alias("price-model", "challenger", "3")
    client.create_registered_model("empty-model")
    print(json.dumps(ids))


if __name__ == "__main__":
    main(sys.argv[1])
