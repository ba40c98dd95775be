"""Ray, for engines and sweeps (pip install 'medfl[ray]')."""

import logging
import os
from importlib import import_module
from typing import Any

from medfl_common.errors import ConfigError


def start_ray(n_workers: int | None) -> Any:
    """Join the cluster that RAY_ADDRESS names, or start one here; return the module.

    Args:
        n_workers: Processors of a cluster started here; all if not given.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray: Any = import_module("ray")
    except ImportError:
        raise ConfigError("Ray is not installed", todo="pip install 'medfl[ray]'") from None
    address = os.environ.get("RAY_ADDRESS")
    init: dict[str, Any] = {"address": address} if address else {"num_cpus": n_workers}
    if not ray.is_initialized():
        ray.init(logging_level=logging.ERROR, log_to_driver=False, include_dashboard=False, **init)
    return ray
