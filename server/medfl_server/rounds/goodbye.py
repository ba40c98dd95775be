"""The last word to the hospitals, so that none of them waits for a study that is over."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from medfl_common.errors import MedflError
from medfl_common.run.decisions import Stopped
from medfl_common.run.events import RoundMade
from medfl_common.wire.goodbye import Goodbye, Why, encode_goodbye
from medfl_server.rounds.paused import PausedError
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Post

LINGER_S = {"finished": 10.0, "paused": 10.0, "stopped": 3.0}  # for the hospitals to hear it
LOOK_S = 0.05


@contextmanager
def goodbye_where_it_rests(study: Study, post: Post) -> Iterator[None]:
    """Tell the hospitals where the study pauses, or somebody stops the coordinator."""
    try:
        yield
    except PausedError as paused:
        say_goodbye(study, post, "paused", paused.message)
        raise
    except KeyboardInterrupt:
        say_goodbye(study, post, "stopped")
        raise


def say_goodbye(
    study: Study,
    post: Post,
    why: Why,
    message: str = "",
    others_run: Callable[[], bool] = lambda: False,
) -> None:
    """Tell every connected hospital; at the end of the study wait a little for those away.

    Virtual hospitals are told nothing, and no fault of the telling is one of the study. A hospital
    that works for another study of this process hears it afterwards.
    """
    if not any(post.roster().values()):
        return
    made = study.log.read(RoundMade)
    round_ = made[-1].round if made else 0
    if why == "finished":
        message = "".join(event.reason for event in study.log.read(Stopped))
    goodbye = Goodbye(why, study.plan.study, study.run, study.plan.hash(), round_, message)
    with suppress(MedflError, OSError):
        _tell_all(post, goodbye, others_run)


def _tell_all(post: Post, goodbye: Goodbye, others_run: Callable[[], bool]) -> None:
    asked: dict[tuple[str, str], str] = {}  # site and session -> id of the answer
    heard = set[str]()
    ends = time.monotonic() + LINGER_S[goodbye.why]
    while time.monotonic() < ends or others_run():
        here = post.connected_sites()
        for site, to in here.items():
            if site in heard or (site, to.session) in asked:
                continue
            content = encode_goodbye(goodbye)
            if post.sign(content, site) and (id_ := post.send(to, content, goodbye.round)):
                asked[site, to.session] = id_
        heard |= {s for (s, _), id_ in asked.items() if s not in heard and post.fetch(id_)}
        awaited = post.roster() if goodbye.why == "finished" else here
        if heard >= set(awaited):
            return
        time.sleep(LOOK_S)
