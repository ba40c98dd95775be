"""The two models that a plan's primary aim compares, on the same patients; see its `against`.

Against the best model of a single hospital means against each: the one told is that of which the
difference is least sure, so the interval is not of a model chosen for its score.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from medfl_client.data.dataset import Examples, Indices
from medfl_client.task.site import Site
from medfl_client.training.losses import log_odds
from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan
from medfl_common.run.compared import Compared
from medfl_common.run.events import Finished
from medfl_server.study.run_directory import Study, open_study
from medfl_sim.runs.baselines import POOLED, alone_folder, pooled_folder
from medfl_sim.runs.compare import ALL, Row, auc_row, images_of, patients_of
from medfl_sim.runs.compare_boxes import ByImage, box_row
from medfl_sim.runs.compare_masks import mask_row
from medfl_sim.runs.finished_model import FinishedModel
from medfl_sim.runs.inner_runs import members

Sites = Mapping[str, Site]
Model = tuple[FinishedModel, str]  # and whose own layers it has; empty: those of each hospital


def refuse_undecided(plan: Plan, n_hospitals: int, has_baselines: bool) -> None:
    """Raise ConfigError where the aim needs models that nobody is asked to train."""
    own = plan.evaluation.primary
    if own is None or own.against == "value":
        return
    if not has_baselines:
        raise ConfigError(
            f"evaluation.primary.against: {own.against} asks for models that are baselines",
            todo="leave out --no-baselines, or name a value",
        )
    if n_hospitals < 2:
        raise ConfigError(
            f"evaluation.primary.against: {own.against} takes two hospitals or more that train; "
            f"there is {n_hospitals}",
            todo="name a value",
        )


def compare_primary(study: Study, sites: Sites) -> Compared | None:
    """Note in the log how the final model compares; None: the plan asks for no other model.

    The baselines must be trained. A model that was compared is not compared again.
    """
    own, final = study.plan.evaluation.primary, study.log.read(Finished)[-1]
    if own is None or own.against == "value":
        return None
    asked = (own.against, own.part)
    for known in study.log.read(Compared):
        if (known.sha256, known.asked) == (final.sha256, asked):
            return known
    joined = members(sites)
    chosen = joined if own.part == "test" else {n: s for n, s in sites.items() if n not in joined}
    scored = {n: s for n, s in chosen.items() if len(s.data(study.plan).test)}
    rows = _rows(study, [*joined], scored) if scored else []
    name, row = min(rows, key=lambda found: _least(found[1]), default=("", None))
    event = _event(final.sha256, asked, name, row)
    study.log.add(event)
    return event


def _event(sha256: str, asked: tuple[str, str], name: str, row: Row | None) -> Compared:
    if row is None:
        return Compared.of(sha256, *asked, name, None, None, 0)
    one, other, gain = row.auc["federated"], row.auc["alone"], row.helped
    values = None if one is None or other is None else (one, other)
    interval = None if gain.low is None or gain.high is None else (gain.low, gain.high)
    return Compared.of(sha256, *asked, name, values, interval, row.n_scored)


def _least(row: Row) -> float:
    """Order by the lower end; what has none comes first, since it decides that nothing does."""
    return -np.inf if row.helped.low is None else row.helped.low


def _rows(study: Study, names: Sequence[str], sites: Sites) -> list[tuple[str, Row]]:
    """Compare the final model with each of the others, over all the hospitals' test images."""
    own = study.plan.evaluation.primary
    others: dict[str, Model] = (
        {"": (FinishedModel(open_study(pooled_folder(study))), POOLED)}
        if own is not None and own.against == "pooled"
        else {n: (FinishedModel(open_study(alone_folder(study, n))), n) for n in names}
    )
    compared = _compared_by(study.plan)
    return [
        (name, compared(study.plan, sites, (FinishedModel(study), ""), other))
        for name, other in others.items()
    ]


def _compared_by(plan: Plan) -> Callable[[Plan, Sites, Model, Model], Row]:
    if plan.task.has_masks:
        return _masks
    return _boxes if plan.task.has_boxes else _images


def _images(plan: Plan, sites: Sites, one: Model, other: Model) -> Row:
    odds: list[NDArray[np.float64]] = []
    targets, whose = [], _numbered(plan, sites)
    for name, site in sites.items():
        scored = [m.score(images_of(site.data(plan), "test"), site.device, local or name)
                  for m, local in (one, other)]  # fmt: skip
        odds.append(np.stack([log_odds(logits, plan).numpy() for logits, _ in scored]))
        targets.append(scored[0][1].numpy())
    both = np.concatenate(odds, axis=1)
    return auc_row(ALL, 0, both[[0, 1, 1]], np.concatenate(targets), "test", whose)


def _masks(plan: Plan, sites: Sites, one: Model, other: Model) -> Row:
    dice = [
        np.stack([m.case_dice(images, site.device, local or name) for m, local in (one, other)])
        for name, site, images in _each(plan, sites)
    ]
    both = np.concatenate(dice, axis=1)
    return mask_row(ALL, 0, both[[0, 1, 1]], _numbered(plan, sites), "test")


def _boxes(plan: Plan, sites: Sites, one: Model, other: Model) -> Row:
    found = [
        [ByImage.of_found(m.found_boxes(images, site.device, local or name))
         for m, local in (one, other)]
        for name, site, images in _each(plan, sites)
    ]  # fmt: skip
    first, second = (ByImage.joined(own) for own in zip(*found, strict=True))
    return box_row(ALL, 0, [first, second, second], _numbered(plan, sites), "test")


def _each(plan: Plan, sites: Sites) -> Iterator[tuple[str, Site, Examples]]:
    for name, site in sites.items():
        yield name, site, images_of(site.data(plan), "test")


def _numbered(plan: Plan, sites: Sites) -> Indices:
    """Give whose all test images are, patients of the hospitals numbered one after another."""
    found, n_before = [], 0
    for site in sites.values():
        found.append(n_before + patients_of(site.data(plan), "test"))
        n_before = int(found[-1].max(initial=n_before)) + 1
    return np.concatenate(found)
