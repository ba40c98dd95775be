"""The plan's section on rounds, the algorithm, its numbers, and how messages travel."""

from typing import Annotated, Literal

from pydantic import Field

from medfl_common.plan.algorithms.fedavg import FEDAVG
from medfl_common.plan.options import Options, Own, own_options
from medfl_common.plan.settings import Number, Settings


class Messages(Settings):
    """How numbers travel; a file each in common/medfl_common/wire/codecs."""

    update: str = "float32"
    """Format of a site's update: `float32`, `bfloat16`, `float16`, `int8` or `top_k`. The last two
    add what they leave out to a later update."""
    top: Annotated[Number, Field(gt=0, le=1)] = 0.01
    """`top_k`: the part of the weights that is sent."""
    weights: Literal["float32", "bfloat16", "float16"] = "float32"
    """Format of the weights from the coordinator."""


class Federation(Settings):
    """Rounds, who must answer, and how updates are joined."""

    rounds: int = Field(ge=1, le=10_000)
    """Rounds of the study."""
    strategy: str = FEDAVG.name
    """The algorithm: a name from the list of algorithms."""
    options: Options = Options()
    """Numbers of the algorithm."""
    messages: Messages = Messages()
    """How numbers travel."""
    bad_sites: int = Field(default=1, ge=0, le=1000)
    """Robust rules: so many bad sites a round must withstand; it says how many replies a round
    needs."""
    trim: Annotated[Number, Field(ge=0, lt=0.5)] = 0.2
    """The rule that trims: the part of the sites that it cuts at each end."""
    min_sites: Annotated[int, Field(ge=1, le=10_000)] | Literal["all"] = "all"
    """The quorum: a round with fewer valid replies changes nothing. `all`: every enrolled site."""
    deadline_s: Annotated[Number, Field(ge=1, le=604_800)] | Literal["auto"] = 3600.0
    """Seconds that a round waits for replies. `auto`: 1.5 times what the slowest site needed in its
    last five answers, from 10 s to a day; an hour before any time is known; twice as long after
    each round without a quorum."""
    sites_per_round: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """So many sites, drawn anew for each round, are asked, and the quorum is of those. Without it
    all are asked."""
    norm_limit: Annotated[Number, Field(ge=2)] = 30.0
    """An update is quarantined if its norm is more than so many times the median of the last
    rounds, and more than a thousandth of the weights' norm."""
    statistics: bool = False
    """Before the first round each site tells counts of its data, as far as its policy allows."""
    participants: bool = False
    """With `statistics`: each site also tells how its files became its patients, by reason, and
    counts of its images by training, validation and test part; small counts stay."""
    empty_rounds: int = Field(default=3, ge=1, le=1000)
    """So many rounds in a row without a quorum pause the study."""
    keep_every: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """The model of every so manieth round is kept; without it that of the best and the last two."""

    def own(self, kind: type[Own]) -> Own:
        """Give one algorithm's options: those of its class."""
        return own_options(self.options, kind)
