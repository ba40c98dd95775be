"""The algorithms that a plan can name: one file each, holding one value.

An algorithm has two halves. Its strategy, a file in medfl_server/aggregation/strategies, makes the
sites' updates the change of the global model. Its objective, a file in
medfl_client/training/objectives, changes the training at a site. The value here names both, and
says what they need of the rest of the plan and what stays at a site. No other file knows an
algorithm by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medfl_common.plan.reference import Reference
from medfl_common.plan.settings import Settings
from medfl_common.registry import Registry

if TYPE_CHECKING:
    from medfl_common.plan.plan import Plan

Layers = Literal["norm", "head"]
PLAIN = "plain"  # the objective that adds nothing to the task's loss


class NoOptions(Settings):
    """No numbers of its own."""


@dataclass(frozen=True)
class Choice:
    """A rule that names the sites of a round; without one they are drawn.

    sites: (roster, round from 1) -> the sites to ask; n: how many those are.
    """

    sites: Callable[[Sequence[str], int], set[str]]
    n: int


@dataclass(frozen=True)
class Buffer:
    """Rounds without a barrier: so many updates make one, whichever round they were asked for in.

    size, max_staleness: the options that say how many updates make a round, and how many rounds
    old one may be.
    """

    size: str
    max_staleness: str


def _fits(plan: Plan) -> str:
    return ""


@dataclass(frozen=True)
class Algorithm:
    """One algorithm: its halves, and what they need of the rest of the plan.

    Args:
        name: As a plan names it in `federation.strategy`.
        paper: Where its paper is.
        reference: The paper, to be cited; None: a study that uses it cites the address.
        strategy: Its half at the coordinator: its own name, or that of another algorithm.
        objective: Its half at the sites: its own name, that of another algorithm, or PLAIN.
        options: Its keys in `federation.options`.
        settings: The keys of `federation` that only algorithms like it read.
        is_paired: Neither half goes with the half of another algorithm.
        needs_sgd: It takes an update apart into steps of a known length, which Adam's are not.
        needs_images: It compares features of several networks; a frozen one's are all alike.
        needs_start_loss: Its coordinator weighs sites by the loss of the round's weights there.
        weighs_steps_out: A site that makes more steps does not pull the model its way.
        is_mean: Its coordinator needs no more of the updates than their mean, so a sum will do.
        bears_noise: Its half at the sites trains by the gradient of the loss alone, and its
            coordinator asks for no exact numbers of their images.
        sends_state: The sites get what its coordinator keeps, with the weights.
        choice: Names the sites of a round.
        buffer: Rounds have no barrier.
        local_layers: Layers that never leave a site.
        kept_at_site: What else its half at the sites keeps there between rounds, in words for the
            hospital.
        why_unfit: Says why it does not go with the plan; empty: it does.
        in_every_hash: Every plan's hash covers its options, as all did in plans of version 1
            before an algorithm was a file. A new algorithm's options are in its own plans' alone.
    """

    name: str
    paper: str
    strategy: str
    objective: str = PLAIN
    options: type[Settings] = NoOptions
    settings: tuple[str, ...] = ()
    is_paired: bool = False
    needs_sgd: bool = False
    needs_images: bool = False
    needs_start_loss: bool = False
    weighs_steps_out: bool = False
    is_mean: bool = False
    bears_noise: bool = False
    sends_state: bool = False
    choice: Choice | None = None
    buffer: Buffer | None = None
    local_layers: Layers | None = None
    kept_at_site: str = ""
    why_unfit: Callable[[Plan], str] = _fits
    in_every_hash: bool = False
    reference: Reference | None = None

    @property
    def chooses_sites(self) -> bool:
        """Say whether other sites may score in each round, as its own rule has it."""
        return self.choice is not None or self.buffer is not None


ALGORITHMS: Registry[Algorithm] = Registry(
    "strategy", "medfl_common.plan.algorithms", entry="strategy"
)


def register(algorithm: Algorithm) -> Algorithm:
    """Make an algorithm known by its name."""
    return ALGORITHMS.register(algorithm.name)(algorithm)
