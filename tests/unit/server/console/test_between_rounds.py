"""What a page says while no round is open, and what of the machine those who look may see."""

import re
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.server.console.followed_studies import browser, enrolled, made, say_live

from medfl_common.console import live
from medfl_common.files import Json, locked
from medfl_server.console.moment import RESTS, WAITS
from medfl_server.steering import course
from medfl_server.study.run_directory import Study

PAGE = "/study/demo/"
WISH = r"It is to end, as Ada wished on [-\d: ]+: &#34;enough&#34;\."


@pytest.fixture
def study(make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study of three hospitals with a round; a console looks at its files at every request."""
    monkeypatch.setattr(live, "LOOK_S", 0.0)
    found = enrolled(make_plan, tmp_path / "all" / "demo")
    made(found, 1, {"site-1": 0.5, "site-2": 0.6, "site-3": 0.55})
    return found


def seen(study: Study) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", browser(study.folder).get(PAGE).text).split())


@pytest.mark.parametrize(
    ("kind", "head"),
    [("", "Starting."), (RESTS, "Paused."), (WAITS, "Round 2 of 14 waits for hospitals")],
)
def test_a_wish_to_stop_is_told_while_no_question_is_open(
    study: Study, kind: str, head: str
) -> None:
    course.stop(study.folder, "enough", "Ada")
    if kind:
        say_live(study, kind, 1, 1.0, site_1="waiting", site_2="away")

    with locked(study.folder):
        told = seen(study)

    assert head in told
    assert re.search(WISH, told)


@pytest.mark.parametrize(
    ("kind", "round_", "words"),
    [
        ("keys", 0, "After round 1, the hospitals give keys for sums: 1 of 2 hospitals"),
        ("setups", 0, "After round 1, the hospitals set up sums: 1 of 2 hospitals"),
        ("open", 10**6, "After round 1, the hospitals open their sum: 1 of 2 hospitals"),
        ("evaluate", 1, "After round 1, the hospitals score the model: 1 of 2 hospitals"),
    ],
)
def test_a_question_between_rounds_is_told_after_the_round_that_was_made(
    study: Study, kind: str, round_: int, words: str
) -> None:
    say_live(study, kind, round_, 1.0, site_1="answered", site_2="asked")

    with locked(study.folder):
        assert words in seen(study)


def test_data_are_counted_before_the_first_round(study: Study) -> None:
    study.log.take_back_rounds(0)
    say_live(study, "describe", 0, 1.0, site_1="answered", site_2="asked")

    with locked(study.folder):
        assert "Before round 1, the hospitals count their data: 1 of 2" in seen(study)


def test_who_looks_sees_no_place_of_the_machine(study: Study) -> None:
    def shown() -> str:
        person = browser(study.folder.parent, role="viewer")
        pages = ("/", PAGE, f"{PAGE}roster", f"{PAGE}invitations")
        return "".join(person.get(page).text for page in pages)

    halted = shown()
    study.files.facts.write_text("[")
    broken = shown()

    assert "medfl-server run demo" in halted
    assert broken.count("study.json is damaged") == 4
    assert str(study.folder.parent) not in halted + broken


def test_who_may_run_commands_sees_where_the_study_is(study: Study) -> None:
    assert f"Its directory: {study.folder}" in seen(study)


@pytest.mark.parametrize(("n", "written"), [(12, "0.7"), (80, "0.67"), (600, "0.667")])
def test_a_score_has_the_digits_that_its_images_allow(study: Study, n: int, written: str) -> None:
    one: dict[str, Json] = {"n": n, "loss": 0.5, "auc": 2 / 3}
    study.log.take_back_rounds(0)
    for round_ in (1, 2):
        study.log.write("round", round=round_, seconds=8.0, missing={}, sha256="cd",
                        sites={"site-1": {"n_images": 200}},
                        scores={"all": one, "sites": {"site-1": one}})  # fmt: skip

    html = browser(study.folder).get(PAGE).text

    assert f"AUC {written} on {n} images on held-out patients (before training {written})" in html
    assert f"site-1: {written} after round 1" in html
    assert f"AUC of all hospitals together: {written} after round 0, {written} after" in html
    assert set(re.findall(r"0\.6[67]\d*", html)) <= {written}
