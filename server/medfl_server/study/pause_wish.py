"""A person's wish that a study rest: a file in its directory, which a running coordinator sees."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from medfl_common.errors import RunError
from medfl_common.files import holder, write_atomic
from medfl_common.ops.user import user_name
from medfl_common.plan.settings import MAX_MESSAGE
from medfl_common.run.events import Finished
from medfl_common.run.folder import RunFolder
from medfl_common.visible import visible
from medfl_server.study.run_directory import open_study

NO_MESSAGE = "no reason was given"
RESTS = 3  # exit status of a coordinator that a person has paused: nobody starts it again


@dataclass(frozen=True)
class PauseWish:
    """Who wants a study to rest, and what the hospitals are told."""

    by: str  # user of this machine, or who is signed in
    time: float
    message: str
    is_now: bool  # also in mid-round

    @property
    def in_words(self) -> str:
        """Say it to a person."""
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.time))
        return f'paused by {self.by} on {day}: "{visible(self.message)}"'


def for_hospitals(message: str) -> str:
    """Give a person's message as hospitals are told it; RunError where it is too long."""
    message = message.encode(errors="replace").decode()  # a terminal may give what is no text
    if len(message) > MAX_MESSAGE:
        raise RunError(
            f"the message has {len(message)} characters, {MAX_MESSAGE} are the most",
            todo="write a shorter one",
        )
    return message or NO_MESSAGE


def wish_pause(folder: Path, message: str, is_now: bool, by: str = "") -> bool:
    """Write the wish; say whether a coordinator runs that will see it.

    `by` is who wishes it; empty: the user of this machine.
    """
    if open_study(folder).log.read(Finished):
        raise RunError("the study is finished; there is nothing to pause")
    wish = PauseWish(by or user_name(), time.time(), for_hospitals(message), is_now)
    write_atomic(RunFolder(folder).pause, json.dumps(asdict(wish)).encode())
    return bool(holder(folder))


def wish_in(folder: Path) -> PauseWish | None:
    """Read the wish; None: there is none."""
    path, written = RunFolder(folder).pause, 0.0
    try:
        written = path.stat().st_mtime
        wish = PauseWish(**json.loads(path.read_text()))
        wish.in_words  # noqa: B018 - raises where a value is of another kind
        return wish
    except FileNotFoundError:  # `resume` may take it away at any time
        return None
    except (ValueError, TypeError, OverflowError, OSError):
        return PauseWish("somebody", written, NO_MESSAGE, is_now=False)


def forget_wish(folder: Path) -> bool:
    """Let the study go on; say whether anybody had wished otherwise."""
    path = RunFolder(folder).pause
    is_there = path.exists()
    path.unlink(missing_ok=True)
    return is_there


def refuse_while_paused(folder: Path) -> None:
    """Raise RunError where a person has paused the study."""
    wish = wish_in(folder)
    if wish is not None:
        error = RunError(
            f"the study is {wish.in_words}",
            todo=f"medfl-server resume {folder} lets it go on",
            data="nothing was changed",
        )
        error.status = RESTS
        raise error
