"""medfl-client data on label files that say more or less than the images need."""

from pathlib import Path

import pytest
from pydicom import dcmread
from tests.conftest import MakePlan
from tests.unit.client.wizard import describe, labels_of, take_all, write_labels

from medfl_client.config.site_file import load_site_file
from medfl_common.errors import MedflError


@pytest.fixture
def site(hospitals: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hospital of 40 images without site.yaml."""
    (hospitals / "site-1" / "site.yaml").unlink()
    monkeypatch.chdir(hospitals)
    return hospitals / "site-1"


def test_beside_a_2_a_1_is_no_yes(site: Path, make_plan: MakePlan) -> None:
    rows = labels_of(site)
    rows[0]["finding"], rows[1]["finding"] = "1", "2"
    write_labels(site, rows)

    done, asked = describe(site, make_plan(), **{"'1'": ["normal"], "'2'": ["opacity"]})

    assert done
    assert {q: asked[q] for q in asked if q.startswith("'")} == {"'1' means": "", "'2' means": ""}


def test_a_label_file_without_rows_or_without_names_of_images_says_what_to_do(site: Path) -> None:
    text = (site / "labels.csv").read_text()
    for content, said in (
        (text.splitlines()[0] + "\n", "has no row below its first line"),
        ("finding\nnormal\nopacity\n", "there is no column 'sop_instance_uid'"),
    ):
        (site / "labels.csv").write_text(content)

        with pytest.raises(MedflError, match=said) as error:
            take_all(site)

        assert error.value.todo


def test_where_the_label_file_knows_more_images_than_are_here_the_image_still_joins(
    site: Path, make_plan: MakePlan
) -> None:
    rows = labels_of(site)
    few = {row["patient_id"]: row["sop_instance_uid"] for row in rows}  # one image of each patient
    for path in sorted((site / "dicom").rglob("*.dcm")):
        if dcmread(path, stop_before_pixels=True).SOPInstanceUID not in few.values():
            path.unlink()

    assert len(few) < len(rows)
    assert take_all(site, make_plan())
    assert load_site_file(site).data.join == "SOPInstanceUID"
