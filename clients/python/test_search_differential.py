"""What a search finds here is what MLflow's own server finds, in the same order."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from conftest import Server
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from search_cases import (
    EXPERIMENT_CASES,
    LOGGED_CASES,
    MODEL_CASES,
    OTHER_WORDS,
    PAGED,
    REFUSED,
    RUN_FILTERS,
    RUN_ORDERS,
    SIZES,
    VERSION_CASES,
    case,
)
from search_differences import DIFFERENT, SUPERSET, SUPERSET_ORDERS
from search_world import DATASETS, World


class Both:
    """The same data on Runstone and on MLflow's own server."""

    def __init__(self, directory):
        self.servers, self.worlds, self.failures, self.known, self.asked = {}, {}, [], {}, {}
        self.pool = ThreadPoolExecutor(4)
        builders = [threading.Thread(target=self.build, args=(directory / name, name)) for name in ("ours", "theirs")]
        for builder in builders:
            builder.start()
        for builder in builders:
            builder.join()
        if self.failures:
            self.kill()
            raise self.failures[0]

    def build(self, directory, name: str) -> None:
        try:
            self.servers[name] = Server(directory, real=name == "theirs")
            self.worlds[name] = World(self.servers[name].url)
        except Exception as failure:
            self.failures.append(failure)

    def kill(self) -> None:
        self.pool.shutdown(cancel_futures=True)
        for server in self.servers.values():
            server.kill()

    def theirs(self, case) -> list:
        """What MLflow finds; every filter is asked once."""
        if case not in self.known:
            self.known[case] = search(self.worlds["theirs"], case, 1000)
            assert isinstance(self.known[case], list), f"MLflow refuses {told(case)}: {self.known[case]}"
        return self.known[case]

    def ask(self, case, size=1000):
        """What each server answers: (ours, theirs)."""
        asked = self.asked.get((case, size)) or self.send(case, size)
        return tuple(answer.result() for answer in asked)

    def send(self, case, size):
        """Asks both servers in the background."""
        self.asked[case, size] = [self.pool.submit(search, self.worlds[name], case, size) for name in ("ours", "theirs")]
        return self.asked[case, size]


@pytest.fixture(scope="module")
def both(request, tmp_path_factory):
    running = Both(tmp_path_factory.mktemp("differential"))
    for item in request.session.items:
        params = getattr(item, "callspec", None) and item.callspec.params
        if item.module is request.module and params and "case" in params:
            running.send(params["case"], params.get("size", 1000))
    # pytest changes the environment between tests, which requests reads: no test may begin before.
    wait([answer for pair in running.asked.values() for answer in pair])
    yield running
    running.kill()


def search(world: World, case, size: int):
    """The names of the rows found, page by page, or (error code, message)."""
    rows, text, order, more = case
    more, token, pages = dict(more), None, []
    try:
        while True:
            page = one_page(world, rows, world.fill(text), order, more, size, token)
            pages.append([name_of(world, rows, row) for row in page])
            token = page.token
            if not token:
                return pages if len(pages) > 1 else pages[0]
    except MlflowException as refused:
        return refused.error_code, refused.message


def one_page(world: World, rows: str, text: str, order, more: dict, size: int, token):
    ids = [world.experiment[name] for name in more.get("experiments", ("alpha", "beta"))]
    view = more.get("view", ViewType.ACTIVE_ONLY)
    order, client = list(order), world.client
    if rows == "runs":
        return client.search_runs(ids, text, view, size, order, token)
    if rows == "experiments":
        return client.search_experiments(view, size, text, order, token)
    if rows == "models":
        return client.search_registered_models(text, size, order, token)
    if rows == "versions":
        return client.search_model_versions(text, size, order, token)
    by = [
        {"field_name": field, "ascending": up, **({"dataset_name": DATASETS[dataset][0], "dataset_digest": DATASETS[dataset][1]} if dataset else {})}
        for field, up, dataset in order
    ]
    datasets = [
        {"dataset_name": DATASETS[name][0], **({"dataset_digest": DATASETS[name][1]} if digest else {})}
        for name, digest in more.get("datasets", ())
    ]
    return client.search_logged_models(ids, text, datasets or None, size, by or None, token)


def name_of(world: World, rows: str, row) -> str:
    if rows == "runs":
        return world.label[row.info.run_id]
    if rows == "logged":
        return world.label[row.model_id]
    if rows == "versions":
        return f"{row.name} {row.version}"
    return row.name


