"""Every key that a person may write says what it means."""

from collections.abc import Iterator

import pytest

from medfl_client.config.site_file import SiteFile
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import Settings, models_in
from medfl_sim.data.faults import FAULTS
from medfl_sim.data.partitioners import PARTITIONERS
from medfl_sim.data.scenario import PartitionSettings, Scenario

FAULT_KINDS = [FAULTS.get(name) for name in FAULTS.names()]
WAYS = [PARTITIONERS.get(name) for name in PARTITIONERS.names()]


def _keys(group: type[Settings]) -> Iterator[tuple[str, str | None]]:
    for name, field in group.model_fields.items():
        yield f"{group.__name__}.{name}", field.description
        for inner in models_in(field.annotation):
            yield from _keys(inner)


@pytest.mark.parametrize(
    "group", [Plan, SiteFile, Scenario, PartitionSettings, *FAULT_KINDS, *WAYS]
)
def test_every_key_says_what_it_means(group: type[Settings]) -> None:
    silent = [key for key, words in _keys(group) if not words]

    assert silent == [], "write what each key means in a text below it"
