"""A site's images and masks to what is trained on: joined, cached, split, in patches."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from pydicom import dcmread

from medfl_client.config.site_file import DataFiles, Policy, load_site_file
from medfl_client.data.dataset import MaskedImages
from medfl_client.data.examples import examples
from medfl_client.data.ingest import Collection, collect
from medfl_client.data.masked import Masks
from medfl_client.data.own_shapes import OwnShapes
from medfl_client.data.patch_set import PatchSet
from medfl_client.data.site_data import site_data
from medfl_client.readiness.checks import check_policy
from medfl_common.errors import ConfigError, DataError
from medfl_common.plan.plan import Plan
from medfl_sim.data.faults.label_noise import LabelNoise
from medfl_sim.data.partition_page import answer
from medfl_sim.data.phantoms import KINDS
from medfl_sim.runs.baselines import Joined

N = 6
PLAN = """\
plan: 1
study: outlines
seed: 3
task: {type: segmentation, classes: [background, liver, tumour]}
images:
  {modality: [CT], sample: series, dimensions: 3, size: 48, depth: 16, spacing_mm: 8, slice_mm: 9,
   intensity: {rule: fixed, centre: 60, width: 400}}
model: {name: unet, width: 4, levels: 2}
federation: {rounds: 1}
evaluation: {validation: 0.25, test: 0}
"""


def a_plan(**sections: dict[str, object]) -> Plan:
    values = yaml.safe_load(PLAN)
    for section, changes in sections.items():
        values[section] = {**values.get(section, {}), **changes}
    return Plan.model_validate(values)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a hospital, and read it once: its copies know what was decoded."""
    folder = KINDS.get("organ-ct")(tmp_path_factory.mktemp("organ"), 1, N, 1)[0]
    read(folder, a_plan())
    return folder


@pytest.fixture
def site(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "site"))


def read(site: Path, plan: Plan, data: DataFiles | None = None) -> Collection:
    return collect(site, site / "state", data or load_site_file(site).data, plan)


def outlines_of(site: Path) -> list[Path]:
    return [p for p in sorted((site / "dicom").rglob("*.dcm")) if dcmread(p).Modality != "CT"]


def masks_in(found: Collection) -> Masks:
    assert found.masks is not None
    return found.masks


def test_each_series_has_its_mask_and_says_which_classes_it_shows(site: Path) -> None:
    found = read(site, a_plan())
    masks = masks_in(found)
    assert len(found.samples) == N
    assert not found.unused_masks
    for sample, row in zip(found.samples, masks.rows, strict=True):
        mask = masks.labels[row]
        assert mask.shape == (16, 48, 48)
        assert sample.targets == tuple(float((mask == k).any()) for k in (1, 2))
    assert {sample.targets for sample in found.samples} == {(1.0, 0.0), (1.0, 1.0)}
    assert (masks.ml[:, 1] > 100).all()  # a liver has more than a tenth of a litre


def test_a_corrected_mask_is_read_again_and_nothing_else_is(site: Path) -> None:
    plan, lines = a_plan(), list[str]()
    before = read(site, plan)
    outlines = dcmread(outlines_of(site)[0])
    patient = str(outlines.PatientID)
    outlines.ROIContourSequence[0].ContourSequence = outlines.ROIContourSequence[0].ContourSequence[
        :1
    ]
    outlines.save_as(outlines_of(site)[0])

    def watch(what: str) -> "Watching":
        return Watching(what, lines)

    after = collect(site, site / "state", load_site_file(site).data, plan, watch)
    assert [what for what in lines if "read the masks" in what] == ["read the masks of 1 of 1"]
    assert not [what for what in lines if "decoded" in what]
    changed = [
        i
        for i in range(N)
        if not np.array_equal(
            masks_in(before).labels[masks_in(before).rows[i]],
            masks_in(after).labels[masks_in(after).rows[i]],
        )
    ]
    assert len(changed) == 1, patient


