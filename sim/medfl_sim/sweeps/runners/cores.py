"""The runs of a sweep on the cores of this machine, a process each."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

import torch

from medfl_sim.sweeps.sweep import RUNNERS, Task, work


@RUNNERS.register("cores")
def on_cores(tasks: Sequence[Task], n_workers: int | None) -> Iterator[tuple[Task, str]]:
    """Make runs, as many at a time as there are cores."""
    n = min(n_workers or os.cpu_count() or 1, len(tasks))
    if n <= 1:
        for task in tasks:
            yield task, work(task)
        return
    fresh = multiprocessing.get_context("spawn")
    # A run has one thread: as many runs as cores are faster than one with all of them.
    with ProcessPoolExecutor(n, fresh, torch.set_num_threads, (1,)) as pool:
        asked = {pool.submit(work, task): task for task in tasks}
        try:
            for future in as_completed(asked):
                error = future.exception()
                yield asked[future], str(error) if error else future.result()
        finally:
            pool.shutdown(cancel_futures=True)
