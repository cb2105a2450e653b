"""MLflow's own web UI on the server: every page of classic ML, driven and read."""

import re

from conftest import REAL, Server
from playwright.sync_api import expect


# The runs with histories, best first: sorted by a metric they are not below their parent.
FLAT = "searchFilter=params.optimizer%20%3D%20'adam'&orderByKey=metrics.%60loss%60&orderByAsc=true"


def see(page, *texts):
    for text in texts:
        expect(page.get_by_text(text).first).to_be_visible()


def expect_names(page, *want):
    """Expects these names in the runs table, top to bottom."""
    expect(page.locator(".ag-cell a[href*='/runs/']")).to_have_text(list(want))


def search(page, text):
    box = page.get_by_role("combobox", name=re.compile("metrics.rmse")).or_(page.get_by_placeholder(re.compile("metrics.rmse"))).first
    box.fill(text)
    box.press("Escape")
    box.press("Enter")


def test_experiments(page, world, server):
    page.goto("/")
    see(page, "Recent Experiments", "house-prices", "quiet-experiment", "Prices of houses.")
    page.goto("/#/experiments")
    see(page, "house-prices", "quiet-experiment", "Default", "ann")
    box = page.get_by_placeholder("Search experiments")
    box.fill("house")
    box.press("Enter")
    expect(page.get_by_text("quiet-experiment")).to_have_count(0)
    see(page, "house-prices")
    page.watch.allowed.add(("GET", "/ajax-api/2.0/mlflow/experiments/get-by-name", 404))  # is the name free?
    page.get_by_role("button", name="Create", exact=True).click()
    page.get_by_placeholder(re.compile("name", re.I)).first.fill("made-in-browser")
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    see(page, "made-in-browser")
    assert server.api("GET", "experiments/get-by-name", experiment_name="made-in-browser")["experiment"]["lifecycle_stage"] == "active"


def test_runs_table(page, world):
    page.goto(f"/#/experiments/{world['experiment']}/runs")
    expect_names(page, "failed-run", "model-run", "parent-run")
    see(page, "6 matching runs", "Training runs")
    page.locator(".ag-row").filter(has_text="parent-run").get_by_role("button").first.click()
    expect_names(page, "failed-run", "model-run", "parent-run", "child-2", "child-1", "child-0")
    see(page, "people")
    search(page, "metrics.loss < 0.1 and params.depth != '3'")
    expect_names(page, "parent-run", "child-2", "child-0")  # with what they are in
    page.watch.allowed.add(("POST", "/ajax-api/2.0/mlflow/runs/search", 400))
    search(page, "metrics.loss <")
    see(page, "Invalid")
    search(page, "attributes.run_name LIKE 'child-%'")
    expect_names(page, "parent-run", "child-2", "child-1", "child-0")


def test_runs_sort(page, world):
    page.goto(f"/#/experiments/{world['experiment']}/runs?{FLAT}")
    expect_names(page, "child-2", "child-1", "child-0")
    page.goto(f"/#/experiments/{world['experiment']}/runs?{FLAT.replace('true', 'false')}")
    page.reload()
    expect_names(page, "child-0", "child-1", "child-2")


def test_deleted_runs(page, world):
    page.goto(f"/#/experiments/{world['experiment']}/runs?lifecycleFilter=Deleted")
    expect_names(page, "deleted-run")


def test_charts(page, world):
    page.goto(f"/#/experiments/{world['experiment']}/runs?compareRunsMode=CHART&{FLAT}")
    see(page, "Model metrics", "accuracy", "loss", "final")
    # One curve for each of three runs in the charts of histories.
    lines = page.locator(".js-plotly-plot .scatterlayer path.js-line")
    expect(lines.nth(5)).to_be_attached()
    assert len(lines.nth(0).get_attribute("d")) > 200
    expect(page.locator(".js-plotly-plot .barlayer path").first).to_be_attached()


def test_run_overview(page, world):
    page.goto(f"/#/experiments/{world['experiment']}/runs/{world['runs']['child0']}")
    see(page, "child-0", "Finished", "about child-0", "parent-run", "people", "Training", "fill.py", world["runs"]["child0"])
    see(page, "Metrics (3)", "accuracy", "Parameters (3)", "optimizer", "adam", "team", "blue")
    page.goto(f"/#/experiments/{world['experiment']}/runs/{world['runs']['failed']}")
    see(page, "failed-run", "Failed", "9.5")
    page.goto(f"/#/experiments/{world['experiment']}/runs/{world['runs']['model']}")
    see(page, "classifier", "price-model", "rmse")


def test_rename_run(page, world, server):
    run = world["runs"]["failed"]
    page.goto(f"/#/experiments/{world['experiment']}/runs/{run}")
    see(page, "failed-run")
    page.get_by_test_id("overflow-menu-trigger").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("renamed-run")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    see(page, "renamed-run")
    assert server.api("GET", "runs/get", run_id=run)["run"]["info"]["run_name"] == "renamed-run"
    server.api("POST", "runs/update", run_id=run, run_name="failed-run")


def test_run_metrics(page, world):
    page.goto(f"/#/experiments/{world['experiment']}/runs/{world['runs']['child0']}/model-metrics")
    see(page, "Model metrics", "accuracy", "loss")
    line = page.locator(".js-plotly-plot .scatterlayer path.js-line").first
    expect(line).to_be_attached()
    assert len(line.get_attribute("d")) > 250  # sixty steps
    assert any(path.endswith("/metrics/get-history-bulk-interval") for _, path, _ in page.watch.asked)


