"""A person's wish that a study end with the best so far: a file, until the round under way is made.

From then on the run log has it. The end is an end as that of the last round is: `extend` goes on.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from medfl_common.errors import RunError
from medfl_common.files import holder, write_atomic
from medfl_common.ops.user import user_name
from medfl_common.run.decisions import Stopped
from medfl_common.run.events import Finished, RoundMade
from medfl_common.run.folder import RunFolder
from medfl_common.visible import visible
from medfl_server.study.pause_wish import NO_MESSAGE, for_hospitals
from medfl_server.study.run_directory import Study, open_study


@dataclass(frozen=True)
class StopWish:
    """Who wants a study to end, and why; hospitals are told the reason."""

    by: str  # user of this machine, or who is signed in
    time: float
    reason: str

    @property
    def in_words(self) -> str:
        """Say it to a person."""
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.time))
        return f'to end, as {visible(self.by)} wished on {day}: "{visible(self.reason)}"'


def wish_stop(folder: Path, reason: str, by: str = "") -> bool:
    """Write the wish; say whether a coordinator runs that will see it.

    Raises RunError where nothing is left to stop, or no model is there that could be the result.
    """
    check_can_stop(open_study(folder))
    wish = StopWish(by or user_name(), time.time(), for_hospitals(reason))
    write_atomic(RunFolder(folder).stop, json.dumps(asdict(wish)).encode())
    return bool(holder(folder))


def check_can_stop(study: Study) -> int:
    """Give the last round made; raises RunError where the study cannot end by a person's wish."""
    made, n_rounds = study.log.read(RoundMade), study.plan.federation.rounds
    if study.log.read(Finished):
        raise RunError("the study is finished; there is nothing to stop")
    if before := study.log.read(Stopped):
        raise RunError(
            f"the study was {before[-1].in_words(n_rounds)}",
            todo=f"medfl-server run {study.folder} scores its model, where it does not run",
        )
    if not made:
        raise RunError(
            "no round is made yet, so there is no model that could be the result",
            todo=f"wait for the first round; medfl-server pause {study.folder} lets the study rest",
            data="nothing was changed",
        )
    if made[-1].round >= n_rounds:
        raise RunError(f"all {n_rounds} rounds are made; the study ends by itself")
    return made[-1].round


def stop_in(folder: Path) -> StopWish | None:
    """Read the wish; None: there is none."""
    path, written = RunFolder(folder).stop, 0.0
    try:
        written = path.stat().st_mtime
        wish = StopWish(**json.loads(path.read_text()))
        wish.in_words  # noqa: B018 - raises where a value is of another kind
        return wish
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, OverflowError, OSError):
        return StopWish("somebody", written, NO_MESSAGE)


def forget_stop(folder: Path) -> bool:
    """Drop the wish: the log has it, or the study goes on; say whether there was one."""
    path = RunFolder(folder).stop
    is_there = path.exists()
    path.unlink(missing_ok=True)
    return is_there
