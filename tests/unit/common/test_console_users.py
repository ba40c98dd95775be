"""Who signs in to a console by password or by a proxy, and who does not."""

import sys
import time
from pathlib import Path

import pexpect
import pytest
import typer
from tests.conftest import ROOT
from tests.consoles import Browser
from tests.unit.common.small_console import ROLES, Small
from typer.testing import CliRunner

from medfl_common.chain import read_lines
from medfl_common.console.doors import Doors
from medfl_common.console.proxy import Proxy
from medfl_common.console.tries import Tries
from medfl_common.console.user_commands import user_commands
from medfl_common.console.users import Users, put_user, read_users, remove_user
from medfl_common.errors import ConfigError

SECRET = "correct horse battery"
HEADER = "X-Remote-User"
PROXY = "https://console.example.org"


@pytest.fixture
def small(tmp_path: Path) -> Small:
    small = Small(tmp_path)
    users = Users(small.folder.users, ROLES)
    small.console.users, small.console.doors.mark_of = users, users.mark_of
    return small


def test_a_password_lets_its_person_in_and_nobody_else(small: Small) -> None:
    put_user(small.folder.users, "Ada", "coordinator", SECRET)
    put_user(small.folder.users, "Ben", "viewer", "")  # a proxy signs him in
    tries = [("Ada", SECRET), ("Ada", "wrong"), ("Ben", ""), ("Eve", SECRET), ("", "")]

    browsers = [Browser(small.console) for _ in tries]
    answers = [b.sign_in(*one).status_code for b, one in zip(browsers, tries, strict=True)]
    browsers[0].post("/pause", reason="tea")

    assert answers == [303, 401, 401, 401, 401]
    assert read_lines(small.folder.actions)[-1]["how"] == "password"
    kept = small.folder.users.read_text()
    assert SECRET not in kept
    entered = [(line["who"], line["result"]) for line in read_lines(small.folder.actions)
               if line["what"] == "sign in"]  # fmt: skip
    assert entered == [("Ada", "done"), *(
        (who, "refused") for who in ("Ada", "Ben", "somebody", "somebody")
    )]  # fmt: skip
    assert "$argon2id$v=19$m=65536,t=3,p=4$" in kept
    assert small.folder.users.stat().st_mode & 0o777 == 0o600


def test_five_tries_a_minute_for_a_name_and_an_address(tmp_path: Path) -> None:
    now = [0.0]
    small = Small(tmp_path, Doors(lambda: now[0]))
    small.console.users = Users(small.folder.users, ROLES)
    put_user(small.folder.users, "Ada", "viewer", SECRET)
    here, there = Browser(small.console), Browser(small.console, address="192.0.2.7")

    answers = [here.sign_in("Ada", "wrong").status_code for _ in range(6)]
    now[0] = 59.0
    answers.append(here.sign_in("Ada", SECRET).status_code)
    now[0] = 61.0

    assert answers == [*[401] * 5, 429, 429]
    assert here.sign_in("Ada", SECRET).status_code == 303
    assert there.sign_in("Ada", SECRET).status_code == 303


def test_an_address_has_thirty_tries_whatever_the_names() -> None:
    tries = Tries(lambda: 0.0)

    assert sum(tries.may(f"name-{n}", "192.0.2.7") for n in range(100)) == 30
    assert tries.may("name-1", "192.0.2.8")


@pytest.mark.parametrize("change", ["role", "password", "removed", "others can read it"])
def test_a_changed_user_is_out_at_once(small: Small, change: str) -> None:
    path = small.folder.users
    put_user(path, "Ada", "coordinator", SECRET)
    put_user(path, "Ben", "viewer", "")
    browser, by_link = Browser(small.console), Browser(small.console)
    browser.sign_in("Ada", SECRET)
    by_link.enter(small.console.doors.link("Cleo", "viewer"))
    assert browser.get("/").status_code == 200

    if change == "role":
        put_user(path, "Ada", "viewer", None)
    elif change == "password":
        put_user(path, "Ada", "coordinator", SECRET + "!")
    elif change == "removed":
        remove_user(path, "Ada")
    else:
        path.chmod(0o644)

    assert browser.post("/pause", reason="tea").headers["location"] == "/enter"
    assert browser.get("/").status_code == 303
    assert by_link.get("/").status_code == 200  # who is not in the file
    assert small.done == []


def test_an_unknown_name_takes_as_long_as_a_wrong_password(small: Small) -> None:
    put_user(small.folder.users, "Ada", "viewer", SECRET)
    put_user(small.folder.users, "Ben", "viewer", "")
    users = small.console.users
    assert users is not None
    took: dict[str, list[float]] = {"Ada": [], "Ben": [], "Eve": []}
    users.check("Ada", "x")
    for _ in range(3):
        for name, times in took.items():
            started = time.process_time()
            assert not users.check(name, "wrong")
            times.append(time.process_time() - started)

    shortest = [min(times) for times in took.values()]

    assert max(shortest) < 2 * min(shortest), took


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("users: [Ada]\n", "not as `user add` writes it"),
        ("users: {Ada: {role: viewer, is_admin: true}}\n", "not as `user add` writes it"),
        ("users: {Ada: {role: viewer}}\nusers: {}\n", "twice|second"),
        ("users: {Ada: viewer}\n", "not as `user add` writes it"),
    ],
)
def test_a_users_file_of_another_form_lets_nobody_in(small: Small, text: str, told: str) -> None:
    small.folder.users.write_text(text)
    small.folder.users.chmod(0o600)

    with pytest.raises(ConfigError, match=told):
        read_users(small.folder.users)
    with pytest.raises(ConfigError, match=told):
        Users(small.folder.users, ROLES).prepare()

    assert Browser(small.console).sign_in("Ada", "x").status_code == 401


