"""MLflow's AuthServiceClient, without the server app that lies in the same package.

Importing mlflow.server.auth starts with the app itself, which wants Flask-WTF and a
database. The client needs neither: only the package's folder, to find its neighbours.
"""

import importlib
import pathlib
import sys
import types

import mlflow.server


def auth_service_client():
    name = "mlflow.server.auth"
    if name not in sys.modules:
        package = types.ModuleType(name)
        package.__path__ = [str(pathlib.Path(mlflow.server.__file__).parent / "auth")]
        sys.modules[name] = package
    return importlib.import_module(name + ".client").AuthServiceClient
