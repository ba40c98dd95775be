"""`branch`: a new study from a finished one's model, with its hospitals, keys and split."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load
from safetensors.torch import save as save_tensors

from medfl_common.errors import ConfigError, RunError
from medfl_common.files import write_atomic
from medfl_common.models.network import Network
from medfl_common.models.weights import Weights
from medfl_common.plan.bounds import Value
from medfl_common.plan.halves import at_coordinator
from medfl_common.plan.model_choice import WeightsFile
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.checkpoint import Checkpoint, keep, load_newest, save
from medfl_common.run.events import Finished
from medfl_common.run.folder import RunFolder
from medfl_common.run.model_file import WEIGHTS
from medfl_server.study.initial_weights import initial_weights
from medfl_server.study.plan_text import rewrite
from medfl_server.study.run_directory import Study, create_study, open_study


@dataclass(frozen=True)
class Branched:
    """A new study."""

    study: Study
    notes: list[str]  # on what went along


def branch(folder: Path, new: Path, plan_file: Path) -> Branched:
    """Make a study that starts from the final model of another.

    Raises RunError where that one is not finished, ConfigError for a plan that does not go with it.
    """
    parent, plan = open_study(folder), load_plan(plan_file)
    if not parent.log.read(Finished):
        raise RunError(
            f"{folder} is not finished: it has no final model to start from",
            todo="let it finish; medfl-server extend and amend change a study that is under way",
        )
    if RunFolder(new).facts.exists():
        raise RunError(f"{new} holds a study already", todo="choose another directory")
    if new.exists() and (not new.is_dir() or any(new.iterdir())):
        raise RunError(f"{new} is there, and not empty", todo="choose another directory")
    model = _weights(parent, plan)
    inherited = _inherited(parent.plan, plan, hashlib.sha256(model).hexdigest(), new)
    text, _ = rewrite(plan_file.read_text("utf-8-sig"), plan, inherited)
    made = new.with_name(f"{new.name}.partial")
    shutil.rmtree(made, ignore_errors=True)  # of a try that failed
    made.mkdir(parents=True, mode=0o750)
    try:
        notes = _fill(made, parent, text, model)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    made.rename(new)
    return Branched(open_study(new), notes)


def _weights(parent: Study, plan: Plan) -> bytes:
    """Read the final model; without its last layer where that answered to other classes."""
    model = (parent.folder / WEIGHTS).read_bytes()
    if _has_its_classes(parent, plan):
        return model
    return save_tensors({n: t for n, t in load(model).items() if not n.startswith("head.")})


def _has_its_classes(parent: Study, plan: Plan) -> bool:
    had, has = parent.plan.task, plan.task
    return (had.type, had.classes) == (has.type, has.classes)


def _fill(made: Path, parent: Study, text: str, model: bytes) -> list[str]:
    files, scratch = RunFolder(made), made / "given"
    scratch.mkdir()
    given = RunFolder(scratch)
    write_atomic(given.weights_file, model)
    write_atomic(given.plan_file, text.encode())
    study = create_study(made, given.plan_file)
    shutil.rmtree(scratch)
    own, start = initial_weights(study)  # raises where the model does not fit
    if parent.files.tls.exists():
        shutil.copytree(parent.files.tls, files.tls)
        _copy_authority(parent.files, files)
    for source, to in (
        (parent.files.roster, files.roster),
        (parent.files.revoked, files.revoked),
        (parent.files.compared, files.compared),
        (parent.files.ledgers, files.ledgers),
    ):
        if source.exists():
            shutil.copy2(source, to)
    return _give_state(parent, study, own, start)


def _copy_authority(parent: RunFolder, files: RunFolder) -> None:
    """Copy what the parent has above it, where the branch is not below the same directory."""
    for source, to in (
        (parent.ca_key, files.ca_key),
        (parent.server_key, files.server_key),
        (parent.server_certificate, files.server_certificate),
    ):
        if source.exists() and not to.exists():
            shutil.copy2(source, files.tls / to.name)


def _inherited(parent: Plan, plan: Plan, sha256: str, new: Path) -> dict[str, Value]:
    """Give the settings that a branch has from its parent; ConfigError where the plan differs."""
    if plan.study == parent.study:
        raise ConfigError(
            f"the plan's study is {plan.study}, as the one that it goes on from",
            todo="give it another name: hospitals tell studies apart by it",
        )
    evaluation, had = plan.evaluation, parent.evaluation
    split_of = had.split_of or parent.study
    split_seed = parent.seed if had.split_seed is None else had.split_seed
    if evaluation.split_of not in (None, split_of) or evaluation.split_seed not in (
        None,
        split_seed,
    ):
        raise ConfigError(
            f"the plan's split is not that of {parent.study}, so patients who tested would train",
            todo=f"leave evaluation.split_of and split_seed out: they become {split_of} and "
            f"{split_seed}",
        )
    choice = plan.model.weights
    is_same = isinstance(choice, WeightsFile) and choice.sha256 == sha256
    has_to_name_some = plan.model.file is not None  # a graph's plan has its start, always
    if choice != "none" and not is_same and not has_to_name_some:
        raise ConfigError(
            f"model.weights: the branch starts from the final model of {parent.study}",
            todo="leave the key out; for other weights make a study with medfl-server init",
        )
    return {
        "model.weights": {"file": RunFolder(new).weights_file.name, "sha256": sha256},
        "evaluation.split_of": split_of,
        "evaluation.split_seed": split_seed,
    }


def _give_state(parent: Study, study: Study, model: Network, start: Weights) -> list[str]:
    """Let the strategy go on with what it kept, where it fits; say so."""
    notes = []
    if not _has_its_classes(parent, study.plan):
        notes = [f"the last layer begins anew: {parent.plan.study} told other classes apart"]
    newest, _ = load_newest(parent.checkpoints)
    if newest is None or not newest.state:
        return notes
    kept = f"what {study.plan.federation.strategy} keeps at the coordinator"
    if why := _why_anew(parent, study, newest, start, model):
        return [*notes, f"{kept} begins anew: {why}"]
    shared = {name: start[name] for name in model.names("shared")}
    first = Checkpoint(0, shared, {}, newest.state)
    save(study.checkpoints, first)
    keep(study.checkpoints, first)
    return [*notes, f"{kept} goes along"]


def _why_anew(
    parent: Study, study: Study, newest: Checkpoint, start: Weights, model: Network
) -> str:
    before, now = at_coordinator(parent.plan.federation), at_coordinator(study.plan.federation)
    kept = parent.log.read(Finished)[-1].round
    shapes = {name: start[name].shape for name in model.names("shared")}
    if before.name != now.name:
        return f"the strategy was {before.name}"
    if now.sends_state or now.buffer is not None:
        return "it belongs to the hospitals' part of the run before"
    if not _has_its_classes(parent, study.plan):
        return "the classes are others"
    if kept != newest.round:
        return f"the model is of round {kept}, what was kept is of round {newest.round}"
    if shapes != {name: tensor.shape for name, tensor in newest.weights.items()}:
        return "the network is another"
    return ""
