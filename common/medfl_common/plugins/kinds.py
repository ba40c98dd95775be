"""The kinds of parts that a plugin or a script may bring, and the registries that take them."""

from collections.abc import Callable, Iterator
from typing import Any

from medfl_common.errors import ConfigError
from medfl_common.models._own import own_dense_network, own_network
from medfl_common.plan.algorithms import Algorithm
from medfl_common.registry import REGISTRIES, Registry

SOURCES = "medfl_sim.data.sources"  # of a simulation, which hospitals have not


def _as_it_is(name: str, part: Any) -> Any:
    return part


def _algorithm(name: str, part: Any) -> Algorithm:
    """Say of a rule that it has nothing at the sites, and needs all updates."""
    return Algorithm(name=name, paper="", strategy=name)


# kind -> the packages of the registries that it enters, each with what makes the part of it
KINDS: dict[str, dict[str, Callable[[str, Any], Any]]] = {
    "network": {"medfl_common.models": own_network},
    "dense_network": {"medfl_common.models.dense": own_dense_network},
    "loss": {"medfl_common.parts.losses": _as_it_is},
    "augmentation": {"medfl_common.parts.augmentations": _as_it_is},
    "metric": {"medfl_common.parts.metrics": _as_it_is},
    "strategy": {
        "medfl_common.parts.rules": _as_it_is,
        "medfl_common.plan.algorithms": _algorithm,
    },
    "source": {SOURCES: _as_it_is},
}


def is_taken(kind: str) -> bool:
    """Say whether this process has a registry of a kind; of an unknown one it is said later."""
    return any(package in REGISTRIES for package in KINDS.get(kind, {})) or kind not in KINDS


def entries(kind: str, name: str, part: Any) -> Iterator[tuple[Registry[Any], Any]]:
    """Give the registries that take a part, each with what it takes; none that is not used here."""
    if kind not in KINDS:
        raise ConfigError(
            f"unknown kind of part {kind!r}; known: {', '.join(KINDS)}",
            todo="name the entry point KIND.NAME, such as loss.soft_f1",
        )
    if not callable(part):
        raise ConfigError(f"the {kind} {name!r} is {type(part).__name__}, and cannot be called")
    for package, make in KINDS[kind].items():
        if package in REGISTRIES:
            yield REGISTRIES[package], make(name, part)
