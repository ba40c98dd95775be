"""Faults that a simulation injects, one file each, to compare aggregation rules.

Each is a group of settings. Its methods say what it does: it keeps sites out of a round, corrupts
a site's training labels, or corrupts an update after the site's guard has released it, as a
hostile site would. The coordinator's admission and strategy see it as they would a real one.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol, runtime_checkable

import numpy as np
from pydantic import Field

from medfl_client.data.dataset import SiteData
from medfl_common.errors import ConfigError
from medfl_common.models.weights import Weights
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import Settings
from medfl_common.registry import Registry

# All sites, a number of them (the first of the roster), or these.
Sites = Literal["all"] | Annotated[int, Field(ge=1)] | list[str]


class Fault(Protocol):
    """Something that goes wrong at some sites."""

    @property
    def sites(self) -> Sites:
        """Say where."""


@runtime_checkable
class Delay(Fault, Protocol):
    """Makes a site slow, or keeps it away."""

    def seconds(self, rng: np.random.Generator) -> float:
        """Draw a site's simulated seconds for one round; infinite: the site is absent."""


@runtime_checkable
class DataFault(Fault, Protocol):
    """Corrupts a site's data."""

    def corrupt_data(self, data: SiteData, plan: Plan, rng: np.random.Generator) -> SiteData:
        """Return the data that the site takes for its own."""


@runtime_checkable
class UpdateFault(Fault, Protocol):
    """Corrupts what a site sends."""

    def corrupt_update(self, update: Weights, rng: np.random.Generator) -> Weights:
        """Return the update that the site sends in place of the honest one."""


# Each is a `Fault`.
FAULTS: Registry[type[Settings]] = Registry("fault", "medfl_sim.data.faults")


def struck(fault: Fault, roster: Sequence[str]) -> list[str]:
    """List the sites of a fault; raises ConfigError if it names an unknown one."""
    if fault.sites == "all":
        return [*roster]
    if isinstance(fault.sites, int):
        return [*roster[: fault.sites]]
    if unknown := set(fault.sites) - set(roster):
        raise ConfigError(
            f"a fault names the unknown site {min(unknown)!r}; sites: "
            f"{', '.join(roster[:20])}{', ...' if len(roster) > 20 else ''}"
        )
    return [*fault.sites]
