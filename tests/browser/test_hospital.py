"""A hospital's console in a real browser: its pages, and the way from an invitation to rounds."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.browser.windows import Window, Windows
from tests.conftest import MakePlan
from tests.open_consoles import Opened

from medfl_client.commands.index import survey
from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.connection.running import stop_client
from medfl_client.console.roles import BOTH, VIEWER
from medfl_client.console.room import console_folder
from medfl_client.egress import ledger
from medfl_common.run.log import read_lines
from medfl_common.ui.told import Told
from medfl_sim.local.deployment import Deployment, command, run_command, wait_until

pytestmark = pytest.mark.browser

OF = "/study/_"
HOSTILE = '"><img src=x onerror="alert(1)"><script>alert(2)</script>'
WAIT_S = 300.0  # for what takes seconds on an idle machine


def opened(site: Path) -> Opened:
    """Give the console of a directory, as the command starts it."""
    return Opened([*command("client"), "console", str(site), "--port", "0"], console_folder(site))


def lived_in(site: Path, plan: Path) -> None:
    """Write what a site has after a while, with words that are no friend's."""
    (site / "plan.yaml").write_text(plan.read_text().replace("opacity", "'<b>opacity</b>'"))
    label = (site / "labels.csv").read_text().replace("opacity", "<b>opacity</b>")
    (site / "labels.csv").write_text(label)
    survey(site, site / "plan.yaml", False, False, None, Told())
    state = StateFolder.of(site)
    ledger.append(state.incidents, {"incident": "4711", "error": f"DataError: {HOSTILE}"})
    ledger.append(state.ledger, {
        "study": "small", "run": "a" * 32, "plan": "b" * 64, "kind": "train", "round": 1,
        "to": "localhost:1", "bytes": 1500, "arrays": {"w": [2, 3]}, "norm": 1.0,
        "numbers": ["loss"], "sha256": "c" * 64, "decision": "refused: P3",
    })  # fmt: skip
    state.client_log.write_text(f"12:00:00 {HOSTILE}\n")
    SiteFolder(site).predictions.write_text(f"file,opacity\n{json.dumps(HOSTILE)},0.5\n")
    model = state.models / ("a" * 32)
    model.mkdir(parents=True)
    (model / "model.safetensors").touch()
    (model / "scores.txt").write_text(f"AUC 0.9 {HOSTILE}\n")


def test_every_page_is_sound_in_every_look(
    windows: Windows, hospitals: Path, make_plan: MakePlan
) -> None:
    site = hospitals / "site-1"
    lived_in(site, make_plan())
    names = ("data", "work", "plan", "client", "left", "policy", "models", "incidents")
    pages = ["/", "/join/", *(f"{OF}/{name}/" for name in names)]
    with opened(site) as console:
        window = windows.enter(console.link(BOTH))
        window.page.goto(f"{console.address}{OF}/plan/")
        window.page.get_by_role("button", name="Approve").wait_for(timeout=WAIT_S * 1000)
        windows.assert_sound(console.link(BOTH), pages)
        windows.assert_sound(console.link(VIEWER), [f"{OF}/data/", f"{OF}/plan/"], ["light"])


def answered(window: Window, answers: list[str]) -> None:
    """Answer each question of the work that is shown, until it has none; empty: as proposed."""
    page = window.page
    for answer in answers:
        page.locator("#the-answer").wait_for(timeout=WAIT_S * 1000)
        if answer:
            page.locator("#the-answer").fill(answer)
        with page.expect_navigation(timeout=WAIT_S * 1000):
            page.get_by_role("button", name="Answer").click()


def pressed(window: Window, button: str) -> str:
    """Press a button, and give what was done."""
    page = window.page
    with page.expect_navigation(timeout=WAIT_S * 1000):
        page.get_by_role("button", name=button, exact=True).click(timeout=WAIT_S * 1000)
    return window.main()


def is_up(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def north(tmp_path: Path) -> Iterator[Path]:
    """An empty directory; the client that a console starts in it is ended after the test."""
    folder = tmp_path / "north"
    folder.mkdir()
    yield folder
    stop_client(StateFolder.of(folder).path, print)


@pytest.mark.processes
@pytest.mark.slow
def test_a_hospital_comes_from_an_invitation_to_rounds_without_a_terminal(
    windows: Windows, north: Path, hospitals: Path, make_plan: MakePlan, deployment: Deployment,
    tmp_path: Path,
) -> None:  # fmt: skip
    study = deployment.study
    invitation = tmp_path / "north.medfl-invite"
    run_command("server", "init", study, "--plan", make_plan(), "--host", "localhost")
    run_command("server", "invite", study, "north", "--address", f"localhost:{deployment.port}",
                "--out", invitation)  # fmt: skip
    deployment.start_server()
    wait_until(lambda: is_up(deployment.port), WAIT_S, "the coordinator")
    with opened(north) as console:
        window = windows.enter(console.link(BOTH))
        window.page.set_default_timeout(WAIT_S * 1000)
        window.page.get_by_role("link", name="Join by an invitation").click()
        window.page.locator("textarea").fill(invitation.read_text())
        pressed(window, "Begin")
        answered(window, ["../hospitals/site-1/dicom", "../hospitals/site-1/labels.csv", "", ""])
        window.page.get_by_text("Asked. The coordinator admits you").wait_for()
        window.page.goto(f"{console.address}/")
        window.page.get_by_text("read the fingerprint of our keys").first.wait_for()
        run_command("server", "admit", study, "north", "--yes")
        window.page.get_by_text("enrolled as north").wait_for()  # without loading anew

        window.page.goto(f"{console.address}{OF}/data/")
        pressed(window, "Look again")
        window.page.get_by_text("Looked; the verdict is: warn.").wait_for()
        window.page.goto(f"{console.address}{OF}/plan/")
        window.page.get_by_label("Type the study's name").fill("small")
        assert "Approved: small" in pressed(window, "Approve")
        window.page.goto(f"{console.address}{OF}/client/")
        assert "The client runs now" in pressed(window, "Start")

    # The console has gone, and the client goes on.
    log = study / "log.jsonl"
    wait_until(lambda: any(line["event"] == "round" for line in read_lines(log)), WAIT_S, "a round")
    with opened(north) as console:
        window = windows.enter(console.link(BOTH))
        window.page.get_by_text("small has ended, and its model is here.").first.wait_for(
            timeout=WAIT_S * 1000
        )
        window.page.goto(f"{console.address}{OF}/left/")
        assert "with updates or counts, over" in window.main()
    assert window.said == []
    (line,) = ledger.read_lines(StateFolder.of(north).approvals)
    assert line["by"] == "Ada (console)"
