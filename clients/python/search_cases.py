"""The filters and orders that test_search_differential.py sends to two servers.

A case is (rows, filter, order_by, more): rows is what is searched, more are further
arguments of the search. `@run:a00@` stands for an id of the server that is asked.
"""

from mlflow.entities import ViewType
from search_world import BASE, KEYS, STRINGS

SIGNS = ["=", "!=", "<", "<=", ">", ">="]
LIKES = ["LIKE", "ILIKE"]
LISTS = ["IN", "NOT IN"]


def case(rows: str, text: str = "", order=(), **more):
    return (rows, text, tuple(order), tuple(sorted(more.items())))


def quoted(text: str) -> str:
    """The text as a string of the filter language."""
    return f'"{text}"' if "'" in text else f"'{text}'"


def cross(rows: str, fields, operators, values):
    """Every field with every comparator and every value, as it stands in the filter."""
    return [case(rows, f"{f} {op} {v}") for f in fields for op in operators for v in values]


PATTERNS = [
    "a%", "%m", "%d%", "a_b", "a__b", "_", "__", "%", "", "ADAM", "adam", "%\\%", "a\\%b", "100%", "100_", "it_s",
    "[a-z]", "a.b", "^a$", "a*b", "%%", "_%_", "日_", "🎉",
]  # fmt: skip

NUMBERS = ["0", "1", "0.30000000000000004", "-1e300", "5e-324", "9007199254740993", "-0.0"]
SPELLINGS = ["1e22", "-1", ".5", "2e-3", "1.", "00.5", "1E3"]

