"""Data sets partitioned to virtual hospitals."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import check
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.partition_page import write_partition
from medfl_sim.data.partitioners import Parts, Table
from medfl_sim.data.scenario import Scenario, partitioned, read_partition, read_way


def table_of(n_patients: int = 40, n_images: int = 160, n_classes: int = 4) -> Table:
    """Images of patients p0, p1, ...; class, clinic, folder and year follow from the number."""
    rng = np.random.default_rng(0)
    numbers = np.concatenate([
        np.arange(n_patients), rng.integers(0, n_patients, n_images - n_patients)
    ]).tolist()  # fmt: skip
    names = [f"ward-{n % 3}/{i}.dcm" for i, n in enumerate(numbers)]
    return Table(
        patients=[f"p{n}" for n in numbers],
        cells=[{"clinic": f"Clinic {n % 4}"} for n in numbers],
        labels=[n % n_classes for n in numbers],
        files=[Path(name) for name in names],
        names=names,
        years=[2000 + n % 5 for n in numbers],
        pseudonym=lambda text: text,
    )


def partition(text: str, table: Table, n_sites: int | None = None, seed: int = 1) -> Parts:
    return read_way(read_partition(text, n_sites)).parts(table, seed)


@pytest.mark.parametrize(
    ("text", "n_sites", "n_made"),
    [
        ("iid", 4, 4), ("dirichlet:0.5,min_patients=2", 3, 3), ("pathological:2", 6, 6),
        ("quantity:1.5", 5, 5), ("quantity:law=power,skew=1", 5, 5), ("column:clinic", None, 4),
        ("subfolder", None, 3), ("year", None, 5), ("year:2002,2004", None, 3),
    ],
)  # fmt: skip
def test_no_image_is_lost_and_no_patient_is_at_two_sites(
    text: str, n_sites: int | None, n_made: int
) -> None:
    table = table_of()

    parts = partition(text, table, n_sites)

    assert len(parts) == n_made
    assert sorted(np.concatenate([*parts.values()]).tolist()) == list(range(160))
    homes = [{table.patients[i] for i in part} for part in parts.values()]
    assert sum(map(len, homes)) == 40
    again = partition(text, table, n_sites)
    assert all((again[name] == part).all() for name, part in parts.items())


def test_pathological_sites_have_two_classes_each_and_each_class_is_at_as_many_sites() -> None:
    table = table_of()

    seen = [
        {table.labels[i] for i in part} for part in partition("pathological:2", table, 6).values()
    ]

    assert {len(classes) for classes in seen} == {2}
    assert [sum(label in classes for classes in seen) for label in range(4)] == [3, 3, 3, 3]
    with pytest.raises(ConfigError, match="1 sites of 2 classes cannot have all 4"):
        partition("pathological:2", table, 1)


def test_sizes_by_the_power_law_are_as_one_half_a_third_a_quarter() -> None:
    parts = partition("quantity:law=power,skew=1", table_of(1204, 1204), 4)

    assert [len(part) for part in parts.values()] == [577, 289, 193, 145]  # 1 + 1200 x 12/25, ...


def test_years_are_cut_where_the_settings_say() -> None:
    parts = partition("year:2002,2004", table_of(5, 5))

    assert {name: part.tolist() for name, part in parts.items()} == {
        "year-before-2002": [0, 1], "year-from-2002": [2, 3], "year-from-2004": [4],
    }  # fmt: skip


def test_a_patient_of_several_values_goes_whole_to_the_most_frequent() -> None:
    table = Table(
        ["a", "a", "a", "b"], [{}] * 4, [0] * 4, [Path()] * 4,
        ["x/1", "y/2", "y/3", "x/4"], [0] * 4, str,
    )  # fmt: skip

    parts = partition("subfolder", table)

    assert {name: part.tolist() for name, part in parts.items()} == {
        "folder-x": [3], "folder-y": [0, 1, 2],
    }  # fmt: skip


def test_values_that_look_alike_stay_apart() -> None:
    table = Table(
        ["a", "b"], [{"c": "A+"}, {"c": "A-"}], [0, 0], [Path()] * 2, ["1", "2"], [0, 0], str
    )

    assert [*partition("column:c", table)] == ["c-a", "c-a-2"]


def test_a_patient_with_two_values_in_the_column_is_an_error() -> None:
    table = Table(
        ["a", "a"], [{"c": "1"}, {"c": "2"}], [0, 0], [Path()] * 2, ["1", "2"], [0, 0], str
    )

    with pytest.raises(ConfigError, match="can be at one hospital only"):
        partition("column:c", table)


def test_too_little_at_a_site_is_drawn_anew_or_said() -> None:
    table = table_of()

    parts = partition("dirichlet:1,min_patients=1,min_per_class=1", table, 3)

    for part in parts.values():
        assert {table.labels[i] for i in part} == {0, 1, 2, 3}
    with pytest.raises(ConfigError, match="site-1 would have 10 patients, the minimum is 11"):
        partition("iid:min_patients=11", table, 4)
    with pytest.raises(ConfigError, match="folder-ward-0 would have 14 patients, the minimum"):
        partition("subfolder:min_patients=20", table)


def test_what_cannot_be_read_says_what_is_wrong() -> None:
    for text, words in (
        ("dirichlet:0", "alpha: 0 is not allowed"),
        ("dirichlet:alpah=1", "did you mean 'alpha'"),
        ("dirichlet:0.3", "needs the number of sites"),
        ("iid:5", "takes no value"),
        ("folder:3", "takes no value"),
        ("by-luck", "unknown partition 'by-luck'; known: column, csv, dirichlet"),
        ("tag:PatientsFavouriteColour", "keyword of a DICOM element"),
    ):
        with pytest.raises(ConfigError, match=words):
            partitioned(text)


def test_what_would_name_a_person_or_say_nothing_is_refused() -> None:
    for keyword in (
        "PatientID",
        "PatientName",
        "OperatorsName",
        "AccessionNumber",
        "StudyInstanceUID",
        "AdmissionID",
        "StudyDate",
        "ImageComments",
    ):
        with pytest.raises(ConfigError, match="may say who a person is"):
            read_way({"kind": "tag", "tag": keyword})
    assert read_way({"kind": "tag", "tag": "PatientSex"})
    with pytest.raises(ConfigError, match="the number of sites from the data"):
        read_way({"kind": "tag", "tag": "Manufacturer", "sites": 3})
    with pytest.raises(ConfigError, match="folder has no settings"):
        check(Scenario, {"partition": {"kind": "folder", "sites": 2}}, "the test")


def test_a_tag_and_a_file_partition_real_files(hospitals: Path, plan: Plan, tmp_path: Path) -> None:
    """The phantom's scanners by their header, and the same again by a CSV of patients."""
    by_tag = virtual_sites(hospitals, plan, partitioned("tag:Manufacturer"))
    folders = virtual_sites(hospitals, plan)
    lines = ["patient,site"]
    maker_of = {}
    for path in sorted(hospitals.glob("site-*/**/*.dcm")):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        maker_of[str(header.PatientID)] = str(header.Manufacturer)
    lines += [f"{patient},{maker}" for patient, maker in maker_of.items()]
    (tmp_path / "homes.csv").write_text("\n".join(lines))
    one = hospitals / "site-1"
    by_file = virtual_sites(one, plan, partitioned(f"csv:{tmp_path / 'homes.csv'}"))

    n_images = {name: _count(site.data(plan)) for name, site in by_tag.items()}
    assert sum(n_images.values()) == sum(_count(s.data(plan)) for n, s in folders.items())
    assert len(by_tag) == len(set(maker_of.values()))
    assert sum(_count(s.data(plan)) for n, s in by_file.items()) == 40
    (tmp_path / "homes.csv").write_text("\n".join(lines[:5]))
    with pytest.raises(ConfigError, match=r"names no site for \d+ of 40 images"):
        virtual_sites(one, plan, partitioned(f"csv:{tmp_path / 'homes.csv'}"))


def _count(data: object) -> int:
    return len(data.train) + len(data.validation)  # type: ignore[attr-defined]


def test_the_page_shows_sites_classes_and_sizes(
    hospitals: Path, make_plan: MakePlan, plan: Plan, tmp_path: Path
) -> None:
    page = write_partition(tmp_path, virtual_sites(hospitals, plan), plan).read_text()

    assert "3 hospitals have 120 images of" in page
    assert page.count("<svg") == 2
    table = (tmp_path / "partition.csv").read_text().splitlines()
    assert table[0] == "site,patients,images,normal,opacity"
    numbers = [line.split(",") for line in table[1:]]
    assert [int(n[2]) for n in numbers] == [int(n[3]) + int(n[4]) for n in numbers] == [40] * 3
