"""Loads the lab's registered model in a process of its own and predicts.

    python load_script.py http://localhost:5000 models:/name/Production < rows.json

Reads a JSON list of rows, prints {"predictions": […]} on its last line.
"""

import json
import sys

import mlflow
import mlflow.pyfunc
import numpy as np


def main(uri: str, model_uri: str) -> dict:
    mlflow.set_tracking_uri(uri)
    model = mlflow.pyfunc.load_model(model_uri)
    rows = np.array(json.load(sys.stdin))
    return {
        "run_id": model.metadata.run_id,
        "signature": model.metadata.signature is not None,
        "predictions": np.asarray(model.predict(rows)).tolist(),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2])))
