"""Answers to who acts: only with the role, the session's token, and a line in the record."""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from medfl_common.console.actions import ASKED, DONE, REFUSED
from medfl_common.console.doors import Visitor
from medfl_common.console.offered import Action, Done
from medfl_common.console.reading import Answer, args_of, in_words
from medfl_common.errors import MedflError, RunError
from medfl_common.files import Json

if TYPE_CHECKING:
    from medfl_common.console.app import Console

MOST_FORM = 256 * 1024  # bytes; an invitation and keys are pasted
NOT_YOURS = "Your role may look, not act."
NOT_OF_HERE = "The form is not of this session: send it again."


def action_answer(console: "Console", action: Action) -> Answer:
    """Give what answers who acts."""

    async def answer(request: Request) -> Response:
        visitor = console.visitor_of(request)
        if visitor is None:
            return RedirectResponse("/enter", 303)
        form, args = await read_form(request), args_of(request)
        if form is None:
            return console.told(visitor, "The form is too large, or is none.", status=413)
        attempt = _Attempt(console, action, visitor, args, form)
        try:
            done = await run_in_threadpool(attempt.make)
        except _Refused as refused:
            return console.told(visitor, str(refused), status=403)
        except KeyError:
            return console.told(visitor, "There is no such thing any more.", status=404)
        except (MedflError, OSError) as error:
            return console.of_error(visitor, in_words(error), 409)
        then = done.then or action.back(args)
        if not done.sentence:
            return RedirectResponse(then, 303)
        return console.told(visitor, done.sentence, then)

    return answer


class _Refused(Exception):  # noqa: N818
    """A person may not do it, or not by this form."""


class _Attempt:
    """One person's attempt at one action."""

    def __init__(
        self, console: "Console", action: Action, visitor: Visitor,
        args: Mapping[str, str], form: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._console, self._action, self._visitor = console, action, visitor
        self._args, self._form = args, form
        noted = {name: form[name] for name in action.noted if name in form}
        self._facts: dict[str, Json] = {**args, **noted, "action": secrets.token_hex(8)}

    def make(self) -> Done:
        """Do it, between two lines of the record; nothing is done where the first is not taken."""
        why = self._why_not()
        if why:
            self._note(REFUSED, why)
            raise _Refused(why)
        self._note(ASKED, "")
        try:
            done = self._action.act(self._args, self._form, self._visitor)
        except Exception as error:
            what = "there is no such thing" if type(error) is KeyError else in_words(error).what
            self._note(REFUSED, what)
            raise
        try:
            self._note(DONE, done.sentence)
        except (MedflError, OSError) as error:
            told = in_words(error)
            what = f"it was done, but the record of actions takes no line: {told.what}"
            raise RunError(what, todo=told.todo) from None
        return done

    def _why_not(self) -> str:
        if self._visitor.role not in self._action.roles:
            return NOT_YOURS
        token = self._form.get("csrf", "").encode()
        return "" if secrets.compare_digest(token, self._visitor.csrf.encode()) else NOT_OF_HERE

    def _note(self, result: str, said: str) -> None:
        facts = {**self._facts, "result": result, "said": said}
        self._console.note(self._visitor, self._action.what, facts)


async def read_form(request: Request, most: int = MOST_FORM) -> dict[str, str] | None:
    """Read a form's values; None: it is too large, or no form."""
    kind = request.headers.get("content-type", "application/x-www-form-urlencoded")
    if kind.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    try:
        text = body.decode("utf-8", "replace")
        found = parse_qs(text, keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return None
    return {name: values[0] for name, values in found.items()}
