"""Volumes, series and several findings: whole studies of each kind, small."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid
from tests.conftest import MakePlan
from tests.unit.client.test_series import AXIAL, FEET_FIRST, write_slice

from medfl_client.config.site_file import load_site_file
from medfl_client.data.ingest import collect
from medfl_client.data.reasons import count_reasons
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.events import Finished
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.scenario import partitioned
from medfl_sim.engine.simulation import run_study

SITE = """\
site: volumes
data: {folder: dicom, labels: labels.csv, join: JOIN, join_column: key, label_column: finding}
policy: {min_images: 1, min_cell: 1}
"""


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """Twelve patients with one CT series of 5 slices each, in two directions, and a scout."""
    lines = ["key,finding"]
    for i in range(12):
        series, study = generate_uid(entropy_srcs=[f"{i}"]), generate_uid(entropy_srcs=[f"s{i}"])
        tags = {"SeriesInstanceUID": series, "StudyInstanceUID": study, "PatientID": f"P{i}"}
        tags["AccessionNumber"] = f"ACC{i}"
        orientation = FEET_FIRST if i % 3 else AXIAL
        for z in range(-10, 15, 5):
            write_slice(
                tmp_path / "v" / "dicom" / f"{i}" / f"{z}.dcm", z, orientation, noise=i + 1, **tags
            )
        write_slice(tmp_path / "v" / "dicom" / f"{i}" / "scout.dcm", 0, (0, 1, 0, 0, 0, -1), **tags)
        lines.append(f"{series},{'opacity' if i % 2 else 'normal'}")
    (tmp_path / "v" / "labels.csv").write_text("\n".join(lines))
    (tmp_path / "v" / "site.yaml").write_text(SITE.replace("JOIN", "SeriesInstanceUID"))
    return tmp_path / "v"


def three_d(make_plan: MakePlan, **images: object) -> Path:
    rule = {"rule": "fixed", "centre": 0, "width": 600}
    values = {"modality": ["CT"], "sample": "series", "dimensions": 3, "size": 16, "depth": 12}
    return make_plan(images={**values, "intensity": rule, **images})


def run(plan: Path, data: Path, tmp_path: Path, partition: str = "iid") -> list[str]:
    said: list[str] = []
    study = create_study(tmp_path / "run", plan)
    run_study(study, virtual_sites(data, study.plan, partitioned(partition, 2)), said.append)
    assert study.log.lines("finished")
    return said


def test_a_study_over_volumes_runs_to_its_end(
    volumes: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = three_d(make_plan)
    found = collect(volumes, volumes / "state", load_site_file(volumes).data, load_plan(plan))

    assert found.pixels.shape[1:] == (1, 12, 16, 16)
    assert len(found.samples) == 12
    assert count_reasons(found.refused) == {
        "another plane or size than the rest of its series (a scout?)": 12
    }
    means = found.pixels[found.rows].mean(axis=(1, 2, 3, 4))
    assert np.ptp(means) < 8  # two directions, one body, noise apart
    run(plan, volumes, tmp_path)


def test_a_series_that_two_patients_share_is_nobodys(volumes: Path, make_plan: MakePlan) -> None:
    path = volumes / "dicom" / "3" / "5.dcm"
    other = dcmread(path)
    other.PatientID = "SOMEONE ELSE"
    other.save_as(path)
    plan = load_plan(three_d(make_plan))

    found = collect(volumes, volumes / "state", load_site_file(volumes).data, plan)

    assert len(found.samples) == 11
    assert count_reasons(found.refused)["files of several patients share its series's UID"] == 6


def test_a_series_may_give_its_middle_picture(
    volumes: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = three_d(make_plan, dimensions=2, depth=None)

    found = collect(volumes, volumes / "state", load_site_file(volumes).data, load_plan(plan))

    assert found.pixels.shape[1:] == (1, 16, 16)
    assert {sample.row.path.split("/")[1] for sample in found.samples} == {"0.dcm"}  # z = 0
    assert len(found.samples) == 12
    run(plan, volumes, tmp_path)


def test_a_study_takes_its_longest_series_and_labels_may_be_by_accession(
    volumes: Path, make_plan: MakePlan
) -> None:
    lines = ["key,finding"] + [f"acc{i} ,{'opacity' if i % 2 else 'normal'}" for i in range(12)]
    (volumes / "labels.csv").write_text("\n".join(lines))
    (volumes / "site.yaml").write_text(SITE.replace("JOIN", "AccessionNumber"))
    first = dcmread(volumes / "dicom" / "0" / "0.dcm")
    for z in (0, 5, 10):  # a second, shorter series of patient 0
        write_slice(
            volumes / "dicom" / "0" / f"short{z}.dcm", z, noise=99, PatientID="P0",
            SeriesInstanceUID="1.2.3", StudyInstanceUID=first.StudyInstanceUID,
            AccessionNumber="ACC0",
        )  # fmt: skip
    plan = load_plan(three_d(make_plan, sample="study"))

    found = collect(volumes, volumes / "state", load_site_file(volumes).data, plan)

    assert len(found.samples) == 12
    assert count_reasons(found.refused)["another series of its study has more images"] == 3


def multilabel(make_plan: MakePlan) -> Path:
    task = {"type": "multilabel", "classes": ["opacity", "tall"]}
    path = make_plan(federation={"rounds": 2})
    text = path.read_text()
    plan = Plan.model_validate(
        {**load_plan(path).model_dump(), "task": task, "study": "multilabel"}, strict=False
    )
    assert "binary" in text
    path.write_text(plan.model_dump_json())
    return path


def test_a_study_of_two_findings_with_unknown_labels_runs_to_its_end(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    for i in (1, 2, 3):
        site = hospitals / f"site-{i}"
        lines = (site / "labels.csv").read_text().splitlines()
        new = ["sop_instance_uid,opacity,height"]
        for n, line in enumerate(lines[1:]):
            cells = line.split(",")
            is_known = n % 3
            new.append(f"{cells[0]},{int(cells[2] == 'opacity')},{n % 2 if is_known else ''}")
        (site / "labels.csv").write_text("\n".join(new))
        text = (site / "site.yaml").read_text()
        text = "\n".join(line for line in text.splitlines() if "label_column" not in line)
        text = text.replace("data:\n", "data:\n  label_columns: {tall: height}\n")
        (site / "site.yaml").write_text(text)
    plan = multilabel(make_plan)
    study = create_study(tmp_path / "run", plan)

    run_study(study, virtual_sites(hospitals, study.plan))

    (finished,) = study.log.read(Finished)
    score_counts = finished.sites["site-1"].facts["tally"]
    counts = np.array(score_counts["confusion"])
    assert counts.shape == (2, 2, 2)
    assert counts[0].sum() == score_counts["n"]
    assert 0 < counts[1].sum() < score_counts["n"]  # some heights are not known
    assert (
        np.array(score_counts["positive"]).sum() + np.array(score_counts["negative"]).sum()
        == counts.sum()
    )