RUN_FILTERS = [
    # metrics: numbers only, the last value, missing is never a hit
    *cross("runs", ["metrics.m"], SIGNS, NUMBERS),
    *cross("runs", ["metrics.m"], ["="], SPELLINGS),
    *cross("runs", ["metrics.s", "metric.tie", "metrics.never"], SIGNS, ["1", "7"]),
    *[case("runs", f"metric.`{key}` >= 20") for key in KEYS],
    *[case("runs", f'metrics."{key}" < 20') for key in KEYS],
    *[case("runs", text) for text in ("metrics.k.dot > 3", "metrics.k_under > 3", "metrics.été > 3", "metrics.K.dot >= 0")],
    # params and tags: strings only
    *cross("runs", ["params.p"], ["="], [quoted(s) for s in STRINGS if s is not None]),
    *cross("runs", ["tags.t"], ["!="], [quoted(s) for s in STRINGS[1:40:3]]),
    *cross("runs", ["tag.t", "param.p", "parameters.p", "parameter.p"], ["=", "!="], ["'adam'"]),
    *cross("runs", ["params.p"], LIKES, [quoted(s) for s in PATTERNS]),
    *cross("runs", ["tags.t"], LIKES, ["'A%'", "'%a_b'", "''"]),
    *cross("runs", ["params.p"], ["like", "ilike", "Like"], ["'A%'"]),
    *cross("runs", ["params.never", "tags.gone"], ["=", "!=", "LIKE", "ILIKE"], ["'%'", "'was here'", "''"]),
    *[case("runs", f"{f} IS {n}NULL") for f in ("params.p", "tags.t", "tags.gone", "params.never", "tags.`k space`", "param.few") for n in ("", "NOT ")],
    *[case("runs", f"{entity}.{q}{key}{q} = 'v1'") for entity, q in (("params", "`"), ("tags", '"')) for key in KEYS],
    # attributes
    *cross("runs", ["status"], ["=", "!=", "LIKE", "ILIKE"], ["'FINISHED'", "'finished'", "'RUN%'", "''"]),
    *cross("runs", ["run_name"], ["=", "!=", "LIKE", "ILIKE"], ["'same'", '"it\'s"', "'run_%'", "'no such'", "'%'"]),
    *cross("runs", ["attributes.`Run name`", "attributes.`run name`", "attribute.`Run Name`"], ["=", "LIKE"], ["'same'", "'run _'"]),
    *cross("runs", ["user_id"], ["=", "!=", "LIKE", "ILIKE"], ["'user0'", "'USER_'"]),
    *cross("runs", ["artifact_uri"], ["=", "!=", "LIKE", "ILIKE"], ["'@root:a07@'", "'%/artifacts'", "'%/ARTIFACTS'", "'nothing'"]),
    *cross("runs", ["run_id"], ["=", "!=", "LIKE", "ILIKE"], ["'@run:a07@'", "'nothing'", "'%'"]),
    *cross("runs", ["run_id"], LISTS, ["('@run:a07@')", "('@run:a07@', '@run:b1@', \"@run:a01@\")", "('none',)", "( '@run:a02@' , 'none' )"]),
    *cross("runs", ["attributes.status", "attribute.status", "attr.status", "run.status", "attr.user_id", "run.run_name"], ["="], ["'KILLED'", "'user1'", "'same'"]),
    *cross("runs", ["start_time"], SIGNS, [str(BASE + 8), str(BASE + 8) + ".5"]),
    *cross("runs", ["created", "attributes.Created", "run.start_time"], [">="], [str(BASE + 8)]),
    *cross("runs", ["end_time"], SIGNS, ["0", str(BASE + 100_001), "1e13"]),
    # datasets: true if any input satisfies it
    *cross("runs", ["dataset.name"], ["=", "!=", "LIKE", "ILIKE"], ["'d-one'", "'d_%'", '"it\'s 100%"', "'none'"]),
    *cross("runs", ["dataset.digest"], ["=", "!=", "LIKE"], ["'2222'", "'_1__'", "'none'"]),
    *cross("runs", ["dataset.context"], ["=", "!=", "LIKE", "ILIKE"], ["'train'", "'TRAIN%'", "'none'"]),
    *cross("runs", ["dataset.name", "dataset.digest", "datasets.context"], LISTS, ["('d-one', '2222', 'train')", "('none')", "('D-One', '3333', 'eval')"]),
    # several clauses
    *[
        case("runs", text)
        for text in (
            "metrics.m > 0 AND params.p = '1'",
            "metrics.m >= 0 and params.few = 'x' And status != 'FAILED'",
            "metrics.m >= 0 AND metrics.m < 3 AND metrics.few > 0",
            "dataset.name = 'd-one' AND dataset.context = 'eval'",
            "dataset.name = 'd-one' AND dataset.name = 'D-One'",
            "dataset.digest = '1111' AND dataset.digest = '2222'",
            "dataset.name = 'd-one' AND metrics.m > 0 AND tags.t LIKE '%'",
            "tags.`mlflow.parentRunId` = '@run:a00@'",
            "tags.mlflow.parentRunId = '@run:a00@' AND metrics.m > 0",
            "tags.mlflow.runName = 'same'",
            "tags.mlflow.user = 'user1'",
            "params.p IS NOT NULL AND tags.gone IS NULL AND metrics.m != 1",
            "  metrics.m   >   1  ",
            "metrics.m>1",
            "metrics.m>1 AND params.few='x'",
            "params.p = 'a AND b'",
            "params.few = \"x\"\nAND\tmetrics.m > 0",
            "metrics.m > 1 metrics.few > 0",
            "AND metrics.m > 1",
            "metrics.m > 1 AND",
            "metrics.m > 1 AND AND metrics.few > 0",
            "",
        )
    ],
    # view types, several experiments
    *[
        case("runs", text, order, view=view)
        for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL)
        for text in ("", "metrics.m > 0", "params.p IS NULL")
        for order in ((), ("metrics.m DESC",))
    ],
    *[case("runs", text, experiments=e) for text in ("", "metrics.m > 1") for e in (("alpha",), ("beta",), ("Alpha",), ("beta", "Alpha"), ())],
]