@pytest.mark.parametrize(
    ("name", "password"), [("Ada", "short"), ("Ada", "ada is a queen"), (" Ada", SECRET),
                           ("A\u202eda", SECRET), ("", SECRET), ("x" * 65, SECRET)]
)  # fmt: skip
def test_a_bad_name_or_password_is_not_entered(small: Small, name: str, password: str) -> None:
    with pytest.raises(ConfigError):
        put_user(small.folder.users, name, "viewer", password)

    assert not small.folder.users.exists()


def test_where_argon2_is_absent_passwords_are_refused_in_words_and_links_are_not(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_user(small.folder.users, "Ada", "viewer", SECRET)
    monkeypatch.setitem(sys.modules, "argon2", None)

    with pytest.raises(ConfigError, match="argon2-cffi, which is not installed"):
        Users(small.folder.users, ROLES).prepare()
    with pytest.raises(ConfigError, match="argon2-cffi"):
        put_user(small.folder.users, "Ben", "viewer", SECRET)

    assert (
        Browser(small.console).enter(small.console.doors.link("Ada", "viewer")).status_code == 303
    )


def test_one_name_in_two_spellings_of_unicode_is_one_person(small: Small) -> None:
    put_user(small.folder.users, "Zoë", "viewer", SECRET)
    put_user(small.folder.users, "Zoe\u0308", "coordinator", None)

    assert [user.role for user in read_users(small.folder.users).values()] == ["coordinator"]
    assert Browser(small.console).sign_in("Zoe\u0308", SECRET).status_code == 303


def test_only_the_proxy_says_who_somebody_is_and_only_of_those_who_are_entered(
    small: Small,
) -> None:
    put_user(small.folder.users, "Zoë", "coordinator", "")
    small.console.proxy, small.console.is_tls = Proxy(HEADER, frozenset({"127.0.0.1"})), True
    zoe = "Zoë".encode()
    mine, foreign = Browser(small.console, PROXY), Browser(small.console, PROXY, "192.0.2.7")

    answers = [
        mine._kept(mine.ask("GET", "/enter", {HEADER: zoe})).status_code,
        mine.ask("GET", "/enter", {HEADER: "Eve"}).status_code,
        foreign.ask("GET", "/enter", {HEADER: zoe}).status_code,
    ]
    form, seen = {"csrf": mine.csrf, "reason": "tea"}, {HEADER: zoe, "X-Forwarded-For": "a, ::1"}
    done = mine.ask("POST", "/pause", {**mine.own(), **seen}, form)
    taken = mine.ask("POST", "/pause", {**mine.own(), HEADER: "Eve"}, form)

    assert answers == [303, 200, 200]
    assert (done.status_code, taken.status_code, small.done) == (200, 303, ["tea"])
    line = read_lines(small.folder.actions)[-1]
    assert (line["who"], line["how"], line["address"]) == ("Zoë", "proxy", "::1")
    assert mine.get("/").status_code == 303  # without the proxy's word, and for good


def test_who_signs_out_behind_a_proxy_is_out_and_who_is_in_gets_no_second_session(
    small: Small,
) -> None:
    put_user(small.folder.users, "Zoe", "coordinator", "")
    small.console.proxy, small.console.is_tls = Proxy(HEADER, frozenset({"127.0.0.1"})), True
    zoe = Browser(small.console, PROXY)
    zoe._kept(zoe.ask("GET", "/enter", {HEADER: "Zoe"}))

    again = zoe.ask("GET", "/enter", {HEADER: "Zoe"})
    out = zoe.ask("POST", "/leave", {**zoe.own(), HEADER: "Zoe"}, {"csrf": zoe.csrf})

    assert (again.status_code, again.headers["location"]) == (303, "/")
    assert "set-cookie" not in again.headers
    assert (out.status_code, "You are signed out here" in out.text) == (200, True)
    assert zoe.ask("GET", "/", {HEADER: "Zoe"}).headers["location"] == "/enter"


def app_of(folder: Path) -> typer.Typer:
    return user_commands(ROLES, lambda path: Small(path).folder.users)


def test_the_commands_list_and_remove_and_a_password_is_typed_in_a_terminal(
    tmp_path: Path,
) -> None:
    code = (
        "from tests.unit.common.test_console_users import app_of; from pathlib import Path;"
        f"app_of(Path('{tmp_path}'))()"
    )
    words = ["-c", code, "add", str(tmp_path), "Ada", "--role", "viewer"]
    screen = pexpect.spawn(sys.executable, words, encoding="utf-8", timeout=120, cwd=str(ROOT))
    for question in ("Password for Ada: ", "Once more: "):
        screen.expect_exact(question)
        screen.sendline(SECRET)
    screen.expect(pexpect.EOF)
    shown = str(screen.before)
    screen.close()
    invoke, app = CliRunner().invoke, app_of(tmp_path)

    no_terminal = invoke(app, ["add", str(tmp_path), "Ben", "--role", "viewer"], input=SECRET)
    by_proxy = invoke(app, ["add", str(tmp_path), "Ben", "--role", "viewer", "--no-password"])
    no_role = invoke(app, ["add", str(tmp_path), "Cleo", "--role", "root", "--no-password"])
    listed = invoke(app, ["list", str(tmp_path)]).output
    invoke(app, ["remove", str(tmp_path), "Ben"])

    assert "Ada, viewer: entered" in shown
    assert SECRET not in shown
    assert [one.exit_code for one in (no_terminal, by_proxy, no_role)] == [1, 0, 1]
    assert "password" in listed
    assert "proxy" in listed
    path = Small(tmp_path).folder.users
    assert list(read_users(path)) == ["Ada"]
    assert Users(path, ROLES).check("Ada", SECRET)
