"""The same awkward data on any server, for tests that compare what two servers find.

Servers choose their own ids and times. So every row has a name that is the same
everywhere, `World.fill` puts a server's own ids and times into a filter where it says
`@run:name@`, and rows that tie are given their names in the order of their ids.
"""

import math
import re
import time

from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelStatus,
    Metric,
    Param,
    RunTag,
)

BASE = 1_700_000_000_000  # ms; start time of the first group of runs
GROUP = 4  # runs that start at the same time

# The last value of metric m, run by run; None: the run has no such metric.
NUMBERS = [
    None, math.nan, math.inf, -math.inf, -0.0, 0.0, 1.0, 1.0, 1.0000000000000002, -1.0, 1e300, -1e300,
    5e-324, 1e-300, 0.1, 0.30000000000000004, 0.3, 9007199254740992.0, 9007199254740994.0, 1e16, 2.0,
    3.0, 0.5, 123456.789, math.nan, None, 7.0, -1e-9, 42.0, 1e22, 0.002,
]  # fmt: skip

# The value of param p and of tag t, run by run.
STRINGS = [
    None, "", " ", "0", "00", "1", "10", "9", "1e3", "nan", "None", "NULL", "été", "ÉTÉ", "日本", "it's",
    'say "hi"', "100%", "100x", "a_b", "axb", "a__b", "back\\slash", "a\\%b", "C:\\", "adam", "Adam",
    "ADAM", "🎉", "%", "_", "\\", "true", "True", "0.1", "-1", "x" * 500, " lead", "trail ", "a.b", "a;b",
    "a AND b", "(a)", "[a-z]", "^a$", "a*b", None, "a--b", "/*a*/", "#a", "@a", ":a", "$a",
]  # fmt: skip

# Keys that need quotes in a filter, or that a careless parser would trip over.
KEYS = ["k.dot", "k space", "k/slash", "k-dash", "k:colon", "k_under", "1digit", "from", "été", "K.dot", "metrics", "in", "order"]

STATUSES = ["FINISHED", "FAILED", "KILLED", "SCHEDULED", "RUNNING"]

DATASETS = {
    "train": ("d-one", "1111", "train"),
    "eval": ("d-one", "2222", "eval"),
    "two": ("D-One", "3333", "train"),
    "bare": ("d_two", "4444", None),
    "odd": ("it's 100%", "5555", "Train set"),
}


def run_rows():
    """Yields the runs as dictionaries, in groups of GROUP that start together."""
    count = max(len(NUMBERS), len(STRINGS))
    for i in range(count):
        value = NUMBERS[i % len(NUMBERS)]
        row = {
            "experiment": "alpha", "name": f"a{i:02d}", "metrics": [], "params": {}, "tags": {},
            "run_name": ["same", "Same", f"run {i}", f"run_{i}", "it's"][i % 5],
            "status": STATUSES[i % 5], "datasets": [], "dropped": [],
            "deleted": i % 13 == 12,
        }  # fmt: skip
        if value is not None:
            row["metrics"].append(Metric("m", value, BASE + i, 0))
        if STRINGS[i] is not None:
            row["params"]["p"] = STRINGS[i]
            row["tags"]["t"] = STRINGS[i]
        if i % 3 == 0:
            # The greatest step counts, not the newest time and not what came last.
            row["metrics"] += [Metric("s", float(i), BASE, 10), Metric("s", -1.0, BASE + 9999, 3), Metric("s", 7.0, BASE + 5, -4)]
        if i % 4 == 1:
            row["metrics"] += [Metric("tie", 1.0, BASE, 1), Metric("tie", 2.0, BASE, 1), Metric("tie", float(i % 3), BASE + 1, 1)]
        key = KEYS[i % len(KEYS)]
        row["metrics"].append(Metric(key, float(i), BASE, 0))
        row["params"][key] = f"v{i % 3}"
        row["tags"][key] = f"v{i % 3}"
        row["params"]["few"] = "xyz"[i % 3]
        row["metrics"].append(Metric("few", float(i % 3), BASE, 0))
        if i % 5 == 2:
            row["tags"]["gone"] = "was here"
            row["dropped"].append("gone")
        if i % 6 == 0:
            row["datasets"].append("train")
        if i % 6 in (0, 1):
            row["datasets"].append("eval")
        if i % 6 == 2:
            row["datasets"].append("two")
        if i % 6 == 3:
            row["datasets"].append("bare")
        if i % 12 == 4:
            row["datasets"].append("odd")
        if i % 8 == 7:
            row["parent"] = "a00"
        yield row
    for i in range(8):
        yield {
            "experiment": "beta", "name": f"b{i}", "metrics": [Metric("m", float(i), BASE, 0)], "params": {"p": str(i)},
            "tags": {"t": str(i)}, "run_name": "same", "status": STATUSES[i % 5], "datasets": [], "dropped": [], "deleted": i == 3,
        }  # fmt: skip