RUN_ORDERS = [
    *[
        case("runs", "", [f"{field}{direction}"])
        for field in (
            "metrics.m", "metric.s", "metrics.tie", "metrics.few", "metrics.never", "metrics.`k space`", 'metrics."k/slash"',
            "params.p", "parameter.few", "params.`k-dash`", "params.never", "tags.t", "tag.gone", "tags.`k.dot`",
            "status", "attributes.run_name", "attribute.start_time", "start_time", "end_time", "run.user_id",
            "attr.Created", "created",
        )
        for direction in (" ASC", " DESC")
    ],
    *[case("runs", "metrics.few > 0", [text]) for text in ("metrics.m", "params.p", "run_name desc", "start_time   asc", "tags.t Desc")],
    *[
        case("runs", f"start_time = {BASE + 8}", [f"{field} {direction}"])
        for field in ("run_id", "artifact_uri", "attributes.run_id")
        for direction in ("ASC", "DESC")
    ],
    *[
        case("runs", "", order, view=ViewType.ALL)
        for order in (
            ["metrics.few DESC", "params.p"],
            ["params.few", "metrics.m DESC", "start_time ASC"],
            ["status desc", "run_name", "metrics.tie"],
            ["metrics.m asc", "metrics.s desc", "tags.t"],
            ["end_time DESC", "start_time"],
            ["start_time", "metrics.m"],
        )
    ],
]

EXPERIMENT_CASES = [
    *cross(
        "experiments", ["name"], ["=", "!=", "LIKE", "ILIKE"],
        ["'alpha'", "'al_ha'", "'A%'", "'%100%'", '"a\'quote"', "'none'", "'%'"],
    ),
    *cross("experiments", ["attribute.name", "attributes.name"], ["="], ["'alpha'"]),
    *cross("experiments", ["creation_time", "attribute.last_update_time"], SIGNS, ["0", "@made:beta@"]),
    *cross("experiments", ["tags.team", "tag.team"], ["=", "!=", "LIKE", "ILIKE"], ["'red'", "'RED'", "'_ed'", "'none'", "''"]),
    *cross("experiments", ["tags.`k space`", 'tags."k.dot"', "tags.k.dot", "tags.never", "tags.empty", "tags.note"], ["=", "!="], ["''", '"it\'s 100%"']),
    *[case("experiments", f"tags.{key} IS {n}NULL") for key in ("team", "never", "`k space`", "empty") for n in ("", "NOT ")],
    *cross("experiments", ["experiment_id", "attributes.experiment_id"], ["=", "!="], ["'@experiment:beta@'", "'0'", "'424242'"]),
    *cross("experiments", ["experiment_id"], LISTS, ["('@experiment:beta@', '0')", "('424242')"]),
    *[case("experiments", text) for text in ("", "name LIKE 'a%' AND tags.team = 'red'", "tags.team = 'red' AND tags.late = '1'", "tags.team = 'red' AND creation_time > @made:alpha@")],
    *[case("experiments", text, order, view=view) for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL) for text in ("", "tags.team = 'red'") for order in ((), ("name",))],
    *[
        case("experiments", "", [f"{field}{direction}"])
        for field in ("name", "creation_time", "last_update_time", "attribute.name", "attributes.creation_time")
        for direction in ("", " ASC", " DESC", " desc")
    ],
    case("experiments", "", ["last_update_time DESC", "name"]),
    case("experiments", "", ["name", "name DESC"]),
]  # fmt: skip

