"""A study on one machine: virtual hospitals, the real apps, a real run directory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from flwr.app import Context, RecordDict
from flwr.clientapp import ClientApp

from medfl_client.task.addressee import Addressee
from medfl_client.task.app import build_app as build_client_app
from medfl_client.task.handler import NotSent
from medfl_client.task.session import Session, use_threads
from medfl_client.task.site import Site
from medfl_client.training.step import load_optimisers
from medfl_common.errors import MEANING
from medfl_common.files import locked
from medfl_common.run.folder import RunFolder
from medfl_common.wire.cost import sizes
from medfl_server.aggregation.aggregator import check_roster
from medfl_server.rounds.app import build_app as build_server_app
from medfl_server.rounds.paused import PausedError
from medfl_server.rounds.progress import Follow
from medfl_server.study.run_directory import Study
from medfl_server.superlink.allocator import give_back_large_blocks
from medfl_server.superlink.transport import Announce
from medfl_sim.data.faults import Fault
from medfl_sim.engine.engines import ENGINES
from medfl_sim.engine.fault_injection import check_faults, misbehaviour, speed_of
from medfl_sim.engine.grid import SimulatedGrid, run_apps
from medfl_sim.engine.virtual_keys import line_of, signing_key_of

ROOM = 65_536  # bytes of a message beside the model's
IN_PROCESS = "inprocess"
BEGIN = "not sent: "
MOST_REASONS = 3  # of a study that pauses, on the screen
MANY = 1000  # with more hospitals, freed memory goes back at once, which costs some time


def silent(line: str) -> None:
    """Take a line and say nothing."""


def run_study(
    study: Study,
    sites: Mapping[str, Site],
    announce: Announce = silent,
    follow: Follow | None = None,
    engine: str = IN_PROCESS,
    n_workers: int | None = None,
    faults: Sequence[Fault] = (),
) -> None:
    """Run a study over virtual hospitals to its end; resume it where it stopped.

    Args:
        study: The run directory and its plan.
        sites: Name -> virtual hospital, in the roster's order.
        announce: Takes one line per event.
        follow: Takes the progress after each round.
        engine: A file in medfl_sim/engine/engines; the weights do not depend on it.
        n_workers: The number of workers, if the engine has any; default: its own choice.
        faults: Injected faults, in rounds and updates.
    """
    check_faults(faults, study.plan)
    check_roster(study.plan.federation, len(sites) - len(_outside(sites)))
    folder = study.folder.resolve()  # workers may be in another directory
    if len(sites) > MANY:
        give_back_large_blocks()
    use_threads(study.plan)  # also if others train: waiting threads would take their cores
    most = 8 * sizes(study.plan)[0] + ROOM  # weights, and as much server state of a strategy
    not_sent = RunFolder(folder).not_sent_log
    with locked(study.folder):
        make = partial(make_app, _in_run(sites, folder), faults, not_sent, study.run)
        running = ENGINES.get(engine)(make, n_workers, most)
        try:
            grid, roster = SimulatedGrid(running, [*sites]), dict.fromkeys(sites)
            app = build_server_app(
                study,
                lambda: roster,
                grid.connected_sites,
                announce,
                follow or (lambda progress: None),
                sites_keep_models=False, speed=speed_of(faults, study.plan, [*sites]),
                explain=partial(why_not_sent, not_sent, announce),
                outside=_outside(sites), virtual_keys={n: line_of(study.run, n) for n in sites},
            )  # fmt: skip
            run_apps(app, grid)
        except PausedError as paused:
            raise _for_researchers(study, paused) from None
        finally:
            running.close()
            if not_sent.exists():
                announce(f"what hospitals withheld, and why: {not_sent}")


def _in_run(sites: Mapping[str, Site], folder: Path) -> dict[str, Site]:
    """Give virtual hospitals their folders in a run."""
    return {n: replace(s, local=RunFolder(folder).local / n) for n, s in sites.items()}


def _outside(sites: Mapping[str, Site]) -> list[str]:
    """List the hospitals that only score."""
    return [name for name, site in sites.items() if site.policy.role == "evaluate"]


def make_app(
    sites: Mapping[str, Site], faults: Sequence[Fault], not_sent: Path, run: str = ""
) -> ClientApp:
    """Make the app of all virtual hospitals, in the process that runs it.

    Their refusals, with reasons, go to the file `not_sent`: they keep no incidents of their own.
    Their keys follow from the run, and are made here: no engine carries a key to a process.
    Without a run they have none, or those that they came with.
    """
    load_optimisers()
    if run:
        sites = {name: replace(s, signing=signing_key_of(run, name)) for name, s in sites.items()}
    session = Session()

    def find(content: RecordDict, context: Context) -> Addressee:
        return Addressee(sites[str(context.node_config["site"])], session, tell)

    def tell(line: str) -> None:
        if isinstance(line, NotSent):
            not_sent.touch(mode=0o600)  # it may name files
            with not_sent.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    return build_client_app(find, misbehaviour(faults, [*sites]))


def _for_researchers(study: Study, paused: PausedError) -> PausedError:
    """Say why a study paused to a researcher, who has nobody to ask."""
    if paused.message:  # a person wished it
        return paused
    log = study.files.not_sent_log
    alike = {line.partition(" (MEDFL-")[0]: line for line in _reasons(log)}
    more = f"; the reasons are in {log}" if alike else ""
    return PausedError(
        "; ".join([paused.what, *[*alike.values()][-MOST_REASONS:]]),
        todo=f"correct the data, their site files or the plan, and start it again{more}",
        data=paused.data,
    )


def why_not_sent(not_sent: Path, announce: Announce, code: int, incident: int) -> str:
    """Announce why a virtual hospital sent nothing; return what the log may hold of it."""
    for reason in _reasons(not_sent):
        if f", incident {incident})" in reason:
            announce(reason)
    return f"{MEANING.get(code, MEANING[900])} (MEDFL-E{code}); {not_sent.name} says why"


def _reasons(not_sent: Path) -> list[str]:
    """Give each reason as a line; of a traceback, what it says at its end."""
    lines = not_sent.read_text(encoding="utf-8").splitlines() if not_sent.exists() else []
    found: list[str] = []
    is_traceback = False
    for line in lines:
        if line.startswith(BEGIN):
            is_traceback = line.startswith(f"{BEGIN}Traceback")
            found.append(line)
        elif is_traceback and line.startswith(" (MEDFL-"):
            found[-1], is_traceback = found[-1] + line, False
        elif is_traceback and line and not line.startswith(" "):
            found[-1] = f"{BEGIN}{line}"
    return found


def default_out(plan_file: Path) -> Path:
    """Name a new run directory: runs/<plan>-1, runs/<plan>-2, ..."""
    number = 1
    while (out := Path("runs") / f"{plan_file.stem}-{number}").exists():
        number += 1
    return out