EXPERIMENTS = {
    # name: tags
    "alpha": {"team": "red", "note": "it's 100%"},
    "beta": {"team": "Red", "k space": "v"},
    "Alpha": {"team": "blue"},
    "été 100%": {"empty": ""},
    "al_ha": {"team": "red", "k.dot": "v"},
    "a'quote": {},
    "goes": {"team": "red"},
    "back\\slash": {"team": "back\\slash"},
}

PROMPT = "mlflow.prompt.is_prompt"

MODELS = {
    # name: tags
    "net": {"kind": "deep", "k space": "v"},
    "Net": {"kind": "Deep"},
    "n_t": {"k.dot": "v"},
    "nxt 100%": {"kind": "it's"},
    "été": {"empty": ""},
    "plain": {PROMPT: "false"},
    "no versions": {},
}

VERSIONS = [
    # model, source, run, tags
    ("net", "@root:a00@/a_b", "a00", {"stage": "one"}),
    ("net", "@root:a00@/axb", "a00", {"stage": "two", "k space": "v"}),
    ("net", "models:/net/1", None, {}),
    ("Net", "@root:a00@/a_b", "a00", {"stage": "One"}),
    ("n_t", "models:/net/2", None, {"k.dot": "v"}),
    ("net", "@root:b1@/four", "b1", {"stage": ""}),
    ("nxt 100%", "@root:a01@/x y", "a01", {"stage": "it's"}),
    ("été", "@root:a01@/A_B", "a01", {"stage": "ÉTÉ"}),
    ("net", "models:/Net/1", None, {"stage": "gone"}),  # deleted
    *[("n_t", f"@root:b2@/{i}", "b2", {"i": str(i)}) for i in range(9)],
]

LOGGED = [
    # name, experiment, run, type, status, params, tags, metrics (key, value, step, dataset)
    ("one", "alpha", "a00", "agent", "READY", {"lr": "0.1", "p": "x"}, {"t": "x"}, [("acc", 0.5, 0, None), ("acc", 0.9, 5, None), ("loss", 1.0, 0, None)]),
    ("two", "alpha", "a00", "Agent", "READY", {"lr": "0.01", "k space": "v"}, {"t": "X"}, [("acc", 0.9, 0, "train"), ("acc", 0.2, 0, "eval")]),
    ("three", "alpha", "a01", "tree", "FAILED", {"lr": "it's"}, {"k.dot": "v"}, [("acc", 0.1, 0, "eval")]),
    ("four", "alpha", None, "", "PENDING", {}, {}, []),
    ("five", "beta", "b1", "agent", "READY", {"lr": "0.1"}, {"t": "100%"}, [("acc", -1e300, 0, None), ("loss", 2.5, 3, None)]),
    ("six", "beta", None, "a_ent", "READY", {"lr": "1"}, {"t": "été"}, [("loss", 0.0, 0, None)]),
    ("one", "beta", "b2", "axent", "READY", {"lr": "10"}, {"t": "a_b"}, [("acc", 0.9, 2, "train"), ("loss", 1.0, 1, None)]),
]  # fmt: skip


