"""`use(loss=soft_f1)`: own parts of a script or a notebook, known by their names from then on."""

from typing import Any

from medfl_common.errors import ConfigError
from medfl_common.parts import augmentations, losses, metrics, rules  # noqa: F401  the registries
from medfl_common.plugins.kinds import KINDS, entries
from medfl_sim.data import sources  # noqa: F401  its registry
from medfl_sim.own.samples import Samples

_DATA: dict[str, Samples] = {}
_MODULES: set[str] = set()  # in which own parts are written


def use(*, name: str = "", data: Samples | None = None, **parts: Any) -> None:
    """Make own parts known, each by its own name or by `name`, in place of one of before.

    A plan names them; they are for simulations. Raises ConfigError for an unknown kind.

    Args:
        name: The part's name, if it is to be another than that of its function or class.
        data: Images with labels and patients, for `--data NAME`; these have no name of their own.
        parts: By kind: network, dense_network, loss, augmentation, metric, strategy, source.
    """
    if name and len(parts) + (data is not None) != 1:
        raise ConfigError("name is for one part", todo="call use once for each part")
    for kind, part in parts.items():
        known = name or getattr(part, "__name__", "")
        if not known.isidentifier():
            raise ConfigError(f"the {kind} has no name", todo="give it one: use(..., name=...)")
        if kind not in KINDS:
            raise ConfigError(f"unknown kind of part {kind!r}; known: {', '.join(KINDS)}, data")
        if kind == "source" and getattr(part, "__module__", "") == "__main__":
            raise ConfigError(
                f"the source {known} is written in a notebook, where the processes that decode "
                "images cannot find it",
                todo="write it into a file, such as my_parts.py, and import that",
            )
        for registry, made in entries(kind, known, part):
            registry.put(known, made)
        _MODULES.add(str(getattr(part, "__module__", "")))
    if data is not None:
        if not name:
            raise ConfigError(
                "own data have no name", todo="give them one: use(data=..., name=...)"
            )
        _DATA[name] = data


def data_named(name: str) -> Samples | None:
    """Give the data that a script brought under a name."""
    return _DATA.get(name)


def own_modules() -> set[str]:
    """Name the modules in which own parts are written."""
    return _MODULES
