"""The runs of a sweep on a Ray cluster, a task each (pip install 'medfl[ray]').

RAY_ADDRESS names a running cluster; without it Ray starts one on this machine. Its machines
see the data and the sweep's folder under the same paths.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from medfl_sim.engine.ray_cluster import start_ray
from medfl_sim.own.carried import packed, unpacked
from medfl_sim.sweeps.sweep import RUNNERS, Task, work


@RUNNERS.register("ray")
def on_ray(tasks: Sequence[Task], n_workers: int | None) -> Iterator[tuple[Task, str]]:
    """Make runs, one per processor of the cluster, or `n_workers` at a time."""
    ray = start_ray(n_workers)
    remote = ray.remote(num_cpus=1)(work_with)
    parts = ray.put(packed(ray.cloudpickle, None))
    waiting = list(tasks)
    most = n_workers or int(ray.cluster_resources().get("CPU", 1))
    running: dict[Any, Task] = {}
    while waiting or running:
        while waiting and len(running) < most:
            task = waiting.pop(0)
            running[remote.remote(parts, task)] = task
        (done, *_), _ = ray.wait(list(running))
        task = running.pop(done)
        try:
            yield task, ray.get(done)
        except ray.exceptions.RayError as error:
            yield task, str(error)


def work_with(parts: bytes, task: Task) -> str:
    """Make one run with own parts."""
    ray: Any = import_module("ray")
    unpacked(ray.cloudpickle, parts)
    return work(task)