def test_run_artifacts(page, world):
    page.goto(f"/#/experiments/{world['experiment']}/runs/{world['runs']['child0']}/artifacts")
    page.get_by_text("config.json").click()
    see(page, '"threshold"', "0.25", "cat")
    page.get_by_text("notes").click()
    page.get_by_text("readme.txt").click()
    see(page, "plain words of the run", "second line")
    page.get_by_text("table.csv").click()
    see(page, "firstcell", "22")
    page.get_by_text("picture.png").click()
    page.wait_for_function("() => [...document.images].some(image => image.naturalWidth == 48 && image.naturalHeight == 32)")
    page.get_by_text("page.html").click()
    frame = page.frame_locator("iframe").last
    expect(frame.get_by_role("heading", name="Heading of a page")).to_be_visible()
    # What a run logged is never a part of the page: the frame is of no origin, and its scripts do not run.
    assert "allow-same-origin" not in page.locator("iframe").last.get_attribute("sandbox")
    assert page.title() != "taken over"
    if not REAL:
        assert frame.locator("html").evaluate("() => document.title") != "taken over"
        page.watch.wrong = [text for text in page.watch.wrong if "Executing inline script violates" not in text]


def test_compare(page, world):
    page.goto(f"/#/experiments/{world['experiment']}/runs?{FLAT}")
    expect_names(page, "child-2", "child-1", "child-0")
    for name in ["child-0", "child-2"]:
        page.locator(".ag-row").filter(has_text=name).locator("input[type=checkbox]").first.check()
    page.get_by_role("button", name="Compare").click()
    see(page, "Comparing 2 Runs from 1 Experiment", "Parallel Coordinates Plot", "child-0", "child-2", world["runs"]["child0"], world["runs"]["child2"])
    see(page, "Parameters", "depth", "Metrics", "accuracy")
    page.get_by_role("tab", name="Scatter Plot").click()
    see(page, "X-axis:")
    expect(page.locator(".js-plotly-plot:visible").first).to_be_visible()


def test_metric_page(page, world):
    run = world["runs"]["child1"]
    page.goto(f"/#/experiments/{world['experiment']}/runs/{run}")
    page.get_by_role("link", name="loss").click()
    see(page, "loss")
    expect(page.locator(".js-plotly-plot .scatterlayer path.js-line").first).to_be_attached()


def test_logged_models(page, world):
    page.goto(f"/#/experiments/{world['experiment']}/models")
    see(page, "classifier", "Ready")
    page.goto(f"/#/experiments/{world['experiment']}/models/{world['logged_model']}")
    see(page, "classifier", "Ready", world["logged_model"], "model-run", "price-model", "rmse")
    page.goto(f"/#/experiments/{world['experiment']}/models/{world['logged_model']}/artifacts")
    page.get_by_text("MLmodel").first.click()
    see(page, "sklearn_version")


def registry(page):
    """Closes what the registry shows once in a browser."""
    later = page.get_by_role("dialog").get_by_role("button", name="Try it now")
    later.or_(page.get_by_text("Registered Models").first).first.wait_for()
    if later.count():
        later.click()


def test_registered_models(page, world):
    page.goto("/#/models")
    see(page, "Registered Models", "price-model", "empty-model", "Version 3", "housing", "challenger")
    registry(page)
    box = page.get_by_placeholder(re.compile("Search registered"))
    box.fill("price")
    box.press("Enter")
    expect(page.get_by_text("empty-model")).to_have_count(0)
    see(page, "price-model")


def test_registered_model(page, world):
    page.goto("/#/models/price-model")
    see(page, "price-model", "Predicts prices of houses.", "domain", "housing", "Version 1", "Version 2", "Version 3", "version number 1")
    see(page, "champion", "challenger", "checked")
    # The old pages of the registry have stages.
    page.get_by_role("switch").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    see(page, "Staging", "Production", "Archived")


def test_model_version(page, world):
    page.goto("/#/models/price-model/versions/2")
    see(page, "Version 2", "Production", "champion", "version number 2", "model-run", "classifier", "checked")
    see(page, "Inputs (1)", "Outputs (1)")
    page.goto("/#/models/price-model/versions/3")
    see(page, "Version 3", "Staging", "challenger", "version number 3")


def test_compare_versions(page, world):
    run = world["runs"]["model"]
    page.goto(f'/#/compare-model-versions?name="price-model"&runs={{"1":"{run}","2":"{run}"}}')
    see(page, "Comparing 2 Versions", "price-model", run)


def test_nothing_is_there(page, world):
    page.goto(f"/#/experiments/{world['empty']}/runs")
    see(page, "quiet-experiment", "No runs")
    page.goto(f"/#/experiments/{world['empty']}/traces")
    see(page, "quiet-experiment", "Traces")
    page.goto("/#/prompts")
    see(page, "Prompts")


def test_static_prefix(browser, tmp_path):
    server = Server(tmp_path / "data", "--static-prefix", "/ml")
    try:
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.url + "/ml")
        see(page, "Default")
        page.goto(server.url + "/ml/#/models")
        see(page, "Registered Models")
        assert page.url.startswith(server.url + "/ml/")
        context.close()
    finally:
        server.stop()
