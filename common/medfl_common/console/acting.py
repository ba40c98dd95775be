"""Answers to who acts: only with the role, the session's token, and a line in the record."""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from medfl_common.console.actions import ASKED, DONE, REFUSED, UNKNOWN
from medfl_common.console.doors import Visitor
from medfl_common.console.offered import Action, Done, UnknownEndError
from medfl_common.console.reading import Answer, args_of, in_words
from medfl_common.errors import MedflError
from medfl_common.files import Json

if TYPE_CHECKING:
    from medfl_common.console.app import Console

MOST_FORM = 256 * 1024  # bytes; an invitation and keys are pasted
FORM = "application/x-www-form-urlencoded"
MOST_NOTED, MOST_SAID = 500, 2000  # characters of a value, or a sentence, in a line of the record
IS_UNKNOWN = "It is not known whether this was done"
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
        except _UnnotedError as error:
            return console.of_error(visitor, error.told, 409, title="It was done")
        except UnknownEndError as error:
            return console.of_error(visitor, error, 409, title=IS_UNKNOWN)
        except (MedflError, OSError) as error:
            return console.of_error(visitor, in_words(error), 409)
        then = done.then or action.back(args)
        if not done.sentence:
            return RedirectResponse(then, 303)
        return console.told(visitor, done.sentence, then)

    return answer


class _Refused(Exception):  # noqa: N818
    """A person may not do it, or not by this form."""


class _UnnotedError(Exception):
    """It was done, and the record takes no line of it."""

    def __init__(self, told: MedflError) -> None:
        super().__init__(told.what)
        what = f"The record of actions lacks its end: {told.what}"
        self.told = MedflError(what, todo=told.todo, data=told.data)


class _Attempt:
    """One person's attempt at one action."""

    def __init__(
        self, console: "Console", action: Action, visitor: Visitor,
        args: Mapping[str, str], form: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._console, self._action, self._visitor = console, action, visitor
        self._args, self._form = args, form
        noted = {**args, **{name: form[name] for name in action.noted if name in form}}
        cut: dict[str, Json] = {name: value[:MOST_NOTED] for name, value in noted.items()}
        self._facts: dict[str, Json] = {**cut, "action": secrets.token_hex(8)}

    def make(self) -> Done:
        """Do it, between two lines of the record; nothing is done where the first is not taken."""
        why = self._why_not()
        if why:
            if self._console.refusals.may_note(self._visitor.csrf, self._visitor):
                self._note(REFUSED, why)
            raise _Refused(why)
        self._note(ASKED, "")
        try:
            done = self._action.act(self._args, self._form, self._visitor)
        except Exception as error:
            self._note(*_ended_by(error))
            raise
        try:
            self._note(DONE, done.sentence)
        except (MedflError, OSError) as error:
            raise _UnnotedError(in_words(error)) from None
        return done

    def _why_not(self) -> str:
        if self._visitor.role not in self._action.roles:
            return NOT_YOURS
        token = self._form.get("csrf", "").encode()
        return "" if secrets.compare_digest(token, self._visitor.csrf.encode()) else NOT_OF_HERE

    def _note(self, result: str, said: str) -> None:
        self._console.note_refusals()
        facts = {**self._facts, "result": result, "said": said[:MOST_SAID]}
        self._console.note(self._visitor, self._action.what, facts)


def _ended_by(error: Exception) -> tuple[str, str]:
    """Give the result and the sentence of what an error has ended."""
    if type(error) is KeyError:
        return REFUSED, "there is no such thing"
    is_known = isinstance(error, MedflError | OSError) and not isinstance(error, UnknownEndError)
    return REFUSED if is_known else UNKNOWN, in_words(error).what


async def read_form(request: Request, most: int = MOST_FORM) -> dict[str, str] | None:
    """Read a form's values; None: it is too large, or no form."""
    kind = request.headers.get("content-type", FORM).lower().replace(" ", "")
    if kind not in (FORM, f"{FORM};charset=utf-8"):
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
