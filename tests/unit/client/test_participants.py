"""A site's flow, from real files: every file has a code, and what few tell stays with its words."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from tests.conftest import MakePlan

from medfl_client.config.site_file import Policy, load_site_file
from medfl_client.data.dataset import SiteData
from medfl_client.data.ingest import Collection, collect
from medfl_client.data.reason_codes import CodedReason, code_of
from medfl_client.data.reasons import count_faults
from medfl_client.data.site_data import site_data
from medfl_client.egress.guard import let_out, release
from medfl_client.egress.message_entry import NOTHING
from medfl_client.task.handler import tell_of
from medfl_common.errors import DisclosureError
from medfl_common.metrics.participants import PASSED_OVER, REASONS, VIEWS, Participants
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.membership_numbers import as_list
from medfl_common.wire.participant_numbers import PARTICIPANTS
from medfl_common.wire.results import decode_result, encode_result
from medfl_common.wire.tasks import TrainTask

NAME = "CANARYBIRD"


@pytest.fixture
def asking(make_plan: MakePlan) -> Plan:
    return load_plan(
        make_plan(
            federation={"statistics": True, "participants": True},
            images={"view": ["PA", "AP"]},
            evaluation={"test": 0.25},
        )
    )


def change(path: Path, **values: str) -> None:
    image = dcmread(path)
    for keyword, value in values.items():
        setattr(image, keyword, value)
    image.save_as(path)


@pytest.fixture
def site(hospitals: Path) -> Path:
    """A hospital of 40 images, of which 12 take no part for seven reasons, and three more files."""
    site = hospitals / "site-1"
    files = sorted((site / "dicom").rglob("*.dcm"))
    for number, path in enumerate(files):
        view, sex = ("PA", "AP")[number % 2], "FM"[number % 2]
        change(path, ViewPosition=view, PatientSex=sex, PatientName=NAME, Manufacturer="GE HEALTH")
    files[0].write_text("not an image")
    for path in files[1:4]:
        change(path, Modality="CT")
    change(files[4], ViewPosition=NAME)
    change(files[5], ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])
    spoil_pixels(files[6])
    lose_labels(site, files[7:12])
    shutil.copy(files[20], site / "dicom" / f"z{NAME}.dcm")
    (site / "dicom" / "link.dcm").symlink_to(files[20])
    shutil.copy(files[21], site / "dicom" / ".hidden.dcm")
    return site


def spoil_pixels(path: Path) -> None:
    """Cut the pixels of a file whose header stays."""
    image = dcmread(path)
    image.PixelData = image.PixelData[:10]
    image.save_as(path)


def lose_labels(site: Path, paths: list[Path]) -> None:
    gone = {str(dcmread(path).SOPInstanceUID) for path in paths}
    with (site / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.reader(file) if row[0] not in gone]
    with (site / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def read(site: Path, plan: Plan) -> tuple[Collection, SiteData]:
    found = collect(site, site / "state", load_site_file(site).data, plan)
    return found, site_data(found, plan)


def counts(flow: Participants) -> dict[str, tuple[int, int]]:
    both = zip(flow.reasons, flow.reason_patients, strict=True)
    return {code: pair for code, pair in zip(REASONS, both, strict=True) if pair[0]}


def test_every_file_that_takes_no_part_is_counted_once_by_a_code(site: Path, asking: Plan) -> None:
    collection, data = read(site, asking)
    assert data.participants is not None

    flow = data.participants()

    assert counts(flow) == {
        "no_image": (2, 0), "copy": (1, 1), "unreadable": (1, 0), "modality": (3, 3),
        "view": (1, 1), "image_type": (1, 1), "no_label": (5, 4), "pixels": (1, 1),
    }  # fmt: skip
    assert sum(flow.reasons) == len(collection.refused)
    assert sum(flow.reasons[len(PASSED_OVER) :]) == count_faults(collection.refused)
    assert flow.files == len(collection.samples) == sum(flow.images) == 28
    used = {sample.row.name for sample in collection.samples}
    assert sum(flow.patients) == len({name.split("/")[0] for name in used})
    folders = [path for path in (site / "dicom").iterdir() if path.is_dir()]
    assert flow.found_patients == len(folders) - 1  # of one nothing can be read
    for table in (flow.classes, flow.ages, flow.sexes, flow.views, flow.makers):
        assert [sum(column) for column in zip(*table, strict=True)] == [*flow.images]
    assert sum(flow.makers[0]) == 28
    assert sum(flow.views[VIEWS.index("PA")]) + sum(flow.views[VIEWS.index("AP")]) == 28


def test_a_reason_keeps_its_sentence_and_one_without_a_code_is_another() -> None:
    reason = CodedReason(f"view {NAME}: not in the plan", "view")

    assert reason == f"view {NAME}: not in the plan"
    assert (code_of(reason), code_of("something new")) == ("view", "other")


def described(site: Path, plan: Plan, policy: Policy) -> dict[str, object]:
    task = TrainTask("describe", "0" * 32, 0, 99, "site-1", plan, {})
    result = tell_of(task, read(site, plan)[1])
    numbers: dict[str, object] = {**release(result, task, policy, {}).metric_records["numbers"]}
    return numbers


def test_a_flow_leaves_as_counts_where_plan_and_policy_allow(
    site: Path, asking: Plan, make_plan: MakePlan
) -> None:
    policy = Policy(min_images=5, min_cell=3)

    numbers = described(site, asking, policy)

    told = {name: as_list(numbers[name]) for name in PARTICIPANTS}
    assert all(type(n) is int for values in told.values() for n in values)
    assert NAME not in repr(numbers)
    assert {code: n for code, n in zip(REASONS, told["flow_reasons"], strict=True) if n} == {
        "no_label": 5  # 3 files of modality stay: beside them 1 each of 4 others would be 4
    }
    assert numbers["data_left_out"] == 12
    silent = load_plan(make_plan("silent.yaml", federation={"statistics": True}))
    assert not {*PARTICIPANTS} & described(site, silent, policy).keys()
    with pytest.raises(DisclosureError, match="share_statistics"):
        described(site, asking, Policy(min_images=5, share_statistics=False))
    assert described(site, asking, Policy(min_images=5, min_cell=5))["data_left_out"] == 0


def test_the_last_look_finds_few_whatever_made_the_message(site: Path, asking: Plan) -> None:
    policy = Policy(min_images=5, min_cell=5)
    task = TrainTask("describe", "0" * 32, 0, 99, "site-1", asking, {})
    own = tell_of(task, read(site, asking)[1])
    kept = decode_result(release(own, task, policy, {}), {}, asking)
    let_out(encode_result(kept), task, policy, {}, NOTHING)
    assert kept.participants is not None

    changes: dict[str, object] = {
        "reasons": (0,) * 14 + (4,),
        "sexes": ((4, 5, 5), (0, 0, 0), (0, 0, 0)),
    }
    for name, few in changes.items():
        changed = replace(kept.participants, **{name: few})  # type: ignore[arg-type]
        with pytest.raises(DisclosureError, match=f"{name} of a participant flow count few"):
            let_out(encode_result(replace(kept, participants=changed)), task, policy, {}, NOTHING)
