"""A console as an ASGI application: pages, parts that follow files, and actions by buttons.

A page is read by GET, which never acts. An action is a form sent by POST, with the session's token;
it calls what the command calls, and is in the record of actions, also where it is refused.
"""

import dataclasses
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader
from markupsafe import escape
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from medfl_common.console.acting import IS_UNKNOWN, action_answer
from medfl_common.console.actions import REFUSED
from medfl_common.console.doors import Doors, Visitor
from medfl_common.console.entrance import entrance_routes
from medfl_common.console.events import events_answer
from medfl_common.console.guard import Guarded
from medfl_common.console.offered import Action, Download, Note, Page
from medfl_common.console.proxy import Proxy, address_of
from medfl_common.console.reading import download_answer, page_answer
from medfl_common.console.refusals import Refusals
from medfl_common.console.users import Users
from medfl_common.errors import MedflError
from medfl_common.files import Json
from medfl_common.visible import visible

HERE = Path(__file__).parent
NOT_SHOWN, NOT_DONE = "This cannot be shown", "This was not done"
NO_ANSWER = {
    404: "There is no such page.",
    405: "This is done by a button, not by an address.",
    500: "Something unforeseen happened. The terminal of the console says what.",
}


@dataclass
class Console:
    """All of one console.

    Args:
        name: In titles.
        templates: Folder of its own templates.
        pages: What can be read.
        actions: What can be done.
        note: Writes a line of the record of actions; see actions.note_in.
        doors: Who is in.
        downloads: Files that can be read.
        cookie: Its name; consoles on other ports of one host need another.
        is_tls: Whether browsers see the pages by TLS.
        users: Who may sign in by password; None: nobody.
        proxy: The proxy that signs people in; None: there is none.
        home: The directory that texts name files in: pages show those by their place in it.
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
    users: Users | None = None
    proxy: Proxy | None = None
    home: Path | None = None
    environment: Environment = field(init=False)
    refusals: Refusals = field(init=False)

    def __post_init__(self) -> None:
        """Read the templates; whatever they are given is escaped."""
        loader = ChoiceLoader(
            [FileSystemLoader(self.templates), FileSystemLoader(HERE / "templates")]
        )
        self.refusals = Refusals(self.doors.clock)
        self.environment = Environment(
            loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True,
            finalize=lambda x: visible(self.placed(x), keep="\n\t") if type(x) is str else x,
        )  # fmt: skip
        self.environment.filters["whole"] = lambda x: escape(visible(x))

    @property
    def cookie_name(self) -> str:
        """Give the cookie's name; by TLS the one that browsers take from this host alone."""
        return f"__Host-{self.cookie}" if self.is_tls else self.cookie

    def app(self, hosts: Sequence[str]) -> ASGIApp:
        """Give the application, which answers to these names only."""
        routes: list[Route | Mount] = [
            *entrance_routes(self),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ]
        for page in self.pages:
            routes.append(Route(page.path, page_answer(self, page)))
            if page.live is not None:
                routes.append(Route(f"{page.path}events", events_answer(self, page)))
        routes += [Route(one.path, download_answer(self, one)) for one in self.downloads]
        routes += [
            Route(one.path, action_answer(self, one), methods=["POST"]) for one in self.actions
        ]
        app = Starlette(
            routes=routes,
            exception_handlers={status: self._in_words(status) for status in NO_ANSWER},
        )
        return Guarded(app, [host.lower() for host in hosts], self.is_tls)

    def placed(self, text: str) -> str:
        """Give a text with its files named by their place in the directory, not on the machine."""
        if self.home is None:
            return text
        return text.replace(f"{self.home}/", "").replace(str(self.home), self.home.name)

    def render(self, template: str, **values: Any) -> str:
        """Fill a template; for parts, too."""
        return self.environment.get_template(template).render(console=self.name, **values)

    def visitor_of(self, request: Request, is_asking: bool = True) -> Visitor | None:
        """Say who asks; None: nobody who is in."""
        key = request.cookies.get(self.cookie_name, "")
        found = self.doors.visitor(key, is_asking)
        if found is None:
            return None
        if found.how == "proxy" and (self.proxy is None or self.proxy.who(request) != found.who):
            self.doors.leave(key)  # somebody else has signed in at the proxy
            return None
        return dataclasses.replace(found, address=address_of(request, self.proxy))

    def told(
        self, visitor: Visitor | None, what: str, then: str = "/", status: int = 200,
        todo: str = "", is_read: bool = False, title: str = "",
    ) -> Response:  # fmt: skip
        """Say one thing, and lead on.

        Args:
            visitor: To whom.
            what: The sentence.
            then: Where to go on.
            status: Of the answer.
            todo: What to do.
            is_read: It is of a page that was asked for, not of an action.
            title: Above it; empty: by the status.
        """
        is_bad = status >= 400
        title = title or (NOT_SHOWN if is_read else NOT_DONE if is_bad else "Done")
        html = self.render(
            "told.html.j2", visitor=visitor, csrf=visitor.csrf if visitor else "", what=what,
            todo=todo, then=then, is_bad=is_bad, title=title, path="",
        )  # fmt: skip
        return HTMLResponse(html, status)

    def of_error(
        self, visitor: Visitor, error: MedflError, status: int, is_read: bool = False,
        title: str = "",
    ) -> Response:  # fmt: skip
        """Say what is wrong, what became of the data, and what to do."""
        what = ". ".join(filter(None, (error.what, error.data)))
        return self.told(visitor, f"{what}.", status=status, todo=error.todo, is_read=is_read,
                         title=title)  # fmt: skip

    def note_entrance(self, visitor: Visitor, result: str, said: str) -> None:
        """Write who came in, or did not; who only reads is in also where the record is damaged."""
        facts = {"action": secrets.token_hex(8), "result": result, "said": said}
        try:
            self.note_refusals()
            self.note(visitor, "sign in", facts)
        except (MedflError, OSError) as error:
            logging.getLogger("medfl").warning("the record of actions takes no line: %s", error)

    def note_refusals(self) -> None:
        """Write of whoever had more refused tries in a minute than lines how many more."""
        for visitor, n in self.refusals.ended():
            facts: dict[str, Json] = {
                "action": secrets.token_hex(8), "result": REFUSED,
                "said": f"and {n} more within a minute",
            }  # fmt: skip
            self.note(visitor, "refused tries", facts)

    def _in_words(self, status: int) -> Callable[[Request, Exception], Response]:
        def answer(request: Request, error: Exception) -> Response:
            visitor = self.visitor_of(request, is_asking=False)
            is_read = status == 404 or request.method in ("GET", "HEAD")
            title = IS_UNKNOWN if status == 500 and not is_read else ""
            return self.told(
                visitor, NO_ANSWER[status], status=status, is_read=is_read, title=title
            )

        return answer
