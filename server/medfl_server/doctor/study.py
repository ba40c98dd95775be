"""`medfl-server doctor`: check, before the start, everything that could stop the study later.

It changes nothing, and sends only TLS handshakes to this coordinator itself.
"""

import json
import os
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from socket import gethostname

from medfl_common.errors import MedflError
from medfl_common.ops.checks import Check, Finding, examine, fail, not_checked, ok, warn
from medfl_common.ops.machine import available_memory, check_disk, check_memory, check_versions
from medfl_common.run.checkpoint import load_newest
from medfl_common.run.events import Finished, RoundMade, event_of
from medfl_common.wire.cost import TRAINING, sizes
from medfl_common.wire.versions import COORDINATOR, mixture, named, own_versions
from medfl_server.doctor.network import door_checks
from medfl_server.roster.certificates import certified_names
from medfl_server.roster.comparisons import read_comparisons
from medfl_server.roster.enrolment import read_roster
from medfl_server.roster.invitations import expected_sites
from medfl_server.study.coordinator import is_coordinator, studies_below, studies_to_run
from medfl_server.study.pause_wish import wish_in
from medfl_server.study.run_directory import Study, open_study
from medfl_server.study.stop_wish import stop_in

PROGRAM_BYTES = 1_000_000_000  # Python, torch, Flower
CHECKPOINTS = 5  # two newest, the best, and a new copy of each while it is written
ALL_WEIGHTS = 3  # the start, the final model, and one while it is written
LOG_BYTES = 10_000  # a line of the run log, for each site and round
LARGE_S = 120.0  # a checkpoint is read whole


def examine_study(folder: Path, port: int) -> list[Finding]:
    """Make every check of a study's directory and of the port on which hospitals connect."""
    first = examine(
        {
            "study": partial(check_study, folder),
            "programs": partial(check_versions, ("torch", "torchvision", "uvicorn")),
            "time": check_time,
            "privacy of Flower": check_telemetry,
        }
    )
    if first[0].state == "fail":
        return [*first, *examine({"the rest": _needs_study})]
    study = open_study(folder)
    found = first + examine(_folder_checks(study)) + examine(door_checks(folder, port))
    return found + examine({"newest checkpoint": partial(check_checkpoint, study)}, LARGE_S)


def examine_several(folder: Path, port: int) -> list[Finding]:
    """Make the checks of every study below a coordinator's directory, and of them together."""
    each = [
        replace(found, check=f"{below.name}: {found.check}")
        for below in studies_below(folder)
        for found in examine_study(below, port)
    ]
    return [*examine({"studies": partial(check_together, folder)}), *each]


def check_together(folder: Path) -> Finding:
    """Check that there are studies, and that hospitals can tell them apart and trust one port."""
    to_run = studies_to_run(folder)  # its errors say what to do
    names = ", ".join(study.folder.name for study in to_run)
    return ok(f"run runs {names}" if names else "every study is finished")


def private_names(folder: Path) -> dict[str, str]:
    """List what a fault report must not name, each with the role that replaces it."""
    names = {str(path): "study folder" for path in (folder, folder.resolve())}
    names[gethostname()] = "machine"
    for i, below in enumerate(studies_below(folder) if is_coordinator(folder) else [], 1):
        names |= private_names(below) | {below.name: f"study {i}"}
    with suppress(MedflError):
        names |= dict.fromkeys(read_roster(folder), "hospital")
        names |= dict.fromkeys(expected_sites(folder), "hospital")
    with suppress(MedflError):
        names |= dict.fromkeys(certified_names(folder), "coordinator")
    return names


def _folder_checks(study: Study) -> dict[str, Check]:
    return {
        "study folder": partial(check_folder, study.folder),
        "pause": partial(check_pause, study.folder),
        "hospitals": partial(check_roster, study),
        "fingerprints": partial(check_compared, study.folder),
        "run log": partial(check_log, study.files.log),
        "versions": partial(check_site_versions, study),
        "disk": partial(check_room, study),
        "memory": partial(check_working_memory, study),
    }


def check_study(folder: Path) -> Finding:
    """Open the study, whose plan must be unchanged."""
    study = open_study(folder)  # its errors say what to do
    return ok(
        f"{study.plan.study}, {study.plan.federation.rounds} rounds of {study.plan.model.called}; "
        f"the plan is unchanged. Hash, to compare by telephone: {study.plan.hash()}"
    )


def check_folder(folder: Path) -> Finding:
    """Check that the study's directory is writable, and not readable by everyone."""
    if not os.access(folder, os.W_OK | os.X_OK):
        todo = f"let the user that runs medfl-server write in {folder.resolve()}"
        return fail(f"{folder.resolve()} cannot be written", todo, "your IT department")
    if folder.stat().st_mode & 0o007:
        todo = f"chmod 750 {folder.resolve()}"
        return warn("every user of this machine can read it; it holds the model", todo)
    return ok(f"{folder.resolve()}: writable, and closed to other users")


def check_pause(folder: Path) -> Finding:
    """Say whether a person has paused the study, or ended it."""
    wish, stop = wish_in(folder), stop_in(folder)
    if wish is not None:
        return warn(wish.in_words, f"medfl-server resume {folder} lets it go on")
    if stop is not None:
        return warn(f"the study is {stop.in_words}", f"medfl-server run {folder} scores its model")
    return ok("nobody has paused the study")


