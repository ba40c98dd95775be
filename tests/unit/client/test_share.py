"""medfl-client index --share: counts for a plan, no more than the policy lets leave."""

from pathlib import Path

import pytest
from tests.unit.client.wizard import labels_of, write_labels

from medfl_client.config.site_file import load_site_file
from medfl_client.readiness.assess import assess
from medfl_client.readiness.share import counts_to_share
from medfl_common.errors import DisclosureError
from medfl_common.metrics.harmony import harmony_text


def test_counts_below_the_smallest_cell_and_what_would_tell_them_stay(hospitals: Path) -> None:
    site = hospitals / "site-1"
    rows = labels_of(site)
    words = ["rare"] * 3 + ["normal"] * 25 + ["opacity"] * 12
    labelled = zip(rows, words, strict=True)
    write_labels(site, [{**row, "finding": word} for row, word in labelled])
    found = load_site_file(site)
    policy = found.policy.model_copy(update={"min_cell": 10})

    counts = counts_to_share(assess(site, found, None), found.model_copy(update={"policy": policy}))

    assert counts.labels == {"normal": 25}
    assert (counts.images, counts.modality) == (40, {"DX": 40})
    text = harmony_text(counts)
    for row in rows:
        assert row["patient_id"] not in text
        assert row["sop_instance_uid"] not in text


def test_a_policy_that_keeps_counts_writes_none(hospitals: Path) -> None:
    found = load_site_file(hospitals / "site-1")
    policy = found.policy.model_copy(update={"share_statistics": False})

    with pytest.raises(DisclosureError, match="policy P7"):
        counts_to_share(
            assess(hospitals / "site-1", found, None), found.model_copy(update={"policy": policy})
        )
