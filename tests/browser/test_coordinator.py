"""The coordinator's console in a real browser, beside a study of real processes."""

import re
import signal
import time
from pathlib import Path

import pytest
from tests.browser.windows import Windows
from tests.conftest import MakePlan
from tests.open_consoles import Opened
from tests.unit.server.console.followed_studies import enrolled, made

from medfl_common.console.folder import ConsoleFolder
from medfl_sim.local.deployment import Deployment, command

pytestmark = pytest.mark.browser

WAIT_MS = 300_000.0  # for what takes seconds on an idle machine
GROWN = "n => +document.querySelector('progress').value > n"
OFFLINE = "Failed to load resource"  # what chromium says of a console that is gone


def console_of(folder: Path) -> Opened:
    words = [*command("server"), "console", str(folder), "--port", "0"]
    return Opened(words, ConsoleFolder(folder))


@pytest.mark.processes
@pytest.mark.slow
def test_a_study_is_followed_through_rounds_a_hospital_that_stands_still_and_kills(
    windows: Windows, deployment: Deployment, hospitals: Path, make_plan: MakePlan
) -> None:
    sites = {name: hospitals / name for name in ("site-1", "site-2")}
    deployment.create(make_plan(federation={"rounds": 900, "deadline_s": 600}), sites)
    server = deployment.start_server()
    clients = {name: deployment.start_client(site) for name, site in sites.items()}
    with console_of(deployment.study) as opened:
        window = windows.enter(opened.link("coordinator"))
        page = window.page
        page.goto(f"{opened.address}/study/study/")
        page.locator("#do-stop summary").click()
        reason = page.locator("#do-stop input[name=reason]")
        reason.fill("half a sen")
        page.locator("#table-0 summary").click(timeout=WAIT_MS)
        n_made = int(page.locator("progress").get_attribute("value") or 0)
        page.wait_for_function(GROWN, arg=n_made + 1, timeout=WAIT_MS)
        assert page.locator("#table-0[open]").count() == 1
        assert reason.input_value() == "half a sen"

        clients["site-2"].send_signal(signal.SIGSTOP)
        named = re.compile("site-2 is (slow|not connected)")
        page.locator("#needs li", has_text=named).wait_for(timeout=WAIT_MS)
        clients["site-2"].send_signal(signal.SIGCONT)

        server.kill()
        server.wait()
        killed = time.monotonic()
        page.locator("#answer", has_text="Not running.").wait_for(timeout=WAIT_MS)
        assert time.monotonic() - killed < 10
        assert window.said == []

        opened.stop(signal.SIGKILL)
        page.locator("#fresh.lost").wait_for(timeout=WAIT_MS)
        assert "No word from the console since" in page.locator("#fresh").inner_text()


def test_a_change_of_a_file_is_on_the_screen_within_a_second(
    windows: Windows, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = enrolled(make_plan, tmp_path / "demo")
    with console_of(study.folder) as opened:
        page = windows.enter(opened.link("viewer")).page
        page.goto(f"{opened.address}/study/demo/")
        took = []
        for round_ in range(1, 6):
            made(study, round_, {"site-1": 0.6, "site-2": 0.7})
            began = time.monotonic()
            page.wait_for_function(GROWN, arg=round_ - 1, timeout=WAIT_MS)
            took.append(time.monotonic() - began)

    assert min(took) < 1.0  # the slower ones are a busy machine's


def test_the_coordinators_pages_are_sound_in_every_look(
    windows: Windows, make_plan: MakePlan, tmp_path: Path
) -> None:
    few = enrolled(make_plan, tmp_path / "studies" / "few")
    made(few, 1, {"site-1": 0.5, "site-2": 0.6}, site_3="quarantined: <b>too large</b>")
    many = enrolled(make_plan, tmp_path / "studies" / "many", n_sites=30)
    for round_ in (1, 2):
        made(many, round_, {f"site-{i + 1}": 0.5 + i / 100 for i in range(30)})
    pages = ["/", "/study/few/", "/study/many/", "/study/few/roster", "/study/few/invitations"]

    with console_of(tmp_path / "studies") as opened:
        windows.assert_sound(opened.link("coordinator"), pages)
