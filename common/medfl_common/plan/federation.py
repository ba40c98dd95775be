"""The plan's section on rounds, the algorithm, its numbers, and how messages travel."""

from typing import Annotated, Literal

from pydantic import Field

from medfl_common.plan.settings import Number, Settings


class Options(Settings):
    """Numbers of the algorithms; each is for those named beside it, which say what it does."""

    server_lr: Annotated[Number, Field(gt=0, le=10)] = 1.0  # fedavgm, scaffold, fedbuff
    server_momentum: Annotated[Number, Field(ge=0, lt=1)] = 0.9  # fedavgm
    adaptive_lr: Annotated[Number, Field(gt=0, le=10)] = 0.01  # fedadam, fedyogi, fedadagrad
    beta_1: Annotated[Number, Field(ge=0, lt=1)] = 0.9  # fedadam, fedyogi
    beta_2: Annotated[Number, Field(ge=0, lt=1)] = 0.99  # fedadam, fedyogi
    tau: Annotated[Number, Field(gt=0, le=1)] = 0.001  # fedadam, fedyogi, fedadagrad
    q: Annotated[Number, Field(ge=0, le=10)] = 1.0  # qfedavg
    fedprox_mu: Annotated[Number, Field(ge=0, le=100)] = 0.01
    feddyn_alpha: Annotated[Number, Field(gt=0, le=100)] = 0.01
    ditto_lambda: Annotated[Number, Field(ge=0, le=100)] = 0.1
    moon_mu: Annotated[Number, Field(ge=0, le=100)] = 1.0
    moon_temperature: Annotated[Number, Field(gt=0, le=10)] = 0.5
    fedrep_head_epochs: int = Field(default=1, ge=1, le=1000)
    fedbuff_size: int = Field(default=2, ge=1, le=10_000)
    fedbuff_staleness: int = Field(default=10, ge=0, le=1000)


class Messages(Settings):
    """How numbers travel; a file each in common/medfl_common/codecs."""

    # float32, bfloat16, float16; int8 and top_k send what they leave out with a later update.
    update: str = "float32"
    top: Annotated[Number, Field(gt=0, le=1)] = 0.01  # top_k: the part of the weights that is sent
    weights: Literal["float32", "bfloat16", "float16"] = "float32"  # from the coordinator


class Federation(Settings):
    """Rounds, who must answer, and how updates are joined."""

    rounds: int = Field(ge=1, le=10_000)
    # The algorithm, by its name: a file in server/medfl_server/aggregation/strategies, or a line in
    # common/medfl_common/plan/algorithms.py.
    strategy: str = "fedavg"
    options: Options = Options()
    messages: Messages = Messages()
    # Of median, trimmed_mean, krum, multi_krum, bulyan: how many bad sites a round must withstand,
    # which says how many replies it needs; and trimmed_mean's part that is cut at each end.
    bad_sites: int = Field(default=1, ge=0, le=1000)
    trim: Annotated[Number, Field(ge=0, lt=0.5)] = 0.2
    # The quorum: a round with fewer valid replies changes nothing. "all": every enrolled site.
    min_sites: Annotated[int, Field(ge=1, le=10_000)] | Literal["all"] = "all"
    deadline_s: Annotated[Number, Field(ge=1, le=604_800)] = 3600.0
    # So many sites, drawn anew for each round, are asked; not given: all. The quorum is of those.
    sites_per_round: Annotated[int, Field(ge=1, le=10_000)] | None = None
    # An update whose norm is more than so many times the median of the last rounds is quarantined;
    # a thousandth of the weights' norm never is.
    norm_limit: Annotated[Number, Field(ge=2)] = 30.0
    # Before the first round each site tells counts of its data, as far as its policy allows.
    statistics: bool = False
    # So many rounds in a row without a quorum pause the study.
    empty_rounds: int = Field(default=3, ge=1, le=1000)
