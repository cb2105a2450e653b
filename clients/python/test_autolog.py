"""Autologging and evaluation: what MLflow writes by itself arrives whole (MLflow 3)."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

X, Y = make_classification(n_samples=240, n_features=6, random_state=3)


@pytest.fixture
def experiment(client, request, monkeypatch):
    # What a model needs is found out by loading it in another process: not what is tested here.
    monkeypatch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "1")
    yield mlflow.set_experiment(request.node.name).experiment_id
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.autolog(disable=True)


def runs(experiment):
    return mlflow.search_runs([experiment], output_format="list", order_by=["start_time ASC"])


def test_sklearn_grid_search(client, experiment):
    """One parent run, a nested child for each candidate."""
    mlflow.sklearn.autolog(max_tuning_runs=None, log_post_training_metrics=True)
    grid = {"max_depth": [1, 2, 3], "min_samples_leaf": [1, 8]}
    search = GridSearchCV(DecisionTreeClassifier(random_state=1), grid, cv=2).fit(X, Y)
    search.score(X, Y)
    all_runs = runs(experiment)
    (parent,) = [r for r in all_runs if "mlflow.parentRunId" not in r.data.tags]
    children = [r for r in all_runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(all_runs) == 7 and len(children) == 6
    assert {r.info.status for r in all_runs} == {"FINISHED"}
    assert float(parent.data.metrics["best_cv_score"]) == search.best_score_
    assert parent.data.params["best_max_depth"] == str(search.best_params_["max_depth"])
    tried = {(c.data.params["max_depth"], c.data.params["min_samples_leaf"]) for c in children}
    assert tried == {(str(d), str(m)) for d in (1, 2, 3) for m in (1, 8)}
    scores = sorted(c.data.metrics["mean_test_score"] for c in children)
    assert scores == sorted(search.cv_results_["mean_test_score"].tolist())
    assert {"GridSearchCV_score_X", "training_score"} & set(parent.data.metrics)
    found = mlflow.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent.info.run_id}' AND params.max_depth = '2'")
    assert len(found) == 2
    assert {"best_estimator", "cv_results.csv"} & {f.path for f in client.list_artifacts(parent.info.run_id)}
    models = mlflow.search_logged_models([experiment], output_format="list")
    assert {m.name for m in models} >= {"best_estimator", "model"}
    best = next(m for m in models if m.name == "best_estimator")
    loaded = mlflow.pyfunc.load_model(f"models:/{best.model_id}")
    assert np.array_equal(loaded.predict(X), search.best_estimator_.predict(X))


def test_xgboost(client, experiment):
    import xgboost

    mlflow.xgboost.autolog(log_models=True, log_datasets=True)
    data = xgboost.DMatrix(X, label=Y)
    with mlflow.start_run() as run:
        booster = xgboost.train(
            {"objective": "binary:logistic", "eval_metric": ["logloss", "error"], "max_depth": 2},
            data, num_boost_round=12, evals=[(data, "train")], verbose_eval=False,
        )  # fmt: skip
    kept = mlflow.get_run(run.info.run_id)
    assert (kept.data.params["max_depth"], kept.data.params["num_boost_round"]) == ("2", "12")
    history = client.get_metric_history(run.info.run_id, "train-logloss")
    assert [p.step for p in history] == list(range(12))
    assert all(a.value > b.value for a, b in zip(history, history[1:]))
    files = {f.path for f in client.list_artifacts(run.info.run_id)}
    assert "feature_importance_weight.json" in files and "feature_importance_weight.png" in files
    (model,) = mlflow.search_logged_models([experiment], output_format="list")
    again = mlflow.xgboost.load_model(f"models:/{model.model_id}")
    assert np.allclose(again.predict(data), booster.predict(data))
    assert len(kept.inputs.dataset_inputs) == 2  # train and eval

    with mlflow.start_run() as run:
        xgboost.XGBClassifier(n_estimators=5, max_depth=3).fit(X, Y)
    assert mlflow.get_run(run.info.run_id).data.params["max_depth"] == "3"


def test_lightgbm(client, experiment):
    import lightgbm

    mlflow.lightgbm.autolog()
    data = lightgbm.Dataset(X, label=Y, free_raw_data=False)
    with mlflow.start_run() as run:
        booster = lightgbm.train(
            {"objective": "binary", "metric": ["auc", "binary_logloss"], "num_leaves": 4, "verbosity": -1},
            data, num_boost_round=10, valid_sets=[data], valid_names=["train"],
        )  # fmt: skip
    kept = mlflow.get_run(run.info.run_id)
    assert (kept.data.params["num_leaves"], kept.data.params["objective"]) == ("4", "binary")
    assert {"train-auc", "train-binary_logloss"} <= set(kept.data.metrics)
    assert len(client.get_metric_history(run.info.run_id, "train-auc")) == 10
    assert any(f.path.startswith("feature_importance") for f in client.list_artifacts(run.info.run_id))
    (model,) = mlflow.search_logged_models([experiment], output_format="list")
    assert np.allclose(mlflow.lightgbm.load_model(f"models:/{model.model_id}").predict(X), booster.predict(X))


def test_all_libraries_at_once(client, experiment):
    mlflow.autolog(log_models=False, silent=True)
    LogisticRegression(max_iter=77).fit(X, Y)
    (run,) = runs(experiment)
    assert (run.data.params["max_iter"], run.data.tags["estimator_name"]) == ("77", "LogisticRegression")


def test_evaluate_classifier(client, experiment):
    model = LogisticRegression().fit(X, Y)
    columns = [f"f{i}" for i in range(6)]
    data = pd.DataFrame(X, columns=columns).assign(label=Y)
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(model, name="net", pip_requirements=[], signature=mlflow.models.infer_signature(X, Y))
        result = mlflow.models.evaluate(
            info.model_uri, mlflow.data.from_pandas(data, targets="label", name="held out"),
            model_type="classifier", evaluator_config={"log_model_explainability": False},
        )  # fmt: skip
    kept = mlflow.get_run(run.info.run_id)
    assert result.metrics["accuracy_score"] == kept.data.metrics["accuracy_score"] == model.score(X, Y)
    assert {"precision_score", "recall_score", "f1_score", "roc_auc", "log_loss"} <= set(kept.data.metrics)
    assert {"confusion_matrix", "roc_curve_plot", "precision_recall_curve_plot"} <= set(result.artifacts)
    files = {f.path for f in client.list_artifacts(run.info.run_id)}
    assert {"confusion_matrix.png", "roc_curve_plot.png"} <= files
    assert "held out" in {i.dataset.name for i in kept.inputs.dataset_inputs}
    (metric,) = [m for m in mlflow.get_logged_model(info.model_id).metrics if m.key == "accuracy_score"]
    assert metric.dataset_name == "held out"
    thresholds = {"accuracy_score": mlflow.models.MetricThreshold(threshold=0.5, greater_is_better=True)}
    mlflow.validate_evaluation_results(thresholds, result)


def test_evaluate_predictions(client, experiment):
    data = pd.DataFrame({"target": [1.0, 2.0, 3.0], "guess": [1.0, 2.5, 3.0]})
    with mlflow.start_run() as run:
        result = mlflow.evaluate(data=data, targets="target", predictions="guess", model_type="regressor")
    assert mlflow.get_run(run.info.run_id).data.metrics["max_error"] == result.metrics["max_error"] == 0.5
    tags = mlflow.get_run(run.info.run_id).data.tags
    assert json.loads(tags.get("mlflow.loggedArtifacts", "[]")) == []
