"""Synthetic hospitals come from their seed alone; what cannot be made is refused in words."""

from pathlib import Path

import pytest
from tests.unit.sim.phantom_files import BOXED, MASKED, NEW, read_bytes, read_rows, read_volumes
from typer.testing import CliRunner

from medfl_common.errors import ConfigError
from medfl_sim.cli import app
from medfl_sim.data.phantoms import KINDS
from medfl_sim.data.phantoms._hospital import Origin


def test_every_kind_has_its_name() -> None:
    assert KINDS.names() == sorted((*NEW, *MASKED, *BOXED, "chest"))


@pytest.mark.parametrize("kind", [*NEW, *MASKED, *BOXED, "chest"])
def test_the_same_seed_gives_the_same_bytes(kind: str, tmp_path: Path) -> None:
    write = KINDS.get(kind)

    write(tmp_path / "a", 2, 2, 5)
    write(tmp_path / "b", 2, 2, 5)

    assert read_bytes(tmp_path / "a") == read_bytes(tmp_path / "b")


@pytest.mark.parametrize("kind", [*NEW, *MASKED, *BOXED])
def test_a_sample_does_not_depend_on_how_many_follow(kind: str, tmp_path: Path) -> None:
    for name, n_samples in (("few", 2), ("more", 5)):
        KINDS.get(kind)(tmp_path / name, 1, n_samples, 5)

    few, more = (read_bytes(tmp_path / name / "site-1" / "dicom") for name in ("few", "more"))
    assert few.items() <= more.items()


def test_kinds_share_no_uid() -> None:
    assert Origin("a", 1, 0).uid("study", 1) != Origin("b", 1, 0).uid("study", 1)


def test_some_patient_has_two_scans_with_one_diagnosis(tmp_path: Path) -> None:
    (home,) = KINDS.get("brain-mr")(tmp_path, 1, 20, 3)
    words: dict[str, list[str]] = {}
    patients = {name: slices[0].PatientID for name, slices in read_volumes(home).items()}
    for row in read_rows(home):
        words.setdefault(patients[row["series_instance_uid"]], []).append(row["diagnosis"])

    assert max(len(scans) for scans in words.values()) == 2
    assert all(len(set(scans)) == 1 for scans in words.values())


@pytest.mark.parametrize("kind", [*NEW, *MASKED, *BOXED])
def test_a_hospital_that_is_there_already_is_left_alone(kind: str, tmp_path: Path) -> None:
    (tmp_path / "site-2").mkdir()
    (tmp_path / "site-2" / "mine.txt").write_text("mine")

    with pytest.raises(ConfigError, match="site-2 exists and is not empty"):
        KINDS.get(kind)(tmp_path, 2, 2, 0)

    assert list(tmp_path.rglob("*.*")) == [tmp_path / "site-2" / "mine.txt"]


@pytest.mark.parametrize(("n_sites", "n_samples", "seed"), [(0, 2, 0), (1, 1, 0), (1, 2, -1)])
def test_too_few_sites_or_samples_or_a_negative_seed_are_refused(
    tmp_path: Path, n_sites: int, n_samples: int, seed: int
) -> None:
    with pytest.raises(ConfigError, match="the minimum is 1, 2 and 0"):
        KINDS.get("fundus")(tmp_path, n_sites, n_samples, seed)


def test_the_command_writes_a_kind_and_says_so(tmp_path: Path) -> None:
    said = CliRunner().invoke(
        app, ["phantom", str(tmp_path / "f"), "--sites", "1", "--images", "2", "--kind", "fundus"]
    )

    assert said.exit_code == 0
    assert "2 synthetic samples (fundus)" in " ".join(said.output.split())
    assert len(list(tmp_path.rglob("*.dcm"))) == 2


def test_an_unknown_kind_names_the_choices() -> None:
    with pytest.raises(
        ConfigError, match="unknown kind 'knee'; known: brain-mr, chest, chest-nodules"
    ):
        KINDS.get("knee")
