"""All that a tracking server answers about its store, to be compared with another's."""

import base64

import requests

# Where the two servers answer differently whatever is in them, and why.
#   runs/search: Runstone's runs have their model_inputs, as in runs/get; MLflow's search leaves them out.
MORE_IN_SEARCH = "model_inputs"

VIEWS = ("ACTIVE_ONLY", "DELETED_ONLY", "ALL")


class Reader:
    def __init__(self, url: str, points: bool = True):
        self.url, self.points = url, points
        self.http = requests.Session()
        self.answers = {}

    def ask(self, method: str, path: str, /, **fields):
        kind = "params" if method == "GET" else "json"
        answer = self.http.request(method, f"{self.url}/ajax-api/2.0/mlflow/{path}", **{kind: fields}, timeout=120)
        return answer.status_code, answer.json() if "json" in answer.headers["content-type"] else {"text": answer.text}

    def keep(self, name: str, method: str, path: str, /, **fields):
        status, body = self.ask(method, path, **fields)
        self.answers[name] = (status, settle(body))
        return body

    def pages(self, name: str, method: str, path: str, items: str, /, **fields):
        """Every page is an answer of its own; tokens are opaque."""
        token, found = None, []
        for n in range(10_000):
            status, body = self.ask(method, path, **fields, **({"page_token": token} if token else {}))
            token = body.pop("next_page_token", None)
            for run in body.get("runs", []):
                run.get("inputs", {}).pop(MORE_IN_SEARCH, None)
            self.answers[f"{name} page {n}"] = (status, settle(body), bool(token))
            found += body.get(items, [])
            if not token:
                return found
        raise AssertionError(f"{name} does not end")

    def all(self) -> dict:
        experiments = []
        for view in VIEWS:
            found = self.pages(f"experiments {view}", "POST", "experiments/search", "experiments", view_type=view, max_results=3)
            experiments = found if view == "ALL" else experiments
        for e in experiments:
            id = e["experiment_id"]
            self.keep(f"experiment {id}", "GET", "experiments/get", experiment_id=id)
            self.keep(f"experiment by name {e['name']}", "GET", "experiments/get-by-name", experiment_name=e["name"])
            for view in VIEWS:
                runs = self.pages(f"runs of {id} {view}", "POST", "runs/search", "runs", experiment_ids=[id], run_view_type=view, max_results=100)
            for run in runs:
                self.run(run["info"]["run_id"], [m["key"] for m in run["data"].get("metrics", [])], run["info"]["artifact_uri"])
            self.keep(f"datasets of {id}", "POST", "experiments/search-datasets", experiment_ids=[id])
        ids = [e["experiment_id"] for e in experiments]
        for order in ("metrics.loss DESC", "params.lr", "attributes.run_name ASC", "tags.`group` DESC"):
            self.pages(f"runs by {order}", "POST", "runs/search", "runs", experiment_ids=ids, order_by=[order, "attributes.run_id"], max_results=50)
        for filter in ("metrics.loss < 3", "params.depth = '3'", "tags.group LIKE '%1%'", "attributes.status = 'FAILED'", "dataset.name = 'iris'"):
            self.pages(f"runs with {filter}", "POST", "runs/search", "runs", experiment_ids=ids, filter=filter, order_by=["attributes.run_id"], max_results=500)
        self.registry()
        self.logged(ids)
        return self.answers

    def run(self, id: str, metrics: list, root: str) -> None:
        self.keep(f"run {id}", "GET", "runs/get", run_id=id)
        for key in metrics if self.points else []:
            self.keep(f"history {id} {key}", "GET", "metrics/get-history", run_id=id, metric_key=key)
        self.tree(f"files {id}", f"{self.url}/get-artifact", "artifacts/list", run_id=id)

    def tree(self, name: str, get: str, path: str, folder: str = "", /, **owner) -> None:
        body = self.keep(f"{name} /{folder}", "GET", path, **owner, **({"path": folder} if folder else {}))
        for f in body.get("files", []):
            if f.get("is_dir"):
                self.tree(name, get, path, f["path"], **owner)
            else:
                answer = self.http.get(get, params={**owner, "path": f["path"], "artifact_file_path": f["path"]}, timeout=120)
                self.answers[f"{name} bytes of {f['path']}"] = (answer.status_code, base64.b64encode(answer.content))

    def registry(self) -> None:
        models = self.pages("models", "GET", "registered-models/search", "registered_models", max_results=2)
        self.pages("versions", "GET", "model-versions/search", "model_versions", max_results=2)
        for m in models:
            name = m["name"]
            self.keep(f"model {name}", "GET", "registered-models/get", name=name)
            self.keep(f"latest of {name}", "POST", "registered-models/get-latest-versions", name=name)
            for alias in m.get("aliases", []):
                self.keep(f"alias {name}@{alias['alias']}", "GET", "registered-models/alias", name=name, alias=alias["alias"])
            for version in range(1, 8):
                self.keep(f"version {name}/{version}", "GET", "model-versions/get", name=name, version=str(version))
                self.keep(f"files of {name}/{version}", "GET", "model-versions/get-download-uri", name=name, version=str(version))

    def logged(self, ids: list) -> None:
        status, _ = self.ask("POST", "logged-models/search", experiment_ids=ids)
        if status == 404:  # MLflow 2
            return
        models = self.pages("logged models", "POST", "logged-models/search", "models", experiment_ids=ids, max_results=2)
        for m in models:
            id = m["info"]["model_id"]
            self.keep(f"logged model {id}", "GET", f"logged-models/{id}")
            self.tree(f"files {id}", f"{self.url}/ajax-api/2.0/mlflow/logged-models/{id}/artifacts/files", f"logged-models/{id}/artifacts/directories")


# Lists whose order MLflow leaves open, and what to sort them by.
LOOSE = {
    "metrics": lambda m: (m["key"], m.get("step", 0), m["timestamp"], m.get("model_id", ""), m.get("dataset_name", ""), str(m["value"])),
    "params": lambda p: p["key"],
    "tags": lambda t: t["key"],
    "aliases": lambda a: str(a),
    "dataset_inputs": lambda d: (d["dataset"]["name"], d["dataset"]["digest"]),
    "dataset_summaries": lambda d: str(sorted(d.items())),
    "model_inputs": lambda m: m["model_id"],
    "model_outputs": lambda m: m["model_id"],
    "latest_versions": lambda v: int(v["version"]),
    "files": lambda f: f["path"],
}


def settle(value, name: str = ""):
    if isinstance(value, dict):
        return {k: settle(v, k) for k, v in value.items()}
    if isinstance(value, list):
        value = [settle(v) for v in value]
        if name in LOOSE and not (name == "metrics" and value and "key" not in value[0]):
            value = sorted(value, key=LOOSE[name])
    return value