def check_roster(study: Study) -> Finding:
    """Say who is enrolled or may still join, and whether they are enough for a round."""
    roster, wanted = read_roster(study.folder), study.plan.federation.min_sites
    coming = expected_sites(study.folder)
    n_sites = len(roster) + len(coming)
    shown = [f"{name} {site.fingerprint}" for name, site in roster.items()]
    shown += [f"{name} is invited and may still join" for name in coming]
    todo = f"medfl-server invite {study.folder} NAME, and send each hospital its file"
    if not shown:
        return fail("no hospital is enrolled or invited", todo)
    if wanted != "all" and n_sites < wanted:
        return fail("\n".join([*shown, f"these are {n_sites}, a round needs {wanted}"]), todo)
    needed = "them all: one absent hospital stops it" if wanted == "all" else "{} of these {}"
    said = "\n".join([*shown, f"a round needs {needed.format(wanted, n_sites)}"])
    return warn(said, f"medfl-server admit {study.folder} lists them") if coming else ok(said)


def check_compared(folder: Path) -> Finding:
    """Say whose fingerprint nobody has compared by telephone, or has noted that."""
    roster, noted = read_roster(folder), read_comparisons(folder)
    if missing := [name for name in roster if name not in noted]:
        return not_checked(
            f"nobody has noted that these were compared by telephone: {', '.join(missing)}",
            f"call each hospital, then medfl-server roster {folder} --compared NAME --by WHO",
            "you",
        )
    return ok("each hospital's was compared by telephone" if roster else "no hospital yet")


def check_log(path: Path) -> Finding:
    """Read the run log; only its last line may be torn, by a crash."""
    if not path.exists():
        return ok("none yet; the study has not begun")
    lines = path.read_text(encoding="utf-8").split("\n")
    try:
        kinds = Counter(type(event_of(json.loads(line))) for line in lines[:-1] if line)
    except (ValueError, KeyError, TypeError):
        return fail(
            f"{path.resolve()} has a line that is no event",
            "put the file back from a copy; the report is made from it",
        )
    torn = "; a crash tore the last line, medfl-server run repairs it" if lines[-1] else ""
    made, done = kinds[RoundMade], ", finished" if kinds[Finished] else ""
    return ok(f"{sum(kinds.values())} events, {made} rounds made{done}{torn}")


def check_site_versions(study: Study) -> Finding:
    """Say what each hospital runs, by its newest reply in the run log."""
    found: dict[str, dict[str, str]] = {}
    for event in study.log.read(RoundMade) if study.files.log.exists() else []:
        found |= {site: reply.versions for site, reply in event.sites.items() if reply.versions}
    if not found:
        return not_checked("what the hospitals run: a reply tells it")
    shown = "; ".join(
        f"{site}: {', '.join(' '.join(one) for one in told.items())}"
        for site, told in found.items()
    )
    mixed = mixture({**found, COORDINATOR: named(own_versions())})
    if mixed:
        todo = "agree on one version of each, and install it at all sites"
        return warn(f"{shown}. The versions differ: {mixed}", todo)
    return ok(shown)


def check_room(study: Study) -> Finding:
    """Compare the free disk with the checkpoints, the models and the log."""
    n_weights, shared, _ = sizes(study.plan)
    lines = study.plan.federation.rounds * max(len(read_roster(study.folder)), 1)
    needed = CHECKPOINTS * shared + ALL_WEIGHTS * 4 * n_weights + LOG_BYTES * lines
    return check_disk(study.folder, needed, "checkpoints, models and the log")


def check_working_memory(study: Study) -> Finding:
    """Compare the memory with the model at work, and an update of each site that waits."""
    _, shared, _ = sizes(study.plan)
    n = max(len(read_roster(study.folder)), 1)
    needed = PROGRAM_BYTES + (TRAINING + n) * shared
    what_for = f"{study.plan.model.called} and an update of each hospital"
    return check_memory(needed, what_for, available_memory())


def check_checkpoint(study: Study) -> Finding:
    """Read the newest checkpoint, from which the study would resume."""
    newest, warnings = load_newest(study.checkpoints)  # its error: none is whole
    if newest is None:
        return ok("none yet; the study starts from its initial weights")
    if warnings:
        return warn(
            "; ".join(warnings) + f"; the study resumes after round {newest.round}",
            "check the disk; the study repeats a round",
            "your IT department",
        )
    return ok(f"whole; the study resumes after round {newest.round}")


def check_time() -> Finding:
    """Report this machine's time; Flower refuses a hospital whose clock differs."""
    now = f"{time.strftime('%Y-%m-%d %H:%M:%S %Z')}"
    if Path("/run/systemd/timesync/synchronized").exists():
        return ok(f"{now}; kept by the system's time synchronisation")
    return ok(f"{now}; compare it with a clock: Flower refuses a hospital 5 s ahead of it")


def check_telemetry() -> Finding:
    """Check that Flower sends nothing about its use."""
    if os.environ.get("FLWR_TELEMETRY_ENABLED") != "0":
        return fail("Flower's telemetry is on", "unset what sets FLWR_TELEMETRY_ENABLED")
    return ok("its telemetry and its look for updates are off")


def _needs_study() -> Finding:
    return not_checked("hospitals, certificates, port, disk: the study's directory says which")
