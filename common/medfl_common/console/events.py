"""Server-sent events: the parts of a page that changed, for as long as its viewer is in."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from medfl_common.console.live import Live
from medfl_common.console.offered import Page
from medfl_common.console.reading import Answer, args_of, in_words, is_for
from medfl_common.errors import MedflError

if TYPE_CHECKING:
    from medfl_common.console.app import Console

NAME = re.compile(r"[\w-]*", re.ASCII)  # of a part; nothing else is sent back in an event
POLL_S, ALIVE_S = 0.5, 10.0


def events_answer(console: "Console", page: Page) -> Answer:
    """Give what answers a page that asks for its parts."""

    async def answer(request: Request) -> Response:
        visitor = console.visitor_of(request, is_asking=False)
        if visitor is None or page.live is None:
            return PlainTextResponse("", 401)
        if not is_for(visitor, page.roles):
            return PlainTextResponse("", 403)
        try:
            live = await run_in_threadpool(page.live, args_of(request))
        except (KeyError, OSError, MedflError):
            return PlainTextResponse("", 404)
        return StreamingResponse(
            _stream(console, request, live), media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )  # fmt: skip

    return answer


async def _stream(console: "Console", request: Request, live: Live) -> AsyncIterator[str]:
    seen = _seen(request)
    told, trouble = time.monotonic(), ""
    yield "retry: 2000\n\n"
    while console.visitor_of(request, is_asking=False) is not None:
        if live.is_due():  # once for all viewers, and off the loop that serves them
            trouble_was, trouble = trouble, await run_in_threadpool(_looked, live)
            if trouble != trouble_was:
                what = console.placed(trouble)
                yield f"event: trouble\ndata: {json.dumps({'what': what})}\n\n"
        news, versions = live.news(seen)
        if news:
            seen |= versions
            mark = ",".join(f"{name}:{n}" for name, n in seen.items())
            facts = json.dumps({"at": time.strftime("%H:%M:%S"), "parts": news})
            yield f"id: {mark}\ndata: {facts}\n\n"
            told = time.monotonic()
        elif time.monotonic() - told > ALIVE_S:
            yield "event: alive\ndata: {}\n\n"
            told = time.monotonic()
        await asyncio.sleep(POLL_S)
    yield "event: over\ndata: {}\n\n"


def _looked(live: Live) -> str:
    """Look at the files; say why they cannot be shown, or nothing."""
    try:
        live.look()
    except (KeyError, OSError, MedflError) as error:
        return in_words(error).what
    return ""


def _seen(request: Request) -> dict[str, int]:
    """Read which version of each part the viewer has: of its last event, or of its page."""
    told = request.headers.get("last-event-id") or request.query_params.get("v", "")
    pairs = (pair.partition(":") for pair in told[:10_000].split(","))
    return {
        name: int(n) for name, _, n in pairs
        if NAME.fullmatch(name) and n.isascii() and n.isdigit() and len(n) < 18
    }  # fmt: skip
