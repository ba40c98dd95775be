"""A console as a process: where it opens, whom links let in, and when its events end."""

import signal
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pexpect
import pytest
from tests.conftest import ROOT
from tests.open_consoles import Opened
from tests.unit.common.small_console import ROLES, Small

from medfl_common.console.folder import ConsoleFolder
from medfl_common.console.opening import Wanted, ask_link, is_open, open_console
from medfl_common.errors import ConfigError, LinkError, MedflError
from medfl_common.ui.screen import Screen
from medfl_server.roster.certificates import create_authority


@contextmanager
def opened_by(opened: Opened, role: str, **more: object) -> Iterator[httpx.Client]:
    """Give a browser of a person who has followed a link."""
    with httpx.Client(base_url=opened.address, timeout=20, **more) as client:  # type: ignore[arg-type]
        assert client.get(opened.link(role)).status_code == 303
        yield client


def token(client: httpx.Client) -> str:
    return client.get("/").text.partition('name="csrf" value="')[2].partition('"')[0]


def test_a_running_console_gives_links_to_this_user_alone_and_none_to_a_log(
    tmp_path: Path,
) -> None:
    with Opened.small(tmp_path) as opened:
        assert is_open(opened.folder)
        mode = opened.folder.links.stat().st_mode
        code = opened.link("viewer").partition("code=")[2]
        first, second = (
            httpx.get(f"{opened.address}/enter?code={code}", timeout=20) for _ in range(2)
        )
        kept = opened.folder.links.read_text()
        opened.folder.links.chmod(0o644)
        with pytest.raises(ConfigError, match="no console of this user"):
            opened.link("viewer")
        said = opened.said()

        status = opened.stop()

    assert (first.status_code, second.status_code) == (303, 401)
    assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE(opened.folder.running.stat().st_mode) == 0o700
    assert "code=" not in said
    assert code not in kept
    assert status == 0, opened.said()
    assert not opened.folder.links.exists()
    with pytest.raises(ConfigError, match="no console"):
        ask_link(opened.folder, "Ada", "viewer", ROLES)


def test_a_terminal_shows_a_link_for_each_role_that_works_once(tmp_path: Path) -> None:
    words = ["-m", "tests.unit.common.open_small", str(tmp_path), '{"port": 0}']
    screen = pexpect.spawn(
        sys.executable, words, cwd=str(ROOT), encoding="utf-8", timeout=120, dimensions=(50, 60)
    )
    answers = []
    for role in ROLES:
        screen.expect(rf"  {role}: (http://127.0.0.1:\d+/enter\?code=[\w-]{{43}})\r\n")
        link = str(screen.match.group(1))  # type: ignore[union-attr]
        answers += [httpx.get(link, timeout=20).status_code for _ in range(2)]
    screen.sendintr()
    screen.expect(pexpect.EOF)
    screen.close()

    assert answers == [303, 401, 303, 401]
    assert screen.exitstatus == 0


def test_a_second_console_of_one_directory_is_refused(tmp_path: Path) -> None:
    small = Small(tmp_path)
    with Opened.small(tmp_path), pytest.raises(MedflError, match="in use by process"):
        open_console(small.console, Wanted(port=0), small.folder, ROLES, Screen())


def test_events_tell_what_changed_and_end_with_the_session(tmp_path: Path) -> None:
    with Opened.small(tmp_path) as opened, opened_by(opened, "viewer") as client:
        csrf, seen = token(client), []
        with client.stream("GET", "/events") as stream:
            for line in stream.iter_lines():
                seen += [line] if line[:5] in ("data:", "event") else []
                if "nothing yet" in line:
                    changed_at = time.monotonic()
                    (tmp_path / "followed").write_text("round 7")
                elif "round 7" in line:
                    took_s = time.monotonic() - changed_at
                    own = {"Origin": opened.address}
                    httpx.post(
                        f"{opened.address}/leave", data={"csrf": csrf}, headers=own,
                        cookies=client.cookies, timeout=20,
                    )  # fmt: skip

        assert client.get("/events").status_code == 401
    assert seen[-2] == "event: over"
    assert took_s < 5  # one second on an idle machine


