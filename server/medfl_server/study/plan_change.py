"""`extend` and `amend`: the same run goes on with another plan, from its next round on."""

from dataclasses import dataclass
from pathlib import Path

from medfl_common.errors import ConfigError, RunError
from medfl_common.files import locked, write_atomic
from medfl_common.ops.user import user_name
from medfl_common.plan.differences import Change, differences
from medfl_common.plan.plan import Plan
from medfl_common.run.decisions import PlanChanged, Stopped
from medfl_common.run.events import Finished, RoundMade
from medfl_server.study.plan_check import check_plan
from medfl_server.study.plan_text import Changes, rewrite
from medfl_server.study.run_directory import Study, open_study, write_facts
from medfl_server.study.stop_wish import forget_stop

# What a run may change. Task, images, network, seed, split and privacy make another study.
MAY_CHANGE = (
    "training.lr",
    "training.schedule",
    "training.epochs",
    "training.epochs_range",
    "training.batch_size",
    "federation.deadline_s",
    "federation.empty_rounds",
    "federation.keep_every",
    "federation.min_sites",
    "federation.norm_limit",
    "federation.rounds",
    "evaluation.early_stop",
    "evaluation.primary",
)


@dataclass(frozen=True)
class Changed:
    """A study whose plan was changed."""

    before: Plan
    study: Study
    round: int  # the last that was made
    changes: list[Change]


def extend(folder: Path, n_rounds: int, by: str = "") -> Changed:
    """Let a study make so many more rounds than its plan says."""
    plan = open_study(folder).plan
    return amend(folder, {"federation.rounds": plan.federation.rounds + n_rounds}, by)


def amend(folder: Path, settings: Changes, by: str = "", seen: str = "") -> Changed:
    """Change settings of a study that does not run, for `by`; empty: the user of this machine.

    Raises ConfigError for one that belongs to the study, and where the plan has another hash by now
    than the one `seen` (empty: it is not asked); RunError where nothing would follow.
    """
    for key in settings:
        _check_key(key)
    rest = f"medfl-server pause {folder} lets the study rest; then the same again, and resume"
    with locked(folder, rest):
        study = open_study(folder)
        before, made = study.plan, study.log.read(RoundMade)
        _check_seen(before, seen)
        round_ = made[-1].round if made else 0
        text, now = rewrite(study.files.plan_file.read_text("utf-8-sig"), before, settings)
        check_plan(now, "the changed plan")
        changes = differences(before, now)
        _check_goes_on(study, now, round_, changes)
        forget_stop(folder)  # else a run that goes on would end again at once
        _keep_former(study)
        event = PlanChanged.of_plans(round_, before.hash(), now.hash(), changes, by or user_name())
        study.log.go_on(event, round_)
        write_facts(study.folder, study.run, before, coming=now)
        write_atomic(study.files.plan_file, text.encode())
        write_facts(study.folder, study.run, now)
    return Changed(before, Study(folder, now, study.run), round_, changes)


def schedule_notes(changed: Changed) -> list[str]:
    """Say what a learning rate that follows the rounds does now."""
    now, before, next_ = changed.study.plan, changed.before, changed.round + 1
    kind, rounds = now.training.schedule.kind, now.federation.rounds
    if next_ > rounds:
        return []
    if kind != "cosine" and now.learning_rate(next_) == before.learning_rate(next_):
        return []
    notes = [
        f"round {next_} trains with learning rate {now.learning_rate(next_):.3g}; the plan before "
        f"gave it {before.learning_rate(next_):.3g}"
    ]
    if kind == "cosine" and rounds != before.federation.rounds and changed.round:
        notes.append(
            f"the cosine schedule falls to 0 after round {rounds}, it did after "
            f"{before.federation.rounds}: rounds 1 to {changed.round} followed the old one, so the "
            "model will not be that of a plan with these rounds from the start"
        )
    return notes


def _check_key(key: str) -> None:
    if any(key == may or key.startswith(f"{may}.") for may in MAY_CHANGE):
        return
    raise ConfigError(
        f"{key} cannot change within a study; these can: {', '.join(MAY_CHANGE)}",
        todo="for another question, network, split or seed: medfl-server branch makes a new study "
        "that starts from this one's model",
    )


def _check_seen(plan: Plan, seen: str) -> None:
    if seen not in ("", plan.hash()):
        raise ConfigError(
            "the plan is another by now", todo="look at the change once more",
            data="nothing was changed",
        )  # fmt: skip


def _check_goes_on(study: Study, now: Plan, round_: int, changes: list[Change]) -> None:
    if not changes:
        raise RunError("the plan says so already", data="nothing was changed")
    rounds = now.federation.rounds
    if rounds < round_:
        raise RunError(
            f"{round_} rounds are made, and the plan would have {rounds}",
            todo=f"set federation.rounds to {round_} or more",
            data="nothing was changed",
        )
    ends = study.log.read(Finished)
    if not ends:
        return
    if rounds == round_:
        raise RunError(
            "the study is finished: no round would follow the change",
            todo="medfl-server extend adds rounds",
            data="nothing was changed",
        )
    early, was_early = now.evaluation.early_stop, ends[-1].last < study.plan.federation.rounds
    was_early = was_early and not study.log.read(Stopped)
    if was_early and early is not None and early <= (study.plan.evaluation.early_stop or 0):
        raise RunError(
            f"the study stopped early after round {round_}, because {early} rounds brought no "
            "better model; more rounds would end at once",
            todo="let it wait longer, too: medfl-server amend --set evaluation.early_stop=null (or "
            "a larger number)",
            data="nothing was changed",
        )


def _keep_former(study: Study) -> None:
    number = 1
    while study.files.former_plan(number).exists():
        number += 1
    write_atomic(study.files.former_plan(number), study.files.plan_file.read_bytes())
