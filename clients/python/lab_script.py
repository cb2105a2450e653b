"""The lab's training script: an ordinary MLflow program, nothing in it knows Runstone.

    python lab_script.py http://localhost:5000

It prints one JSON object on its last line: the run's id, the registered
version, the test rows and what the model in memory predicts for them, so that
another process can load the model from the registry and compare.
"""

import json
import sys

import mlflow
import mlflow.sklearn
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

EXPERIMENT = "bioscience-diagnostics"
MODEL = "diagnostics_lab_baseline"


def main(uri: str) -> dict:
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(EXPERIMENT)
    mlflow.sklearn.autolog(log_input_examples=True, log_model_signatures=True)

    features, labels = make_classification(
        n_samples=2000, n_features=25, weights=[0.7, 0.3], random_state=42
    )
    x_train, x_test, y_train, y_test = train_test_split(
        features, labels, test_size=0.2, random_state=42
    )
    with mlflow.start_run(run_name="logreg_baseline") as run:
        pipeline = Pipeline(
            [("scaler", StandardScaler()), ("clf", LogisticRegression(max_iter=500))]
        )
        pipeline.fit(x_train, y_train)
        probabilities = pipeline.predict_proba(x_test)[:, 1]
        auc = roc_auc_score(y_test, probabilities)
        mlflow.log_metric("roc_auc", auc)
        mlflow.sklearn.log_model(
            pipeline,
            "model",
            signature=infer_signature(x_train, pipeline.predict(x_train)),
            input_example=x_train[:3],
            registered_model_name=MODEL,
        )

    client = MlflowClient()
    latest = client.get_latest_versions(MODEL, stages=["None"])[0]
    stages = []
    for stage in ("Staging", "Production"):
        moved = client.transition_model_version_stage(MODEL, latest.version, stage)
        stages.append(moved.current_stage)
    return {
        "mlflow": mlflow.__version__,
        "run_id": run.info.run_id,
        "experiment_id": run.info.experiment_id,
        "version": str(latest.version),
        "stages": stages,
        "roc_auc": auc,
        "rows": x_test[:50].tolist(),
        "predictions": pipeline.predict(x_test[:50]).tolist(),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
