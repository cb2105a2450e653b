"""Where Runstone and MLflow differ on purpose: docs/QUERY.md names every kind.

If one of these tables fails, either the difference is gone, and its line on that page
goes with it, or there is a new one.
"""

from mlflow.entities import ViewType
from search_cases import ATTRIBUTE_OF, FOUR, case
from search_world import BASE, MODELS

DOUBLE = "1.7976931348623157e308"
REFUSED, CRASH = "INVALID_PARAMETER_VALUE", "INTERNAL_ERROR"

# (why, case, what Runstone answers, what MLflow answers): names of rows, or an error code.
DIFFERENT = [
    ("a filter of nothing but AND", case("runs", "AND", experiments=("beta",)), REFUSED, ["b4", "b5", "b6", "b7", "b0", "b1", "b2"]),
    ("an empty key", case("runs", "params. = 'x'"), REFUSED, []),
    ("an empty key", case("experiments", "tags. = 'x'"), REFUSED, []),
    ("an empty key", case("models", "tags. = 'x'"), REFUSED, []),
    ("an empty key", case("versions", "tags. = 'x'"), REFUSED, []),
    ("a key that goes on behind its quotes", case("runs", "params.`a`.b = 'x'"), REFUSED, []),
    ("a key with brackets", case("runs", "params.a[0] = 'x'"), REFUSED, []),
    ("a Python escape in a list", case("runs", "dataset.digest IN ('333\\x33')"), [], ["a50", "a44", "a32", "a26", "a20", "a14", "a08", "a02"]),
    ("strings side by side in a list", case("runs", "dataset.digest IN ('33' '33')"), REFUSED, ["a50", "a44", "a32", "a26", "a20", "a14", "a08", "a02"]),
    ("infinity is infinite", case("runs", f"metrics.m = {DOUBLE}"), [], ["a33", "a02"]),
    ("infinity is infinite", case("runs", f"metrics.m > {DOUBLE}"), ["a33", "a02"], []),
    ("infinity is infinite", case("runs", "metrics.m = -1e999"), ["a34", "a03"], []),
    ("ILIKE knows É", case("runs", "params.p ILIKE 'ÉTÉ'", view=ViewType.ALL), ["a12", "a13"], ["a13"]),
    ("an experiment id is a string", case("experiments", "experiment_id = '00'"), [], ["Default"]),
    ("double quotes in logged models", case("logged", 'name = "two"'), ["two of alpha"], []),
    ("bare words in logged models", case("logged", "tags.t = x"), REFUSED, ["one of alpha"]),
    ("lists in logged models", case("logged", "name IN ()"), REFUSED, []),
    ("lists in logged models", case("logged", "name IN (1, 2)"), REFUSED, []),
    ("lists in logged models", case("logged", "name IN ('a', 1)"), REFUSED, []),
    ("any metric of a logged model", case("logged", "metrics.acc = 0.9 AND name = 'two'"), ["two of alpha"], []),
    ("a dataset without digest", case("logged", "", datasets=(("train", False),)), ["one of beta", "three of alpha", "two of alpha"], []),
    ("statuses of logged models by name", case("logged", "experiment_id = '@experiment:alpha@'", [("status", True, None)]), ["three of alpha", "four of alpha", "two of alpha", "one of alpha"], ["four of alpha", "two of alpha", "one of alpha", "three of alpha"]),
    ("the tag of prompts is a tag", case("models", "tags.`mlflow.prompt.is_prompt` = 'other'"), [], ["Net", "n_t", "net", "no versions", "nxt 100%", "plain", "été"]),
    ("unknown attributes of logged models", case("logged", "nonsense = 'x'"), REFUSED, CRASH),
    ("unknown attributes of logged models", case("logged", "attributes.never = 'x'"), REFUSED, CRASH),
    ("unknown attributes of logged models", case("logged", "'x' = 'x'"), REFUSED, CRASH),
    ("unknown attributes of logged models", case("logged", "tags. = 'x'"), REFUSED, CRASH),
    ("a field twice in order_by", case("runs", "", ["metrics.m", "metrics.m DESC"]), REFUSED, CRASH),
    ("a field twice in order_by", case("runs", "", ["start_time", "created"]), REFUSED, CRASH),
    ("a field twice in order_by", case("models", "", ["name", "name"]), REFUSED, CRASH),
    ("a field twice in order_by", case("versions", "", ["name", "name DESC"]), REFUSED, CRASH),
]  # fmt: skip


def more(rows: str, text: str, found=("",), but=()):
    """A filter that MLflow refuses: it finds what MLflow finds by any of found, but by none of but."""
    return rows, text, found, but