MODEL_CASES = [
    *cross("models", ["name", "attribute.name"], ["=", "!=", "LIKE", "ILIKE"], ["'net'", "'n_t'", "'N%'", "'none'"]),
    *cross("models", ["tags.kind", "tag.kind"], ["=", "!=", "LIKE", "ILIKE"], ["'deep'", "'DEEP'", "'_eep'", '"it\'s"', "'none'"]),
    *cross("models", ["tags.`k space`", "tags.`k.dot`", "tags.k.dot", "tags.never", "tags.empty"], ["=", "!="], ["'v'", "''"]),
    *[case("models", f"tags.`mlflow.prompt.is_prompt` {op} '{v}'") for op in ("=", "!=") for v in ("true", "false")],
    case("models", "tags.mlflow.prompt.is_prompt = 'true' AND tags.kind = 'text'"),
    *[case("models", text) for text in ("", "name LIKE 'n%' AND tags.kind = 'deep'", "tags.kind = 'deep' AND tags.`k space` = 'v'", "name ilike 'N%'")],
    *[case("models", "", [f"{field}{direction}"]) for field in ("name", "last_updated_timestamp", "timestamp") for direction in ("", " ASC", " DESC", " asc")],
    case("models", "name LIKE 'n%'", ["timestamp DESC", "name"]),
    *cross("models", ["name"], LISTS, ["('net', 'Net')", "('none')"]),
]  # fmt: skip

VERSION_CASES = [
    *cross("versions", ["name", "attribute.name"], ["=", "!=", "LIKE", "ILIKE"], ["'net'", "'n_t'", "'N%'"]),
    *cross("versions", ["run_id"], ["=", "!=", "LIKE", "ILIKE"], ["'@run:a00@'", "'none'", "'%'"]),
    *cross("versions", ["run_id", "attribute.run_id"], ["IN"], ["('@run:a00@', '@run:b1@')", "('none')", "('@run:b2@')"]),
    *cross("versions", ["source_path"], ["=", "!=", "LIKE", "ILIKE"], ["'@root:a00@/a_b'", "'%/a_b'", "'%/A_B'", "'models:/net/1'", "'none'"]),
    *cross("versions", ["version_number", "attribute.version_number"], SIGNS, ["1", "'2'", "99"]),
    *cross("versions", ["tags.stage", "tag.stage"], ["=", "!=", "LIKE", "ILIKE"], ["'one'", "'ONE'", "'%'", "''", '"it\'s"', "'none'"]),
    *cross("versions", ["tags.`k space`", "tags.k.dot", "tags.never"], ["=", "!="], ["'v'"]),
    *[case("versions", f"tags.`mlflow.prompt.is_prompt` {op} '{v}'") for op in ("=", "!=") for v in ("true", "false")],
    *[case("versions", text) for text in ("", "name = 'net' AND version_number > 1", "name = 'net' AND tags.stage = 'one'", "run_id = '@run:a00@' AND name = 'net'")],
    *[
        case("versions", "name LIKE 'n%'", [f"{field}{direction}"])
        for field in ("name", "version_number", "creation_timestamp", "last_updated_timestamp")
        for direction in ("", " ASC", " DESC")
    ],
    case("versions", "", ["name DESC", "version_number ASC"]),
    case("versions", "", ["version_number DESC", "creation_timestamp"]),
]

