"""A model of one line, which test_cli.py logs together with this file."""

import mlflow.pyfunc


class Double(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return 2 * model_input
