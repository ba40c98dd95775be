"""The runs of a sweep on the cores of this machine, a process each."""

import multiprocessing
import os
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import torch

from medfl_common.plan.graph_files import here, put
from medfl_sim.own.scripts import import_scripts, scripts
from medfl_sim.sweeps.sweep import RUNNERS, Task, work

ENDED = "a process ended, often for lack of memory; start the sweep again with fewer --workers"


@RUNNERS.register("cores")
def on_cores(tasks: Sequence[Task], n_workers: int | None) -> Iterator[tuple[Task, str]]:
    """Make runs, one per core at a time."""
    n = min(n_workers or os.cpu_count() or 1, len(tasks))
    if n <= 1:
        for task in tasks:
            yield task, work(task)
        return
    fresh = multiprocessing.get_context("spawn")
    # A run has one thread: as many runs as cores are faster than one with all of them.
    with ProcessPoolExecutor(n, fresh, _begin, (scripts(), here())) as pool:
        asked = {pool.submit(work, task): task for task in tasks}
        try:
            for future in as_completed(asked):
                error = future.exception()
                yield asked[future], _reason(error) if error else future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(own: Sequence[Path], graphs: Sequence[bytes]) -> None:
    """Let a new process have one thread, and the own parts and graphs of the one before it."""
    torch.set_num_threads(1)
    import_scripts(own)
    for data in graphs:
        put(data)


def _reason(error: BaseException) -> str:
    """Say why a run has no result; for a fault in the code, include the traceback."""
    if isinstance(error, BrokenProcessPool):
        return ENDED
    return f"a fault in the code:\n{''.join(traceback.format_exception(error))}"
