"""Runs in a folder of a study's run directory: run directories too, which stop and resume alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from medfl_client.task.site import Site
from medfl_common.files import write_atomic
from medfl_common.plan.model_choice import WeightsFile
from medfl_common.run.events import Finished
from medfl_common.run.folder import RunFolder
from medfl_server.study.run_directory import Study, create_study, open_study
from medfl_sim.data.faults import Fault
from medfl_sim.engine.simulation import IN_PROCESS, run_study


@dataclass(frozen=True)
class Way:
    """How inner runs are made: the engine, its workers, and what goes wrong."""

    engine: str = IN_PROCESS
    n_workers: int | None = None
    faults: Sequence[Fault] = ()


PLAIN = Way()


def members(sites: Mapping[str, Site]) -> dict[str, Site]:
    """Leave out the hospitals that only score."""
    return {name: site for name, site in sites.items() if site.policy.role == "train"}


def finish(folder: Path, plan_file: Path, sites: Mapping[str, Site], way: Way = PLAIN) -> Study:
    """Run a study to its end, or resume it; repeat nothing that is finished."""
    exists = RunFolder(folder).facts.exists()
    study = open_study(folder) if exists else create_study(folder, plan_file)
    if not study.log.read(Finished):
        run_study(study, sites, engine=way.engine, n_workers=way.n_workers, faults=way.faults)
    return study


def write_inner_plan(
    study: Study,
    path: Path,
    federation: Mapping[str, object],
    training: Mapping[str, object],
    privacy: Mapping[str, object] | None = None,
) -> Path:
    """Write the study's plan, changed, with the study's initial weights; `path` lies beside it."""
    values = study.plan.model_dump(mode="json")
    values["federation"] |= federation
    values["training"] |= training
    values["privacy"] |= privacy or {}
    if isinstance(study.plan.model.weights, WeightsFile):
        values["model"]["weights"]["file"] = study.files.weights_file.name
    write_atomic(path, yaml.safe_dump(values, sort_keys=False).encode())
    return path