def test_with_the_studys_own_authority_it_opens_by_tls_under_its_names(tmp_path: Path) -> None:
    import ssl

    create_authority(tmp_path, "small", "localhost")
    tls = {"certificate": str(tmp_path / "tls/server.crt"), "key": str(tmp_path / "tls/server.key")}
    trusted = ssl.create_default_context(cafile=str(tmp_path / "tls/ca.crt"))

    with Opened.small(tmp_path, bind="127.0.0.1", hosts=["localhost"], **tls) as opened:
        assert opened.address.startswith("https://localhost:")
        with opened_by(opened, "coordinator", verify=trusted) as client:
            names = list(client.cookies.keys())
            form = {"csrf": token(client), "reason": "tea"}
            done = client.post("/pause", data=form, headers={"Origin": opened.address})
        other = {"Host": "evil.example"}
        rebound = httpx.get(opened.address, headers=other, verify=trusted, timeout=20)

    assert names == [f"__Host-medfl_{opened.address.rpartition(':')[2]}"]
    assert (done.status_code, rebound.status_code) == (200, 421)
    assert "server" not in done.headers


def test_no_program_of_this_machine_chooses_its_address(tmp_path: Path) -> None:
    with Opened.small(tmp_path) as opened, opened_by(opened, "coordinator") as client:
        headers = {"Origin": opened.address, "X-Forwarded-For": "203.0.113.9"}
        client.post("/pause", data={"csrf": token(client)}, headers=headers)

    assert '"address": "127.0.0.1"' in opened.folder.actions.read_text()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted("0.0.0.0", hosts=["console.example.org"]), "needs TLS"),
        (Wanted("0.0.0.0", certificate=Path("a"), key=Path("b")), "only to names"),
        (Wanted(certificate=Path("a")), "a certificate needs its key"),
        (Wanted(trust_header="X-Remote-User"), "answers to the name"),
        (
            Wanted(trust_header="X-Remote-User", hosts=["a.org"], trust_from=["10.0.0.7"]),
            "on this machine alone",
        ),
        (Wanted(hosts=["console.example.org:8420"]), "is no name"),
    ],
)
def test_an_opening_that_is_not_safe_is_refused_in_words(
    tmp_path: Path, wanted: Wanted, told: str
) -> None:
    small = Small(tmp_path)

    with pytest.raises(ConfigError, match=told) as refused:
        open_console(small.console, wanted, small.folder, ROLES, Screen())

    assert refused.value.todo
    assert not small.folder.running.exists()


def test_a_certificate_that_is_none_or_whose_key_all_can_read_is_told(tmp_path: Path) -> None:
    small, file = Small(tmp_path), tmp_path / "file"
    file.write_text("nothing")

    create_authority(tmp_path, "small", "localhost")
    certificate, key = (tmp_path / "tls" / name for name in ("server.crt", "server.key"))
    key.chmod(0o644)

    for wanted, told in (
        (Wanted(port=0, certificate=file, key=file), "are no certificate and its key"),
        (Wanted(port=0, certificate=certificate, key=key), "everybody here can read"),
    ):
        with pytest.raises(LinkError, match=told):
            open_console(small.console, wanted, small.folder, ROLES, Screen())


def test_a_killed_console_leaves_no_links_that_another_takes(tmp_path: Path) -> None:
    with Opened.small(tmp_path) as opened:
        link = opened.link("viewer")
        opened.stop(signal.SIGKILL)
    assert not is_open(ConsoleFolder(tmp_path))

    with Opened.small(tmp_path) as again:
        path = link.partition("/enter")[2]
        assert httpx.get(f"{again.address}/enter{path}", timeout=20).status_code == 401


def test_a_console_loads_no_torch_and_little_memory(tmp_path: Path) -> None:
    with Opened.small(tmp_path) as opened, opened_by(opened, "viewer") as client:
        client.get("/")
        facts = Path(f"/proc/{opened.process.pid}")
        maps, status = (facts / "maps").read_text(), (facts / "status").read_text()

    assert "torch" not in maps
    assert int(status.partition("VmRSS:")[2].split()[0]) < 90 * 1024  # kB
