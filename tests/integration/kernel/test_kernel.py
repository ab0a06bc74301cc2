"""A day in the kernel: what there is, a recovery point, the way back, and the stop button."""

from __future__ import annotations

import re
from typing import Any

from core_double import wait_until
from examples import DOCS
from integration.kernel.conftest import Kernel
from rest_service import RestService

URL = "/services/mavis"
CELL = re.DOTALL | re.MULTILINE


def test_it_starts_with_the_client_and_asks_nobody(kernel: Kernel) -> None:
    cell = kernel.run(
        "import sys\n"
        "print([n for n in ('click', 'httpx', 'mavis_kernel.client') if n in sys.modules])"
    )
    assert cell.printed.strip() == "[]"


def test_a_person_sees_who_they_are_and_what_there_is(kernel: Kernel) -> None:
    me = kernel.run("%mavis")
    assert "olga at http://127.0.0.1" in me.printed
    assert "shop" in me.html
    machines = kernel.run('mavis.resources.list("shop", kind="instance")')
    assert "web-1" in machines.text
    assert "web-1" in machines.html
    assert "1 resource." in machines.text
    assert f"{URL}/projects/shop" in kernel.run("%project shop").html


def test_names_are_completed(kernel: Kernel) -> None:
    assert kernel.complete("%snapshot we") == ["%snapshot web-1"]
    assert kernel.complete('mavis.resources.get("shop", "we') == [
        'mavis.resources.get("shop", "web-1'
    ]
    assert "%restore" in kernel.complete("%rest")


def test_a_recovery_point_is_taken_and_the_way_back_is_shown(
    kernel: Kernel, service: RestService
) -> None:
    taken = kernel.run("point = %snapshot web-1")
    assert taken.error == []
    assert taken.updates >= 1
    assert "Wait until complete: done" in taken.text
    assert re.search(rf"{URL}/projects/shop/runs/run_\w+", taken.html)

    point = kernel.run("point")
    assert "complete" in point.text
    assert "vol-" in point.html

    kernel.run("plan = %restore {point.id} --in-place")
    in_place = kernel.run("plan")
    assert "restore.in_place" in in_place.text
    assert "destroys" in in_place.text
    page = kernel.run("%restore {point.id} --in-place").printed.split()[-1]
    assert re.search(rf"{URL}/projects/shop/previews/pre_\w+$", page)
    before = len(service.cloud.instances)
    refused = kernel.run("%restore {point.id} --in-place --apply")
    assert "it is not applied from a notebook" in refused.error[0]
    assert len(service.cloud.instances) == before

    restored = kernel.run("%restore {point.id} --name web-9 --apply")
    assert restored.error == []
    assert "complete" in restored.text
    assert len(service.cloud.instances) == before + 1


def test_what_destroys_is_refused_to_a_kernel_s_token_even_when_confirmed(kernel: Kernel) -> None:
    refused = kernel.run(
        'plan = mavis.previews.create("shop", "resource.stop", "web-1")\n'
        'mavis.previews.apply("shop", plan, confirm="shop")'
    )
    assert "Forbidden" in refused.error[0]


def test_the_records_of_a_run_are_a_table(kernel: Kernel) -> None:
    kernel.run("%snapshot web-1")
    kernel.run('run = next(mavis.runs.list("shop", limit=1))')

    def told() -> bool:
        cell = kernel.run('mavis.records.list("shop", correlation_id=run.correlation_id)')
        return "recovery_point.create" in cell.text and "/stories/cor_" in cell.html

    wait_until(told, timeout_s=30)


def test_the_stop_button_ends_the_waiting_and_the_run_goes_on(
    kernel: Kernel, service: RestService
) -> None:
    service.cloud.snapshots_complete = False
    shown: list[str] = []

    def stop(bundle: dict[str, str]) -> None:
        if "Wait until complete: " in bundle["text/plain"] and not shown:
            shown.append(bundle["text/plain"])
            kernel.interrupt()

    cell = kernel.run("%snapshot web-1", on_display=stop)
    assert "KeyboardInterrupt" in cell.error[0]
    assert "goes on at the appliance" in cell.error[0]
    assert "mavis.runs.cancel('shop', 'run_" in cell.error[1]
    assert len(cell.error) == 2
    (run_id,) = set(re.findall(r"run_\w+", cell.error[0]))
    state = kernel.run(f'print(mavis.runs.get("shop", "{run_id}").state)').printed.strip()
    assert state == "running"

    # The same button, where that is asked for, cancels the Run that is being watched.
    def stop_again(_bundle: dict[str, str]) -> None:
        if len(shown) == 1:
            shown.append("again")
            kernel.interrupt()

    cancelled = kernel.run(f"%watch {run_id} --cancel-on-interrupt", on_display=stop_again)
    assert f"Run {run_id} is cancelled." in cancelled.error[0]
    ended = kernel.run(f"%watch {run_id}")
    assert "cancelled" in ended.text
    assert f"Run {run_id} cancelled" in ended.error[0]
    service.cloud.snapshots_complete = True