def told(case) -> str:
    rows, text, order, more = case
    parts = [rows, text, *(("by " + str(list(order)),) if order else ()), *(f"{k}={v}" for k, v in more)]
    return " | ".join(parts)


def check_same(case, ours, theirs) -> None:
    assert isinstance(theirs, list), f"MLflow refuses {told(case)}: {theirs}\nRunstone: {ours}"
    assert isinstance(ours, list), f"Runstone refuses {told(case)}: {ours}\nMLflow: {theirs}"
    assert ours == theirs, f"{told(case)}\nonly Runstone: {without(ours, theirs)}\nonly MLflow: {without(theirs, ours)}"


def without(a: list, b: list) -> list:
    return [name for name in a if name not in b]


FOUND = [*RUN_FILTERS, *RUN_ORDERS, *EXPERIMENT_CASES, *MODEL_CASES, *VERSION_CASES, *LOGGED_CASES]


@pytest.mark.parametrize("case", FOUND, ids=told)
def test_found(both, case):
    check_same(case, *both.ask(case))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", PAGED, ids=told)
def test_pages(both, case, size):
    check_same(case, *both.ask(case, size))


def words(message: str) -> str:
    """A message without what MLflow prints in no fixed order or with a list of its own."""
    message = re.sub(r"\{[^}]*\}", "{}", message)
    message = re.sub(r"(not one of|Expected one of|Valid keys are|Valid values are|Valid entity types are) .*", r"\1", message, flags=re.S)
    return message.strip()


def check_refused(case, ours, theirs) -> None:
    assert isinstance(theirs, tuple), f"MLflow finds {theirs} for {told(case)}"
    assert isinstance(ours, tuple), f"Runstone finds {ours} for {told(case)}; MLflow: {theirs}"
    assert ours[0] == theirs[0] == "INVALID_PARAMETER_VALUE", f"{told(case)}\nours:   {ours}\ntheirs: {theirs}"


@pytest.mark.parametrize("case", REFUSED, ids=told)
def test_refused(both, case):
    ours, theirs = both.ask(case)
    check_refused(case, ours, theirs)
    assert words(theirs[1]) in words(ours[1]), f"{told(case)}\nours:   {ours}\ntheirs: {theirs}"


@pytest.mark.parametrize("case", OTHER_WORDS, ids=told)
def test_refused_in_other_words(both, case):
    check_refused(case, *both.ask(case))


@pytest.mark.parametrize(("why", "case", "ours", "theirs"), DIFFERENT, ids=[f"{why}: {told(case)}" for why, case, *_ in DIFFERENT])
def test_different(both, why, case, ours, theirs):
    def short(answer):
        return answer[0] if isinstance(answer, tuple) else answer

    answers = tuple(short(answer) for answer in both.ask(case))
    assert ours != theirs
    assert answers == (ours, theirs), f"{why}: {told(case)}\nRunstone: {answers[0]}\nMLflow: {answers[1]}"


@pytest.mark.parametrize(("rows", "text", "found", "but"), SUPERSET, ids=[f"{rows} | {text}" for rows, text, *_ in SUPERSET])
def test_superset(both, rows, text, found, but):
    ours, theirs = both.ask(case(rows, text))
    assert isinstance(theirs, tuple), f"MLflow takes {text}"
    assert isinstance(ours, list), f"Runstone refuses {text}: {ours}"
    wanted = set().union(*(both.theirs(case(rows, t)) for t in found)) - set().union(*(both.theirs(case(rows, t)) for t in but))
    assert ours == [name for name in both.theirs(case(rows)) if name in wanted]


@pytest.mark.parametrize(("asked", "wanted"), SUPERSET_ORDERS, ids=[told(asked) for asked, _ in SUPERSET_ORDERS])
def test_superset_order(both, asked, wanted):
    ours, theirs = both.ask(asked)
    assert isinstance(theirs, tuple), f"MLflow takes {told(asked)}"
    assert ours == (both.theirs(wanted) if isinstance(wanted, tuple) else wanted)


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_experiments_by_id(both, direction):
    """Each server has ids of its own, so each has its own right order."""
    for world in both.worlds.values():
        found = search(world, case("experiments", "", [f"experiment_id {direction}"]), 1000)
        ids = [int(world.experiment.get(name, "0")) for name in found]
        assert len(ids) == 8 and ids == sorted(ids, reverse=direction == "DESC")
