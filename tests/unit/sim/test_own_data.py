"""Own data of a notebook or a script: arrays and data sets become a folder that medfl reads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tests.conftest import PLAN, MakePlan

from medfl_client.config.site_file import load_site_file
from medfl_client.data.ingest import collect
from medfl_common.errors import ConfigError
from medfl_common.plan.plan import load_plan
from medfl_sim import Samples
from medfl_sim.data.sources import SOURCES


class Pairs(torch.utils.data.Dataset[Any]):
    """A data set as torch and MONAI have them."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> Any:
        return self.items[i]


def test_arrays_pairs_and_mappings_are_the_same_data(tmp_path: Path, make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(images={"modality": ["OT"]}))
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(6, 30, 20)), [0, 1, 0, 1, 1, 0]
    who = [f"p{i // 2}" for i in range(6)]
    triples = [*zip(map(torch.from_numpy, images), labels, who, strict=True)]
    mapped = [{"image": i[None], "label": n, "patient": p} for i, n, p in triples]

    folders = {
        Samples(images, labels, who).write(plan, tmp_path / "cache"),
        Samples(Pairs(triples)).write(plan, tmp_path / "cache"),
        Samples(Pairs(mapped)).write(plan, tmp_path / "cache"),
    }

    ((folder, source),) = folders
    assert source == "npz"
    with np.load(folder / "images" / "samples.npz") as kept:
        pictures = kept["part0000_images"]
        assert kept["part0000_patients"].tolist() == who
        assert kept["part0000_labels"][:, 0].tolist() == labels
    assert (pictures.min(), pictures.max()) == (0, 65535)
    low, high = images.min(), images.max()
    assert np.allclose(pictures / 65535 * (high - low) + low, images, atol=(high - low) / 131070)