def test_an_awaited_run_is_interrupted_likewise(kernel: Kernel, service: RestService) -> None:
    service.cloud.snapshots_complete = False
    kernel.run("run = %snapshot web-1 --no-wait")
    stopped: list[str] = []

    def stop(_bundle: dict[str, str]) -> None:
        if not stopped:
            stopped.append("once")
            kernel.interrupt()

    cell = kernel.run(
        'await amavis.runs.wait("shop", run.id, on_change=display, on_interrupt="cancel")',
        on_display=stop,
    )
    assert "CancelledError" in cell.error[0]
    assert "is cancelled" in cell.error[0]
    service.cloud.snapshots_complete = True
    assert "cancelled" in kernel.run("%watch {run.id}").text


def test_an_error_is_short_holds_no_token_and_is_whole_on_demand(kernel: Kernel) -> None:
    short = kernel.run('mavis.recovery_points.get("shop", "rp_nothing")')
    assert "NotFound" in short.error[0]
    assert any(line.startswith("  Request: req_") for line in short.error)
    assert len(short.error) == 4
    whole = "\n".join(kernel.run("%tb plain").error)
    assert "nouns/recovery_points.py" in whole
    usage = kernel.run("%snapshot web-1 --colour red")
    assert "No such option" in usage.error[0]
    assert "Usage: %snapshot" in usage.error[1]


def test_the_command_line_is_the_kernel_s_own(kernel: Kernel) -> None:
    assert "web-1" in kernel.run("%mavis resource list --kind instance").printed
    kernel.run("%project shop")
    assert kernel.run("!echo $MAVIS_PROJECT").printed.strip() == "shop"


def test_a_cell_and_what_it_set_off_are_one_story(kernel: Kernel, service: RestService) -> None:
    kernel.run("%project shop")
    cell = kernel.run(
        "display('a display')\n"
        "taken = %snapshot web-1 --description 'of the story'\n"
        "print('printed', 'password=hunter2')\n"
        "'the result'"
    )
    assert cell.error == []

    def found(**options: str) -> list[dict[str, Any]]:
        asked = "&".join(f"{name}={text}" for name, text in options.items())
        items: list[dict[str, Any]] = service.ask(
            "GET", f"/projects/shop/records?limit=200&{asked}"
        ).json["items"]
        return items

    def told() -> list[dict[str, Any]]:
        cells = found(action="cell.run")
        return [each for each in cells if "of the story" in each["data"]["code"]]

    wait_until(lambda: told() != [], timeout_s=20)
    (kept,) = told()
    assert (kept["person"], kept["origin"], kept["outcome"]) == ("olga", "reported", "ok")
    for text in ("a display", "printed password=[masked: password]", "the result"):
        assert text in kept["data"]["output"]
    assert "hunter2" not in str(kept)
    story = {each["action"] for each in found(correlation_id=kept["correlation_id"])}
    assert {"cell.run", "recovery_point.create", "cloud.CreateSnapshots"} <= story
    of_stream = [each for each in found(action="cell.run") if each["stream"] == kept["stream"]]
    numbers = sorted(each["sequence"] for each in of_stream)
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_cells_in_sql_of_the_guide_run(kernel: Kernel, service: RestService) -> None:
    shop = "/projects/shop/records?action=inventory.discover"
    assert service.ask("POST", "/projects/shop/discoveries", "olga", {}).status == 202
    wait_until(lambda: bool(service.ask("GET", shop, "olga").json["items"]))
    kernel.run("%project shop")
    cells = [
        cell
        for page in ("notebooks.md", "how-to/ask-the-log-in-sql.md")
        for cell in re.findall(r"^```text\n(%%opslog.*?)```", (DOCS / page).read_text(), CELL)
    ]
    assert len(cells) == 2
    for cell in cells:
        asked = kernel.run(cell)
        assert asked.error == []
        assert re.fullmatch(r"\w+: \d+ rows? from [\d,]+ records\n", asked.printed)
    shown = kernel.run("by_day")
    assert "olga" in shown.text
    assert "<table" in shown.html
    wrong = kernel.run("%%opslog\nSELECT nope FROM records")
    assert "LINE 1: SELECT nope FROM records\n               ^^^^" in "\n".join(wrong.error)