class Watching:
    def __init__(self, what: str, lines: list[str]) -> None:
        self._what, self._lines = what, lines

    def __call__(self, done: int, of: int) -> None:
        self._lines.append(f"{self._what} {done} of {of}")


def test_a_series_without_mask_and_a_mask_without_series_are_told(site: Path) -> None:
    first, second, *_ = outlines_of(site)
    patient = dcmread(second).PatientID
    os.remove(first)
    for path in (site / "dicom").rglob("*.dcm"):
        file = dcmread(path, stop_before_pixels=True)
        if file.Modality == "CT" and file.PatientID == patient:
            os.remove(path)
    found = read(site, a_plan())
    assert len(found.samples) == N - 2
    assert any("no mask" in reason for reason in found.refused.values())
    assert len(found.unused_masks) == 1


def test_a_name_that_nobody_maps_stops_the_site(site: Path) -> None:
    data = load_site_file(site).data
    names = {name: to for name, to in data.masks.names.items() if to != "liver"}
    blind = data.model_copy(update={"masks": data.masks.model_copy(update={"names": names})})
    with pytest.raises(DataError, match="LIVER") as raised:
        read(site, a_plan(), blind)
    assert "data.masks.names" in raised.value.todo


def test_masks_are_for_segmentations_and_a_segmentation_for_masks(site: Path) -> None:
    binary = {"type": "binary", "classes": ["no", "yes"]}
    plan = Plan.model_validate(
        {**yaml.safe_load(PLAN), "task": binary, "model": {"name": "small_cnn"}}
    )
    with pytest.raises(DataError, match=r"data\.labels_from is masks"):
        read(site, plan)
    csv = DataFiles(folder="dicom", labels="lesions.csv", join_column="file")
    with pytest.raises(DataError, match="its labels are masks"):
        read(site, a_plan(), csv)


def test_a_changed_outline_makes_its_patient_another(site: Path) -> None:
    plan = a_plan()
    before = site_data(read(site, plan), plan).members
    os.utime(outlines_of(site)[0], (1, 1))
    after = site_data(read(site, plan), plan).members
    assert before is not None
    assert after is not None
    old, new = (
        {name: of for part in one().values() for name, of in part.items()}
        for one in (before, after)
    )
    assert sum(old[name] != new[name] for name in old) == 1


def test_a_patch_has_its_own_proportions() -> None:
    whole = {"size": 96, "depth": 32, "spacing_mm": 2, "slice_mm": 3}
    assert a_plan(images=whole).images.aspect == 0.5
    patched = a_plan(images={**whole, "patch": {"size": 24, "depth": 16}})
    assert patched.images.aspect == 1.0


def test_label_noise_has_no_labels_to_change_in_masks(site: Path) -> None:
    plan = a_plan()
    noise = LabelNoise(probability=0.5)
    with pytest.raises(ConfigError, match="a segmentation has none"):
        noise.corrupt_data(site_data(read(site, plan), plan), plan, np.random.default_rng(0))


def test_the_partition_speaks_of_what_is_outlined() -> None:
    counts = np.array([[10, 10, 1], [10, 10, 9]])
    said = answer([10, 10], 20, a_plan().task, counts)
    assert "The share of 'tumour' ranges from 10% to 90%." in said


def test_only_the_scores_of_a_small_class_are_foretold_to_be_taken_out(site: Path) -> None:
    plan, policy = a_plan(evaluation={"validation": 0.5}), Policy(min_images=1, min_cell=2)
    found = read(site, plan)

    (told,) = check_policy(site_data(found, plan), plan, policy, found)

    assert told.seen == (
        "fewer than policy.min_cell (2) of 3 validation images are with, or without: tumour"
    )


def test_patients_with_the_rarer_class_are_in_every_part(site: Path) -> None:
    plan = a_plan(evaluation={"validation": 0.5})
    found = site_data(read(site, plan), plan)
    assert isinstance(found.train, MaskedImages)
    for part in (found.train, found.validation):
        assert 0 < part.targets[:, 2].sum() < len(part)
    pixels, masks = next(found.train.batches(torch.arange(len(found.train)), 2))
    assert pixels.shape == (2, 1, 16, 48, 48)
    assert masks.shape == (2, 16, 48, 48)
    assert masks.dtype == torch.uint8


