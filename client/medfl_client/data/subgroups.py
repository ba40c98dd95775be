"""To which group of patients each sample belongs, by its header."""

from collections.abc import Sequence

import numpy as np

from medfl_client.data.dataset import Indices
from medfl_client.data.dicom.header import Row
from medfl_common.metrics.site_statistics import age_place, sex_place
from medfl_common.plan.plan import Plan


def groups_of(rows: Sequence[Row], plan: Plan) -> dict[str, Indices]:
    """Give (N,) positions in `group_names` of each kind that the plan asks for."""
    places = {
        "sex": [sex_place(r.sex) for r in rows],
        "age": [age_place(r.age) for r in rows],
        "manufacturer": [_maker(r.manufacturer, plan.evaluation.manufacturers) for r in rows],
    }
    return {k: np.array(places[k], dtype=np.int64) for k in plan.evaluation.subgroups}


def _maker(written: str, manufacturers: Sequence[str]) -> int:
    """Find by what the header's text begins with; `GE` stands for `GE MEDICAL SYSTEMS`."""
    begins = [written.strip().lower().startswith(name.lower()) for name in manufacturers]
    return begins.index(True) if any(begins) else len(manufacturers)
