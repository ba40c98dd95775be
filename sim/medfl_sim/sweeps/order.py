"""One sweep from its options to its page: every combination, or a search for the best."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medfl_client.data.ingest import Watch
from medfl_common.errors import ConfigError
from medfl_common.plan.plan import load_plan
from medfl_sim.data.only_read import refuse_in_data
from medfl_sim.runs.job import Job
from medfl_sim.runs.page import check_format
from medfl_sim.sweeps.answer import answer
from medfl_sim.sweeps.factors import factors, read_reference
from medfl_sim.sweeps.page import write_sweep
from medfl_sim.sweeps.sweep import RUNNERS, read_vary, run_sweep, variants
from medfl_sim.sweeps.table import results


@dataclass(frozen=True)
class Order:
    """What a sweep does with its job: the options of the command."""

    vary: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()
    n_seeds: int = 3
    search: int | None = None  # settings to try, in place of every combination
    figures: str | None = None  # format of the pictures
    runner: str = "cores"
    n_workers: int | None = None


def make_sweep(
    job: Job, order: Order, folder: Path, say: Callable[[str], None], watch: Watch | None = None
) -> Path:
    """Make the runs and write tables, pictures and the page, whose path it returns."""
    check_format(order.figures)
    RUNNERS.get(order.runner)
    refuse_in_data(job.data, folder, job.cache or folder)
    if order.search and order.reference:
        raise ConfigError(
            "--search compares nothing, so --reference says nothing",
            todo="leave one of the two out",
        )
    page = (_searched if order.search else _swept)(job, order, folder, say, watch)
    say(f"page: {page}, tables: {folder / 'sweep.csv'}, {folder / 'sweep.tex'}")
    if order.figures:
        say(f"pictures: {folder / 'figures'}")
    return page


def _swept(
    job: Job, order: Order, folder: Path, say: Callable[[str], None], watch: Watch | None
) -> Path:
    vary = read_vary(order.vary)
    reference = read_reference(order.reference, vary)
    found = variants(job, vary, order.n_seeds, folder)
    say(f"{len(found)} runs in {folder}")
    failed = run_sweep(found, order.runner, order.n_workers, say, watch)
    made = results(found, failed)
    compared = factors(made, reference)
    said = answer(made, compared)
    say(said)
    return write_sweep(folder, made, load_plan(job.plan).study, said, compared, order.figures)


def _searched(
    job: Job, order: Order, folder: Path, say: Callable[[str], None], watch: Watch | None
) -> Path:
    from medfl_sim.sweeps.search import Search, told

    made = Search(job, order.vary, order.n_seeds, folder, say).run(
        order.search or 0, order.runner, order.n_workers, watch
    )
    said = told(made)
    say(said)
    return write_sweep(folder, made, load_plan(job.plan).study, said, figures=order.figures)
