"""The run directory: the truth about a study. Whatever stops, it goes on from here.

DIR/plan.yaml          the plan, as the coordinator wrote it
    plan-1.yaml        the plans before it, where `extend` or `amend` changed it
    study.json         the run's id and the plan's hash
    log.jsonl          one line per event
    weights.safetensors  the initial weights that came as a file, where the plan names one
    graphs/            what the plan brings as data, each file under its hash
    start.safetensors  all weights that the study starts from
    checkpoints/       the shared weights after the last rounds, and of the best round
    model.safetensors  all final weights, once finished; with plan.json and reading.json
    model-card.md      what the model is for and how good it is; .html too
    harmony.html       how the sites' data differ, where the plan asks for statistics
    report.html        written by `medfl-server report` and at the end of a run
"""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medfl_common import __version__
from medfl_common.errors import ConfigError, RunError
from medfl_common.files import write_atomic
from medfl_common.plan.graph_files import keep
from medfl_common.plan.model_choice import WeightsFile
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.plugins.loading import admit
from medfl_common.run.events import Finished
from medfl_common.run.folder import RunFolder
from medfl_common.run.log import RunLog

if TYPE_CHECKING:
    from medfl_common.wire.tasks import Kind


@dataclass(frozen=True)
class Study:
    """One study run."""

    folder: Path
    plan: Plan
    run: str  # 32 hex digits

    @property
    def files(self) -> RunFolder:
        """Name the files of the run directory."""
        return RunFolder(self.folder)

    @property
    def log(self) -> RunLog:
        """Open the run log."""
        return RunLog(self.folder)

    @property
    def checkpoints(self) -> Path:
        """Say where the checkpoints are."""
        return self.files.checkpoints

    def nonce(self, kind: "Kind", round_: int, site: str) -> int:
        """Number a request: the same whenever this run asks this again, 0..2**62-1."""
        text = f"{self.run}|{kind}|{round_}|{site}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2


def create_study(
    folder: Path, plan_file: Path, certify: Callable[[str], object] = lambda name: None
) -> Study:
    """Make a run directory for a plan; raises RunError if one is there, ConfigError if unfit.

    Args:
        folder: The directory.
        plan_file: The plan, whose bytes are kept.
        certify: Makes the certificates for the study's name. What was cut off before `study.json`
            is on the disk is no study yet, and is made again.
    """
    from medfl_server.study.plan_check import check_plan  # imports torch and Flower

    plan = load_plan(plan_file)
    if RunFolder(folder).facts.exists():
        raise RunError(f"{folder} holds a study already", todo="choose another directory")
    check_plan(plan, str(plan_file))
    choice = plan.model.weights
    weights = check_file(choice, plan_file.parent) if isinstance(choice, WeightsFile) else None
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    if weights is not None:
        write_atomic(RunFolder(folder).weights_file, weights)
    keep(plan, folder)
    write_atomic(RunFolder(folder).plan_file, plan_file.read_bytes())
    certify(plan.study)
    run = secrets.token_hex(16)
    write_facts(folder, run, plan)
    return Study(folder, plan, run)


def write_facts(folder: Path, run: str, plan: Plan, coming: Plan | None = None) -> None:
    """Write what makes a directory that of a run of a plan, and of one that is being written."""
    facts = {"run": run, "plan_sha256": plan.hash(), "medfl": __version__}
    if coming is not None:
        facts["coming_sha256"] = coming.hash()
    write_atomic(RunFolder(folder).facts, json.dumps(facts, indent=1).encode())


def _no_study(folder: Path) -> RunError:
    below = sorted(path.parent for path in folder.glob(f"*/{RunFolder(folder).facts.name}"))
    if below:
        return RunError(
            f"{folder} is for several studies, and this is asked of one",
            todo=f"name one: {', '.join(map(str, below))}",
        )
    return RunError(f"{folder} holds no study", todo="make one with medfl-server init")


def check_file(choice: WeightsFile, folder: Path) -> bytes:
    """Read a weights file whose path is relative to `folder`; ConfigError if it is another."""
    path = folder / choice.file
    try:
        data = path.read_bytes()
    except OSError:
        raise ConfigError(f"model.weights.file: {path.resolve()} cannot be read") from None
    seen = hashlib.sha256(data).hexdigest()
    if seen != choice.sha256:
        raise ConfigError(
            f"model.weights.file: {path.resolve()} has SHA-256 {seen}, the plan says "
            f"{choice.sha256}: it is another file, or was changed",
            todo="put the file of the plan there, or correct the plan",
        )
    return data


def open_study(folder: Path) -> Study:
    """Open a run directory; raises RunError if it is none, or its plan was changed since."""
    made = RunFolder(folder)
    try:
        facts = json.loads(made.facts.read_text())
        run, plan_hash = str(facts["run"]), facts["plan_sha256"]
        coming = facts.get("coming_sha256")  # a change of the plan was cut off
    except FileNotFoundError:
        raise _no_study(folder) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RunError(f"{made.facts} is damaged", data="nothing was changed") from None
    plan = load_plan(made.plan_file)
    admit(plan)
    if plan.hash() not in (plan_hash, coming):
        raise RunError(
            f"{made.plan_file} was changed after the study was made (hash {plan.hash()[:8]}, "
            f"was {plan_hash[:8]})",
            todo="put it back; medfl-server amend changes a study's plan, and medfl-server branch "
            "makes a new study for a new one",
        )
    return Study(folder, plan, run)


def check_finished(study: Study) -> Finished:
    """Give the end of a study; RunError where a test part may not be scored yet."""
    finished = study.log.read(Finished)
    if not finished:
        raise RunError(
            f"{study.folder} is not finished, and a test part is scored once, for the result",
            todo="let medfl-server run finish it",
        )
    return finished[-1]
