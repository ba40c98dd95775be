"""A console acts for who may, by its own forms, and keeps a line of it."""

from pathlib import Path

import pytest
from tests.consoles import Browser, attacks, come_in, what_is_unsound
from tests.unit.common.small_console import ROLES, Small

from medfl_common.chain import first_broken_line, read_lines
from medfl_common.console.actions import newest_actions
from medfl_common.console.doors import Doors
from medfl_common.console.guard import CSP, FILE_POLICY

EVIL = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>\u202e"


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


@pytest.mark.parametrize("role", ROLES)
def test_only_a_role_that_may_act_acts_and_both_leave_a_line(small: Small, role: str) -> None:
    browser = come_in(small.console, role)

    answer = browser.post("/pause", reason="tea")

    is_allowed = role == "coordinator"
    assert answer.status_code == (200 if is_allowed else 403)
    assert small.done == (["tea"] if is_allowed else [])
    assert ("<button>Pause</button>" in browser.get("/").text) == is_allowed
    line = next(newest_actions(small.folder.actions))
    facts = {name: line[name] for name in ("who", "role", "how", "address", "what", "reason")}
    assert facts == {
        "who": "Ada", "role": role, "how": "link", "address": "127.0.0.1", "what": "pause",
        "reason": "tea",
    }  # fmt: skip
    assert line["result"] == ("done" if is_allowed else "refused")
    assert first_broken_line(small.folder.actions) is None


def test_no_form_acts_that_is_not_of_this_session_and_page(small: Small) -> None:
    browser = come_in(small.console, "coordinator")

    for wrong, answer in attacks(browser, "/pause", reason="tea"):
        assert answer.status_code in (303, 403, 405, 421), wrong
        assert answer.headers.get("location", "/enter") == "/enter", wrong
    for wrong, answer in attacks(browser, "/leave"):
        assert wrong == "an old cookie" or answer.status_code in (403, 405, 421), wrong

    assert small.done == []
    assert browser.get("/").status_code == 200  # still in


def test_what_an_action_refuses_is_said_and_kept(small: Small) -> None:
    browser = come_in(small.console, "coordinator")

    refused, strange = (
        browser.post("/pause", reason="bad"),
        browser.post("/pause", reason="strange"),
    )

    assert (refused.status_code, strange.status_code) == (409, 500)
    assert "the study has ended" in refused.text
    assert "start another" in refused.text
    assert "ZeroDivision" not in strange.text
    assert [line["said"] for line in newest_actions(small.folder.actions)][:2] == [
        "something unforeseen happened", "the study has ended",
    ]  # fmt: skip


def test_nothing_is_done_where_the_record_takes_no_line(small: Small) -> None:
    browser = come_in(small.console, "coordinator")
    browser.post("/pause", reason="first")
    small.folder.actions.write_bytes(small.folder.actions.read_bytes().replace(b"Ada", b"Eve"))

    answer = browser.post("/pause", reason="second")

    assert answer.status_code == 409
    assert small.done == ["first"]


def test_a_line_stands_before_the_act_and_one_after(small: Small) -> None:
    come_in(small.console, "coordinator").post("/pause", reason="tea")

    entered, first, second = read_lines(small.folder.actions)

    assert (entered["what"], entered["result"]) == ("sign in", "done")
    assert (first["result"], second["result"]) == ("asked", "done")
    assert first["action"] == second["action"]
    assert small.folder.actions.stat().st_mode & 0o077 == 0


def test_names_and_reasons_are_text_on_every_page(tmp_path: Path) -> None:
    small = Small(tmp_path, study=EVIL)
    small.followed.write_text(EVIL)
    browser = come_in(small.console, "coordinator", EVIL)

    pages = [browser.get("/"), browser.post("/pause", reason=EVIL), browser.get("/enter")]

    for page in pages:
        assert not what_is_unsound(page)
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "\u202e" not in page.text
    assert pages[0].text.count("&lt;script&gt;alert(1)") == 3  # study, part, person