class World:
    """The data on one server, and the names of its rows there."""

    def __init__(self, url: str):
        self.url = url
        self.client = MlflowClient(tracking_uri=url, registry_uri=url)
        self.experiment = {}  # name → id
        self.run = {}
        self.logged = {}
        self.text = {}  # what @kind:name@ stands for
        self.label = {}  # id → name
        self.build()

    def fill(self, text):
        if isinstance(text, str):
            return re.sub(r"@([a-z]+:[^@]+)@", lambda m: str(self.text[m.group(1)]), text)
        return text

    def name(self, kind: str, name: str, row_id: str) -> None:
        getattr(self, kind)[name] = row_id
        self.label[row_id] = name
        self.text[f"{kind}:{name}"] = row_id

    def build(self) -> None:
        self.add_experiments()
        rows = list(run_rows())
        for experiment in ("alpha", "beta"):
            mine = [row for row in rows if row["experiment"] == experiment]
            for first in range(0, len(mine), GROUP):
                self.add_group(mine[first : first + GROUP], BASE + (first if experiment == "alpha" else 1 + first))
        for row in rows:
            self.add_run(row)
        self.add_models()
        self.add_logged()
        self.client.delete_experiment(self.experiment["goes"])

    def add_experiments(self) -> None:
        for name, tags in EXPERIMENTS.items():
            time.sleep(0.003)  # so that no two were made in one millisecond
            self.name("experiment", name, self.client.create_experiment(name, tags=tags))
        for name, tag in (("beta", "late"), ("alpha", "late")):
            time.sleep(0.003)
            self.client.set_experiment_tag(self.experiment[name], tag, "1")
        for name in EXPERIMENTS:
            made = self.client.get_experiment(self.experiment[name])
            self.text[f"made:{name}"] = made.creation_time
            self.text[f"changed:{name}"] = made.last_update_time

    def add_group(self, rows: list, start: int) -> None:
        made = [
            self.client.create_run(self.experiment[row["experiment"]], start, tags={"mlflow.user": f"user{start % 3}"})
            for row in rows
        ]
        made.sort(key=lambda run: run.info.run_id)
        for row, run in zip(rows, made, strict=True):
            self.name("run", row["name"], run.info.run_id)
            self.text["root:" + row["name"]] = run.info.artifact_uri

    def add_run(self, row: dict) -> None:
        run_id = self.run[row["name"]]
        tags = [RunTag(k, v) for k, v in row["tags"].items()]
        if "parent" in row:
            tags.append(RunTag("mlflow.parentRunId", self.run[row["parent"]]))
        self.client.log_batch(run_id, row["metrics"], [Param(k, v) for k, v in row["params"].items()], tags)
        for key in row["dropped"]:
            self.client.delete_tag(run_id, key)
        inputs = []
        for name in row["datasets"]:
            title, digest, context = DATASETS[name]
            given = [InputTag("mlflow.data.context", context)] if context else []
            inputs.append(DatasetInput(Dataset(title, digest, "local", "src"), given))
        if inputs:
            self.client.log_inputs(run_id, inputs)
        if row["status"] in ("RUNNING", "SCHEDULED"):
            self.client.update_run(run_id, row["status"], row["run_name"])
        else:
            self.client.update_run(run_id, name=row["run_name"])
            self.client.set_terminated(run_id, row["status"], BASE + 100_000 + len(row["params"].get("p", "")))
        if row["deleted"]:
            self.client.delete_run(run_id)

    def add_models(self) -> None:
        self.client.register_prompt("prompt", "say {{what}}", tags={"kind": "text"})
        for name, tags in MODELS.items():
            time.sleep(0.003)
            self.client.create_registered_model(name, tags={k: v for k, v in tags.items() if k != PROMPT})
            if PROMPT in tags:  # the client registers no prompt as a model
                self.client.set_registered_model_tag(name, PROMPT, tags[PROMPT])
        for model, source, run, tags in VERSIONS:
            time.sleep(0.003)
            made = self.client.create_model_version(model, self.fill(source), self.run.get(run), tags=tags)
            if tags.get("stage") == "gone":
                self.client.delete_model_version(model, made.version)
        time.sleep(0.003)
        self.client.update_registered_model("n_t", "changed")
        time.sleep(0.003)
        self.client.update_model_version("Net", "1", "changed last")

    def add_logged(self) -> None:
        for name, experiment, run, kind, status, params, tags, metrics in LOGGED:
            time.sleep(0.003)
            made = self.client.create_logged_model(
                self.experiment[experiment], name, self.run.get(run), tags, params, kind or None
            )
            self.name("logged", f"{name} of {experiment}", made.model_id)
            self.text[f"born:{name} of {experiment}"] = made.creation_timestamp
            for i, (key, value, step, dataset) in enumerate(metrics):
                title, digest, _ = DATASETS[dataset] if dataset else (None, None, None)
                self.client.log_metric(
                    self.run[run or "b5"], key, value, BASE + i, step,
                    model_id=made.model_id, dataset_name=title, dataset_digest=digest,
                )  # fmt: skip
            if status != "PENDING":
                self.client.finalize_logged_model(made.model_id, LoggedModelStatus(status))
