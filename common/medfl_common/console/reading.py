"""Answers to who reads: a page, or a file."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from medfl_common.console.doors import Visitor
from medfl_common.console.guard import CSP, FILE_POLICY
from medfl_common.console.offered import Download, Page
from medfl_common.errors import MedflError
from medfl_common.ui.screen import for_people

if TYPE_CHECKING:
    from medfl_common.console.app import Console

Answer = Callable[[Request], Awaitable[Response]]
OF_HERE = "This page is not for your role."


def page_answer(console: "Console", page: Page) -> Answer:
    """Give what answers who reads a page."""

    async def answer(request: Request) -> Response:
        visitor = console.visitor_of(request, is_asking=not _reads_itself(request))
        if visitor is None:
            return RedirectResponse("/enter", 303)
        if not is_for(visitor, page.roles):
            return console.told(visitor, OF_HERE, status=403, is_read=True)
        try:
            return HTMLResponse(await run_in_threadpool(_filled, console, page, request, visitor))
        except KeyError:
            return console.told(visitor, "There is no such page.", status=404, is_read=True)
        except (MedflError, OSError) as error:
            return console.of_error(visitor, in_words(error), 409, is_read=True)

    return answer


def download_answer(console: "Console", one: Download) -> Answer:
    """Give what answers who reads a file."""

    async def answer(request: Request) -> Response:
        visitor = console.visitor_of(request)
        if visitor is None:
            return RedirectResponse("/enter", 303)
        if not is_for(visitor, one.roles):
            return console.told(visitor, OF_HERE, status=403, is_read=True)
        try:
            content, kind, name = await run_in_threadpool(one.read, args_of(request), visitor)
        except KeyError:
            return console.told(visitor, "There is no such file yet.", status=404, is_read=True)
        except (MedflError, OSError) as error:
            return console.of_error(visitor, in_words(error), 409, is_read=True)
        if one.is_shown:
            return Response(content, media_type=kind, headers={CSP: FILE_POLICY})
        saved = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        return Response(content, media_type=kind, headers={"Content-Disposition": saved})

    return answer


def args_of(request: Request) -> dict[str, str]:
    """Give the values in a path."""
    return {name: str(value) for name, value in request.path_params.items()}


def is_for(visitor: Visitor, roles: Sequence[str]) -> bool:
    """Say whether a person may read what is for these roles; none: for all who are in."""
    return not roles or visitor.role in roles


def in_words(error: Exception) -> MedflError:
    """Give the system's refusal as an error for people, without the name of a file."""
    return for_people(error) or MedflError("something unforeseen happened")


def _reads_itself(request: Request) -> bool:
    """Say whether a page without scripts reads itself anew; browsers mark what a person does."""
    is_opened = request.headers.get("sec-fetch-mode") == "navigate"
    return is_opened and "sec-fetch-user" not in request.headers


def _filled(console: "Console", page: Page, request: Request, visitor: Visitor) -> str:
    args = args_of(request)
    values = dict(page.view(args, visitor))
    if page.live is not None:
        live = page.live(args)
        live.look()
        parts, versions = live.now()
        values |= {
            "parts": {name: Markup(html) for name, html in parts.items()},  # noqa: S704
            "events": f"{quote(request.url.path)}events",
            "versions": ",".join(f"{name}:{n}" for name, n in versions.items()),
        }
    may = {one.what for one in console.actions if visitor.role in one.roles}
    return console.render(
        page.template, visitor=visitor, csrf=visitor.csrf, may=may, path=request.url.path,
        **values,
    )  # fmt: skip
