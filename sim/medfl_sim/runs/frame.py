"""What a run measured as a table: a line for each round, site and figure."""

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan
from medfl_common.run.events import (
    Asked,
    Finished,
    ModelScored,
    RoundMade,
    ScoredOnTest,
    ScoredOutside,
)
from medfl_common.run.pooled_reply import PooledReply
from medfl_common.run.site_reply import SiteReply
from medfl_server.reports.scores import ALL, model_round, part_of, score_sites
from medfl_server.study.run_directory import Study

if TYPE_CHECKING:
    from pandas import DataFrame

# Of a site's reply in a round.
OF_TRAINING = ("train_loss", "n_steps", "seconds", "bytes_received", "bytes_sent", "norm", "cosine")


class Line(NamedTuple):
    """One figure of one site, or of `all sites`.

    round: the round that was trained, or after which the model has this score. part: of the
    site's patients: training, validation, test, or outside, which is all of an outside hospital's.
    n: how many images of it the figure is over.
    """

    round: int
    site: str
    part: str
    metric: str
    value: float
    n: int


def lines_of(study: Study) -> list[Line]:
    """List what the log holds, by round; a model that was scored twice has its last scores."""
    found: dict[tuple[int, str, str, str], Line] = {}
    for event in study.log.read(Asked):
        for line in (*_training(event), *_scores(event, study.plan)):
            found[line[:4]] = line
    return sorted(found.values(), key=lambda line: line.round)


def to_pandas(study: Study) -> "DataFrame":
    """Give the lines as a data frame; raises ConfigError where pandas is not installed."""
    try:
        pandas: Any = import_module("pandas")
    except ImportError:
        raise ConfigError("a data frame needs pandas", todo="pip install 'medfl[pandas]'") from None
    frame: DataFrame = pandas.DataFrame(lines_of(study), columns=[*Line._fields])
    return frame


def _training(event: Asked) -> Iterator[Line]:
    if not isinstance(event, RoundMade):
        return
    replies: dict[str, SiteReply | PooledReply] = {**event.sites}
    if event.pooled is not None:
        replies[ALL] = event.pooled
    for site, reply in replies.items():
        for metric in OF_TRAINING:
            value = reply.facts.get(metric)
            if value is not None:
                yield Line(event.round, site, "training", metric, float(value), reply.n_images)


def _scores(event: Asked, plan: Plan) -> Iterator[Line]:
    if not isinstance(event, RoundMade | ModelScored | ScoredOnTest | ScoredOutside | Finished):
        return
    for site, scored in score_sites(event, plan).items():
        for metric, value in {"loss": scored.loss, **scored.values}.items():
            if value is not None:
                yield Line(model_round(event), site, part_of(event), metric, float(value), scored.n)