# What only Runstone takes, in terms of filters that MLflow takes.
SUPERSET = [
    *[
        row
        for rows, a in ATTRIBUTE_OF.items()
        for row in (
            more(rows, f"{a} = 'net' OR {a} = 'alpha' OR {a} = 'FAILED' OR {a} = 'one'", [f"{a} = '{v}'" for v in ("net", "alpha", "FAILED", "one")]),
            more(rows, f"NOT tags.t = 'x' AND NOT {a} != 'net'", [f"{a} = 'net'"], ["tags.t = 'x'"]),
            more(rows, f"{a} IS NOT NULL"),
            more(rows, f"{a} IS NULL", []),
            more(rows, f"({a} = 'net')", [f"{a} = 'net'"]),
            more(rows, f"attr.{a} = 'net'", [f"{a} = 'net'"]) if rows not in ("runs",) else more(rows, "(status = 'FAILED')", ["status = 'FAILED'"]),
        )
    ],
    more("runs", "metrics.m > 1 OR params.few = 'x'", ["metrics.m > 1", "params.few = 'x'"]),
    more("runs", "NOT tags.t = 'adam'", [""], ["tags.t = 'adam'"]),
    more("runs", "NOT (metrics.m > 0 OR metrics.m < 0)", [""], ["metrics.m > 0", "metrics.m < 0"]),
    more("runs", "(run_name = 'same' OR status = 'FAILED') AND metrics.few > 0", ["run_name = 'same' AND metrics.few > 0", "status = 'FAILED' AND metrics.few > 0"]),
    more("runs", "run_name = 'same' OR status = 'FAILED' AND metrics.few > 0", ["run_name = 'same'", "status = 'FAILED' AND metrics.few > 0"]),
    more("runs", "params.p NOT LIKE 'a%'", ["params.p IS NOT NULL"], ["params.p LIKE 'a%'"]),
    more("runs", "tags.t NOT ILIKE 'a%'", ["tags.t IS NOT NULL"], ["tags.t ILIKE 'a%'"]),
    more("runs", "params.p IN ('1', '10', \"it's\")", ["params.p = '1'", "params.p = '10'", 'params.p = "it\'s"']),
    more("runs", "status IN ('FAILED', 'KILLED')", ["status = 'FAILED'", "status = 'KILLED'"]),
    more("runs", "status NOT IN ('FAILED', 'KILLED')", [""], ["status = 'FAILED'", "status = 'KILLED'"]),
    more("runs", "metrics.m IS NULL", [""], ["metrics.m != 0", "metrics.m = 0"]),
    more("runs", "metrics.m IS NOT NULL", ["metrics.m != 0", "metrics.m = 0"]),
    more("runs", "end_time IS NULL", [""], ["end_time > 0"]),
    more("runs", "dataset.name IS NULL", [""], ["dataset.name LIKE '%'"]),
    more("runs", "dataset.context IS NOT NULL", ["dataset.context LIKE '%'"]),
    more("runs", "dataset.name NOT LIKE 'd%'", ["dataset.name = 'D-One'", 'dataset.name = "it\'s 100%"']),
    more("runs", "metrics.m > 1e+0", ["metrics.m > 1"]),
    *[more(rows, "tags.t NOT IN ('adam', 'x')", ["tags.t LIKE '%'"], ["tags.t = 'adam'", "tags.t = 'x'"]) for rows in FOUR],
    more("runs", "tags.from = 'v1'", ["tags.`from` = 'v1'"]),
    more("runs", "tags.gone IS   NOT\n NULL", ["tags.gone IS NOT NULL"]),
    more("runs", f"start_time > {BASE + 8} OR end_time <= {BASE + 100_001}", [f"start_time > {BASE + 8}", f"end_time <= {BASE + 100_001}"]),
    more("experiments", "name IN ('alpha', 'beta')", ["name = 'alpha'", "name = 'beta'"]),
    more("experiments", "creation_time > 0.5", ["creation_time > 0"]),
    more("experiments", "experiment_id LIKE '%'"),
    more("models", "attributes.name = 'net'", ["name = 'net'"]),
    more("models", "tags.kind IS NULL", [""], ["tags.kind LIKE '%'"]),
    more("versions", "source_path IN ('models:/net/1', 'none')", ["source_path = 'models:/net/1'"]),
    more("versions", "version_number < 2.5", ["version_number < 3"]),
    more("versions", "tags.stage IS NOT NULL", ["tags.stage LIKE '%'"]),
    more("logged", "metric.acc > 0", ["metrics.acc > 0"]),
    more("logged", "param.lr = '0.1' OR parameters.lr = '1'", ["params.lr = '0.1'", "params.lr = '1'"]),
    more("logged", "params.lr IS NULL", [""], ["params.lr LIKE '%'"]),
    more("logged", "metrics.acc IS NULL AND NOT metrics.loss = 0", ["name = 'four'", "name = 'three'"], ["name = 'three'"]),
]  # fmt: skip

# Orders that only Runstone takes, and one of MLflow's with the same answer; or the names themselves.
SUPERSET_ORDERS = [
    (case("runs", "", ["attributes.`Run Name`"]), case("runs", "", ["run_name"])),
    (case("models", "name LIKE 'n%'", ["creation_timestamp DESC"]), [name for name in reversed(MODELS) if name.startswith("n")]),
    (case("experiments", "", ["attr.name"]), case("experiments", "", ["name"])),
]
