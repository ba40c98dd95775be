"""A coordinator's directory: one authority, one port, and a study in each directory below.

DIR/tls/ca.key, ca.crt, server.key, server.crt   as in a study's directory; they count for all below
    NAME/            a study's directory: plan, roster, invitations, study key, log, models
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

from medfl_common.errors import ConfigError, MedflError, RunError
from medfl_common.plan.plan import load_plan
from medfl_common.run.events import Finished
from medfl_common.run.folder import RunFolder
from medfl_server.roster.certificates import (
    create_authority,
    have_one_authority,
    take_over_authority,
)
from medfl_server.roster.study_key import study_fingerprint
from medfl_server.study.run_directory import Study, open_study

Broken = Callable[[Path, Exception], None]


def create_coordinator(folder: Path, host: str) -> str:
    """Make a coordinator's directory; give the fingerprint of its authority."""
    _refuse_if_taken(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    return create_authority(folder, "coordinator", host)


def coordinator_like(folder: Path, study: Path) -> str:
    """Make a coordinator's directory with the authority that a study has: its hospitals know it."""
    open_study(study)
    _refuse_if_taken(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    return take_over_authority(study, folder)


def is_coordinator(folder: Path) -> bool:
    """Say whether studies may be below, and none is here."""
    made = RunFolder(folder)
    is_study = made.facts.exists() or made.plan_file.exists()
    return not is_study and (made.tls.exists() or bool(studies_below(folder)))


def is_one_of_several(folder: Path) -> bool:
    """Say whether a study's directory is below a coordinator's, whose authority it uses."""
    made = RunFolder(folder)
    return made.server_certificate.exists() and made.server_certificate.parent != made.tls


def studies_below(folder: Path) -> list[Path]:
    """List the directories of studies, in the order of their names."""
    return [path.parent for path in sorted(folder.glob(f"*/{RunFolder(folder).facts.name}"))]


def open_studies(folder: Path, broken: Broken | None = None) -> list[Study]:
    """Open every study below.

    Args:
        folder: The coordinator's directory.
        broken: Takes a study that cannot be opened, or whose hospitals would not trust this port,
            and why; None: that is raised.
    """
    paths, studies = studies_below(folder), []
    if not paths:
        raise RunError(
            f"{folder} holds no study",
            todo=f"make one below it: medfl-server init {folder / 'NAME'} --plan PLAN",
        )
    for path in paths:
        try:
            studies.append(open_one(folder, path))
        except (MedflError, OSError) as error:
            if broken is None:
                raise
            broken(path, error)
    return studies


def open_one(folder: Path, path: Path) -> Study:
    """Open a study below; ConfigError where its hospitals would not trust this port."""
    study = open_study(path)
    if not have_one_authority(folder, path):
        raise ConfigError(
            f"{path} has another authority than {RunFolder(folder).tls}, so its hospitals would "
            "not trust this port",
            todo="run it alone, from another directory; medfl-server init --like makes a "
            "directory with a study's own authority",
        )
    return study


def studies_to_run(folder: Path, broken: Broken | None = None) -> list[Study]:
    """Open every study below that is not over; ConfigError where two cannot run at once."""
    studies = [study for study in open_studies(folder, broken) if not is_over(study)]
    refuse_alike(studies)
    return studies


def refuse_name_of_another(folder: Path, plan_file: Path) -> None:
    """Raise ConfigError where a study beside the new one has the name that its plan says."""
    name = load_plan(plan_file).study
    for other in studies_below(folder.parent):
        if other != folder and _name_of(other) == name:
            raise ConfigError(
                f"{other} is called {name}, as the plan {plan_file} is; hospitals could not tell "
                "the two apart",
                todo="write another name as the plan's study",
                data="nothing was made",
            )


def _name_of(folder: Path) -> str:
    try:
        return load_plan(RunFolder(folder).plan_file).study
    except (MedflError, OSError):
        return ""  # a broken one is no reason to make no other


def refuse_alike(studies: Sequence[Study]) -> None:
    """Raise ConfigError where hospitals could not tell two of the studies apart."""
    for one, other in combinations(studies, 2):
        if one.plan.study == other.plan.study:
            raise ConfigError(
                f"{one.folder} and {other.folder} are both called {one.plan.study}",
                todo="make one of them anew, with a name of its own",
            )
        if study_fingerprint(one.folder) == study_fingerprint(other.folder) != "":
            raise ConfigError(
                f"{one.folder} and {other.folder} have one study key, as a study and its branch; "
                "a hospital could not tell which of them has ended",
                todo="let one of them finish before the other goes on",
            )


def is_over(study: Study) -> bool:
    """Say whether a study is finished, and its final model is written."""
    from medfl_common.run.model_file import WEIGHTS  # imports torch

    return bool(study.log.read(Finished)) and (study.folder / WEIGHTS).exists()


def _refuse_if_taken(folder: Path) -> None:
    made = RunFolder(folder)
    if made.facts.exists() or made.ca.exists():
        raise RunError(f"{folder} has an authority already", todo="choose another directory")
