"""Flower's Ray backend, on one machine or on an existing Ray cluster (pip install 'medfl[ray]').

The engine puts the sites, images included, and the parts that a script registered, into Ray's
object store once; each actor opens them there.
RAY_ADDRESS names a running cluster; without it Ray starts one on this machine.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from medfl_sim.engine.engines import ENGINES
from medfl_sim.engine.grid import be_a_task, flower_ray_backend
from medfl_sim.engine.pool import Pool
from medfl_sim.engine.ray_cluster import start_ray
from medfl_sim.own.carried import packed, unpacked

_APPS: dict[str, ClientApp] = {}  # of this process, by the object behind them


@ENGINES.register("ray")
def ray_engine(make_app: Callable[[], ClientApp], n_workers: int | None, max_bytes: int) -> Pool:
    """Start Flower's actors, `n_workers` or as many as the cluster has processors."""
    ray = start_ray(n_workers)
    stored = ray.put(packed(ray.cloudpickle, make_app))
    key = stored.hex()
    backend = flower_ray_backend(
        {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}}, partial(load_app, key, stored)
    )

    def work(message: Message, context: Context) -> Message:
        reply: Message = backend.process_message(message, context)[0]
        return reply

    return Pool([work] * backend.num_workers, backend.terminate)


def load_app(key: str, stored: Any) -> ClientApp:
    """Return this actor's app, built at its first message."""
    if key not in _APPS:
        ray: Any = import_module("ray")
        be_a_task()
        _APPS[key] = unpacked(ray.cloudpickle, ray.get(stored))()
    return _APPS[key]
