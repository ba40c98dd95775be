"""Which proxy leads to the coordinator, and what doctor says of one that does not."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.system.connect_proxy import ConnectProxy

from medfl_client.commands.init import set_up
from medfl_client.commands.run import free_port
from medfl_client.config.site_file import HttpProxy, Network, load_site_file
from medfl_client.connection.meeting_place import MeetingPlace
from medfl_client.connection.proxy import find_proxy, forget_proxies
from medfl_client.connection.supervisor import _command
from medfl_client.connection.way import Route, for_child
from medfl_client.doctor.network import network_checks
from medfl_client.doctor.site import private_names
from medfl_common.errors import LinkError
from medfl_common.ops.checks import Finding
from medfl_common.ops.public import as_json
from medfl_server.roster.certificates import create_authority

HERE, TO = Path(), "fl.example.org:8443"
THROUGH = {"https_proxy": "http://proxy.example.org:3128"}


def found(environment: dict[str, str], to: str = TO, network: Network | None = None) -> str:
    """Name the proxy that is used; empty: none."""
    proxy = find_proxy(network or Network(), HERE, environment, to)
    return f"{proxy.shown} {proxy.source}" if proxy else ""


@pytest.mark.parametrize(
    ("environment", "used"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "p:1"}, "http://p:1 HTTPS_PROXY"),
        ({"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:2"}, "http://a:1 https_proxy"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://b:2"}, ""),
        ({"ALL_PROXY": " http://c:3/ "}, "http://c:3 ALL_PROXY"),
        ({"all_proxy": "http://c:3", "HTTPS_PROXY": "http://b:2"}, "http://b:2 HTTPS_PROXY"),
        ({"http_proxy": "http://other:1"}, ""),  # for connections without TLS
        ({"https_proxy": "http://[2001:db8::1]:3128"}, "http://[2001:db8::1]:3128 https_proxy"),
    ],
)
def test_variables_count_as_curl_reads_them(environment: dict[str, str], used: str) -> None:
    assert found(environment) == used


@pytest.mark.parametrize(
    ("entry", "to", "is_direct"),
    [
        ("fl.example.org", TO, True), ("example.org", TO, True), (".example.org", TO, True),
        ("*.example.org", TO, True), ("*", TO, True), ("FL.Example.ORG.", TO, True),
        ("fl.example.org:8443", TO, True), ("fl.example.org:443", TO, False),
        ("ple.org", TO, False), ("other.org", TO, False), (" , ;\t", TO, False),
        ("a.org  fl.example.org", TO, True), ("https://fl.example.org", TO, True),
        ("10.0.0.0/8", "10.1.2.3:1", True), ("10.0.0.0/8", "11.1.2.3:1", False),
        ("10.*", "10.1.2.3:1", True), ("10.1.2.3", "10.1.2.3:1", True),
        ("10.1.2.3:2", "10.1.2.3:1", False), ("10.0.0.0/99", "10.1.2.3:1", False),
        ("[2001:db8::7]", "[2001:db8::7]:8443", True), ("2001:DB8:0::7", "[2001:db8::7]:1", True),
        ("[2001:db8::7]:8443", "[2001:db8::7]:8443", True),
        ("[2001:db8::7]:1", "[2001:db8::7]:8443", False),
        ("2001:db8::/32", "[2001:db8::7]:1", True), ("[2001:db8::]/32", "[2001:db8::7]:1", True),
        ("10.0.0.0/8", "[2001:db8::7]:1", False), ("10.0.0.0/8", "[::ffff:10.1.2.3]:1", True),
        ("[::1", TO, False), ("]", TO, False), ("::1", TO, False), ("http://[", TO, False),
    ],
)  # fmt: skip
def test_an_entry_of_no_proxy_spares_what_it_covers_and_never_fails(
    entry: str, to: str, is_direct: bool
) -> None:
    for name in ("NO_PROXY", "no_proxy", "No_Proxy"):
        assert (found({**THROUGH, name: entry}, to) == "") == is_direct


def test_both_spellings_of_no_proxy_count() -> None:
    spared = {"no_proxy": "a.org", "NO_PROXY": "fl.example.org"}

    assert found({**THROUGH, **spared}) == ""
    assert found({**THROUGH, "no_proxy": "fl.example.org", "NO_PROXY": ""}) == ""


@pytest.mark.parametrize("to", ["localhost:1", "127.0.0.7:1", "[::1]:1", "LOCALHOST.:1"])
def test_this_machine_is_never_reached_through_a_proxy(to: str) -> None:
    network = Network(proxy=HttpProxy(url="http://p:1"))

    assert found(THROUGH, to) == found({}, to, network) == ""


def test_the_site_file_goes_before_the_variables() -> None:
    everything = {**THROUGH, "no_proxy": "*"}

    assert found(everything, network=Network(proxy=HttpProxy(url="p:1"))) == (
        "http://p:1 network.proxy"
    )
    assert found(THROUGH, network=Network(proxy=HttpProxy(url="none"))) == ""


@pytest.mark.parametrize(
    "url",
    ["socks5://p:1080", "socks5h://p:1", "SOCKS4://p", "https://p:443", "ftp://p", "http://",
     "http://p:port", "http://[::1", "http://p:99999", "//"],
)  # fmt: skip
def test_a_proxy_of_another_kind_is_refused_in_words(url: str) -> None:
    for environment, network in (
        ({"ALL_PROXY": url}, Network()),
        ({}, Network(proxy=HttpProxy(url=url))),
    ):
        with pytest.raises(LinkError, match=r"^(ALL_PROXY|network.proxy) names (a|no) proxy"):
            find_proxy(network, HERE, environment, TO)


def test_the_password_is_in_no_argument_of_the_supernode_and_in_no_text_of_the_proxy() -> None:
    proxy = find_proxy(Network(), HERE, {"https_proxy": "http://u:s3cret@proxy:3128"}, "far:1")
    assert proxy is not None
    route = Route("far:1", HERE / "ca.crt", HERE / "identity.key", "", proxy)
    place = MeetingPlace(str(HERE / "socket"), 0, b"", HERE / "executor.key")

    shown = [repr(proxy), proxy.shown, *_command(route, place)]

    assert "s3cret" not in " ".join(shown)
    assert b"s3cret" in for_child(route)  # the standard input, which nobody else reads


def test_libraries_of_this_process_see_no_proxy_and_no_entry_that_they_fail_on() -> None:
    environment = {"ALL_PROXY": "socks5://p:1", "https_proxy": "p", "NO_PROXY": "[::1],10.0.0.0/8"}

    forget_proxies(environment)

    assert environment == {"NO_PROXY": "*", "no_proxy": "*"}
    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.lower().endswith("_proxy"):
                patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        httpx.Client().close()


@pytest.fixture
def site(hospitals: Path, tmp_path: Path) -> Path:
    """A hospital that was told of a coordinator which only its proxy may know."""
    create_authority(tmp_path / "study", "small", "fl.example.invalid")
    ca = tmp_path / "study" / "tls" / "ca.crt"
    set_up(hospitals / "site-1", "", "fl.example.invalid:8443", ca, lambda line: None)
    return hospitals / "site-1"


@pytest.fixture
def proxy() -> Iterator[tuple[ConnectProxy, int]]:
    """A proxy that knows nobody, and its port."""
    port = free_port()
    running = ConnectProxy(port, {})
    yield running, port
    running.close()


def told(site: Path, url: str, more: str = "") -> Finding:
    """Name a proxy in the site file, and give what stops doctor."""
    text = (site / "site.yaml").read_text().partition("network:")[0]
    (site / "site.yaml").write_text(f"{text}network: {{proxy: {{url: '{url}'{more}}}}}\n")
    stopped = [f for f in network_checks(site, load_site_file(site)) if f.state == "fail"]
    assert len(stopped) == 1
    return stopped[0]


@pytest.mark.parametrize(
    ("status", "login", "more", "who", "seen"),
    [
        (0, "", "", "the coordinator", "works, and does not reach the coordinator"),
        (403, "", "", "your IT department", "refuses a connection to fl.example.invalid:8443"),
        (0, "medfl:secret", "", "you", "asks for a login (407)"),
        (0, "medfl:other", ", user: medfl, password_file: pw", "you", "refuses the user name"),
        (0, "medfl:secret", ", user: medfl, password_file: pw", "the coordinator", "works, and"),
        (0, "medfl:secret", ", user: medfl, password_file: none", "you", "cannot be read"),
    ],
)
def test_doctor_says_whose_fault_a_failure_behind_a_proxy_is(
    site: Path, proxy: tuple[ConnectProxy, int], status: int, login: str, more: str, who: str,
    seen: str,
) -> None:  # fmt: skip
    running, port = proxy
    running.status, running.login = status, login
    (site / "pw").write_text("secret\n")
    (site / "pw").chmod(0o600)

    finding = told(site, f"http://127.0.0.1:{port}", more)

    assert (finding.who, seen in finding.seen) == (who, True), finding
    shown = as_json([finding], private_names(site, None))
    assert not any(name in shown for name in ("127.0.0.1", "example", "secret", str(site)))


def test_a_proxy_that_is_away_unknown_or_none_at_all_is_told(site: Path) -> None:
    port = free_port()

    assert "cannot be reached" in told(site, f"http://127.0.0.1:{port}").seen
    assert "is not known here" in told(site, "http://proxy.example.invalid:1").seen
    assert "is not known here" in told(site, f"http://{'a' * 70}.invalid:1").seen
    assert told(site, "socks5://p:1").check == "proxy settings"
