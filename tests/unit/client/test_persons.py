"""Whom an equal image makes one person, and whom it does not."""

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import MakePlan
from tests.unit.client.test_file_cases import cases as cases  # the fixture

from medfl_client.config.site_file import DataFiles
from medfl_client.data.cache import Cache
from medfl_client.data.dicom.header import Row
from medfl_client.data.duplicates import join_persons
from medfl_client.data.ingest import collect
from medfl_client.data.reader import Source
from medfl_client.data.selection import Sample
from medfl_client.readiness.checks import check_samples
from medfl_common.plan.plan import load_plan

RICH = np.random.default_rng(1).integers(0, 256, (1, 24, 24)).astype(np.uint8)
ONE_PIXEL = np.zeros((1, 24, 24), np.uint8)
ONE_PIXEL[0, 3, 4] = 255
BOARD = np.indices((24, 24)).sum(axis=0)[None].astype(np.uint8) % 2 * 255
TEXT = RICH.copy()
TEXT[:, 1:] = 0  # a line of many greys


@pytest.mark.parametrize(
    ("image", "n_patients", "n_persons"),
    [
        (RICH, 2, 1),
        (RICH, 3, 1),
        (RICH, 4, 4),
        (RICH, 12, 12),
        (ONE_PIXEL, 2, 2),
        (BOARD, 2, 2),
        (TEXT, 2, 2),
    ],
)
def test_an_image_joins_patients_only_if_it_identifies(
    image: np.ndarray, n_patients: int, n_persons: int
) -> None:
    samples = [
        Sample(Source((Row(f"{i}.dcm", sop=f"{i}"),)), (0.0,), f"p{i}", {})
        for i in range(n_patients)
    ]
    rows = np.zeros(n_patients, np.int64)
    cache = Cache(image[None], rows, [b"same"] * n_patients, {})

    found = join_persons(samples, cache)

    assert len(set(found.person_of.values())) == n_persons
    assert found.n_impersonal == (n_persons > 1)


def test_twelve_patients_with_one_test_image_are_twelve(
    cases: Path, tmp_path: Path, make_plan: MakePlan
) -> None:
    names = sorted(path.name for path in (cases / "splash").iterdir())
    lines = [f"{name},{'opacity' if i % 4 < 2 else 'normal'}" for i, name in enumerate(names)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *lines]) + "\n")
    data = DataFiles(
        folder=str(cases / "splash"), labels="labels.csv", join="path", join_column="file",
        label_column="label",
    )  # fmt: skip
    plan = load_plan(make_plan())

    found = collect(tmp_path, tmp_path / "state", data, plan)

    assert len(set(found.patients)) == 12
    assert found.n_joined_patients == 0
    assert any("identify nobody" in f.seen for f in check_samples(found, plan, True))
