"""The study plan: one YAML file, data and never code, from which every site builds the same.

The canonical hash covers every value, defaults included, so two plans with one hash mean one study.
"""

import hashlib
import json
import math
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from medfl_common.plan.algorithms import ALGORITHMS
from medfl_common.plan.bounds import Value
from medfl_common.plan.dense import USUAL_METRIC, why_unfit_dense
from medfl_common.plan.evaluation import Evaluation
from medfl_common.plan.federation import Federation
from medfl_common.plan.graph_files import take
from medfl_common.plan.halves import algorithms_of, why_unfit, why_unknown
from medfl_common.plan.images import Images
from medfl_common.plan.model_choice import ModelChoice
from medfl_common.plan.noise_cost import why_too_dear
from medfl_common.plan.own_parts import why_part_unknown
from medfl_common.plan.plugins import Plugin
from medfl_common.plan.primary import why_unfit_primary
from medfl_common.plan.privacy import Privacy, why_unfit_privacy
from medfl_common.plan.settings import Name, Settings, check, load
from medfl_common.plan.strict_json import parse_json
from medfl_common.plan.task import Task
from medfl_common.plan.training import Training

# Keys that plans of before have not: at their defaults they are in no plan's hash.
ADDED = (
    ("images", "image_types"),
    ("images", "plane"),
    ("images", "patch"),
    ("images", "graph"),
    ("evaluation", "test"),
    ("evaluation", "split_seed"),
    ("evaluation", "split_of"),
    ("evaluation", "outside"),
    ("evaluation", "feature_statistics"),
    ("evaluation", "membership"),
    ("training.augmentation", "share"),
    ("training.augmentation", "fill"),
    ("training.augmentation", "rotation_3d_deg"),
    ("training.augmentation", "elastic"),
    ("federation", "keep_every"),
    ("federation", "participants"),
    ("training", "epochs_range"),
    ("training", "loss"),
    ("evaluation", "surface_mm"),
    ("evaluation", "primary"),
    ("model", "encoder"),
    ("model", "width"),
    ("model", "levels"),
    ("model", "residual"),
    ("model", "deep_supervision"),
    ("model", "file"),
    ("model", "sha256"),
    ("model", "adapters"),
    ("", "privacy"),
    ("", "plugins"),
    ("training.augmentation", "own"),
    ("evaluation", "own_metrics"),
)


