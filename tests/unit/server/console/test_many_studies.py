"""Many studies in one console, and many who ask for them at once."""

import re
import shutil
import sys
import threading
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.server.console.followed_studies import browser, enrolled, made

from medfl_common.console import live
from medfl_server.console import pages
from medfl_server.console.pages import Studies
from medfl_server.study.run_directory import open_study


@pytest.fixture
def folder(make_plan: MakePlan, tmp_path: Path) -> Path:
    """A directory with 30 studies of a round each."""
    made(enrolled(make_plan, tmp_path / "all" / "s0"), 1, {"site-1": 0.7})
    for i in range(1, 30):
        shutil.copytree(tmp_path / "all" / "s0", tmp_path / "all" / f"s{i}")
    return tmp_path / "all"


def test_who_ask_at_once_for_the_list_get_each_study_once(folder: Path) -> None:
    asked: list[list[str]] = []
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(10):
            studies = Studies([folder], lambda template, **values: "")
            threads = [
                threading.Thread(target=lambda s=studies: asked.append(s.names())) for _ in range(4)
            ]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
            asked.append(studies.names())
    finally:
        sys.setswitchinterval(before)

    assert len(asked) == 50
    assert all(names == sorted(f"s{i}" for i in range(30)) for names in asked)


def test_of_many_studies_one_that_changed_is_counted_and_sent_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK_S", 0.0)
    counted: list[str] = []
    of_one = pages._summary
    monkeypatch.setattr(
        pages, "_summary", lambda name, one: counted.append(name) or of_one(name, one)
    )
    person = browser(folder)
    assert person.get("/").text.count('<tr id="row-') == 30
    followed = person.console.pages[0].live
    assert followed is not None
    list_ = followed({})
    seen = dict(list_.versions)
    counted.clear()

    made(open_study(folder / "s7"), 2, {"site-1": 0.8})
    list_.look()

    assert counted == ["s7"]
    news, _ = list_.news(seen)
    assert [*news] == [f"row-{sorted(f's{i}' for i in range(30)).index('s7')}"]
    assert "2 of 14" in "".join(news.values())


def test_a_page_has_a_hundred_studies_as_rows_and_the_rest_as_links(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_STUDIES", 25)

    home = browser(folder).get("/").text

    assert home.count('<tr id="row-') == 25
    assert "5 more, which need you least" in home
    assert {*re.findall(r'href="/study/(s\d+)/"', home)} == {f"s{i}" for i in range(30)}
