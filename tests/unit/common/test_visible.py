import io
import logging

import pytest

from medfl_common.errors import ConfigError
from medfl_common.plan.plan import plan_from_json
from medfl_common.ui.page import Section, Table, render
from medfl_common.ui.screen import Screen, VisibleFormatter, errors_for_people
from medfl_common.visible import visible

# Red text; a title (OSC 0); the clipboard (OSC 52, as one character too); right to left; no width.
HOSTILE = "\x1b[31m \x1b]0;t\x07 \x9d52;c;eA==\x9c \u202e \u2066 \u200b \u2028 \x7f \r \ud800"
STEERING = set(HOSTILE) - set(" [31m]0;t52;ceA=")


def test_what_steers_a_terminal_is_spelled_out_and_other_text_stays() -> None:
    assert visible("\x1b[2J\u202eabc") == "\\x1b[2J\\u202eabc"
    assert visible("Müller 雪 \U0001f600 a-b") == "Müller 雪 \U0001f600 a-b"
    assert visible("a\nb\tc", keep="\n") == "a\nb\\tc"


def test_nothing_from_outside_steers_a_screen_a_log_or_a_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen()
    screen.say(HOSTILE)
    screen.say("two\nlines")
    screen.table([f"key {HOSTILE}"], [[HOSTILE]], title=HOSTILE)
    with pytest.raises(SystemExit), errors_for_people():
        raise ConfigError(HOSTILE, todo=HOSTILE)
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(VisibleFormatter("%(message)s"))
    handler.emit(logging.makeLogRecord({"msg": HOSTILE}))
    section = Section("x", [HOSTILE], tables=[Table([HOSTILE], [[HOSTILE]])], code=HOSTILE)
    page = render(HOSTILE, HOSTILE, HOSTILE, [section], "0")

    printed = capsys.readouterr()
    assert "two\nlines" in printed.out
    for shown in (printed.out, printed.err, log.getvalue(), page):
        assert not STEERING & set(shown)
        assert "\\x1b[31m" in shown


def test_an_unknown_key_of_a_plan_does_not_reach_the_terminal_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit), errors_for_people():
        plan_from_json('{"\\u001b]52;c;eA==\\u0007\\n": 1}')

    assert "\\x1b]52;c;eA==\\x07\\n: unknown key" in capsys.readouterr().err
