"""What both consoles share, in a real browser."""

import signal
import time
from pathlib import Path

import pytest
from tests.browser.windows import Windows
from tests.open_consoles import Cut, Opened
from tests.unit.common.small_console import ROLES

from medfl_common.console.users import put_user

pytestmark = pytest.mark.browser
SECRET = "correct horse battery"


def test_pages_are_sound_in_every_look(windows: Windows, tmp_path: Path) -> None:
    put_user(tmp_path / "console.yaml", "Ada", "viewer", SECRET)
    with Opened.small(tmp_path) as opened:
        windows.assert_sound(opened.link("coordinator"), ["/", "/enter", "/none"])


def test_a_page_follows_by_itself_keeps_typed_text_and_says_when_no_word_comes(
    windows: Windows, tmp_path: Path
) -> None:
    with Opened.small(tmp_path) as opened:
        page = windows.enter(opened.link("coordinator")).page
        page.get_by_label("Reason").fill("half a sen")
        (tmp_path / "followed").write_text("round 7 of 9")
        page.get_by_text("round 7 of 9").first.wait_for()
        heard = page.locator("#voice").inner_text()
        typed = page.get_by_label("Reason").input_value()

        opened.stop(signal.SIGKILL)
        killed = time.monotonic()
        page.locator("#fresh.lost").wait_for(timeout=60_000)
        took_s, lost = time.monotonic() - killed, page.locator("#fresh").inner_text()
        port = int(opened.address.rpartition(":")[2])
    with Opened.small(tmp_path, port=port):  # it knows nobody, so the way leads to the entrance
        page.get_by_role("heading", name="Sign in").wait_for()

    assert (heard, typed) == ("round 7 of 9", "half a sen")
    assert "No word from the console since" in lost
    assert took_s < 15  # not the 25 s of silence


def test_a_page_whose_way_to_the_console_was_cut_follows_again_by_itself(
    windows: Windows, tmp_path: Path
) -> None:
    with Opened.small(tmp_path) as opened, Cut(int(opened.address.rpartition(":")[2])) as way:
        page = windows.enter(opened.link("viewer").replace(opened.address, way.address)).page
        page.get_by_text("nothing yet").first.wait_for()
        way.cut()
        page.locator("#fresh.lost").wait_for(timeout=15_000)
        (tmp_path / "followed").write_text("round 8")
        way.mend()
        page.get_by_text("round 8").first.wait_for()
        page.locator("#fresh:not(.lost)").wait_for()


def test_the_keyboard_alone_signs_in_acts_and_signs_out(windows: Windows, tmp_path: Path) -> None:
    put_user(tmp_path / "console.yaml", "Ada", "coordinator", SECRET)
    with Opened.small(tmp_path) as opened:
        window = windows.open(f"{opened.address}/")
        window.fill("Name", "Ada")
        window.fill("Password", SECRET)
        window.press("Sign in")
        window.fill("Reason", "tea")
        window.press("Pause")
        told = window.main()
        window.press("Go on")
        window.press("Sign out")

    assert "The study pauses: tea" in told
    assert "Sign in" in window.main()
    assert window.said == []


def test_without_scripts_a_page_is_whole_and_acts(windows: Windows, tmp_path: Path) -> None:
    with Opened.small(tmp_path) as opened:
        (tmp_path / "followed").write_text("round 7")
        windows.enter(opened.link("coordinator"))
        page = windows.open(f"{opened.address}/", has_scripts=False).page
        shown = page.locator("main").inner_text()
        page.get_by_role("button", name="Pause").click()
        done = page.locator("main").inner_text()

    assert "round 7" in shown
    assert "The study pauses" in done


def test_a_foreign_page_neither_reads_nor_acts_nor_frames(windows: Windows, tmp_path: Path) -> None:
    """The foreign page is on another port of this machine: browsers send it the same cookies."""
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    with Opened.small(tmp_path) as opened, Opened.small(stranger) as other:
        windows.enter(opened.link("coordinator"))
        page = windows.open(f"{other.address}/enter").page
        read = page.evaluate(
            "url => fetch(url, {credentials: 'include'}).then(() => 'read', () => 'not')",
            opened.address,
        )
        page.route("**/evil", lambda route: route.fulfill(
            content_type="text/html",
            body=f"<form method=post action={opened.address}/pause><button>Win</button></form>"
            f"<iframe src={opened.address}/></iframe>",
        ))  # fmt: skip
        page.goto(f"{other.address}/evil")
        page.wait_for_load_state()
        framed = page.frames[1].url
        page.get_by_role("button", name="Win").click()
        page.wait_for_load_state()
        refused = page.inner_text("body")

    assert read == "not"
    assert framed.startswith("chrome-error:")
    assert "not from this page" in refused
    assert "pause" not in (tmp_path / "actions.jsonl").read_text()


def test_a_session_that_ends_leads_to_the_entrance(windows: Windows, tmp_path: Path) -> None:
    put_user(tmp_path / "console.yaml", "Ada", "viewer", SECRET)
    with Opened.small(tmp_path) as opened:
        window = windows.enter(opened.link(ROLES[0], "Ada"))
        put_user(tmp_path / "console.yaml", "Ada", "coordinator", None)
        window.page.wait_for_url("**/enter")

    assert "Sign in" in window.main()
