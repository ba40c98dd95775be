"""Every model at every hospital: each hospital's own, the federated and the pooled one."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from medfl_client.task.site import Site
from medfl_common.files import write_atomic
from medfl_common.metrics.estimates import Estimate, auc_estimate
from medfl_server.study.run_directory import Study, open_study
from medfl_sim.runs.baselines import POOLED, alone_folder, pooled_folder
from medfl_sim.runs.compare import ScoredPart, images_of, patients_of, scored_part
from medfl_sim.runs.finished_model import FinishedModel
from medfl_sim.runs.inner_runs import members

Kind = Literal["alone", "federated", "pooled"]


@dataclass(frozen=True)
class ModelRow:
    """One model, with its AUC at each hospital."""

    kind: Kind
    trained_at: str  # the hospital; empty: all of them
    auc: dict[str, Estimate]  # by hospital

    @property
    def mean(self) -> float | None:
        """Return the mean AUC over the hospitals, without the one whose own model it is."""
        known = [e.value for name, e in self.auc.items() if name != self.trained_at]
        values = [value for value in known if value is not None]
        return float(np.mean(values)) if values else None


@dataclass(frozen=True)
class Matrix:
    """The table of the page."""

    part: ScoredPart
    rows: list[ModelRow]


def score_everywhere(study: Study, sites: Mapping[str, Site]) -> Matrix:
    """Score the finished study and its finished baselines at all hospitals; keep the table.

    A hospital that only scores has a column and no model.
    """
    joined = members(sites)
    part = scored_part(joined, study.plan)
    rows = [
        ModelRow(kind, home, {name: _auc(model, site, study, part, home or own or name)
                              for name, site in sites.items()})
        for kind, home, own, model in _models(study, joined)
    ]  # fmt: skip
    found = Matrix(part, rows)
    text = json.dumps({"version": 1, **asdict(found)}, indent=1)
    write_atomic(study.files.cross_site, text.encode())
    return found


def _models(
    study: Study, sites: Mapping[str, Site]
) -> Iterator[tuple[Kind, str, str, FinishedModel]]:
    """Give each model: its kind, its hospital, and whose layers it has; empty: the scored one's."""
    for name in sites:
        yield "alone", name, "", FinishedModel(open_study(alone_folder(study, name)))
    yield "federated", "", "", FinishedModel(study)
    yield "pooled", "", POOLED, FinishedModel(open_study(pooled_folder(study)))


def _auc(model: FinishedModel, site: Site, study: Study, part: ScoredPart, local: str) -> Estimate:
    data = site.data(study.plan)
    images, patients = images_of(data, part), patients_of(data, part)
    return auc_estimate(model.count(images, site.device, local, patients), study.plan.task.type)
