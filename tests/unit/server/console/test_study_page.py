import re
import subprocess
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from tests.conftest import MakePlan
from tests.unit.server.console.followed_studies import browser, enrolled, made, say_live

from medfl_common.console import live
from medfl_common.console.folder import ConsoleFolder
from medfl_common.console.opening import ask_link
from medfl_common.files import Json, locked
from medfl_server.console.command import ROLES
from medfl_server.study.run_directory import Study
from medfl_sim.local.deployment import command

PAGE = "/study/demo/"


@pytest.fixture
def study(make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study of three hospitals with two rounds; a console looks at its files at every request."""
    monkeypatch.setattr(live, "LOOK_S", 0.0)
    found = enrolled(make_plan, tmp_path / "studies" / "demo")
    made(found, 1, {"site-1": 0.5, "site-2": 0.6, "site-3": 0.55})
    made(found, 2, {"site-1": 0.7, "site-2": 0.8}, site_3="no reply before the deadline")
    return found


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_a_study_that_runs_says_who_is_waited_for_and_how_good_the_model_is(study: Study) -> None:
    say_live(study, "train", 3, 4.0, site_1="answered", site_2="asked", site_3="away")

    with locked(study.folder):
        seen = words(browser(study.folder).get(PAGE).text)

    assert "Round 3 of 14: 1 of 3 hospitals answered. Waiting for site-2." in seen
    assert "AUC 0.75 on 100 images on held-out patients (before training 0.55)." in seen
    assert "About 2 min left." in seen  # 12 rounds of 8 s
    assert "site-3 is not connected. Telephone the hospital" in seen
    assert "round 2 was made with 2 hospitals in 8.0 s; site-3 gave nothing" in seen


def test_a_slow_hospital_is_named_with_its_usual_time_and_the_end_of_the_round(
    study: Study,
) -> None:
    say_live(study, "train", 3, 21.0, site_1="answered", site_2="asked", site_3="answered")

    with locked(study.folder):
        seen = words(browser(study.folder).get(PAGE).text)

    assert "site-2 is slow: it usually answers after 5 s; the round closes at" in seen


def test_what_run_wrote_before_it_was_killed_is_not_shown_as_of_now(study: Study) -> None:
    say_live(study, "train", 3, 4.0, site_1="answered", site_2="asked", site_3="asked")

    seen = words(browser(study.folder).get(PAGE).text)

    assert "Not running. The program that runs this study has stopped" in seen
    assert f"Start it, and it goes on: medfl-server run {study.folder.name}" in seen
    assert "is working" not in seen


def test_a_page_follows_a_log_that_grows_and_one_that_is_written_anew(study: Study) -> None:
    client = browser(study.folder)
    assert "2 of 14 rounds made" in words(client.get(PAGE).text)

    made(study, 3, {"site-1": 0.9, "site-2": 0.9, "site-3": 0.9})
    assert "3 of 14 rounds made" in words(client.get(PAGE).text)
    study.log.take_back_rounds(1)
    again = words(client.get(PAGE).text)

    assert "1 of 14 rounds made" in again
    assert "AUC 0.55 on 150 images" in again


def test_a_finished_study_says_which_model_is_its_result(study: Study) -> None:
    whole: Json = {"n": 150, "loss": 0.5, "auc": 0.75}
    tested: Json = {"n": 150, "loss": 0.5, "auc": 0.7}
    study.log.write("tested", round=1, sha256="ee", scores={"all": tested})
    study.log.write("finished", round=1, last=2, sha256="ee", scores={"all": whole})

    seen = words(browser(study.folder).get(PAGE).text)

    assert "Finished. The result is the model of round 1 of 2." in seen
    assert "On test patients, who chose nothing: AUC 0.70 on 150 images." in seen
    assert "What needs you" not in seen


def test_the_list_has_those_that_need_a_person_first_and_a_broken_one_above_all(
    study: Study, make_plan: MakePlan
) -> None:
    folder = study.folder.parent
    enrolled(make_plan, folder / "a-broken-one")
    (folder / "a-broken-one" / "plan.yaml").write_text("no plan")
    done = enrolled(make_plan, folder / "a-finished-one")
    done.log.write("finished", round=1, last=1, sha256="ee")

    seen = browser(folder).get("/").text

    order = re.findall(r'<th scope="row"><a href="/study/([^/]+)/"', seen)
    assert order == ["a-broken-one", "demo", "a-finished-one"]


def test_above_twenty_hospitals_each_row_is_a_part_and_the_page_has_them_all(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    study = enrolled(make_plan, tmp_path / "demo", n_sites=70)
    made(study, 1, {f"site-{i + 1}": 0.5 + i / 200 for i in range(70)})

    seen = browser(study.folder).get(PAGE).text

    assert len(re.findall(r'<tr id="row-\d+"><th scope="row">site-', seen)) == 60
    assert "10 more are quiet" in seen
    assert "of 70 hospitals" in seen  # the band


def test_a_name_or_reason_from_outside_is_text_and_never_markup(study: Study) -> None:
    study.log.write("paused", round=2, by="<script>", message="<img src=x onerror=alert(1)>")

    seen = browser(study.folder).get(PAGE).text

    assert "<img" not in seen
    assert "&lt;img src=x" in seen


def test_the_console_runs_without_torch_and_in_little_memory(study: Study) -> None:
    console = [*command("server"), "console", str(study.folder), "--port", "0"]
    with subprocess.Popen(console, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "the console is open at" in process.stdout.readline()
            link = ask_link(ConsoleFolder(study.folder), "Ada", "viewer", ROLES)
            opener = build_opener(HTTPCookieProcessor(CookieJar()))
            opener.open(link)
            with opener.open(f"{link.partition('/enter')[0]}{PAGE}") as page:
                assert b"2 of 14 rounds made" in page.read()
            maps = Path(f"/proc/{process.pid}/maps").read_text()
            status = Path(f"/proc/{process.pid}/status").read_text()
        finally:
            process.terminate()

    peak = re.search(r"VmHWM:\s+(\d+)", status)
    assert "/torch/" not in maps
    assert "/scipy/" not in maps
    assert peak is not None
    assert int(peak[1]) <= 90 * 1024
