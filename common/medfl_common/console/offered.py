"""What a console offers: pages to read, files to save, actions to do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medfl_common.console.doors import Visitor
from medfl_common.console.live import Live
from medfl_common.errors import MedflError
from medfl_common.files import Json

Args = Mapping[str, str]  # of the path, or of a form


@dataclass(frozen=True)
class Page:
    """A page that is read.

    Args:
        path: Such as `/study/{study}/`; it ends with a slash where `live` is given.
        template: Its file; it extends `base.html.j2`.
        view: Gives the template's values, of the path's. Raises MedflError, or KeyError where
            there is no such thing.
        live: Gives the parts that follow files; None: the page stands still. Each part is in the
            template as `parts.NAME`, in an element whose id is NAME. All viewers see the same.
        roles: Who may read it; empty: all who are in.
    """

    path: str
    template: str
    view: Callable[[Args, Visitor], Mapping[str, Any]]
    live: Callable[[Args], Live] | None = None
    roles: Sequence[str] = ()


@dataclass(frozen=True)
class Download:
    """A file that is read: a report, a card, a table.

    Args:
        path: Such as `/study/{study}/report`.
        read: Gives its bytes, media type and file name. Raises as a page's view does.
        is_shown: A page that medfl wrote, with styles of its own, is shown without any script or
            form; else the browser saves the file.
        roles: Who may read it; empty: all who are in.
    """

    path: str
    read: Callable[[Args, Visitor], tuple[bytes, str, str]]
    is_shown: bool = False
    roles: Sequence[str] = ()


@dataclass(frozen=True)
class Done:
    """What an action did: a sentence for the person, and where to go on; without one, at once."""

    sentence: str
    then: str = ""  # a path; empty: back to where the form was


class UnknownEndError(MedflError):
    """An action has not ended in time, and may still happen."""


@dataclass(frozen=True)
class Action:
    """What a button does.

    Args:
        path: Such as `/study/{study}/pause`.
        what: Its name in the record of actions.
        act: Does it, of the path's values, the form's, and who asks. Raises MedflError, or KeyError
            where there is no such thing.
        roles: Who may.
        back: Where a person goes after it.
        noted: Which of the form's values the record keeps; none of OF_RESULT but `reason`.
    """

    path: str
    what: str
    act: Callable[[Args, Args, Visitor], Done]
    roles: Sequence[str]
    back: Callable[[Args], str]
    noted: Sequence[str] = ("reason",)


Note = Callable[[Visitor, str, Mapping[str, Json]], None]  # who, what, the facts of the line