class Plan(Settings):
    """What every site of a study builds the same from."""

    plan: Literal[1]
    """The version of this format."""
    study: Name
    """The study's name."""
    seed: int = Field(ge=0, lt=2**63)
    """Every random draw follows from it: weights, splits, order of images, augmentation."""
    deterministic: bool = True
    """One CPU thread and fixed algorithms: the same bits everywhere. `false` is faster."""
    task: Task
    """The question that the model answers."""
    images: Images
    """Which images take part, and what becomes of them."""
    model: ModelChoice
    """The network."""
    training: Training = Training()
    """Local training at the sites."""
    federation: Federation
    """Rounds, sites and the algorithm."""
    evaluation: Evaluation = Evaluation()
    """Scoring, and which model is the result."""
    privacy: Privacy = Privacy()
    """What protects single patients and single hospitals."""
    plugins: list[Plugin] = Field(default=[], max_length=16)
    """Code that the plan needs and that each hospital's own IT has installed; it is never sent.
    The hospital's policy lists what it allows."""

    @model_validator(mode="before")
    @classmethod
    def _dense_have_their_own_metric(cls, values: Any) -> Any:
        """Give a segmentation or detection that names no metric its own default."""
        task = values.get("task") if isinstance(values, dict) else None
        scoring = values.get("evaluation", {}) if isinstance(values, dict) else None
        usual = USUAL_METRIC.get(str(task.get("type"))) if isinstance(task, dict) else None
        if usual and isinstance(scoring, dict) and "metric" not in scoring:
            return {**values, "evaluation": {**scoring, "metric": usual}}
        return values

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        if self.model.slices is not None and self.images.dimensions == 2:
            raise ValueError("model.slices belongs to images.dimensions: 3")
        # What a plugin brings is not here before the hospital's policy let it be imported.
        is_early = bool(self.plugins and why_part_unknown(self))
        if not is_early and (unfit := self.why_unfit()):
            raise ValueError(unfit)
        if self.federation.participants and not self.federation.statistics:
            raise ValueError("federation.participants needs federation.statistics: true")
        if "manufacturer" in self.evaluation.subgroups and not self.evaluation.manufacturers:
            raise ValueError("the subgroup manufacturer needs evaluation.manufacturers")
        return self

    def why_unfit(self) -> str:
        """Say what the plan names that is not here, or what does not go together; else nothing."""
        checks = (
            why_part_unknown, why_unknown, why_unfit, why_unfit_dense, why_unfit_primary,
            why_unfit_privacy, why_too_dear,
        )  # fmt: skip
        return next((reason for check_ in checks if (reason := check_(self))), "")

    def learning_rate(self, round_: int) -> float:
        """Give the learning rate of a round, counted from 1: warm-up, then the schedule.

        Cosine: Loshchilov, Hutter: SGDR. ICLR 2017. It is over the rounds after the warm-up.
        """
        lr, schedule = self.training.lr, self.training.schedule
        done = round_ - 1
        if done < schedule.warmup_rounds:
            return lr * (done + 1) / (schedule.warmup_rounds + 1)
        done -= schedule.warmup_rounds
        if schedule.kind == "cosine":
            n_rounds = max(self.federation.rounds - schedule.warmup_rounds, 1)
            return lr * 0.5 * (1 + math.cos(math.pi * min(done / n_rounds, 1)))
        if schedule.kind == "step":
            factor: float = schedule.factor ** (done // schedule.every_rounds)
            return lr * factor
        return lr

    def canonical(self) -> str:
        """Write the plan as JSON with sorted keys and every default: the text that is hashed."""
        return self._canonical

    def hash(self) -> str:
        """SHA-256 of the canonical text, in hex."""
        return self._hash

    def __copy__(self) -> Self:
        """Copy without what was computed: `model_copy` changes fields afterwards."""
        copied = super().__copy__()
        for computed in ("_canonical", "_hash"):
            copied.__dict__.pop(computed, None)
        return copied

    @cached_property
    def _canonical(self) -> str:
        values = self.model_dump(mode="json")
        options = values["federation"]["options"]
        values["federation"]["options"] = {key: options[key] for key in self._hashed_options()}
        for section, key in ADDED:
            _drop_default(values, section.split(".") if section else [], key, self)
        return json.dumps(values, sort_keys=True, separators=(",", ":"))

    def _hashed_options(self) -> set[str]:
        """List the options that count: a new algorithm's are in its own plans' hashes alone."""
        every = [ALGORITHMS.get(name) for name in ALGORITHMS.names()]
        # An algorithm of a plugin has no options, so the hash is the same before it is imported.
        own = algorithms_of(self) if ALGORITHMS.has(self.federation.strategy) else []
        counted = [*own, *(a for a in every if a.in_every_hash)]
        return {key for a in counted for key in a.options.model_fields}

    @cached_property
    def _hash(self) -> str:
        return hashlib.sha256(self._canonical.encode()).hexdigest()


def _drop_default(values: dict[str, Any], sections: list[str], key: str, plan: Settings) -> None:
    """Take a key out of dumped values where it has its default."""
    part = plan
    for section in sections:
        values, part = values[section], getattr(part, section)
    field = type(part).model_fields[key]
    if getattr(part, key) == field.get_default(call_default_factory=True):
        del values[key]


def load_plan(path: Path) -> Plan:
    """Read and check a plan file, and what it brings as data."""
    plan = load(Plan, path)
    take(plan, path.parent)
    return plan


def plan_from_values(values: dict[str, Value]) -> Plan:
    """Check values that medfl itself put together."""
    return check(Plan, values, source="the plan")


@lru_cache(maxsize=4)
def plan_from_json(text: str, source: str = "the plan in the message") -> Plan:
    """Read a plan from its canonical text, as it comes with a task; checked like a file."""
    return check(Plan, parse_json(text, source), source)
