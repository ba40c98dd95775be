"""For each hospital a federation without it, scored there: how far does the model carry?

DIR/leave-one-out/SITE is an ordinary run directory. The others keep their split, so the federation
without a hospital and the whole one are compared on the same images.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from medfl_client.task.site import Site
from medfl_client.training.evaluate import count_scores
from medfl_client.training.losses import log_odds
from medfl_common.files import write_atomic
from medfl_common.metrics.counts import ScoreCounts, merge
from medfl_common.metrics.estimates import Estimate, auc_estimate
from medfl_common.metrics.membership import Attack
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.folder import RunFolder
from medfl_server.aggregation.aggregator import check_roster
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce
from medfl_sim.data.faults import Fault
from medfl_sim.engine.simulation import silent
from medfl_sim.runs.baselines import Joined
from medfl_sim.runs.compare import (
    Difference,
    ScoredPart,
    difference,
    images_of,
    patients_of,
    scored_part,
)
from medfl_sim.runs.finished_model import FinishedModel
from medfl_sim.runs.inner_runs import PLAIN, Way, finish, write_inner_plan
from medfl_sim.runs.site_inference import Inside


@dataclass(frozen=True)
class LeftOut:
    """One hospital: what the federation without it reaches there, and what the whole one does."""

    name: str
    n_trained: int  # images of the other hospitals
    outside: Estimate  # AUC on the images of all its patients
    outside_part: Estimate  # on those of one part, as the whole federation's
    whole_part: Estimate  # the whole federation's
    gain: Difference  # whole federation minus the one without it
    inferred: Attack | None = None  # how well a reader of the model tells that it took part


@dataclass(frozen=True)
class LeaveOneOut:
    """The table of the page."""

    part: ScoredPart
    hospitals: list[LeftOut]
    together: Estimate  # each hospital's images by the model that lacks it


def check_without(study: Study, n_sites: int) -> Path:
    """Write the plan of a federation that lacks one hospital; ConfigError if so few make none."""
    n = n_sites - 1
    federation = study.plan.federation
    fewer: dict[str, object] = {}
    if federation.min_sites != "all":
        fewer["min_sites"] = min(federation.min_sites, n)
    if federation.sites_per_round is not None:
        fewer["sites_per_round"] = min(federation.sites_per_round, n)
    path = write_inner_plan(study, study.files.without_plan, fewer, {})
    check_roster(load_plan(path).federation, n)
    return path


def run_leave_one_out(
    study: Study, sites: Mapping[str, Site], way: Way = PLAIN, announce: Announce = silent
) -> list[Study]:
    """Train each federation that lacks one hospital, or resume it; keep the finished ones."""
    plan_file = check_without(study, len(sites))
    made = []
    for number, name in enumerate(sites, start=1):
        others = {other: site for other, site in sites.items() if other != name}
        own = replace(way, faults=_faults_without(way.faults, name))
        made.append(finish(study.files.leave_one_out / name, plan_file, others, own))
        announce(f"trained without: {name} ({number} of {len(sites)})")
    return made


def score_left_out(study: Study, runs: Sequence[Study], sites: Mapping[str, Site]) -> LeaveOneOut:
    """Score each federation at the hospital that it lacks, and keep the table.

    The labels of `sites` are those to score by: no fault has changed them.
    """
    plan, whole = study.plan, FinishedModel(study)
    part = scored_part(sites, plan)
    rows, counted = [], []
    inside = Inside(whole, sites, plan)
    for run, (name, site) in zip(runs, sites.items(), strict=True):
        counts, row = _score(FinishedModel(run), whole, site, plan, part)
        n_trained = sum(len(s.data(plan).train) for other, s in sites.items() if other != name)
        inferred = inside.tell(name, FinishedModel(run))
        rows.append(replace(row, name=name, n_trained=n_trained, inferred=inferred))
        counted.append(counts)
    found = LeaveOneOut(part, rows, auc_estimate(merge(counted), plan.task.type))
    text = json.dumps({"version": 1, **asdict(found)}, indent=1)
    write_atomic(RunFolder(study.folder).left_out, text.encode())
    return found


def _score(
    outside: FinishedModel, whole: FinishedModel, site: Site, plan: Plan, part: ScoredPart
) -> tuple[ScoreCounts, LeftOut]:
    data, device = site.data(plan), site.device
    every = Joined([data.train, data.validation, data.test])
    whose = np.concatenate([data.patients[name] for name in ("train", "validation", "test")])
    counts = outside.count(every, device, site.name, whose)
    scored, patients = images_of(data, part), patients_of(data, part)
    without, targets = outside.score(scored, device, site.name)
    joined, _ = whole.score(scored, device, site.name)
    odds = [log_odds(logits, plan).numpy() for logits in (joined, without)]
    row = LeftOut(
        name=site.name,
        n_trained=0,
        outside=auc_estimate(counts, plan.task.type),
        outside_part=auc_estimate(count_scores(without, targets, plan, patients), plan.task.type),
        whole_part=auc_estimate(count_scores(joined, targets, plan, patients), plan.task.type),
        gain=difference(odds[0], odds[1], targets.numpy(), patients),
    )
    return counts, row


def _faults_without(faults: Sequence[Fault], name: str) -> list[Fault]:
    """Keep the faults that name hospitals from naming the one that is left out."""
    found: list[Fault] = []
    for fault in faults:
        if not isinstance(fault.sites, list):
            found.append(fault)
        elif others := [site for site in fault.sites if site != name]:
            found.append(fault.model_copy(update={"sites": others}))  # type: ignore[attr-defined]
    return found
