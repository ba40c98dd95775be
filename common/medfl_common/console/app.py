"""A console as an ASGI application: pages, parts that follow files, and actions by buttons.

A page is read by GET, which never acts. An action is a form sent by POST, with the session's token;
it calls what the command calls, and is a line of the record of actions, also where it is refused.
"""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from jinja2 import ChoiceLoader, Environment, FileSystemLoader
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from medfl_common.console.doors import Doors, Visitor
from medfl_common.console.guard import Guarded
from medfl_common.console.live import Live
from medfl_common.console.offered import Action, Args, Download, Note, Page
from medfl_common.errors import MedflError
from medfl_common.files import Json
from medfl_common.visible import visible

HERE = Path(__file__).parent
POLL_S, ALIVE_S = 0.5, 10.0
MOST_FORM = 256 * 1024  # bytes; an invitation and keys are pasted


@dataclass
class Console:
    """All of one console.

    Args:
        name: In titles.
        templates: Folder of its own templates.
        pages: What can be read.
        downloads: Files that can be read.
        actions: What can be done.
        note: Writes a line of the record of actions.
        doors: Who is in.
    """

    name: str
    templates: Path
    pages: Sequence[Page]
    actions: Sequence[Action]
    note: Note
    doors: Doors
    downloads: Sequence[Download] = ()
    cookie: str = "medfl_console"
    is_tls: bool = False
    environment: Environment = field(init=False)

    def __post_init__(self) -> None:
        """Read the templates, and take the cookie's name that browsers hold to TLS."""
        loader = ChoiceLoader(
            [FileSystemLoader(self.templates), FileSystemLoader(HERE / "templates")]
        )
        self.environment = Environment(
            loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True,
            finalize=lambda x: visible(x, keep="\n\t") if type(x) is str else x,
        )  # fmt: skip
        if self.is_tls:
            self.cookie = f"__Host-{self.cookie}"

    def app(self, hosts: Sequence[str]) -> ASGIApp:
        """Give the application, which answers to these names only."""
        routes: list[Route | Mount] = [
            Route("/enter", self._enter, methods=["GET", "POST"]),
            Route("/leave", self._leave, methods=["POST"]),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ]
        for page in self.pages:
            routes.append(Route(page.path, self._page(page)))
            if page.live is not None:
                routes.append(Route(f"{page.path}events", self._events(page.live)))
        routes += [Route(one.path, self._download(one)) for one in self.downloads]
        routes += [Route(one.path, self._action(one), methods=["POST"]) for one in self.actions]
        return Guarded(Starlette(routes=routes), hosts, self.is_tls)

    def render(self, template: str, **values: Any) -> str:
        """Fill a template; for parts, too."""
        return self.environment.get_template(template).render(console=self.name, **values)

    def may(self, visitor: Visitor, what: str) -> bool:
        """Say whether a person may do what an action of this name does."""
        return any(one.what == what and visitor.role in one.roles for one in self.actions)

    def _visitor(self, request: Request, is_asking: bool = True) -> Visitor | None:
        return self.doors.visitor(request.cookies.get(self.cookie, ""), is_asking)

    def _page(self, page: Page) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            visitor = self._visitor(request)
            if visitor is None:
                return RedirectResponse("/enter", 303)
            try:
                html = await run_in_threadpool(self._filled, page, request, visitor)
            except KeyError:
                return self._told(visitor, "There is no such page.", status=404)
            except MedflError as error:
                return self._of_error(visitor, error, 200)
            return HTMLResponse(html)

        return answer

    def _filled(self, page: Page, request: Request, visitor: Visitor) -> str:
        args = {name: str(value) for name, value in request.path_params.items()}
        values = dict(page.view(args, visitor))
        if page.live is not None:
            live = page.live(args)
            live.look()
            versions = ",".join(f"{name}:{n}" for name, n in live.versions.items())
            values |= {
                "parts": {name: Markup(html) for name, html in live.parts.items()},  # noqa: S704
                "events": f"{quote(request.url.path)}events",
                "versions": versions,
            }
        may = {one.what for one in self.actions if visitor.role in one.roles}
        return self.render(
            page.template, visitor=visitor, csrf=visitor.csrf, may=may, path=request.url.path,
            **values,
        )  # fmt: skip

    def _events(self, live_of: Callable[[Args], Live]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            if self._visitor(request, is_asking=False) is None:
                return PlainTextResponse("", 401)
            args = {name: str(value) for name, value in request.path_params.items()}
            try:
                live = await run_in_threadpool(live_of, args)
            except (KeyError, MedflError):
                return PlainTextResponse("", 404)
            return StreamingResponse(
                self._stream(request, live), media_type="text/event-stream",
                headers={"X-Accel-Buffering": "no"},
            )  # fmt: skip

        return answer

    async def _stream(self, request: Request, live: Live) -> AsyncIterator[str]:
        told = request.headers.get("last-event-id") or request.query_params.get("v", "")
        seen = {name: int(n) for name, _, n in (x.partition(":") for x in told.split(",")) if n}
        yield "retry: 2000\n\n"
        quiet = time.monotonic()
        while True:
            if self._visitor(request, is_asking=False) is None:
                yield "event: over\ndata: {}\n\n"
                return
            live.look()
            news = live.news(seen)
            if news:
                seen |= {name: live.versions[name] for name in news}
                mark = ",".join(f"{name}:{n}" for name, n in seen.items())
                facts = json.dumps({"at": time.strftime("%H:%M:%S"), "parts": news})
                yield f"id: {mark}\ndata: {facts}\n\n"
                quiet = time.monotonic()
            elif time.monotonic() - quiet > ALIVE_S:
                yield "event: alive\ndata: {}\n\n"
                quiet = time.monotonic()
            await asyncio.sleep(POLL_S)

    def _download(self, one: Download) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            visitor = self._visitor(request)
            if visitor is None:
                return RedirectResponse("/enter", 303)
            args = {name: str(value) for name, value in request.path_params.items()}
            try:
                content, kind, name = await run_in_threadpool(one.read, args, visitor)
            except KeyError:
                return self._told(visitor, "There is no such file yet.", status=404)
            except MedflError as error:
                return self._of_error(visitor, error, 409)
            return Response(
                content, media_type=kind,
                headers={"Content-Disposition": f'attachment; filename="{quote(name)}"'},
            )  # fmt: skip

        return answer

    def _action(self, action: Action) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            visitor = self._visitor(request)
            if visitor is None:
                return RedirectResponse("/enter", 303)
            args = {name: str(value) for name, value in request.path_params.items()}
            form = await _form(request)
            if form is None:
                return self._told(visitor, "The form is too large.", status=413)
            facts: dict[str, Json] = {**args, **{k: form[k] for k in action.noted if k in form}}
            if visitor.role not in action.roles:
                return self._refused(visitor, action.what, facts, "Your role may look, not act.")
            if not secrets.compare_digest(form.get("csrf", ""), visitor.csrf):
                return self._refused(
                    visitor, action.what, facts, "The form is not of this session: send it again."
                )
            try:
                done = await run_in_threadpool(action.act, args, form, visitor)
            except MedflError as error:
                self.note(visitor, action.what, {**facts, "refused": error.what})
                return self._of_error(visitor, error, 409)
            self.note(visitor, action.what, {**facts, "done": done.sentence})
            return self._told(visitor, done.sentence, done.then or action.back(args))

        return answer

    def _refused(
        self, visitor: Visitor, what: str, facts: Mapping[str, Json], why: str
    ) -> Response:
        self.note(visitor, what, {**facts, "refused": why})
        return self._told(visitor, why, status=403)

    def _told(
        self, visitor: Visitor, what: str, then: str = "/", status: int = 200, todo: str = ""
    ) -> Response:
        """Say one thing, and lead on."""
        html = self.render(
            "told.html.j2", visitor=visitor, csrf=visitor.csrf, what=what, todo=todo, then=then,
            is_bad=status >= 400, path="",
        )  # fmt: skip
        return HTMLResponse(html, status)

    def _of_error(self, visitor: Visitor, error: MedflError, status: int) -> Response:
        what = ". ".join(filter(None, (error.what, error.data)))
        return self._told(visitor, f"{what}.", status=max(status, 200), todo=error.todo)

    async def _enter(self, request: Request) -> Response:
        """Let in who has a link; the code leaves the address at once."""
        code = request.query_params.get("code", "")
        if request.method == "POST":
            code = (await _form(request) or {}).get("code", "")
        key = self.doors.enter(code) if code else None
        if key is None:
            html = self.render("enter.html.j2", is_wrong=bool(code))
            return HTMLResponse(html, 401 if code else 200)
        return self.let_in(key)

    def let_in(self, key: str) -> Response:
        """Give a session's key to the browser, and lead to the first page."""
        response = RedirectResponse("/", 303)
        response.set_cookie(
            self.cookie, key, httponly=True, samesite="strict", secure=self.is_tls, path="/"
        )
        return response

    async def _leave(self, request: Request) -> Response:
        self.doors.leave(request.cookies.get(self.cookie, ""))
        response = RedirectResponse("/enter", 303)
        response.delete_cookie(self.cookie, path="/")
        return response


async def _form(request: Request) -> dict[str, str] | None:
    """Read a form's values; None: it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_FORM:
            return None
    found = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200)
    return {name: values[0] for name, values in found.items()}
