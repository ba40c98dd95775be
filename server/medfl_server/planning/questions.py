"""The questions of `medfl-server plan`: few, each with what is proposed and why."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, get_args

from medfl_common.errors import ConfigError
from medfl_common.models import DENSE, MODELS
from medfl_common.plan.bounds import Value
from medfl_common.plan.federation import Federation
from medfl_common.plan.images import Images
from medfl_common.plan.settings import NAME, NAME_IN_WORDS, Settings, check
from medfl_common.plan.task import Task
from medfl_common.ui.asking import Asking
from medfl_server.planning import proposals
from medfl_server.planning.draft import GIVEN, Draft
from medfl_server.planning.known import Known
from medfl_server.planning.proposals import SLICED, Choice

T = TypeVar("T")


def ask_plan(study: str, known: Known, given: Mapping[str, Value], asking: Asking) -> Draft:
    """Ask for a plan.

    Args:
        study: The name that is proposed.
        known: What hospitals counted.
        given: Settings that need no question.
        asking: Asks a person.
    """
    draft = Draft(given)
    _ask(draft, asking, "study", "Name of the study", Choice(study, ""), _a_name)
    draft.take("seed", Choice(0, "every random draw follows from it"))
    draft.take("deterministic", Choice(True, "the same bits everywhere; false is faster"))
    _ask_task(draft, known, asking)
    _ask_images(draft, known, asking)
    _ask_network(draft, known, asking)
    _ask_federation(draft, known, asking)
    draft.take("evaluation.validation", Choice(0.2, "of the patients; they choose the best round"))
    draft.take("evaluation.test", proposals.test_part(known))
    if "evaluation.subgroups" not in draft and not _is_dense(draft):
        why = "groups that are small stay at their hospital"
        groups = asking.agree("Score the final model by sex and age too", True, why)
        draft.take("evaluation.subgroups", Choice(["sex", "age"] if groups else [], why))
    return draft


def _ask(
    draft: Draft, asking: Asking, key: str, question: str, choice: Choice,
    read: Callable[[str], Value],
) -> None:  # fmt: skip
    """Ask for one setting, unless it is given."""
    if key in draft:
        draft.take(key, choice)
        asking.screen.say(f"{key}: {draft.value(key)} ({GIVEN})")
        return
    value = choice.value
    proposed = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if not (proposed or asking.is_answered):
        raise ConfigError(
            f"nothing says {key}, and --yes asks nobody",
            todo=f"write --set {key}=VALUE, or name hospitals' counts with --from",
            data="nothing was written",
        )
    answer = asking.ask(question, proposed, choice.why, read)
    draft.take(key, Choice(answer, choice.why if answer == value else "as answered"))


def _ask_task(draft: Draft, known: Known, asking: Asking) -> None:
    question = "Classes, with commas between them; of two, the negative one first"
    _ask(draft, asking, "task.classes", question, proposals.classes(known), _classes)
    names = draft.value("task.classes")
    kinds = get_args(Task.model_fields["type"].annotation)

    def read(text: str) -> str:
        return check(Task, {"type": text, "classes": [*names]}, "the task").type

    choice = proposals.kind_of_task(names, known)
    _ask(draft, asking, "task.type", f"Kind of question ({', '.join(kinds)})", choice, read)


def _ask_images(draft: Draft, known: Known, asking: Asking) -> None:
    question = "DICOM modalities, with commas between them, such as CR, DX"
    _ask(draft, asking, "images.modality", question, proposals.modality(known),
         lambda text: _field(Images, "modality", [w.upper() for w in _words(text)]))  # fmt: skip
    modalities = draft.value("images.modality")
    if SLICED & {*modalities}:
        _ask(draft, asking, "images.sample", "What has one label (image, series, study)",
             proposals.sample(known), lambda text: _field(Images, "sample", text))  # fmt: skip
        _ask(draft, asking, "images.plane", "Plane of the slices (axial, coronal, sagittal, any)",
             proposals.plane(known), lambda text: _field(Images, "plane", text))  # fmt: skip
    draft.take("images.sample", proposals.sample(Known()))
    _ask(draft, asking, "images.size", "Pixels on a side", proposals.size(known),
         lambda text: _field(Images, "size", _number(text)))  # fmt: skip
    draft.take("images.intensity.rule", proposals.intensity(modalities))


def _ask_network(draft: Draft, known: Known, asking: Asking) -> None:
    is_dense = _is_dense(draft)
    choice = proposals.network(draft.value("images.size"), is_dense)
    known_names = (DENSE if is_dense else MODELS).names()
    _ask(draft, asking, "model.name", "Network", choice, lambda text: _one_of(text, known_names))
    is_small = draft.value("model.name") == "small_cnn"
    rate = 0.002 if is_dense else 0.001 if is_small else 0.0003
    draft.take("training.optimizer", Choice("adam", "needs little search for its step"))
    draft.take("training.lr", Choice(rate, "a usual step of Adam"))
    draft.take("training.schedule.kind", Choice("cosine", "the last rounds take small steps"))
    few = Choice(4, "such a network keeps maps of the image's size")
    draft.take("training.batch_size", few if is_dense else proposals.batch_size(known))
    draft.take("training.epochs", proposals.epochs(known, draft.value("training.batch_size")))
    if draft.value("task.type") != "multilabel" and not is_dense:
        choice = proposals.balance(known, draft.value("task.classes"))
        draft.take("training.class_balance", choice)
    draft.take("training.augmentation.flip", Choice(False, "true where left and right are alike"))
    draft.take("training.augmentation.shift", Choice(0.05, "of the side; half of the images move"))


def _ask_federation(draft: Draft, known: Known, asking: Asking) -> None:
    rounds = Choice(20, "a start; medfl-server extend adds more")
    _ask(draft, asking, "federation.rounds", "Rounds", rounds, _number)
    plain = Federation.model_fields["strategy"].default
    draft.take("federation.strategy", Choice(plain, "the plain one; see algorithms.md"))
    if "federation.min_sites" not in draft:
        n = len(known.sites)
        why = f"so many files of counts were named: {n}" if n else ""
        n_sites = asking.ask("Number of hospitals", str(n or 3), why, _number)
        draft.take("federation.min_sites", proposals.quorum(n_sites))
    draft.take("federation.deadline_s", Choice(3600, "a round waits so many seconds for hospitals"))
    if "federation.statistics" not in draft:
        why = "harmony.html then says which hospital's images differ; policies hide small counts"
        asked = asking.agree("Ask hospitals for counts of their data before the first round",
                             True, why)  # fmt: skip
        draft.take("federation.statistics", Choice(asked, why))
        if asked:
            draft.take(
                "federation.participants", Choice(True, "for a paper's flow and first table")
            )


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _is_dense(draft: Draft) -> bool:
    """Say whether the labels are masks or boxes."""
    names, kind = draft.value("task.classes"), draft.value("task.type")
    return check(Task, {"type": kind, "classes": [*names]}, "the task").is_dense


def _classes(text: str) -> list[Value]:
    names = _words(text)
    if not names:
        raise ConfigError("no class is named", todo="write two at least, or one to detect")
    kind = "detection" if len(names) == 1 else "multiclass"
    check(Task, {"type": kind, "classes": [*names]}, "the task")
    return [*names]


def _a_name(text: str) -> str:
    if not re.fullmatch(NAME, text):
        raise ConfigError(f"the name {text!r} is not allowed", todo=f"write {NAME_IN_WORDS}")
    return text


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 10_000):
        raise ConfigError(f"{text!r} is no number of 1 to 10,000", todo="write digits, such as 20")
    return int(text)


def _one_of(name: str, names: Sequence[str]) -> str:
    if name not in names:
        raise ConfigError(f"unknown network {name!r}; known: {', '.join(names)}", todo="write one")
    return name


def _field(model: type[Settings], key: str, value: Any) -> Any:
    """Check one setting alone, with the others as they need be."""
    usual: dict[str, Value] = {"modality": ["CT"], "size": 64}
    return getattr(check(model, {**usual, key: value}, "the answer"), key)
