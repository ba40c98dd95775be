"""The volumes of outlines as DICOM SR are read back by dcmqi and by pydicom."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from tests.unit.client.masks.mask_files import CLASSES, write_series
from tests.unit.client.masks.test_back import OBLIQUE, blobs, one_hot
from tests.unit.client.masks.test_outline_files import AUTHOR, write, written
from tests.unit.client.test_series import AXIAL


def measured(path: Path, folder: Path) -> dict[str, float]:
    """Give the volume of each tracked structure as dcmqi's tid1500reader has it."""
    import dcmqi

    program = Path(str(dcmqi.__file__)).parent / "bin" / "tid1500reader"
    told = folder / "told.json"
    subprocess.run(
        [program, "--inputDICOM", path, "--outputMetadata", told],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    groups = json.loads(told.read_text())["Measurements"]
    return {
        group["TrackingIdentifier"]: float(item["value"])
        for group in groups
        for item in group["measurementItems"]
    }


@pytest.mark.parametrize("orientation", [AXIAL, OBLIQUE])
def test_dcmqi_reads_each_volume(orientation: tuple[float, ...], tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    pytest.importorskip("dcmqi")
    source = write_series(tmp_path, orientation)
    found = written(write("dicom-seg", tmp_path, source, one_hot(blobs((12, 20, 20), seed=4))))
    (tmp_path / "report.dcm").write_bytes(found.report)

    told = measured(tmp_path / "report.dcm", tmp_path)

    assert told == pytest.approx(dict(zip(CLASSES[1:], found.ml[1:], strict=True)), abs=1e-3)
    assert min(told.values()) > 0.1


def test_a_class_that_is_nowhere_measures_nothing(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    source, nothing = write_series(tmp_path), np.zeros((12, 20, 20), dtype=np.uint8)
    found = written(write("dicom-seg", tmp_path, source, one_hot(nothing)))
    (tmp_path / "report.dcm").write_bytes(found.report)

    report = dcmread(tmp_path / "report.dcm")

    values = [
        float(item.MeasuredValueSequence[0].NumericValue)
        for item in items(report)
        if item.ValueType == "NUM"
    ]
    assert values == [0.0, 0.0]


def test_a_report_names_its_outlines_its_model_and_no_person(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    source = write_series(tmp_path)
    found = written(write("dicom-seg", tmp_path, source, one_hot(blobs((12, 20, 20), seed=4))))
    (tmp_path / "report.dcm").write_bytes(found.report)
    seg, image = dcmread(tmp_path / "mask.dcm"), dcmread(tmp_path / source.rows[0].path)

    report = dcmread(tmp_path / "report.dcm")

    assert (report.Modality, report.SOPClassUID.name) == ("SR", "Comprehensive 3D SR Storage")
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert (report.PatientID, report.StudyInstanceUID) == (image.PatientID, image.StudyInstanceUID)
    named = {
        (one.ReferencedSOPInstanceUID, one.ReferencedSegmentNumber)
        for item in items(report)
        for one in item.get("ReferencedSOPSequence", ())
        if "ReferencedSegmentNumber" in one
    }
    assert named == {(seg.SOPInstanceUID, 1), (seg.SOPInstanceUID, 2)}
    words = {item.TextValue for item in items(report) if item.ValueType == "TEXT"}
    assert {AUTHOR.name, AUTHOR.digest} <= words
    assert not any(item.ValueType == "PNAME" for item in items(report))


def items(node: Dataset) -> list[Dataset]:
    """List the content items of a report, from the top."""
    own = [*node.get("ContentSequence", ())]
    return own + [deeper for one in own for deeper in items(one)]
