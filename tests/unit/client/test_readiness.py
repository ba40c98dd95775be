"""Readiness: each thing that is wrong with a site's data is found, counted and told in words."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from tests.conftest import ROOT, MakePlan

from medfl_client.config.site_file import load_site_file
from medfl_client.readiness.assess import Readiness, as_json, assess
from medfl_client.readiness.checks import VERDICTS, mixed_patients
from medfl_client.readiness.page import answer, write_readiness
from medfl_common.plan.plan import Plan, load_plan


@pytest.fixture
def site(hospitals: Path) -> Path:
    return hospitals / "site-1"


def judge(site: Path, plan: Plan | None, **options: int) -> Readiness:
    return assess(site, load_site_file(site), plan, **options)


def texts(found: Readiness) -> str:
    return "\n".join(f"{VERDICTS[finding.state]}: {finding.seen}" for finding in found.findings)


def files(site: Path) -> list[Path]:
    return sorted((site / "dicom").rglob("*.dcm"))


def change(path: Path, **tags: object) -> None:
    dataset = dcmread(path)
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path)


def test_a_good_site_passes_but_for_the_letters_in_its_pictures(site: Path, plan: Plan) -> None:
    found = judge(site, plan)

    assert texts(found) == (
        "warn: images that may have text in them (BurnedInAnnotation, screen copy, ultrasound): "
        "40\npass: patients with samples of several classes: 1\n"
        "pass: there is no test part: it would be fewer than 10 patients, so they are trained on; "
        "other hospitals' test patients score the final model\n"
        "pass: modalities of the plan that this site has no sample of: CR"
    )
    assert found.verdict == "warn"
    assert found.files == {"used": 40}
    assert found.counts["modality"] == {"DX": 40}
    assert sum(found.labels.values()) == 40
    assert sum(map(len, mixed_patients(found.collection))) >= 2 if found.collection else False


def test_copies_leaks_and_contradictions_are_found(site: Path, plan: Plan) -> None:
    first, second, third, *_ = files(site)
    lines = (site / "labels.csv").read_text().splitlines()
    shutil.copy(first, site / "dicom" / "copy.dcm")
    shutil.copy(second, site / "dicom" / "leak.dcm")  # the same image under another number
    change(site / "dicom" / "leak.dcm", PatientID="OTHER", SOPInstanceUID="1.2.3")
    label = next(line for line in lines if dcmread(second).SOPInstanceUID in line).split(",")
    lines.append(",".join(["1.2.3", *label[1:]]))
    shutil.copy(third, site / "dicom" / "contradiction.dcm")
    change(site / "dicom" / "contradiction.dcm", SOPInstanceUID="1.2.4")
    label = next(line for line in lines if dcmread(third).SOPInstanceUID in line).split(",")
    other = "normal" if label[2] == "opacity" else "opacity"
    lines.append(",".join(["1.2.4", label[1], other, *label[3:]]))
    (site / "labels.csv").write_text("\n".join(lines) + "\n")

    found = judge(site, plan)

    assert "warn: duplicate images: 1" in texts(found)
    assert "pass: copies of a file: 1" in texts(found)
    assert "(one person under two numbers?): 1" in texts(found)
    assert "have different labels: 2" in texts(found)
    assert found.collection is not None
    assert len(found.collection.samples) == 39


def test_a_person_under_two_numbers_is_on_one_side_of_the_split(site: Path, plan: Plan) -> None:
    by_patient: dict[str, list[Path]] = {}
    for path in files(site):
        by_patient.setdefault(dcmread(path).PatientID, []).append(path)
    one, other, *_ = (paths for paths in by_patient.values() if len(paths) > 1)
    pixels = dcmread(one[0])
    twin = dcmread(other[0])
    twin.PixelData = pixels.PixelData
    twin.save_as(other[0])
    rows = (site / "labels.csv").read_text()
    for uid in (pixels.SOPInstanceUID, twin.SOPInstanceUID):  # one label for the two
        line = next(line for line in rows.splitlines() if line.startswith(uid))
        rows = rows.replace(line, line.replace("opacity", "normal"))
    (site / "labels.csv").write_text(rows)

    found = judge(site, plan)

    assert found.collection is not None
    assert found.data is not None
    names = {path.relative_to(site / "dicom").as_posix() for path in one + other}
    persons = {
        patient
        for patient, sample in zip(found.collection.patients, found.collection.samples, strict=True)
        if sample.row.name in names
    }
    assert len(persons) == 1
    of_row = dict(zip(found.collection.rows.tolist(), found.collection.patients, strict=True))
    train = {of_row[int(row)] for row in found.data.train.rows}
    assert not train & {of_row[int(row)] for row in found.data.validation.rows}


def test_what_would_stop_the_site_is_told_before_it_joins(
    site: Path, plan: Plan, make_plan: MakePlan
) -> None:
    too_few = (site / "site.yaml").read_text().replace("min_images: 5", "min_images: 500")
    (site / "site.yaml").write_text(too_few)
    for path in files(site)[:3]:
        path.write_bytes(path.read_bytes()[:-2000])

    found = judge(site, plan)

    assert found.verdict == "block"
    assert "block: images that cannot be decoded: 3, more than data.max_damaged (0.05)" in texts(
        found
    )
    assert "policy.min_images is 500" in texts(found)
    nothing = judge(site, load_plan(make_plan(images={"modality": ["MR"]})))
    assert nothing.verdict == "block"
    assert "40 x modality DX: not in the plan" in texts(nothing)


def test_faulty_labels_block_and_the_pictures_are_shown_all_the_same(
    site: Path, plan: Plan
) -> None:
    (site / "labels.csv").write_text('sop_instance_uid,finding\n1.2,"open\n')

    for found in (judge(site, plan), judge(site, None)):
        assert found.verdict == "block"
        assert "line 2 is not valid CSV" in texts(found)
        assert found.collection is not None
        assert len(found.collection.samples) == 40
        assert as_json(found, "site-1")["labels"] == {}
    assert judge(site, plan).shareable is None  # it would hold a class that nobody gave


def test_the_page_and_the_facts_for_scripts_say_the_same(site: Path, plan: Plan) -> None:
    found = judge(site, plan, limit=10)
    data = load_site_file(site).data
    write_readiness(found, "site-1", site / "readiness.html", data)
    page = (site / "readiness.html").read_text()
    facts = json.loads(json.dumps(as_json(found, "site-1")))

    assert answer(found).startswith("Almost: 40 samples of at least ")
    assert answer(found).split(".")[0] in page
    assert page.count('<img src="data:image/png') == 10
    assert "30 of 40 samples are not decoded" in page
    assert plan.hash() in page
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d [+-]\d{4}", page)
    key = (site / "labels.csv").read_text().split("\n")[1].split(",")[0]
    assert re.search(rf"the line with {data.join_column} &#39;{key[:8]}[0-9.]+&#39;", page)
    assert facts["verdict"] == "warn"
    assert facts["files"] == {"used": 40}
    assert (site / "readiness.html").stat().st_mode & 0o077 == 0
    for word in ("SYN-1", "SYNTHETIC^PHANTOM"):  # a patient's number and name
        assert word not in json.dumps(facts)


def test_small_counts_do_not_become_shareable(site: Path, plan: Plan) -> None:
    text = (site / "site.yaml").read_text().replace("min_cell: 1", "min_cell: 10")
    (site / "site.yaml").write_text(text)

    shared = judge(site, plan).shareable

    assert shared is not None
    for counts in (shared.classes, shared.ages, shared.sexes, shared.sides):
        assert all(n == 0 or n >= 10 for n in counts)
        hidden = shared.samples - sum(counts)
        assert hidden == 0 or hidden >= 10  # no single small count can be told from the total
    assert np.isclose(sum(shared.greys), 100_000, atol=64)


def test_the_real_ct_sites_doubles_and_mixed_patients_are_shown(
    ct_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "dicom").symlink_to(ct_folder / "dicom")
    shutil.copy(ct_folder / "labels.csv", tmp_path)
    configs = ROOT / "configs"
    shutil.copy(configs / "ct-contrast.site.yaml", tmp_path / "site.yaml")

    found = judge(tmp_path, load_plan(configs / "ct-contrast.yaml"))

    assert found.files == {
        "used": 72, "copy of another file": 5, "the same pixels as another image": 1,
    }  # fmt: skip
    assert found.collection is not None
    assert len(found.collection.twins) == 6
    assert len(mixed_patients(found.collection)) == 7
    assert found.verdict == "warn"


def test_headers_that_contradict_themselves_and_special_pictures_are_told(
    site: Path, plan: Plan
) -> None:
    first, second, third, fourth, *_ = files(site)
    change(first, PresentationLUTShape="IDENTITY", PhotometricInterpretation="MONOCHROME1")
    change(second, PresentationLUTShape="IDENTITY", PhotometricInterpretation="MONOCHROME1")
    change(third, ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])
    change(fourth, WindowCenter="0", WindowWidth="0")

    found = judge(site, plan)

    assert "warn: images whose PresentationLUTShape (2050,0020) IDENTITY contradicts " in texts(
        found
    )
    assert "PhotometricInterpretation (0028,0004): 2" in texts(found)
    reasons = set(found.refused.values())
    assert "WindowWidth (0028,1051) is 0; DICOM allows 1 or more" in reasons
    assert (
        "ImageType (0008,0008) has SCREEN SAVE: no screen in the plan (images.image_types)"
        in reasons
    )
    assert found.files["used"] == 38
