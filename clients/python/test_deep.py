"""Autologging of PyTorch Lightning and Keras, in an environment of their own (make test-client-deep)."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import mlflow
import numpy as np
import pytest


@pytest.fixture
def experiment(client, request, monkeypatch):
    monkeypatch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "1")
    yield mlflow.set_experiment(request.node.name).experiment_id
    while mlflow.active_run():
        mlflow.end_run()


X = np.random.default_rng(1).standard_normal((64, 4)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("float32")


def test_lightning(client, experiment, tmp_path):
    import pytorch_lightning
    import torch

    class Net(pytorch_lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def forward(self, x):
            return self.layer(x).squeeze(-1)

        def training_step(self, batch, _):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(self(batch[0]), batch[1])
            self.log("train_loss", loss, on_epoch=True)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.5)

    mlflow.pytorch.autolog(checkpoint=False)
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    trainer = pytorch_lightning.Trainer(
        max_epochs=4, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, default_root_dir=tmp_path,
    )  # fmt: skip
    with mlflow.start_run() as run:
        trainer.fit(Net(), torch.utils.data.DataLoader(data, batch_size=16))
    kept = mlflow.get_run(run.info.run_id)
    assert kept.data.params["optimizer_name"] == "SGD" and kept.data.params["epochs"] == "4"
    history = [p.value for p in client.get_metric_history(run.info.run_id, "train_loss_epoch")]
    assert len(history) >= 4 and history[-1] < history[0]
    assert "model_summary.txt" in {f.path for f in client.list_artifacts(run.info.run_id)}
    (model,) = mlflow.search_logged_models([experiment], output_format="list")
    loaded = mlflow.pytorch.load_model(f"models:/{model.model_id}")
    assert loaded(torch.from_numpy(X)).shape == (64,)


def test_keras(client, experiment):
    import keras

    mlflow.keras.autolog()
    net = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    net.compile(optimizer=keras.optimizers.SGD(0.5), loss="binary_crossentropy", metrics=["accuracy"])
    with mlflow.start_run() as run:
        net.fit(X, Y, epochs=5, batch_size=16, validation_split=0.25, verbose=0)
    kept = mlflow.get_run(run.info.run_id)
    assert kept.data.params["epochs"] == "5" and kept.data.params["batch_size"] == "16"
    assert {"loss", "val_loss"} <= set(kept.data.metrics)
    history = [p.value for p in client.get_metric_history(run.info.run_id, "loss")]
    assert len(history) == 5 and history[-1] < history[0]
    (model,) = mlflow.search_logged_models([experiment], output_format="list")
    loaded = mlflow.keras.load_model(f"models:/{model.model_id}")
    assert np.allclose(loaded.predict(X, verbose=0), net.predict(X, verbose=0), atol=1e-6)
