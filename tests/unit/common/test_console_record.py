"""The record of actions: what it keeps of a form, of refused tries, and of an unknown end."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.requests import Request
from tests.consoles import come_in
from tests.unit.common.small_console import Small

from medfl_common.chain import read_lines
from medfl_common.console.doors import Doors, Visitor
from medfl_common.console.offered import Args, Done, UnknownEndError
from medfl_common.console.proxy import Proxy, address_of
from medfl_common.errors import RunError
from medfl_common.files import Json


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


def test_a_line_keeps_500_characters_of_a_value(small: Small) -> None:
    come_in(small.console, "coordinator").post("/pause", reason="x" * 85_000)

    lines = [line for line in read_lines(small.folder.actions) if line["what"] == "pause"]

    assert [line["reason"] for line in lines] == ["x" * 500] * 2
    assert small.folder.actions.stat().st_size < 5000
    assert small.done == ["x" * 85_000]


def test_of_a_hundred_refused_tries_a_minute_ten_have_a_line_and_one_says_how_many_more(
    tmp_path: Path,
) -> None:
    now = [0.0]
    small = Small(tmp_path, Doors(lambda: now[0]))
    eve, ada = come_in(small.console, "viewer", "Eve"), come_in(small.console, "coordinator")
    for _ in range(100):
        eve.ask("POST", "/pause", eve.own(), {"reason": "x"})  # without a token, too
    now[0] = 61.0

    ada.post("/pause", reason="tea")
    eve.post("/pause", reason="again")

    said = [(line["who"], line["said"]) for line in read_lines(small.folder.actions)
            if line["result"] == "refused"]  # fmt: skip
    assert len(said) == 12
    assert said[10] == ("Eve", "and 90 more within a minute")
    assert small.done == ["tea"]


def test_what_was_done_without_a_line_or_has_no_end_yet_is_not_said_to_be_not_done(
    small: Small,
) -> None:
    browser, note = come_in(small.console, "coordinator"), small.console.note

    def full(visitor: Visitor, what: str, facts: Mapping[str, Json]) -> None:
        if facts["result"] == "done":
            raise RunError("the disk is full")
        note(visitor, what, facts)

    def slow(args: Args, form: Args, visitor: Visitor) -> Done:
        raise UnknownEndError("pause takes longer than 180 s, and may still end well")

    small.console.note = full
    done = browser.post("/pause", reason="tea")
    small.console.actions = [replace(small.console.actions[0], act=slow)]
    slow_one = come_in(small.console, "coordinator").post("/pause", reason="tea")
    strange = browser.post("/pause", reason="strange")

    assert "<h1>It was done</h1>" in done.text
    assert "lacks its end: the disk is full" in done.text
    for answer in (slow_one, strange):
        assert "<h1>It is not known whether this was done</h1>" in answer.text
    results = [line["result"] for line in read_lines(small.folder.actions)
               if line["what"] == "pause"]  # fmt: skip
    assert results == ["asked", "asked", "unknown", "asked", "unknown"]


def test_a_page_that_fails_is_not_shown_and_nothing_was_to_be_done(small: Small) -> None:
    browser = come_in(small.console, "viewer")
    small.console.pages = [replace(small.console.pages[0], view=lambda args, visitor: {"a": 1 / 0})]

    answer = come_in(small.console, "viewer").get("/")

    assert answer.status_code == 500
    assert "<h1>This cannot be shown</h1>" in answer.text
    assert browser.get("/pause").status_code == 405


def test_the_address_is_what_the_proxy_adds_not_what_a_browser_sends_before() -> None:
    headers = [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"7.7.7.7, 10.0.0.9")]
    request = Request({"type": "http", "headers": headers, "client": ("127.0.0.1", 1)})

    assert address_of(request, Proxy("x-remote-user", frozenset({"127.0.0.1"}))) == "10.0.0.9"
