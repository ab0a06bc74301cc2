"""The extension of IPython: the client, the magics, their errors and their help."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from appliance_double.notebook import Notebook
from appliance_double.objects import (
    detail_json,
    me_json,
    point_json,
    preview_json,
    project_json,
    resource_json,
    restore_json,
    run_json,
    step_json,
)
from appliance_double.server import TOKEN, Appliance, Reply, events, pages, problem
from mavis_kernel import Mavis
from mavis_kernel.models import Me, Preview, Project, RecoveryPoint, Restore, Run
from mavis_kernel.notebook.overviews import NOUNS

SHOP = "/projects/shop"


def _ended(appliance: Appliance, state: str = "succeeded", **more: Any) -> dict[str, Any]:
    """Let the Run ``run_1`` be begun and end; return it as it begins."""
    steps = [step_json("Take the snapshots")]
    told = events(
        run_json("queued"),
        run_json("running", version=2, steps=[step_json("Take the snapshots", "running")]),
        run_json(state, version=3, steps=steps, **more),
    )
    appliance.on("GET", f"{SHOP}/runs/run_1/events", told)
    return run_json("queued")


def test_loading_imports_nothing_that_only_work_needs() -> None:
    heavy = ("click", "httpx", "mavis_kernel.client", "mavis_kernel.models", "mavis_kernel.cli")
    code = (
        "import sys\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "before = set(sys.modules)\n"
        "shell.extension_manager.load_extension('mavis_kernel.notebook')\n"
        "assert 'mavis' in shell.user_ns\n"
        f"print([name for name in {heavy!r} if name in set(sys.modules) - before])\n"
    )
    environ = {**os.environ, "IPYTHONDIR": os.devnull}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip().splitlines()[-1:] == ["[]"], done.stderr


def test_the_client_is_there_and_is_one(cells: Notebook) -> None:
    shown = cells.run("mavis.me()")
    assert isinstance(shown.result, Me)
    assert "olga" in shown.bundles[-1]["text/html"]
    assert isinstance(cells.shell.user_ns["mavis"], Mavis)
    assert cells.run("isinstance(mavis, __import__('mavis_kernel').Mavis)").result is True
    assert cells.run("(await amavis.me()).name").result == "olga"


def test_nobody_logged_in_is_said_when_the_client_is_used(
    cells: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAVIS_URL")
    for code in ("mavis.me()", "%mavis", "%snapshot web-1"):
        error = cells.run(code).error
        assert "No appliance is named." in error[0]
        assert "mavis login --url" in error[1]
        assert len(error) == 3


def test_who_and_where_one_is(cells: Notebook, appliance: Appliance) -> None:
    shown = cells.run("%mavis")
    assert f"olga at {appliance.url}" in shown.printed
    assert "Project: shop, the only one" in shown.printed
    assert isinstance(shown.result, Me)


def test_a_project_is_chosen_for_this_kernel(cells: Notebook, appliance: Appliance) -> None:
    appliance.on("GET", "/projects/prj_shop", Reply(project_json()))
    appliance.on("GET", SHOP, Reply(project_json()))
    assert isinstance(cells.run("%project prj_shop").result, Project)
    assert os.environ["MAVIS_PROJECT"] == "shop"
    assert cells.run("%project").result.name == "shop"
    assert cells.run("!echo $MAVIS_PROJECT").printed.strip() == "shop"


def test_a_project_that_is_not_there_is_told_with_the_nearest(cells: Notebook) -> None:
    error = cells.run("%project shpo").error
    assert "There is no project 'shpo'" in error[0]
    assert "Did you mean shop?" in error[1]


def test_the_only_project_needs_no_choice_and_several_do(
    cells: Notebook, appliance: Appliance
) -> None:
    appliance.on("POST", f"{SHOP}/recovery-points", Reply(preview_json(confirm=None)))
    assert isinstance(cells.run("%snapshot web-1 --dry-run").result, Preview)
    appliance.on("GET", "/me", Reply(me_json("shop", "lab")))
    cells.run("%reload_ext mavis_kernel.notebook")
    error = cells.run("%snapshot web-1 --dry-run").error
    assert "No project is chosen; you are in shop, lab." in error[0]
    assert "%project shop" in error[1]
    assert isinstance(cells.run("%snapshot web-1 --dry-run -p shop").result, Preview)


def test_a_recovery_point_is_taken_and_followed_in_one_display(
    cells: Notebook, appliance: Appliance
) -> None:
    appliance.on("POST", f"{SHOP}/recovery-points", Reply(_ended(appliance), 202))
    appliance.on("GET", f"{SHOP}/recovery-points", pages([point_json()]))
    appliance.on("GET", f"{SHOP}/recovery-points/rp_1", Reply(detail_json()))
    shown = cells.run('point = %snapshot web-1 --description "before the upgrade"')
    (progress,) = shown.bundles
    assert "succeeded" in progress["text/plain"]
    assert "Take the snapshots: done" in progress["text/plain"]
    assert isinstance(cells.shell.user_ns["point"], RecoveryPoint)
    (asked,) = appliance.to("POST", f"{SHOP}/recovery-points")
    assert asked.body["description"] == "before the upgrade"


def test_a_run_that_nobody_waits_for_says_how_it_is_followed(
    cells: Notebook, appliance: Appliance
) -> None:
    appliance.on("POST", f"{SHOP}/recovery-points", Reply(run_json("queued"), 202))
    shown = cells.run("%snapshot web-1 --no-wait")
    assert isinstance(shown.result, Run)
    assert "%watch run_1" in shown.printed


def test_a_value_of_the_notebook_goes_into_a_call(cells: Notebook, appliance: Appliance) -> None:
    appliance.on("POST", f"{SHOP}/recovery-points", Reply(run_json("queued"), 202))
    cells.run("machine = 'web 1'\n%snapshot '{machine}' --no-wait")
    (asked,) = appliance.to("POST", f"{SHOP}/recovery-points")
    assert asked.body["resource"] == "web 1"


def test_a_run_that_fails_is_an_error_with_its_mend(cells: Notebook, appliance: Appliance) -> None:
    failure = {"code": "cloud_denied", "message": "The cloud said no.", "mend": "Ask it why."}
    _ended(appliance, "failed", error=failure)
    shown = cells.run("%watch run_1")
    assert "failed" in shown.bundles[0]["text/plain"]
    assert "Run run_1 failed: The cloud said no." in shown.error[0]
    assert "Ask it why." in shown.error[1]


@pytest.mark.parametrize(
    ("line", "kind"), [("", "instance"), ("--volumes", "volumes"), ("--instance", "instance")]
)
def test_a_restore_is_shown_and_not_done(
    cells: Notebook, appliance: Appliance, line: str, kind: str
) -> None:
    plan = preview_json(confirm=None, action="restore.instance", severity="creates")
    appliance.on("POST", f"{SHOP}/restores", Reply(plan))
    shown = cells.run(f"%restore rp_1 {line} --region eu-west-1")
    assert isinstance(shown.result, Preview)
    assert "Nothing was changed." in shown.printed
    assert f"{appliance.url}/projects/shop/previews/pre_1" in shown.printed
    (asked,) = appliance.to("POST", f"{SHOP}/restores")
    assert asked.body == {"point": "rp_1", "kind": kind, "region": "eu-west-1", "dry_run": True}


def test_a_restore_beside_the_old_is_applied_as_it_was_shown(
    cells: Notebook, appliance: Appliance
) -> None:
    plan = preview_json(confirm=None, action="restore.instance", severity="creates")
    appliance.on("POST", f"{SHOP}/restores", Reply(plan))
    begun = _ended(appliance, result={"restore": "rst_1"})
    appliance.on("POST", f"{SHOP}/previews/pre_1/apply", Reply(begun, 202))
    appliance.on("GET", f"{SHOP}/restores/rst_1", Reply(restore_json()))
    assert isinstance(cells.run("%restore rp_1 --apply").result, Restore)
    (asked,) = appliance.to("POST", f"{SHOP}/previews/pre_1/apply")
    assert asked.body == {"hash": "abc123"}


def test_what_destroys_is_confirmed_on_its_page_and_never_applied_here(
    cells: Notebook, appliance: Appliance
) -> None:
    plan = preview_json(action="restore.in_place", severity="destroys")
    appliance.on("POST", f"{SHOP}/previews", Reply(plan))
    page = f"{appliance.url}/projects/shop/previews/pre_1"
    shown = cells.run("%restore rp_1 --in-place")
    assert page in shown.printed
    assert isinstance(shown.result, Preview)
    refused = cells.run("%restore rp_1 --in-place --apply")
    assert page in refused.error[1]
    assert not appliance.to("POST", f"{SHOP}/previews/pre_1/apply")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%snapshot", "Missing argument 'RESOURCE'"),
        ("%snapshot a b", "Got unexpected extra argument (b)"),
        ("%snapshot web-1 --colour red", "No such option"),
        ("%restore", "Missing argument 'POINT'"),
        ("%watch 'run_1", "No closing quotation"),
        ("%mavis run show", "Missing argument 'RUN_ID'"),
        ("%mavis resorce list", "Did you mean 'resource'?"),
    ],
)
def test_wrong_usage_is_told_with_the_right_one(
    cells: Notebook, appliance: Appliance, line: str, message: str
) -> None:
    name = line.split(maxsplit=1)[0]
    error = cells.run(line).error
    assert "WrongUsage" in error[0]
    assert message in error[0]
    assert f"Usage: {name}" in error[1]
    assert f"{name}?" in error[1]
    assert appliance.asked == []


@pytest.mark.parametrize("name", ["mavis", "project", "snapshot", "restore", "watch"])
def test_a_magic_explains_itself(cells: Notebook, name: str) -> None:
    helped = cells.run(f"%{name} --help")
    assert helped.error == []
    assert f"Usage: %{name}" in helped.printed
    assert f"%{name}" in cells.shell.find_line_magic(name).getdoc().splitlines()[0]  # type: ignore[union-attr]
    assert "--help" in helped.printed


def test_the_command_line_runs_in_a_cell(cells: Notebook, appliance: Appliance) -> None:
    appliance.on("GET", f"{SHOP}/resources", pages([resource_json()]))
    shown = cells.run("%mavis resource list -p shop")
    assert "web-1" in shown.printed
    assert "1 resource in project shop" in shown.printed
    assert '"name": "web-1"' in cells.run("%mavis resource list -o json").printed
    assert "recovery-point" in cells.run("%mavis --help").printed
    assert "list" in cells.run("%mavis resource").printed


def test_the_command_line_asks_nothing_in_a_cell(cells: Notebook, appliance: Appliance) -> None:
    appliance.on("POST", f"{SHOP}/previews", Reply(preview_json()))
    refused = cells.run("%mavis resource stop web-1")
    assert "was not confirmed" in refused.error[0]
    assert "WrongUsage" in cells.run("%mavis key add main --kind aws").error[0]
    login = cells.run("%mavis login")
    assert "mavis login is not for a cell" in login.error[0]
    assert "completion" not in cells.run("%mavis --help").printed
    assert not appliance.to("POST", f"{SHOP}/previews/pre_1/apply")


def test_an_error_is_short_and_whole_on_demand(cells: Notebook, appliance: Appliance) -> None:
    appliance.on("GET", SHOP, problem(404, "not_found", "No project 'shop'.", field="project"))
    shown = cells.run('mavis.projects.get("shop")')
    assert shown.error == [
        "\x1b[0;31mNotFound\x1b[0m: No project 'shop'.",
        "  Mend:    Do the other thing.",
        "  Field:   project",
        "  Request: req_0000",
        "  (%tb plain shows where it arose)",
    ]
    whole = "\n".join(cells.run("%tb plain").error)
    assert "nouns/projects.py" in whole
    assert cells.run("%tb").error == shown.error


def test_an_error_holds_no_token(cells: Notebook, appliance: Appliance) -> None:
    cells.run("%xmode Verbose")
    appliance.on("GET", SHOP, problem(409, "conflict", f"It said token {TOKEN}."))
    try:
        whole = "\n".join(cells.run(f'secret = "{TOKEN}"\nmavis.projects.get("shop")').error)
        assert "nouns/projects.py" in whole
        assert TOKEN not in whole
    finally:
        cells.run("%xmode Context")
    assert TOKEN not in "\n".join(cells.run('mavis.projects.get("shop")').error)


def test_an_appliance_that_is_away_is_told_of_and_waited_for(
    cells: Notebook, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mavis_kernel.nouns.runs._FIRST_POLL_S", 0.01)
    away = problem(503, "unavailable", "It restarts.")
    appliance.on("GET", f"{SHOP}/runs/run_1/events", away)
    shown: list[str] = []
    told = cells.shell.display_pub.publish

    def publish(data: dict[str, str], *given: Any, **more: Any) -> None:
        shown.append(data["text/plain"])
        told(data, *given, **more)

    monkeypatch.setattr(cells.shell.display_pub, "publish", publish)
    appliance.on(
        "GET", f"{SHOP}/runs/run_1", away, Reply(run_json()), away, Reply(run_json("succeeded"))
    )
    cells.run(
        "from mavis_kernel import Mavis\n"
        "from mavis_kernel.retries import RetryPolicy\n"
        f"mavis = Mavis({appliance.url!r}, {TOKEN!r}, retry=RetryPolicy(attempts=1))"
    )
    assert cells.run("%watch run_1").error == []
    assert shown[0] == "It restarts. Asking again; the Run goes on."
    assert any("running" in each and "It restarts." in each for each in shown)
    assert "succeeded" in shown[-1]
    assert "It restarts." not in shown[-1]


def test_an_interrupt_ends_the_waiting_and_says_what_goes_on(
    cells: Notebook, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ended(appliance)
    monkeypatch.setattr("mavis_kernel.notebook.following._Display.show", _interrupt)
    error = cells.run("%watch run_1").error
    assert "Run run_1 goes on at the appliance" in error[0]
    assert "mavis.runs.cancel('shop', 'run_1')" in error[1]
    assert len(error) == 2
    assert not appliance.to("POST", f"{SHOP}/runs/run_1/cancel")


def test_an_interrupt_cancels_the_run_where_that_is_asked(
    cells: Notebook, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ended(appliance)
    appliance.on("POST", f"{SHOP}/runs/run_1/cancel", Reply(run_json(), 202))
    monkeypatch.setattr("mavis_kernel.notebook.following._Display.show", _interrupt)
    error = cells.run("%watch run_1 --cancel-on-interrupt").error
    assert "Run run_1 is cancelled." in error[0]
    assert len(appliance.to("POST", f"{SHOP}/runs/run_1/cancel")) == 1
    appliance.on("POST", f"{SHOP}/runs/run_1/cancel", problem(409, "conflict", "It has ended."))
    error = cells.run("%watch run_1 --cancel-on-interrupt").error
    assert "was not cancelled" in error[0]
    assert "It has ended." in error[1]


def test_lists_of_objects_are_tables_and_others_as_ever(
    cells: Notebook, appliance: Appliance
) -> None:
    appliance.on("GET", f"{SHOP}/runs", pages([run_json(), run_json(id="run_2")]))
    shown = cells.run('[run for run in mavis.runs.list("shop")]').bundles[-1]
    assert shown["text/plain"].startswith("ID ")
    assert "<table" in shown["text/html"]
    for code in ("[1, (2, [3])]", "[]", "(1,)", "[mavis.me(), 1]"):
        assert "text/html" not in cells.run(code).bundles[-1]
    assert cells.run("[1, (2, [3])]").bundles[-1]["text/plain"] == "[1, (2, [3])]"


def test_the_client_tells_what_can_be_asked_of_it(cells: Notebook) -> None:
    for name in ("mavis", "mavis", "amavis"):
        told = cells.run(name).bundles[-1]["text/plain"].splitlines()
        assert "Mavis http://127.0.0.1" in told[0]
        assert any(line.startswith(f"  {name}.recovery_points ") for line in told)
        assert any(line.startswith(f"  {name}.me(...) ") for line in told)
    nouns = [word for word in vars(cells.shell.user_ns["mavis"]) if not word.startswith("_")]
    assert len(nouns) == len(NOUNS)
    for word in nouns:
        for name in ("mavis", "amavis"):
            told = cells.run(f"{name}.{word}").bundles[-1]["text/plain"]
            assert f"  {name}.{word}." in told
    assert "mavis.runs.get(project, run_id, ...)     Return the Run" in cells.run("mavis.runs").text


def test_unloading_takes_away_what_loading_gave(cells: Notebook) -> None:
    cells.run("%unload_ext mavis_kernel.notebook")
    assert cells.shell.find_line_magic("snapshot") is None
    assert "mavis" not in cells.shell.user_ns
    assert "text/html" not in cells.run("[1]").bundles[-1]
    assert cells.complete("%snapshot we") == []


def test_a_client_of_the_person_s_own_is_the_magics_one(
    cells: Notebook, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAVIS_URL")
    monkeypatch.delenv("MAVIS_TOKEN")
    cells.run(f"from mavis_kernel import Mavis\nmavis = Mavis({appliance.url!r}, {TOKEN!r})")
    assert cells.run("%mavis").result.name == "olga"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


SQL = "/records/sql"
ANSWER = {
    "columns": [
        {"name": "day", "type": "TIMESTAMP WITH TIME ZONE"},
        {"name": "person", "type": "VARCHAR"},
        {"name": "calls", "type": "BIGINT"},
        {"name": "missing", "type": "BIGINT"},
        {"name": "share", "type": "DECIMAL(9,2)"},
        {"name": "data", "type": "JSON"},
        {"name": "ended", "type": "BOOLEAN"},
        {"name": "on", "type": "DATE"},
        {"name": "huge", "type": "HUGEINT"},
    ],
    "rows": [
        ["2030-01-31 12:00:00.25+00", "olga", 3, None, 0.5, {"a": [1]}, True, "2030-01-31", 2**70],
        ["2030-02-01 00:00:00+00", None, 9_007_199_254_740_993, 1, None, None, False, None, 1],
    ],
    "records": 1200,
}
DTYPES = {
    "day": "datetime64[us, UTC]",
    "person": "str",
    "calls": "int64",
    "missing": "Int64",
    "share": "float64",
    "data": "object",
    "ended": "bool",
    "on": "datetime64[us]",
    "huge": "object",
}


def test_a_cell_in_sql_is_a_frame(cells: Notebook, appliance: Appliance) -> None:
    appliance.on("POST", SQL, Reply(ANSWER))
    shown = cells.run("%%opslog --since 2030-01-01T00:00:00Z\nSELECT *\nFROM records")
    frame = shown.result
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == DTYPES
    assert frame["day"][0].isoformat() == "2030-01-31T12:00:00.250000+00:00"
    assert frame["calls"].tolist() == [3, 2**53 + 1]
    assert frame["data"][0] == {"a": [1]}
    assert frame["huge"][0] == 2**70
    (asked,) = appliance.to("POST", SQL)
    assert asked.body["sql"] == "SELECT *\nFROM records\n"
    assert asked.body["projects"] == ["shop"]
    assert asked.body["since"] == "2030-01-01T00:00:00+00:00"
    assert "Idempotency-Key" not in asked.headers


def test_the_answer_of_a_cell_is_kept_under_a_name(cells: Notebook, appliance: Appliance) -> None:
    appliance.on("POST", SQL, Reply(ANSWER))
    shown = cells.run("%%opslog -o who --all-projects\nFROM audit")
    assert shown.result is None
    assert shown.printed == "who: 2 rows from 1,200 records\n"
    assert len(cells.run("who").result) == 2
    assert appliance.to("POST", SQL)[0].body["projects"] is None


def test_an_answer_without_rows_has_its_columns(cells: Notebook, appliance: Appliance) -> None:
    appliance.on("POST", SQL, Reply({**ANSWER, "rows": [], "records": 0}))
    frame = cells.run("%%opslog -p blog\nFROM audit").result
    assert list(frame.columns) == list(DTYPES)
    assert str(frame.dtypes["day"]) == "datetime64[us, UTC]"
    assert appliance.to("POST", SQL)[0].body["projects"] == ["blog"]


def test_arrow_that_is_not_installed_is_named(
    cells: Notebook, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # whether or not it is there
    appliance.on("POST", SQL, Reply(ANSWER))
    error = cells.run("%%opslog --arrow\nFROM audit").error
    assert "pyarrow is not installed" in error[0]
    assert "pip install pyarrow" in error[1]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%opslog\n   ", "The cell has no SQL."),
        ("%%opslog -o 2x\nFROM audit", "'2x' is no name of a variable."),
        ("%%opslog --colour red\nFROM audit", "No such option"),
        ("%%opslog --since whenever\nFROM audit", "Invalid value for '--since'"),
    ],
)
def test_a_cell_that_cannot_be_asked_says_why(
    cells: Notebook, appliance: Appliance, cell: str, message: str
) -> None:
    assert message in cells.run(cell).error[0]
    assert appliance.to("POST", SQL) == []


def test_what_duckdb_says_is_told_in_the_cell(cells: Notebook, appliance: Appliance) -> None:
    words = "Binder Error: no column nope\n\nLINE 1: SELECT nope\n               ^"
    appliance.on("POST", SQL, problem(400, "invalid_input", words))
    error = "\n".join(cells.run("%%opslog\nSELECT nope FROM records").error)
    assert "LINE 1: SELECT nope\n               ^" in error


def test_a_magic_of_a_cell_is_explained_completed_and_taken_away(
    cells: Notebook, appliance: Appliance
) -> None:
    appliance.on("GET", "/projects", pages([project_json()]))
    magic = cells.shell.find_cell_magic("opslog")
    assert "Usage: %%opslog" in magic.getdoc()
    assert "--arrow" in cells.complete("%%opslog --ar")
    assert cells.complete("%%opslog -p s") == ["shop"]
    cells.run("%unload_ext mavis_kernel.notebook")
    assert cells.shell.find_cell_magic("opslog") is None
