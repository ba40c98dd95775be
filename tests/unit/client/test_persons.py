"""Whom an equal image makes one person, and whom it does not."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from tests.conftest import MakePlan
from tests.noisy import noisy
from tests.unit.client.test_file_cases import cases as cases  # the fixture

from medfl_client.config.site_file import DataFiles, load_site_file
from medfl_client.data.cache import Cache
from medfl_client.data.dicom.header import Row
from medfl_client.data.duplicates import find_duplicates, join_persons
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


@pytest.mark.parametrize("has_their_pixels", [True, False])
def test_under_noise_no_patient_takes_an_image_from_another_or_is_joined(
    has_their_pixels: bool,
) -> None:
    """Of twenty patients and one more who has all their UIDs, or their pixels and other labels."""
    own = [Sample(Source((Row(f"{i}.dcm", sop=f"u{i}"),)), (0.0,), f"p{i}", {}) for i in range(20)]
    more = [
        Sample(
            Source((Row(f"x{i}.dcm", sop=f"{'x' if has_their_pixels else 'u'}{i}"),)),
            (1.0,), "x", {},
        )
        for i in range(20)
    ]  # fmt: skip
    digests = [bytes([i]) for i in range(20)]
    other = digests if has_their_pixels else [bytes([100 + i]) for i in range(20)]
    cache = Cache(np.stack([RICH] * 40), np.arange(40), [*digests, *other], {})

    usual, _ = find_duplicates([*own, *more], cache)
    under_noise, _ = find_duplicates([*own, *more], cache, across_patients=False)

    assert len(usual) == 40  # nobody can say who is right
    assert not under_noise


def test_under_noise_patients_who_share_an_image_stay_two(
    hospitals: Path, make_plan: MakePlan
) -> None:
    folder = hospitals / "site-1"
    first, *_, last = sorted((folder / "dicom").rglob("*.dcm"))
    shared = pydicom.dcmread(last)
    shared.PixelData = pydicom.dcmread(first).PixelData
    shared.save_as(last)
    data = load_site_file(folder).data

    plain = collect(folder, folder / "state", data, load_plan(make_plan()))
    noisy_ = collect(folder, folder / "state", data, load_plan(make_plan(**noisy())))

    assert len(plain.samples) < len(noisy_.samples) == 40
    assert plain.n_joined_patients <= 1
    assert noisy_.n_joined_patients == 0


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
