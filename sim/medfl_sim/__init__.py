"""Research on one machine: virtual hospitals with the code of the real ones.

In a notebook: `from medfl_sim import simulate`.
"""

from typing import TYPE_CHECKING

import medfl_common  # noqa: F401  sets Flower's environment before flwr is imported

if TYPE_CHECKING:
    from medfl_common.parts.metrics import Counted
    from medfl_sim.api import Run, graph, open_run, simulate
    from medfl_sim.own.samples import Samples
    from medfl_sim.own.use import use
    from medfl_sim.runs.further import Further

__all__ = ["Counted", "Further", "Run", "Samples", "graph", "open_run", "simulate", "use"]


def __getattr__(name: str) -> object:
    """Import the interface for notebooks on first use, so that the commands start sooner."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from medfl_sim import api

    return getattr(api, name)
