"""Bad input: each fault is a row with a reason or a clear stop, and nothing is lost."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from tests.conftest import ROOT, MakePlan

from medfl_client.config.site_file import DataFiles, load_site_file
from medfl_client.data.dicom.header import Row, Rules, pseudonym
from medfl_client.data.dicom.index import Progress, rows, scan
from medfl_client.data.ingest import Collection, Watch, collect
from medfl_client.data.reader import DicomReader
from medfl_client.data.reasons import count_reasons
from medfl_client.data.site_data import site_data
from medfl_common.errors import DataError
from medfl_common.plan.plan import Plan, load_plan

CT_LABELS = DataFiles(
    folder="dicom", labels="labels.csv", join="path", join_column="file",
    label_column="contrast", values={"0": "without", "1": "contrast"},
)  # fmt: skip


@pytest.fixture
def site(hospitals: Path) -> Path:
    return hospitals / "site-1"


def files(site: Path) -> list[Path]:
    return sorted((site / "dicom").rglob("*.dcm"))


def read(site: Path, plan: Plan) -> Collection:
    return collect(site, site / "state", load_site_file(site).data, plan)


def index(site: Path, database: Path) -> list[Row]:
    scan(site / "dicom", database, DicomReader(), Rules(b"secret"))
    return list(rows(database))


def test_every_file_is_used_or_has_a_reason(site: Path, plan: Plan) -> None:
    first, second, third, fourth, fifth, sixth, *_ = files(site)
    first.write_bytes(first.read_bytes()[:900])  # truncated in the header or the pixels
    second.write_text("not an image")
    nameless = dcmread(third)
    nameless.PatientID = ""
    nameless.save_as(third)
    other = dcmread(fourth)
    other.Modality = "CT"
    other.save_as(fourth)
    shutil.copy(fifth, site / "dicom" / "copy.dcm")
    twin = dcmread(sixth)
    twin.set_pixel_data(twin.pixel_array[::-1], "MONOCHROME2", 12, generate_instance_uid=False)
    twin.save_as(site / "dicom" / "twin.dcm")
    (site / "dicom" / "link.dcm").symlink_to(fifth)
    os.mkfifo(site / "dicom" / "pipe.dcm")  # reading it would wait for ever

    found = read(site, plan)

    reasons = count_reasons(found.refused)
    assert len(found.samples) + len(found.refused) == 44  # 40, a copy, a twin, a link, a pipe
    assert reasons["a pipe, socket or device; medfl reads only files"] == 1
    assert reasons["not a DICOM file"] == 1
    assert reasons["PatientID is missing or empty"] == 1
    assert reasons["modality CT: not in the plan"] == 1
    assert reasons["a link; links are not followed"] == 1
    assert reasons["copy of another file"] == 1
    assert reasons["SOPInstanceUID is used by different images"] == 2
    assert first.relative_to(site / "dicom").as_posix() in found.refused
    assert len(found.samples) == 35


def test_an_image_without_label_and_a_label_without_image_are_counted(
    site: Path, plan: Plan
) -> None:
    lines = (site / "labels.csv").read_text().splitlines()
    lines[-1] = "1.2.3.4,SYN,normal,F,50"
    (site / "labels.csv").write_text("\n".join(lines) + "\n")

    found = read(site, plan)

    assert count_reasons(found.refused) == {"no label": 1}
    assert found.n_labels_unused == 1


def test_a_class_that_the_plan_does_not_know_stops_before_training(site: Path, plan: Plan) -> None:
    text = (site / "labels.csv").read_text()
    (site / "labels.csv").write_text(text.replace(",opacity,", ",Pneumonia,", 1))

    with pytest.raises(
        DataError, match=r"label 'Pneumonia' \(first in line \d+ of labels.csv\).*nothing"
    ):
        read(site, plan)


def test_an_empty_site_says_so(site: Path, plan: Plan) -> None:
    shutil.rmtree(site / "dicom")
    (site / "dicom").mkdir()

    with pytest.raises(DataError, match="the folder is empty"):
        read(site, plan)


def test_a_second_scan_reads_only_what_changed(site: Path) -> None:
    database, changed = site / "index.sqlite", files(site)[0]
    before = index(site, database)
    for path in files(site)[1:]:  # a second reading of these would fail
        stat = path.stat()
        path.write_bytes(b"\0" * stat.st_size)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    changed.write_text("now it is no image")
    files(site)[-1].unlink()

    again = index(site, database)

    assert again[0].reason == "not a DICOM file"
    assert again[1:] == before[1:-1]


def test_the_cache_follows_the_image_section_and_the_files(
    site: Path, plan: Plan, make_plan: MakePlan
) -> None:
    larger = load_plan(make_plan(images={"size": 32, "bits": 16}))
    small, large, same = read(site, plan), read(site, larger), read(site, plan)

    assert small.pixels.shape[1:] == (1, 24, 24)
    assert large.pixels.shape[1:] == (1, 32, 32)
    assert large.pixels.dtype == np.uint16
    assert len(list((site / "state" / "cache").iterdir())) == 2
    assert np.array_equal(small.pixels, same.pixels)


@pytest.mark.parametrize("join", ["StudyInstanceUID", "PatientID", "path"])
def test_labels_join_by_study_patient_and_path(join: str, site: Path, plan: Plan) -> None:
    keys: dict[str, str] = {}
    by_sop = {s.row.sop: plan.task.classes[s.label] for s in read(site, plan).samples}
    for path in files(site):
        header = dcmread(path, stop_before_pixels=True)
        key = {
            "StudyInstanceUID": header.StudyInstanceUID,
            "PatientID": f"  {header.PatientID.lower()} ",
            "path": path.relative_to(site / "dicom").as_posix(),
        }[join]
        if (
            join == "PatientID"
            and keys.get(key, by_sop[header.SOPInstanceUID]) != by_sop[header.SOPInstanceUID]
        ):
            path.unlink()  # a follow-up with another finding: a label per patient cannot say so
        else:
            keys[key] = by_sop[header.SOPInstanceUID]
    text = "key,finding\n" + "".join(f"{key},{label}\n" for key, label in keys.items())
    (site / "labels.csv").write_text(text)
    data = load_site_file(site).data.model_copy(update={"join": join, "join_column": "key"})

    found = collect(site, site / "state", data, plan)

    assert found.n_labels_unused == 0
    assert all(plan.task.classes[s.label] == by_sop[s.row.sop] for s in found.samples)
    assert len(found.samples) == len(files(site))


def test_labels_may_be_folders_or_a_tag(site: Path, plan: Plan) -> None:
    by_sop = {s.row.sop: plan.task.classes[s.label] for s in read(site, plan).samples}
    for path in files(site):
        dataset = dcmread(path)
        dataset.ImageComments = dataset.ProtocolName = by_sop[dataset.SOPInstanceUID]
        home = site / "sorted" / by_sop[dataset.SOPInstanceUID] / path.parent.name / path.name
        home.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(home)
    for data in (
        DataFiles(folder="sorted", labels_from="folder"),
        DataFiles(folder="sorted", labels_from="tag", label_tag="ProtocolName"),
        DataFiles(folder="sorted", labels_from="tag", label_tag="ImageComments"),
    ):
        found = collect(site, site / "state", data, plan)
        assert len(found.samples) == 40
        assert all(plan.task.classes[s.label] == by_sop[s.row.sop] for s in found.samples)


def test_too_many_damaged_pictures_stop_the_site(site: Path, plan: Plan) -> None:
    for path in files(site)[:2]:
        path.write_bytes(path.read_bytes()[:-2000])
    assert len(read(site, plan).samples) == 38  # 2 of 40 are allowed

    for path in files(site)[2:3]:
        path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"3 of 40 images.*data.max_damaged \(0.05\)"):
        read(site, plan)


def test_pictures_that_a_window_blanks_are_nobodys_twin(site: Path, make_plan: MakePlan) -> None:
    far = {"rule": "fixed", "centre": 10**6, "width": 10}
    with pytest.raises(DataError, match="40 x one grey is left of the image by the window"):
        read(site, load_plan(make_plan(images={"intensity": far})))

    for path in files(site)[:3]:  # black but for one pixel, which the window does not reach
        dark = dcmread(path)
        pixels = np.zeros((dark.Rows, dark.Columns), dtype=np.uint16)
        pixels[0, 0] = 1
        dark.set_pixel_data(pixels, "MONOCHROME2", 12, generate_instance_uid=False)
        dark.save_as(path)
    found = read(site, load_plan(make_plan()))

    assert found.n_joined_patients == 0
    assert found.n_damaged == 0
    assert sum("one grey is left" in reason for reason in found.refused.values()) == 3


def test_a_plan_may_want_one_view_only(site: Path, make_plan: MakePlan) -> None:
    lateral = dcmread(files(site)[0])
    lateral.ViewPosition = "LL"
    lateral.save_as(files(site)[0])

    found = read(site, load_plan(make_plan(images={"view": ["PA", "AP"]})))

    assert count_reasons(found.refused) == {"view LL: not in the plan": 1}


def test_an_interrupted_index_and_cache_go_on_where_they_were(site: Path, plan: Plan) -> None:
    whole = read(site, plan)
    shutil.rmtree(site / "state" / "cache")
    (site / "state" / "index.sqlite").unlink()

    def stop_after(n: int) -> Watch:
        def watch(work: str) -> Progress:
            def tell(done: int, of: int) -> None:
                if work == "decoded" and done == n:
                    raise KeyboardInterrupt

            return tell

        return watch

    data, state = load_site_file(site).data, site / "state"
    with pytest.raises(KeyboardInterrupt):
        collect(site, state, data, plan, stop_after(20))
    (cache,) = (state / "cache").iterdir()
    with (cache / "pixels.raw").open("ab") as file:
        file.write(b"torn")  # a record that was not finished

    seen: list[tuple[str, int]] = []

    def count(work: str) -> Progress:
        return lambda done, of: seen.append((work, of))

    found = collect(site, state, data, plan, count)

    assert not [of for work, of in seen if work.startswith("read")]  # the index was whole
    assert {of for work, of in seen if work == "decoded"} <= set(range(20, 41))
    assert np.array_equal(found.pixels[found.rows], whole.pixels[whole.rows])


def test_no_patient_is_trained_on_and_scored(site: Path, plan: Plan) -> None:
    found = read(site, plan)
    data = site_data(found, plan)

    patient = {int(row): s.row.patient for row, s in zip(found.rows, found.samples, strict=True)}
    train = {patient[int(row)] for row in data.train.rows}
    validation = {patient[int(row)] for row in data.validation.rows}
    assert not train & validation
    assert len(data.train) + len(data.validation) == 40
    assert len(data.validation) >= 5


def test_the_split_does_not_depend_on_names_or_paths(site: Path, plan: Plan) -> None:
    one = site_data(read(site, plan), plan)
    moved = site / "dicom" / "moved.dcm"
    files(site)[0].rename(moved)

    other = site_data(read(site, plan), plan)

    for a, b in ((one.train, other.train), (one.validation, other.validation)):
        assert np.array_equal(a.pixels[a.rows], b.pixels[b.rows])


def test_a_patient_is_the_same_person_whatever_blanks_and_case_do() -> None:
    assert pseudonym(b"k", " 007a") == pseudonym(b"k", "007A ")
    assert pseudonym(b"k", "007") != pseudonym(b"k", "7")
    assert pseudonym(b"k", "007") != pseudonym(b"other", "007")


def test_no_real_ct_slice_is_refused_but_the_six_that_are_there_twice(
    ct_folder: Path, tmp_path: Path, make_plan: MakePlan
) -> None:
    plan = load_plan(ROOT / "configs" / "ct-contrast.yaml")

    found = collect(ct_folder, tmp_path / "state", CT_LABELS, plan)

    reasons = {"copy of another file": 5, "the same pixels as another image": 1}
    assert count_reasons(found.refused) == reasons
    assert len(found.samples) == 72
    assert found.n_labels_unused == 0
