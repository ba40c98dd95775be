"""Candidates: positions in a label file become samples, are counted, and are refused in words."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import MakePlan
from tests.unit.client.candidates import (
    BALL,
    HEADER,
    IMAGES,
    NO_VOLUME,
    SITE,
    SLICES,
    files_of,
    images,
    write_ct,
)

from medfl_client.config.site_file import DataFiles, SiteFile, load_site_file
from medfl_client.data import records as preprocess
from medfl_client.data.dicom import patch
from medfl_client.data.dicom.header import Rules, read_row
from medfl_client.data.dicom.patch import OUTSIDE, read_patch
from medfl_client.data.ingest import Collection, collect
from medfl_client.data.reader import ALL_FRAMES, Source
from medfl_client.data.reasons import count_reasons
from medfl_client.data.site_data import site_data
from medfl_client.readiness.assess import assess
from medfl_common.errors import ConfigError, DataError
from medfl_common.plan.plan import Plan, load_plan
from medfl_sim.data.sources.nifti import NiftiReader

WriteSite = Callable[..., tuple[Path, DataFiles]]


@pytest.fixture
def write_site(tmp_path: Path) -> WriteSite:
    """Give a function that writes a hospital of two series, with lines of a candidates.csv."""

    def write(*lines: str) -> tuple[Path, DataFiles]:
        site = tmp_path / "lungs"
        site.mkdir(exist_ok=True)
        (site / "site.yaml").write_text(SITE)
        (site / "candidates.csv").write_text("\n".join([HEADER, *lines]))
        for i in (1, 2) if not (site / "dicom").exists() else ():
            write_ct(site / "dicom" / f"{i}", f"1.2.{i}", f"P{i}", seed=i)
        return site, load_site_file(site).data

    return write


@pytest.fixture
def plan(make_plan: MakePlan) -> Plan:
    task = {"classes": ["normal", "nodule"]}
    return load_plan(make_plan(images=IMAGES, task=task, evaluation={"validation": 0.5}))


def read(found: tuple[Path, DataFiles], plan: Plan) -> Collection:
    site, data = found
    return collect(site, site / "state", data, plan)


def test_two_candidates_of_a_series_are_two_samples_of_one_patient(
    write_site: WriteSite, plan: Plan
) -> None:
    site = write_site(
        "1.2.1,11,-7.5,22,1", "1.2.1,-10,10,30,0", "1.2.2,11,-7.5,22,1", "1.2.9,0,0,0,0"
    )

    found = read(site, plan)

    assert len(found.samples) == 3
    assert [sample.label for sample in found.samples].count(1) == 2
    assert len(set(found.patients)) == 2
    assert found.refused == {}
    assert found.n_labels_unused == 1
    data = site_data(found, plan)
    train, validation = ({*part.rows.tolist()} for part in (data.train, data.validation))
    pair = {
        int(row)
        for row, s in zip(found.rows, found.samples, strict=True)
        if s.row.series == "1.2.1"
    }
    assert len(train) + len(validation) == 3
    assert pair <= train or pair <= validation
    for sample, record in zip(found.samples, found.pixels[found.rows], strict=True):
        assert (record[0, 4, 8, 8] > 180) == bool(sample.label)


def test_a_position_outside_is_left_out_and_counted_and_the_others_are_used(
    write_site: WriteSite, plan: Plan
) -> None:
    site = write_site(
        "1.2.1,11,-7.5,22,1", "1.2.1,500,0,22,0", "1.2.1,0,0,22,unknown", "1.2.2,0,0,-40,0"
    )

    found = read(site, plan)

    assert [sample.source.position for sample in found.samples] == [BALL]
    assert found.refused_parts == {OUTSIDE: 1, "its label is unknown": 1}
    assert count_reasons(found.refused) == {OUTSIDE: SLICES}  # the second series has no other
    assert found.n_damaged == 0  # and max_damaged is 0


def test_a_survey_without_a_plan_and_one_with_count_the_candidates(
    write_site: WriteSite, plan: Plan
) -> None:
    site, _ = write_site("1.2.1,11,-7.5,22,1", "1.2.1,0,0,22,0", "1.2.1,500,0,22,0")
    file: SiteFile = load_site_file(site)

    planned = assess(site, file, plan)
    blind = assess(site, file, None)

    assert len(planned.used) == 2
    assert planned.labels == {"normal": 1, "nodule": 1}
    assert any(OUTSIDE in finding.seen for finding in planned.findings)
    assert blind.verdict == "warn"
    assert len(blind.used) == 2 * SLICES


@pytest.mark.parametrize("cell", ["", "12 mm", "nan", "inf", "1,5"])
def test_a_wrong_number_names_its_line(cell: str, write_site: WriteSite, plan: Plan) -> None:
    site = write_site("1.2.1,11,-7.5,22,1", f'1.2.1,11,"{cell}",22,1')

    with pytest.raises(DataError, match=rf"line 3 has '{cell}' as coordY"):
        read(site, plan)


def test_one_place_with_two_labels_names_both_lines(write_site: WriteSite, plan: Plan) -> None:
    site = write_site("1.2.1,11,-7.5,22,1", "1.2.1,0,0,22,0", "1.2.1,11.0,-7.50,22,0")

    with pytest.raises(DataError, match="lines 2 and 4 give the same seriesuid and position the"):
        read(site, plan)


def test_equal_patches_with_two_labels_are_nobodys(write_site: WriteSite, plan: Plan) -> None:
    site = write_site(
        "1.2.1,11,-7.5,22,1", "1.2.1,11.000001,-7.5,22,0", "1.2.2,11,-7.5,22,1",
        "1.2.2,11,-7.5,22.000001,1",
    )  # fmt: skip

    found = read(site, plan)

    assert [sample.row.series for sample in found.samples] == ["1.2.2"]
    assert count_reasons(found.refused) == {"the same pixels occur with different labels": SLICES}
    assert found.refused_parts == {"the same pixels as another image": 1}


def test_a_plan_without_spacing_is_refused_in_words(make_plan: MakePlan) -> None:
    for change in ({"spacing_mm": None}, {"slice_mm": None}, NO_VOLUME):
        with pytest.raises(ConfigError, match=r"candidate is a patch of so many millimetres"):
            load_plan(make_plan(images={**IMAGES, **change}))


def test_plan_and_site_file_have_to_agree_on_positions(
    write_site: WriteSite, plan: Plan, make_plan: MakePlan
) -> None:
    site, data = write_site("1.2.1,11,-7.5,22,1")
    task = {"classes": ["normal", "nodule"]}
    whole = load_plan(make_plan(images={**IMAGES, "sample": "series"}, task=task))

    with pytest.raises(DataError, match=r"candidates; set data\.position_columns"):
        read((site, data.model_copy(update={"position_columns": []})), plan)
    with pytest.raises(DataError, match=r"position_columns is set.*of a whole series"):
        read((site, data), whole)
    for names in (["x", "y"], ["x", "y", "y"], ["x", "y", "z", "t"]):
        with pytest.raises(ValueError, match="columns of x, y and z"):
            DataFiles.model_validate({**data.model_dump(), "position_columns": names})


def test_another_position_is_another_patch_and_the_same_is_not_decoded_again(
    write_site: WriteSite, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read(write_site("1.2.1,11,-7.5,22,1"), plan)
    more = read(write_site("1.2.1,11,-7.5,22,1", "1.2.1,-10,10,30,0"), plan)
    monkeypatch.setattr(preprocess, "in_sandbox", None)  # decoding would fail

    again = read(write_site("1.2.1,-10,10,30,0", "1.2.1,11,-7.5,22,1"), plan)

    assert len(more.pixels) == 2
    assert not np.array_equal(more.pixels[0], more.pixels[1])
    assert np.array_equal(first.pixels[0], more.pixels[0])
    assert np.array_equal(again.pixels[again.rows], more.pixels[more.rows])


def test_a_series_is_read_once_for_its_candidates_and_anew_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_ct(tmp_path / "a", "1.2.3", "P")
    reads = []
    read_slices = patch.read_slices
    monkeypatch.setattr(patch, "read_slices", lambda p: reads.append(p) or read_slices(p))

    for x in (0.0, 5.0, 10.0):
        read_patch(files_of(paths), images(), (x, 0.0, 20.0))
    assert len(reads) == 1
    paths[3].write_bytes(paths[3].read_bytes()[:-9])
    changed = files_of(paths)
    for x in (0.0, 5.0):
        with pytest.raises(DataError):
            read_patch(changed, images(), (x, 0.0, 20.0))
    assert len(reads) == 2


def test_nifti_refuses_candidates_in_words(tmp_path: Path) -> None:
    (path, *_) = write_ct(tmp_path, "1.2.3", "P")
    source = Source((read_row(path, path.name, Rules(b"k")),), ALL_FRAMES, BALL)

    with pytest.raises(DataError, match="medfl reads candidates from DICOM series"):
        NiftiReader().image(tmp_path, source, images())