def test_own_data_that_do_not_fit_are_refused_in_words(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = load_plan(make_plan(images={"modality": ["OT"]}))
    images = np.zeros((2, 8, 8))
    wrong: dict[str, Samples] = {
        "there are 1 labels for 2 images": Samples(images, [0]),
        "sample 0 has no label": Samples(images),
        "the label 2 is no whole number from 0 to 1": Samples(images, [0, 2]),
        "the label 0.5 is no whole number": Samples(images, [0, 0.5]),  # was class 0 once
        "the label nan is no whole number": Samples(images, [0, np.nan]),
        "'cat' is no class of the plan; .*normal, opacity": Samples(images, ["normal", "cat"]),
        "nobody knows whose sample 1 is": Samples(images, [0, 1], ["a", np.nan]),
        "str is no set of images": Samples("images.npz", [0]),
        "there are no images": Samples([], []),
        "image 0 is": Samples(np.zeros((2, 5, 8, 8)), [0, 1]),
        "no finite numbers": Samples(images * np.nan, [0, 1]),
        "none is an image": Samples([{"x": 1}, {"x": 2}], [0, 1]),
    }
    for words, samples in wrong.items():
        with pytest.raises(ConfigError, match=words):
            samples.write(plan, tmp_path)
    with pytest.raises(ConfigError, match=r"set images.modality to \[OT\]"):
        Samples(images, [0, 1]).write(load_plan(make_plan("other.yaml")), tmp_path)
    assert yaml.safe_load(PLAN)["images"]["modality"] == ["CR", "DX"]


class WithAffine(np.ndarray[Any, np.dtype[np.float32]]):
    """A volume as MONAI has it: it knows where it lies."""

    affine = np.diag([2.0, 2.0, 4.0, 1.0])


def test_volumes_come_back_as_they_were_given(tmp_path: Path, make_plan: MakePlan) -> None:
    pytest.importorskip("nibabel")
    plan = load_plan(
        make_plan(images={"modality": ["OT"], "dimensions": 3, "depth": 6, "sample": "series",
                          "size": 16, "spacing_mm": 2.0, "slice_mm": 4.0})
    )  # fmt: skip
    rng = np.random.default_rng(0)
    volumes = rng.normal(size=(4, 6, 16, 16)).astype(np.float32)
    right_front_head = volumes[:, :, ::-1, ::-1].transpose(0, 3, 2, 1)
    placed = [volume[None].view(WithAffine) for volume in right_front_head]

    found = []
    for samples in (
        Samples(volumes, [0, 1, 1, 0], ["a", "a", "b", "b"], spacing_mm=(4.0, 2.0, 2.0)),
        Samples(placed, [0, 1, 1, 0], ["a", "a", "b", "b"]),
    ):
        folder, source = samples.write(plan, tmp_path / "cache")
        site = load_site_file(folder)
        found.append(
            collect(folder, tmp_path / "state" / folder.name, site.data, plan,
                    reader=SOURCES.get(source)())
        )  # fmt: skip

    for collection in found:
        assert [sample.label for sample in collection.samples] == [0, 1, 1, 0]
        assert len({*collection.patients}) == 2
        assert np.array_equal(collection.pixels, found[0].pixels)
    (first, *_) = found
    kept = first.pixels[first.rows].reshape(volumes.shape).astype(np.float64)
    for one, given in zip(kept, volumes, strict=True):
        assert np.corrcoef(one.ravel(), given.ravel())[0, 1] > 0.95  # on the plan's scale


def test_several_findings_of_colour_images_are_read_as_given(
    tmp_path: Path, make_plan: MakePlan
) -> None:
    images = np.arange(3 * 3 * 16 * 16, dtype=np.uint16).reshape(3, 3, 16, 16)
    findings = [[1, 0, 1], [0, 0, 0], [0, 1, 1]]
    plan = load_plan(
        make_plan(task={"type": "multilabel", "classes": ["a", "b", "c"]},
                  images={"modality": ["OT"], "size": 16, "channels": 3, "colour": True})
    )  # fmt: skip

    folder, source = Samples(images, findings).write(plan, tmp_path)
    found = collect(folder, tmp_path / "state", load_site_file(folder).data, plan,
                    reader=SOURCES.get(source)())  # fmt: skip

    assert [list(sample.targets) for sample in found.samples] == findings
    assert len({*found.patients}) == 3


@pytest.mark.parametrize("depth", [0, 6])
def test_masks_lie_on_their_images_and_patients_stay_together(
    depth: int, tmp_path: Path, make_plan: MakePlan
) -> None:
    pytest.importorskip("nibabel")
    plan = load_plan(mask_sections(make_plan, depth))
    images = np.random.default_rng(0).uniform(0, 1, (4, *([depth] if depth else []), 16, 16))
    masks = (images > 0.5).astype(np.int64)

    folder, source = Samples(images, masks, [7, 7, 8, None]).write(plan, tmp_path / "cache")
    site = load_site_file(folder)
    found = collect(folder, tmp_path / "state", site.data, plan, reader=SOURCES.get(source)())

    assert found.masks is not None
    assert len({*found.patients}) == 3
    places = [int(Path(sample.row.path).name[:6]) for sample in found.samples]
    images, masks = images[places], masks[places]
    seen = found.pixels[found.rows].reshape(masks.shape)
    drawn = np.stack([found.masks.labels[row] for row in found.masks.rows]).reshape(masks.shape)
    clear = np.abs(images - 0.5) > 0.1
    assert np.array_equal((seen > np.median(seen))[clear], masks.astype(bool)[clear])
    assert np.array_equal(drawn, masks)
    with pytest.raises(ConfigError, match="mask 0 holds more than whole numbers from 0 to 1"):
        Samples(images, 2 * masks).write(plan, tmp_path)
    with pytest.raises(ConfigError, match="mask 0 has another shape than its image"):
        Samples(images, masks[..., :9]).write(plan, tmp_path)


def mask_sections(make_plan: MakePlan, depth: int) -> Path:
    volume = {"dimensions": 3, "depth": depth, "sample": "series"} if depth else {}
    return make_plan(
        task={"type": "segmentation", "classes": ["background", "bright"]},
        images={"modality": ["OT"], "size": 16, **volume},
        model={"name": "unet", "norm": "own", "width": 8},
    )
