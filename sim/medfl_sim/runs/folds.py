"""k-fold by patients: every patient is tested once, by a model that never saw it.

DIR/folds/1 to DIR/folds/k are ordinary run directories.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from medfl_client.task.site import Site
from medfl_common.errors import ConfigError, RunError
from medfl_common.files import write_atomic
from medfl_common.metrics.clusters import PatientImages
from medfl_common.metrics.counts import ScoreCounts, auc, merge
from medfl_common.metrics.estimates import Estimate, auc_estimate
from medfl_common.metrics.intervals import Interval, bootstrap, middle_95
from medfl_common.metrics.patient_draws import drawn_histograms
from medfl_common.seeds import numpy_generator
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce
from medfl_sim.data.fold import Fold
from medfl_sim.engine.simulation import silent
from medfl_sim.runs.finished_model import FinishedModel
from medfl_sim.runs.inner_runs import PLAIN, Way, finish

N_DRAWS = 500  # of patients
SEED = 20260101  # of the draws: the same scores give the same intervals
Sites = Mapping[str, Site]


@dataclass(frozen=True)
class Folds:
    """The table of the page: AUCs on the test parts."""

    each: list[Estimate]  # fold by fold, over all hospitals
    mean: Estimate  # of the folds
    together: Estimate  # of all images, each scored by the model of its patient's fold
    hospitals: dict[str, Estimate]  # the same at each hospital


def run_folds(
    study: Study,
    n_folds: int,
    sites_of: Callable[[Fold], Sites],
    way: Way = PLAIN,
    announce: Announce = silent,
) -> list[Study]:
    """Train a study for each fold, or resume it; keep the finished ones."""
    made = []
    _check_number(study, n_folds, sites_of)
    for number in range(1, n_folds + 1):
        fold = Fold(number, n_folds)
        sites = sites_of(fold)
        _note_tested(study, fold, sites)
        made.append(finish(study.files.folds / str(number), study.files.plan_file, sites, way))
        announce(f"trained fold {number} of {n_folds}")
    return made


def _check_number(study: Study, n_folds: int, sites_of: Callable[[Fold], Sites]) -> None:
    """Raise ConfigError where the last fold, which has the fewest patients, would test nobody."""
    last = sites_of(Fold(n_folds, n_folds)).values()
    if not any(len(site.data(study.plan).test) for site in last):
        raise ConfigError(
            f"no hospital has {n_folds} patients, so a fold would test nobody",
            todo="give fewer --folds",
        )


def score_folds(study: Study, runs: Sequence[Study], sites_of: Callable[[Fold], Sites]) -> Folds:
    """Score each fold's model on its test part, and keep the table.

    The labels of `sites_of` are those to score by: no fault has changed them.
    """
    plan, kind = study.plan, study.plan.task.type
    at: dict[str, list[ScoreCounts]] = {}
    folds = []
    for number, run in enumerate(runs, start=1):
        model, found = FinishedModel(run), []
        for name, site in sites_of(Fold(number, len(runs))).items():
            data = site.data(plan)
            whose = data.patients["test"]
            found.append(model.count(data.test, site.device, name, whose))
            at.setdefault(name, []).append(found[-1])
        folds.append(merge(found))
    together = auc_estimate(merge(folds), kind)
    table = Folds(
        each=[auc_estimate(counts, kind) for counts in folds],
        mean=mean_auc(folds, together),
        together=together,
        hospitals={name: auc_estimate(merge(counts), kind) for name, counts in at.items()},
    )
    text = json.dumps({"version": 1, **asdict(table)}, indent=1)
    write_atomic(study.files.fold_scores, text.encode())
    return table


def mean_auc(folds: Sequence[ScoreCounts], together: Estimate) -> Estimate:
    """Return the mean AUC of folds, and its interval by draws of patients within each fold.

    Where every fold has a perfect order no draw differs: there the interval is that of all images
    together.
    """
    n, value = sum(counts.n for counts in folds), _mean(folds)
    rng = numpy_generator(SEED, "folds")
    several = [one.clusters for one in folds
               if isinstance(one.clusters, PatientImages) and one.clusters.has_several]  # fmt: skip
    interval = _by_patients(folds, rng) if several else _by_images(folds, rng)
    if value is None or interval is None:
        return Estimate(value, n=n)
    low, high = interval
    if value in (0.0, 1.0) and together.low is not None and together.high is not None:
        low, high = together.low, together.high
    found = Estimate(value, min(low, value), max(high, value), n, together.bound)
    is_few = together.independent == "too few"
    ends = (None, None) if is_few else (found.low, found.high)
    return replace(found, low=ends[0], high=ends[1], independent=together.independent,
                   n_patients=together.n_patients)  # fmt: skip


def _mean(folds: Sequence[ScoreCounts]) -> float | None:
    known = [area for area in map(auc, folds) if area is not None]
    return float(np.mean(known)) if known else None


def _by_images(folds: Sequence[ScoreCounts], rng: np.random.Generator) -> Interval | None:
    """Draw the images of each fold anew."""
    width = len(folds[0].positive)
    stacked = ScoreCounts(
        sum(counts.n for counts in folds),
        0.0,
        np.stack([counts.confusion for counts in folds]),
        np.concatenate([counts.positive for counts in folds]),
        np.concatenate([counts.negative for counts in folds]),
    )

    def mean(drawn: ScoreCounts) -> float | None:
        places = [slice(i, i + width) for i in range(0, len(drawn.positive), width)]
        return _mean([replace(drawn, positive=drawn.positive[p], negative=drawn.negative[p])
                      for p in places])  # fmt: skip

    return bootstrap(stacked, mean, rng)


def _by_patients(folds: Sequence[ScoreCounts], rng: np.random.Generator) -> Interval | None:
    """Draw the patients of each fold anew, with all their images."""
    found = []
    for _ in range(N_DRAWS):
        drawn = []
        for one in folds:
            assert isinstance(one.clusters, PatientImages)
            positive, negative = drawn_histograms(one.clusters, rng)
            drawn.append(replace(one, positive=positive, negative=negative))
        if (area := _mean(drawn)) is not None:
            found.append(area)
    return middle_95(found)


def _note_tested(study: Study, fold: Fold, sites: Sites) -> None:
    """Note who is tested in a fold before it trains; RunError where it was somebody else before."""
    path = study.files.tested
    noted: dict[str, str] = json.loads(path.read_text())["folds"] if path.exists() else {}
    sides = {name: site.data(study.plan).sides for name, site in sites.items()}
    tested = {n: sorted(k for k, part in of.items() if part == "test") for n, of in sides.items()}
    digest = hashlib.sha256(json.dumps([fold.of, tested]).encode()).hexdigest()
    if noted.setdefault(str(fold.number), digest) != digest:
        raise RunError(
            f"fold {fold.number} in {study.files.folds} tests other patients: the number of folds "
            "or the data changed",
            todo="give the same --folds and data to resume, or another --out",
        )
    write_atomic(path, json.dumps({"version": 1, "folds": noted}, indent=1).encode())
