"""A study whose files are damaged says so on its page, and takes no other study's with it."""

import re
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.unit.server.console.followed_studies import browser, enrolled, made

from medfl_common.console import live
from medfl_common.errors import RunError
from medfl_common.run.log import RunLog
from medfl_server.console.facts import StudyFacts
from medfl_server.study.run_directory import Study, open_study


@pytest.fixture
def study(make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study with a round, beside a whole one; a console looks at its files at every request."""
    monkeypatch.setattr(live, "LOOK_S", 0.0)
    for name in ("bad", "good"):
        made(enrolled(make_plan, tmp_path / "all" / name), 1, {"site-1": 0.7})
    return open_study(tmp_path / "all" / "bad")


@pytest.mark.parametrize(
    "line",
    [
        b'{"event": "round", "rou\x00\x00\n',
        b'{"event": "round", "time": 1.0, "sites": {}}\n',
        b'{"event": "round", "round": 2, "time": 1.0, "sites": []}\n',
        b"[]\n",
        b'{"event": "\xff"}\n',
    ],
)
def test_a_damaged_line_is_named_at_every_look_until_another_stands_there(
    study: Study, line: bytes
) -> None:
    before = study.files.log.read_bytes()
    study.files.log.write_bytes(before + line)
    made(study, 2, {"site-1": 0.8})
    person = browser(study.folder.parent)

    for _ in range(2):
        home, page = person.get("/"), person.get("/study/bad/")
        assert (home.status_code, page.status_code) == (200, 200)
        assert "1 of 14" in home.text  # of the whole one
        assert "line 3 of log.jsonl is damaged" in home.text
        assert "line 3 of log.jsonl is damaged" in page.text
    assert person.post("/study/bad/stop", typed="small", reason="x").status_code in (200, 409)
    study.files.log.write_bytes(before)

    assert "1 of 14 rounds made" in re.sub(r"<[^>]+>", " ", person.get("/study/bad/").text)


def test_a_line_is_counted_once_however_often_the_one_after_it_is_damaged(study: Study) -> None:
    facts = StudyFacts(study.files, study.plan)
    study.files.log.write_bytes(study.files.log.read_bytes() + b"{\n")
    for _ in range(3):
        with pytest.raises(RunError, match="line 3 of log"):
            facts.read()

    assert len(facts.events) == 2


@pytest.mark.parametrize("line", [b"{\x00\n", b"{}\n", b"3\n"])
def test_who_reads_a_log_is_told_which_line_is_damaged(study: Study, line: bytes) -> None:
    study.files.log.write_bytes(study.files.log.read_bytes() + line)
    log = RunLog(study.folder)

    with pytest.raises(RunError, match="line 3 of log"):
        log.lines()


def test_any_damaged_file_is_said_in_words(study: Study) -> None:
    study.files.roster.write_text("[3]")

    home = browser(study.folder.parent).get("/")

    assert home.status_code == 200
    assert "a file of this study is damaged" in home.text
