"""The way in and out: a one-time link, a password, or a proxy's word."""

import dataclasses
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from medfl_common.console.acting import read_form
from medfl_common.console.actions import DONE, REFUSED
from medfl_common.console.doors import Visitor
from medfl_common.console.proxy import address_of
from medfl_common.console.tries import Tries
from medfl_common.console.users import MOST_OF_NAME, plain

if TYPE_CHECKING:
    from medfl_common.console.app import Console

TOO_EARLY = 425
MOST_FORM = 4096  # bytes, of who is not in
OLD_CODE = "This code is unknown, used, or older than ten minutes. Make a new one."
OUT = "You are signed out here. The proxy still knows you: to go on signs you in again."
WRONG = "Name or password is wrong."
TOO_OFTEN = "Too many tries. Wait a minute."


def entrance_routes(console: "Console") -> list[Route]:
    """Give the routes by which people come and go."""
    entrance = _Entrance(console)
    return [
        Route("/enter", entrance.look),
        Route("/enter", entrance.sign_in, methods=["POST"]),
        Route("/leave", entrance.leave, methods=["POST"]),
    ]


class _Entrance:
    def __init__(self, console: "Console") -> None:
        self._console = console
        self.doors, self._tries = console.doors, Tries(console.doors.clock)

    async def look(self, request: Request) -> Response:
        """Let in who has a link, whose code leaves the address at once, or show the form."""
        code = request.query_params.get("code", "")
        if request.method == "HEAD" or request.headers.get("sec-purpose"):
            return HTMLResponse("", TOO_EARLY)  # what looks ahead must not use a link up
        if code and request.headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return await self._entered(request, code)
        if self._is_in_by_proxy(request):
            return RedirectResponse("/", 303)  # no second session of one who is in
        key = self._by_proxy(request)
        return await self._let_in(request, key) if key else self._form("")

    async def sign_in(self, request: Request) -> Response:
        """Let in by a code or a password."""
        form = await read_form(request, MOST_FORM)
        if form is None:
            return self._form("The form is too large.", 413)
        if "code" in form:
            return await self._entered(request, form["code"])
        name, users = plain(form.get("name", ""))[: MOST_OF_NAME + 1], self._console.users
        address = address_of(request, self._console.proxy)
        if not self._tries.may(name, address):
            return self._form(TOO_OFTEN, 429)
        is_right = users is not None and await run_in_threadpool(
            users.check, name, form.get("password", "")
        )
        role = users.role_of(name) if users and is_right else None
        if role is None:
            await run_in_threadpool(self._note_wrong, name, address)
            return self._form(WRONG, 401)
        return await self._let_in(request, self.doors.admit(name, role, "password"))

    async def leave(self, request: Request) -> Response:
        """End a session."""
        key = request.cookies.get(self._console.cookie_name, "")
        visitor, form = self.doors.visitor(key), await read_form(request, MOST_FORM)
        if visitor is not None and (form or {}).get("csrf") != visitor.csrf:
            return self._console.told(visitor, "The form is not of this session.", status=403)
        self.doors.leave(key)
        response: Response = RedirectResponse("/enter", 303)
        if visitor is not None and visitor.how == "proxy":  # at the entrance it lets them in anew
            response = self._console.told(None, OUT, "/enter", title="Signed out")
        response.delete_cookie(
            self._console.cookie_name, path="/", secure=self._console.is_tls, httponly=True,
            samesite="strict",
        )  # fmt: skip
        return response

    def _is_in_by_proxy(self, request: Request) -> bool:
        visitor = self.doors.visitor(request.cookies.get(self._console.cookie_name, ""))
        proxy = self._console.proxy
        if visitor is None or proxy is None or visitor.how != "proxy":
            return False
        return proxy.who(request) == visitor.who

    def _by_proxy(self, request: Request) -> str | None:
        proxy, users = self._console.proxy, self._console.users
        who = proxy.who(request) if proxy else None
        role = users.role_of(who) if users and who else None
        return self.doors.admit(who, role, "proxy") if who and role else None

    async def _entered(self, request: Request, code: str) -> Response:
        key = self.doors.enter(code)
        return await self._let_in(request, key) if key else self._form(OLD_CODE, 401)

    def _note_wrong(self, name: str, address: str) -> None:
        """Write of a wrong password; a name that nobody has may be a password, and is not kept."""
        users = self._console.users
        who = name if users is not None and users.role_of(name) else "somebody"
        visitor = Visitor(who, "", "password", address=address)
        if self._console.refusals.may_note("password", visitor):
            self._console.note_entrance(visitor, REFUSED, WRONG)

    async def _let_in(self, request: Request, key: str) -> Response:
        """Give a session's key to the browser, end its earlier one, and lead to the first page."""
        visitor = self.doors.visitor(key)
        if visitor is not None:
            address = address_of(request, self._console.proxy)
            known = dataclasses.replace(visitor, address=address)
            await run_in_threadpool(self._console.note_entrance, known, DONE, "")
        self.doors.leave(request.cookies.get(self._console.cookie_name, ""))
        response = RedirectResponse("/", 303)
        response.set_cookie(
            self._console.cookie_name, key, httponly=True, samesite="strict",
            secure=self._console.is_tls, path="/",
        )  # fmt: skip
        return response

    def _form(self, wrong: str, status: int = 200) -> Response:
        users = self._console.users
        has_passwords = users is not None and users.has_passwords()
        html = self._console.render("enter.html.j2", wrong=wrong, has_passwords=has_passwords)
        return HTMLResponse(html, status)
