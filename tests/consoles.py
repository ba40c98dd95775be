"""A browser without a window for tests of consoles: it asks the application itself, by HTTP.

`come_in` gives a person who is in; `attacks` tries a form in every way that must be refused;
`what_is_unsound` looks at a page's headers and for scripts and styles in it.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser

import httpx

from medfl_common.console.app import Console
from medfl_common.console.guard import HEADERS
from medfl_common.console.offered import Action, Done

BASE = "http://127.0.0.1:8420"
HOSTS = ["127.0.0.1", "localhost", "::1"]


class Browser:
    """One browser: it keeps a cookie, and sends what browsers send with forms."""

    def __init__(self, console: Console, base: str = BASE, address: str = "127.0.0.1") -> None:
        self.console, self.base = console, base
        self._app = console.app([*HOSTS, httpx.URL(base).host])
        self._address = address
        self.cookies: dict[str, str] = {}
        self.key = ""  # of the session

    def ask(
        self, method: str, path: str, headers: Mapping[str, str | bytes] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> httpx.Response:  # fmt: skip
        """Send one request, with this browser's cookie, following no redirect."""
        return asyncio.run(self._ask(method, path, {**self._cookie(), **(headers or {})}, form))

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", path, {name.replace("_", "-"): v for name, v in headers.items()})

    def post(self, path: str, **form: str) -> httpx.Response:
        """Send a form as a page of the console sends it, with the session's token."""
        return self.ask("POST", path, self.own(), {"csrf": self.csrf, **form})

    def enter(self, code: str) -> httpx.Response:
        """Follow a link."""
        return self._kept(self.get(f"/enter?code={code}"))

    def sign_in(self, name: str, password: str, **headers: str) -> httpx.Response:
        form = {"name": name, "password": password}
        return self._kept(self.ask("POST", "/enter", {**self.own(), **headers}, form))

    def own(self) -> dict[str, str]:
        """Give the headers of a form that comes from the console's own page."""
        return {"origin": self.base, "sec-fetch-site": "same-origin"}

    @property
    def csrf(self) -> str:
        """The token in this session's pages."""
        visitor = self.console.doors.visitor(self.key, is_asking=False)
        return visitor.csrf if visitor else ""

    def _kept(self, answer: httpx.Response) -> httpx.Response:
        key = answer.cookies.get(self.console.cookie_name)
        if key:
            self.key = key
        return answer

    def _cookie(self) -> dict[str, str]:
        return {"cookie": f"{self.console.cookie_name}={self.key}"} if self.key else {}

    async def _ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str | bytes],
        form: Mapping[str, str] | None,
    ) -> httpx.Response:
        transport = httpx.ASGITransport(
            app=self._app, raise_app_exceptions=False, client=(self._address, 50_000)
        )
        async with httpx.AsyncClient(transport=transport, base_url=self.base) as client:
            return await client.request(method, path, headers=dict(headers), data=form)


def come_in(console: Console, role: str, who: str = "Ada") -> Browser:
    """Give the browser of a person who has come in by a link."""
    browser = Browser(console)
    assert browser.enter(console.doors.link(who, role)).status_code == 303
    return browser


def attacks(browser: Browser, path: str, **form: str) -> Iterator[tuple[str, httpx.Response]]:
    """Send a form in each way that must do nothing: what was wrong with it, and the answer."""
    whole, own = {"csrf": browser.csrf, **form}, browser.own()
    yield "no token", browser.ask("POST", path, own, form)
    yield "another's token", browser.ask("POST", path, own, {**form, "csrf": "x" * 43})
    foreign = {**own, "origin": "https://evil.example"}
    yield "a foreign origin", browser.ask("POST", path, foreign, whole)
    other_port = {**own, "origin": "http://127.0.0.1:9999"}
    yield "a program on another port", browser.ask("POST", path, other_port, whole)
    yield "no origin", browser.ask("POST", path, {}, whole)
    yield "origin null", browser.ask("POST", path, {**own, "origin": "null"}, whole)
    cross = {**own, "sec-fetch-site": "cross-site"}
    yield "sent across sites", browser.ask("POST", path, cross, whole)
    rebound = {**own, "host": "evil.example", "origin": "http://evil.example"}
    yield "another host", browser.ask("POST", path, rebound, whole)
    yield "by GET", browser.ask("GET", path)
    yield "an old cookie", browser.ask("POST", path, {**own, "cookie": "medfl_console=old"}, whole)


def matrix(console: Console, roles: Iterable[str]) -> dict[str, set[str]]:
    """Say which roles may do what, as forms are answered; nothing is done by it.

    Each form is also sent in every way that must be refused.
    """
    done: list[str] = []

    def pretended(one: Action) -> Action:
        return replace(one, act=lambda args, form, visitor: Done(done.append(one.path) or "Done."))

    console.actions = [*map(pretended, console.actions)]
    browsers = {role: come_in(console, role) for role in roles}
    found: dict[str, set[str]] = {}
    for one in console.actions:
        path = re.sub(r"{\w+(:\w+)?}", "x", one.path)
        for role, browser in browsers.items():
            for wrong, answer in attacks(browser, path):
                assert answer.status_code in (303, 403, 404, 405, 421), (path, role, wrong)
            assert not done, (path, role)
            answer = browser.post(path)
            assert answer.status_code == (200 if done else 403), (path, role)
            found.setdefault(one.what, set()).update({role} if done else ())
            done.clear()
    return found


def what_is_unsound(answer: httpx.Response) -> list[str]:
    """List what a page lacks, or must not have."""
    wrong = [name for name, value in HEADERS.items() if answer.headers.get(name) != value]
    if answer.headers.get("content-type", "").startswith("text/html"):
        found = _Inline()
        found.feed(answer.text)
        wrong += found.wrong
    return wrong


class _Inline(HTMLParser):
    """Finds scripts and styles that stand in a page itself."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        is_inline = tag == "style" or (tag == "script" and not names.get("src"))
        self.wrong += [tag] if is_inline else []
        self.wrong += [f"{tag} {name}" for name in names if name == "style" or name[:2] == "on"]
        self.wrong += [f"{tag} {v}" for v in names.values() if (v or "").startswith("javascript:")]