def test_every_answer_has_the_headers(small: Small) -> None:
    browser = come_in(small.console, "viewer")
    paths = ["/", "/enter", "/static/console.js", "/static/console.css", "/none", "/kept"]

    answers = {path: browser.get(path) for path in paths}
    refused = browser.ask("GET", "/", {"host": "evil.example"})

    assert {path: what_is_unsound(answer) for path, answer in answers.items() if path} == {
        path: [] for path in paths
    }
    assert (refused.status_code, what_is_unsound(refused)) == (421, [])
    assert answers["/kept"].status_code == 403
    report = browser.get("/report")
    assert report.headers[CSP] == FILE_POLICY
    assert what_is_unsound(report)[:1] == [CSP]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil", "", "[::1]x", "a:b"]
)
def test_another_name_is_not_answered(small: Small, host: str) -> None:
    assert come_in(small.console, "viewer").ask("GET", "/", {"host": host}).status_code == 421


def test_another_site_reads_nothing_with_a_persons_cookie(small: Small) -> None:
    browser = come_in(small.console, "viewer")

    for site in ("cross-site", "same-site"):  # another port of this machine is the same site
        assert browser.get("/", sec_fetch_site=site, sec_fetch_mode="no-cors").status_code == 403
        assert browser.get("/report", sec_fetch_site=site, sec_fetch_mode="cors").status_code == 403
        assert browser.get("/", sec_fetch_site=site, sec_fetch_mode="navigate").status_code == 200


@pytest.mark.parametrize("body", [b"a=" + b"x" * 300_000, b"&".join([b"a=1"] * 500)])
def test_a_form_without_end_is_not_taken(small: Small, body: bytes) -> None:
    browser = come_in(small.console, "coordinator")

    answer = browser.ask("POST", "/pause", browser.own(), {"reason": body.decode()[2:]})
    many = browser.ask("POST", "/pause", browser.own(), {f"a{n}": "1" for n in range(500)})

    assert many.status_code == 413
    assert answer.status_code in (403, 413)
    assert small.done == []


def test_a_session_ends_after_half_an_hour_of_nothing_and_after_twelve(tmp_path: Path) -> None:
    now = [0.0]
    small = Small(tmp_path, Doors(lambda: now[0]))
    idle, busy = come_in(small.console, "viewer"), come_in(small.console, "viewer")
    for hour in range(1, 25):
        now[0] = hour * 1795.0
        busy.get("/")
        small.console.doors.visitor(idle.key, is_asking=False)  # what a page asks by itself
        idle.get("/", sec_fetch_mode="navigate", sec_fetch_site="same-origin")  # a page anew

    is_in = [browser.get("/").status_code for browser in (idle, busy)]
    now[0] = 12 * 3600.0 + 1
    assert is_in == [303, 200]
    assert busy.get("/").status_code == 303


def test_a_link_lets_one_in_once_within_ten_minutes(tmp_path: Path) -> None:
    now = [0.0]
    small = Small(tmp_path, Doors(lambda: now[0]))
    code, late = (small.console.doors.link("Ada", "viewer") for _ in range(2))
    first, second = Browser(small.console), Browser(small.console)

    looked = [
        first.ask("HEAD", f"/enter?code={code}").status_code,
        first.get(f"/enter?code={code}", sec_purpose="prefetch;prerender").status_code,
        first.get(
            f"/enter?code={code}", sec_fetch_site="cross-site", sec_fetch_mode="navigate"
        ).status_code,
    ]
    answers = [first.enter(code), second.enter(code)]
    now[0] = 601.0

    assert looked == [425, 425, 200]
    assert [answer.status_code for answer in answers] == [303, 401]
    assert answers[0].headers["location"] == "/"
    assert second.enter(late).status_code == 401
    cookie = answers[0].headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_by_tls_the_cookie_is_of_this_host_alone(small: Small) -> None:
    small.console.is_tls = True
    browser = Browser(small.console, "https://console.example.org:8420")

    cookie = browser.enter(small.console.doors.link("Ada", "viewer")).headers["set-cookie"]

    assert cookie.startswith("__Host-medfl_console=")
    assert "; Secure" in cookie
    assert "Domain" not in cookie
    assert browser.get("/").status_code == 200
    plain = {"origin": "http://console.example.org:8420"}
    assert browser.ask("POST", "/leave", plain, {"csrf": browser.csrf}).status_code == 403


def test_a_damaged_version_of_a_part_is_no_error(small: Small) -> None:
    from starlette.requests import Request

    from medfl_common.console.events import _seen

    scope = {
        "type": "http",
        "query_string": b"v=a:7,b:x,c:%C2%B2,:9,d,e%0Adata%3A%20x:1",
        "headers": [],
    }

    assert _seen(Request(scope)) == {"a": 7, "": 9}
