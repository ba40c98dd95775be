"""The runs of a sweep on a Ray cluster, a task each (pip install 'medfl[ray]').

RAY_ADDRESS names a cluster that runs already; else one is started on this machine. Its machines
see the data and the sweep's folder under the same paths.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from medfl_common.errors import ConfigError
from medfl_sim.sweep import RUNNERS, Task, work


@RUNNERS.register("ray")
def on_ray(tasks: Sequence[Task], n_workers: int | None) -> Iterator[tuple[Task, str]]:
    """Make runs, one per processor of the cluster, or so many at a time."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray: Any = import_module("ray")
    except ImportError:
        raise ConfigError("a sweep over Ray needs Ray: pip install 'medfl[ray]'") from None
    address = os.environ.get("RAY_ADDRESS")
    init: dict[str, Any] = {"address": address} if address else {"num_cpus": n_workers}
    if not ray.is_initialized():
        ray.init(logging_level=logging.ERROR, log_to_driver=False, include_dashboard=False, **init)
    remote = ray.remote(num_cpus=1)(work)
    waiting = list(tasks)
    most = n_workers or int(ray.cluster_resources().get("CPU", 1))
    running: dict[Any, Task] = {}
    while waiting or running:
        while waiting and len(running) < most:
            task = waiting.pop(0)
            running[remote.remote(task)] = task
        (done, *_), _ = ray.wait(list(running))
        task = running.pop(done)
        try:
            yield task, ray.get(done)
        except ray.exceptions.RayError as error:
            yield task, str(error)