LOGGED_CASES = [
    *cross("logged", ["name", "attributes.name"], ["=", "!=", "LIKE", "ILIKE"], ["'ONE'", "'one'", "'t%'"]),
    *cross("logged", ["name"], LISTS, ["('one', 'two')", "('none')"]),
    *cross("logged", ["model_type"], ["=", "!=", "LIKE", "ILIKE"], ["'agent'", "'a_ent'", "'AGENT'", "''"]),
    *cross("logged", ["status"], ["=", "!="], ["'READY'", "'FAILED'", "'PENDING'"]),
    *cross("logged", ["status"], LISTS, ["('READY', 'FAILED')"]),
    *cross("logged", ["source_run_id"], ["=", "!=", "LIKE"], ["'@run:a00@'", "'none'"]),
    *cross("logged", ["model_id"], ["=", "!=", "LIKE"], ["'@logged:two of alpha@'", "'none'", "'m-%'"]),
    *cross("logged", ["creation_timestamp", "attributes.creation_timestamp_ms", "creation_time"], SIGNS, ["0", "@born:five of beta@"]),
    *cross("logged", ["last_updated_timestamp_ms", "last_updated_timestamp"], [">", "<"], ["0"]),
    *cross("logged", ["metrics.acc"], SIGNS, ["0.1", "0", "-1e300"]),
    *cross("logged", ["metrics.loss", "metrics.never"], SIGNS, ["1", "2.5"]),
    *cross("logged", ["params.lr"], ["=", "!=", "LIKE", "ILIKE"], ["'0.1'", "0.1", "'0%'", "'none'"]),
    *cross("logged", ["params.`k space`", "params.k.dot", "tags.`k.dot`", "tags.t", "tags.never"], ["=", "!=", "ILIKE"], ["'v'", "'x'", "'100%'"]),
    *cross("logged", ["params.lr", "tags.t"], LISTS, ["('0.1', 'x')"]),
    *[case("logged", text) for text in ("", "metrics.acc > 0 AND params.lr = '0.1'", "metrics.acc > 0 AND metrics.loss > 1", "name = 'one' AND status = 'READY'")],
    *[case("logged", text, experiments=e) for text in ("", "metrics.acc > 0") for e in (("alpha",), ("beta",), ("Alpha",))],
    *[
        case("logged", text, datasets=d)
        for text in ("", "metrics.acc > 0.1", "metrics.acc > 5", "params.lr = '0.01'")
        for d in ((("train", True),), (("eval", True),), (("eval", True), ("train", True)))
    ],
    *[case("logged", "", [("metrics.acc", up, None)], datasets=(("eval", True),)) for up in (True, False)],
    *[
        case("logged", "", [(field, up, dataset)])
        for field, dataset in (
            ("name", None), ("creation_timestamp", None), ("creation_time", None), ("creation_timestamp_ms", None), ("model_type", None),
            ("metrics.acc", None), ("metrics.loss", None), ("metrics.never", None), ("metrics.acc", "train"),
            ("metrics.acc", "eval"), ("last_updated_timestamp", None),
        )
        for up in (True, False)
    ],
    case("logged", "", [("name", True, None), ("metrics.acc", False, None)]),
    case("logged", "", [("metrics.loss", True, None), ("name", True, None)]),
]  # fmt: skip

# Searched page by page with each of these sizes.
SIZES = [4, 31]
PAGED = [
    case("runs"),
    case("runs", "metrics.m != 0", ["metrics.m DESC"]),
    case("runs", "", ["params.p", "metrics.few DESC"]),
    case("runs", "", ["metrics.never"], view=ViewType.ALL),
    case("experiments"),
    case("experiments", "name LIKE '%a%'", ["name DESC"]),
    case("models"),
    case("models", "name != 'net'", ["last_updated_timestamp DESC"]),
    case("versions", "", ["name", "version_number DESC"]),
    case("versions", "name = 'n_t'", ["version_number"]),
    case("logged", "", [("metrics.acc", False, None)]),
    case("logged", "params.lr LIKE '%'"),
]

ATTRIBUTE_OF = {"runs": "status", "experiments": "name", "models": "name", "versions": "name", "logged": "name"}


def wrong(templates, rows=tuple(ATTRIBUTE_OF)):
    """Each template for each kind of rows; $ is a string attribute of the rows."""
    return [case(r, t.replace("$", ATTRIBUTE_OF[r])) for r in rows for t in templates]


FOUR = ("runs", "experiments", "models", "versions")