def test_volumes_keep_their_size_and_patches_hold_a_class(site: Path) -> None:
    patch = {"size": 16, "depth": 8, "foreground": 1.0}
    plan = a_plan(images={"patch": patch, "size": 96, "depth": 64, "spacing_mm": 5, "slice_mm": 6})
    found = read(site, plan)
    assert isinstance(found.pixels, OwnShapes)
    whole = examples(found, np.arange(N), plan)
    assert isinstance(whole, PatchSet)
    one = list(whole.batches(torch.arange(N), 4))
    assert all(pixels.shape[2:] == masks.shape[1:] for pixels, masks in one)
    assert all(8 <= pixels.shape[2] <= 64 and 16 <= pixels.shape[3] <= 96 for pixels, _ in one)
    assert len(one) == N  # whole volumes go alone

    order = whole.order(torch.Generator().manual_seed(1))
    pixels, masks = next(whole.batches(order, N))
    assert pixels.shape == (N, 1, 8, 16, 16)
    assert all((mask > 0).any() for mask in masks)
    again, _ = next(whole.batches(whole.order(torch.Generator().manual_seed(1)), N))
    assert torch.equal(pixels, again)
    for patch_, place in zip(pixels, order[:, 0].long(), strict=True):
        volume = one[int(place)][0][0]
        windows = volume.unfold(1, 8, 1).unfold(2, 16, 1).unfold(3, 16, 1)
        assert (windows == patch_[:, None, None, None]).flatten(4).all(4).any()


def test_the_pooled_volumes_of_two_hospitals_are_drawn_from_alike(site: Path) -> None:
    patch = {"size": 16, "depth": 8}
    plan = a_plan(images={"patch": patch, "size": 96, "depth": 64, "spacing_mm": 5, "slice_mm": 6})
    found = read(site, plan)
    whole = examples(found, np.arange(N), plan)
    parts = [examples(found, some, plan) for some in (np.arange(2), np.arange(2, N))]
    joined = Joined(parts)
    for one, other in zip(
        joined.batches(torch.arange(N), 4), whole.batches(torch.arange(N), 4), strict=True
    ):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
    orders = [part.order(torch.Generator().manual_seed(1)) for part in (joined, whole)]
    (one,), (other,) = (p.batches(o, N) for p, o in zip((joined, whole), orders, strict=True))
    assert torch.equal(one[0], other[0])
    assert one[0].shape == (N, 1, 8, 16, 16)


def test_an_interrupted_build_of_own_sizes_goes_on(site: Path) -> None:
    patch = {"size": 16, "depth": 8}
    plan = a_plan(images={"patch": patch, "size": 96, "depth": 64, "spacing_mm": 5, "slice_mm": 6})
    whole = read(site, plan)
    for file in (site / "state" / "cache").rglob("pixels.raw"):
        with file.open("ab") as end:
            end.write(b"half a record")
    extra = site / "dicom" / "more"
    shutil.copytree(KINDS.get("organ-ct")(site.parent / "other", 1, 2, 9)[0] / "dicom", extra)
    more = read(site, plan)
    assert len(more.samples) == N + 2
    before = {s.row.series: whole.pixels[r] for s, r in zip(whole.samples, whole.rows, strict=True)}
    for sample, row in zip(more.samples, more.rows, strict=True):
        if sample.row.series in before:
            assert np.array_equal(more.pixels[row], before[sample.row.series])
        else:
            assert more.pixels[row].std() > 1


def test_a_file_that_is_shorter_than_its_table_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "pixels.raw"
    path.write_bytes(bytes(100))
    with pytest.raises(DataError, match="shorter than its table") as raised:
        OwnShapes.in_file(path, np.dtype(np.uint8), [(0, (5, 5, 4)), (100, (2, 2, 2))])
    assert "state/cache" in raised.value.todo
