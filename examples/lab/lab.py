"""A small study as a laboratory would do it, with MLflow's client and scikit-learn:

    pip install mlflow scikit-learn
    make run                                       # in another shell
    python examples/lab/lab.py http://127.0.0.1:5000

Three kinds of classifiers learn, with three seeds each, to tell benign from
malignant tumours by 30 measurements of cell nuclei (the Wisconsin data set that
comes with scikit-learn). Every run logs what it was given, a curve for each of its
losses, the predictions for patients it has not seen, and the model. The script
promotes nothing: that is for whoever looks at the runs.
"""

import sys

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

EXPERIMENT = "tumour-diagnostics"
EPOCHS = 60
SEEDS = (1, 2, 3)
FAMILIES = {
    "logistic": (SGDClassifier, {"loss": "log_loss", "alpha": 0.01}),
    "huber": (SGDClassifier, {"loss": "modified_huber", "alpha": 0.01}),
    "bayes": (GaussianNB, {"var_smoothing": 1e-8}),
}


def train(family: str, seed: int, train_x, train_y, test_x, test_y) -> Pipeline:
    """Learns in EPOCHS passes over shuffled patients, and logs the losses of each."""
    kind, settings = FAMILIES[family]
    seeded = settings if family == "bayes" else {**settings, "random_state": seed}
    scaler, model = StandardScaler().fit(train_x), kind(**seeded)
    mlflow.log_params({"family": family, "seed": seed, "epochs": EPOCHS, **settings})
    shuffle = np.random.default_rng(seed)
    for epoch in range(EPOCHS):
        order = shuffle.permutation(len(train_x))[: len(train_x) // 2]
        model.partial_fit(scaler.transform(train_x.iloc[order]), train_y.iloc[order], classes=[0, 1])
        metrics = {}
        for part, x, y in (("train", train_x, train_y), ("test", test_x, test_y)):
            score = model.predict_proba(scaler.transform(x))[:, 1]
            metrics[f"{part}/loss"] = log_loss(y, score, labels=[0, 1])
            metrics[f"{part}/auc"] = roc_auc_score(y, score)
        mlflow.log_metrics(metrics, step=epoch)
    return Pipeline([("scale", scaler), ("classify", model)])


def main(uri: str, seeds=SEEDS) -> None:
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(EXPERIMENT)
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    y = 1 - y  # 1 is malignant
    train_x, test_x, train_y, test_y = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
    seen = mlflow.data.from_pandas(train_x.assign(malignant=train_y), name="tumours-train", targets="malignant")
    unseen = mlflow.data.from_pandas(test_x.assign(malignant=test_y), name="tumours-test", targets="malignant")

    for family in FAMILIES:
        for seed in seeds:
            with mlflow.start_run(run_name=f"{family}-{seed}", tags={"study": "pilot"}):
                mlflow.log_input(seen, context="training")
                mlflow.log_input(unseen, context="testing")
                model = train(family, seed, train_x, train_y, test_x, test_y)
                score = model.predict_proba(test_x)[:, 1]
                mlflow.log_metrics(
                    {
                        "auc": roc_auc_score(test_y, score),
                        "accuracy": accuracy_score(test_y, score > 0.5),
                        "brier": brier_score_loss(test_y, score),
                    }
                )
                predictions = pd.DataFrame({"patient": test_x.index, "y_true": test_y, "y_score": score})
                mlflow.log_table(predictions, "predictions.parquet")  # JSON would round the scores
                mlflow.sklearn.log_model(
                    model, name="model", signature=infer_signature(train_x, model.predict(train_x)), input_example=train_x.head(3)
                )
                print(f"{family}-{seed}: auc {roc_auc_score(test_y, score):.4f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:5000")