# Filters and orders that both refuse, with the same error code and MLflow's words in ours.
REFUSED = [
    *wrong([
        "$ = 'a'; $ = 'b'", "foo.bar = 'x'", "$", "$ =", "$ > 'a'", "tags.t > 'x'", "$ == 'x'", "$ <> 'x'", "$ LIKE", "$ IN 'a'",
    ]),
    *wrong(["$ LIKE 5", "metric = 1", "nonsense = 'x'", "1 = 1", "'x' = 'x'", "$ = 5", "tags.t = x", "attribute.never = 'x'", ".t = 'x'", "$ = x"], FOUR),
    *wrong(["$ IN ()", "$ IN (1, 2)", "$ IN ('a', 1)"], ("models", "versions")),
    *cross("runs", ["metrics.m"], ["LIKE", "ILIKE", "IN", "=="], ["1", "'1'"]),
    *cross("runs", ["metrics.m", "start_time", "end_time"], ["=", ">"], ["'1'", "x", "nan", "inf", "1_000"]),
    *cross("runs", ["params.p", "tags.t"], ["<", ">=", "=="], ["'1'"]),
    *cross("runs", ["status", "dataset.name"], ["="], ["1", "1.5", "x"]),
    *cross("runs", ["params.p", "tags.t"], ["="], ["x"]),
    *[case("runs", text) for text in ("dataset.foo = 'x'", "dataset.name > 'x'", "run_id IN ()", "run_id IN (1, 2)", "run_id NOT IN ('a', 2)", "run_id IN ('a' 5)", "run_id IN ('a',,)", "start_time LIKE '1'", "status IN 'x'", "param = 'x'", "metrics > 1")],
    *cross("experiments", ["creation_time", "last_update_time"], ["=", "LIKE"], ["'x'", "x"]),
    *[case("experiments", text) for text in ("metrics.m > 1", "params.p = 'x'", "lifecycle_stage = 'active'", "creation_time LIKE 1", "experiment_id = 5")],
    *[case("models", text) for text in ("metrics.m > 1", "params.p = 'x'", "version_number = 1", "creation_timestamp > 1", "attribute.version = '1'")],
    *[case("versions", text) for text in ("metrics.m > 1", "params.p = 'x'", "version_number LIKE 1", "version_number = 'x'", "run_id > 'x'", "creation_timestamp > 1")],
    *[case("logged", text) for text in ("dataset.name = 'x'", "metrics.acc LIKE 1", "params.lr > '1'", "creation_time LIKE 1", "run.name = 'x'")],
    *[
        case(rows, "", [order])
        for rows, fields in {
            "runs": ["foo.bar", "nonsense", "metrics.m UP", "metrics.m ASC DESC", "", "dataset.name", "metrics.m, params.p", "attributes.never", "'metrics.m'", "ASC"],
            "experiments": ["tags.team", "nonsense", "name UP", "name ASC DESC", "", "metrics.m", "name, experiment_id", "lifecycle_stage"],
            "models": ["tags.kind", "nonsense", "name UP", "name ASC DESC", "", "metrics.m", "version_number"],
            "versions": ["tags.stage", "nonsense", "name UP", "name ASC DESC", "", "metrics.m", "run_id", "source_path"],
        }.items()
        for order in fields
    ],
    *[case("logged", "", [(field, True, None)]) for field in ("nonsense", "params.lr", "tags.t", "foo.bar")],
]  # fmt: skip

# Both refuse with the same error code; MLflow's words come from its SQL tokens, ours say where the mistake is.
OTHER_WORDS = [
    *wrong([
        "$ = 'a' OR", "$ = 'a", "$ = 'a' XOR $ = 'b'", "$ = 'a', $ = 'b'", "$ IN ('a'", "count(*) > 1", "$ RLIKE 'a'", "$ IS 'a'", "= 'x'", "`$ = 'a'",
    ]),
    *wrong(["$ IN ()", "$ IN (1, 2)", "$ IN ('a', 1)"], ("runs", "experiments")),
    *cross("runs", ["metrics.m", "start_time"], ["=", ">"], ["-inf", "0x10", "('1')"]),
    *cross("runs", ["params.p", "tags.t", "status", "dataset.name"], ["="], ["true", "NULL"]),
    *cross("runs", ["metrics.m"], ["NOT IN"], ["1", "'1'"]),
    case("runs", "run_id IN (1)"),
    *[case(rows, "attributes.never = 'x'") for rows in ("models", "versions")],
    case("experiments", "experiment_id > '1'"),
    case("versions", "version = 1"),
    case("versions", "source = 'x'"),
    case("logged", "attribute.never = 'x'"),
    case("logged", "", [("", True, None)]),
]  # fmt: skip
