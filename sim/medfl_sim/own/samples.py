"""Own images with labels and patients, from arrays or a data set, as a folder that medfl reads.

medfl keeps images as 8 or 16 bits: floating-point images of one data set are kept in 16, from the
lowest of all their values to the highest. From there on they are as any: resampled, cached,
partitioned by patient.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from medfl_client.config.folder import SiteFolder
from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.plan.plan import Plan
from medfl_sim.data.sources import OTHER
from medfl_sim.own.masks import mask_keys, pairs_of, write_pairs
from medfl_sim.own.volumes import SOURCE as OF_VOLUMES
from medfl_sim.own.volumes import csv_keys, volumes_of, write_volumes

SOURCE = "npz"  # the format of the folder
FOLDER = "images"
MOST_BYTES = 2**29  # of one array in the folder
HIGHEST = 65535
BY_HAND = "change it before you give it, or leave it out"
KEYS = {
    "image": ("image", "img", "pixel_values"), "label": ("label", "target", "class", "mask", "seg"),
    "patient": ("patient", "patient_id", "subject"),
}  # fmt: skip
Image = NDArray[np.generic]


@dataclass(frozen=True)
class Samples:
    """Images that belong to patients.

    Args:
        images: One for each sample: (H, W), (1, H, W), (3, H, W) or (H, W, 3), of any number type;
            volumes as `volumes_of` says. Or a data set that gives pairs (image, label), triples
            with the patient, or mappings.
        labels: The class of each, by number or by name; multilabel: rows of 0 and 1;
            segmentation: masks, as `pairs_of` says. None: the data set gives them.
        patients: Who each is of, as text or numbers; None: the data set gives them, or else each
            image is of a patient of its own.
        spacing_mm: Of volumes: between slices, rows and columns.
    """

    images: Any
    labels: Any = None
    patients: Any = None
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.images)

    def __iter__(self) -> Iterator[tuple[Any, Any, str]]:
        """Give (image, label, patient) of each; an empty patient: nobody knows."""
        for i in range(len(self)):
            image, label, patient = _taken(self.images[i])
            label = label if self.labels is None else self.labels[i]
            patient = patient if self.patients is None else self.patients[i]
            if label is None:
                raise ConfigError(f"sample {i} has no label", todo="give labels, one for each")
            if patient is not None and patient != patient:  # NaN, as an empty cell of a table is
                raise ConfigError(f"nobody knows whose sample {i} is", todo="give its patient")
            yield image, label, "" if patient is None else str(patient)

    def write(self, plan: Plan, place: Path) -> tuple[Path, str]:
        """Write the samples into a folder of their own below `place`; give it and its format."""
        _check(self, plan)
        images, given, patients = zip(*self, strict=True)
        is_3d, has_masks = plan.images.dimensions == 3, plan.task.has_masks
        labels = [] if has_masks else [_numbers(label, plan) for label in given]
        contents: Any
        write: Callable[[Path, Any, Any, Sequence[str]], None]
        if has_masks:
            contents, write = pairs_of(images, given, self.spacing_mm, plan), write_pairs
        elif is_3d:
            contents, write = volumes_of(images, self.spacing_mm), write_volumes
        else:
            grey = [_channels_last(np.asarray(x), i) for i, x in enumerate(images)]
            contents, write = _whole_numbers(grey), _write_arrays
        folder = place / f"own-{_digest((contents, labels, patients, _site_file(plan)))}"
        site_file = SiteFolder(folder).site_file
        if not site_file.exists():
            write(folder / FOLDER, contents, labels, patients)
            text = yaml.safe_dump(_site_file(plan), sort_keys=False)
            write_atomic(site_file, text.encode())
        return folder, OF_VOLUMES if is_3d or has_masks else SOURCE


def _taken(item: Any) -> tuple[Any, Any, Any]:
    """Take one item of a data set apart."""
    if isinstance(item, Mapping):
        image, label, patient = (
            next((item[key] for key in keys if key in item), None) for keys in KEYS.values()
        )
        if image is None:
            raise ConfigError(
                f"a sample has the keys {', '.join(map(str, item))}, and none is an image",
                todo=f"call it {KEYS['image'][0]}",
            )
        return image, label, patient
    if isinstance(item, tuple | list):
        image, label, patient = (*item, None, None)[:3]
        return image, label, patient
    return item, None, None


def _check(samples: Samples, plan: Plan) -> None:
    if isinstance(samples.images, str | Path) or not hasattr(samples.images, "__getitem__"):
        raise ConfigError(
            f"{type(samples.images).__name__} is no set of images",
            todo="give an array, a list of arrays, or a data set that is indexed; files are read "
            "with --data",
        )
    n = len(samples)
    given = {"labels": samples.labels, "patients": samples.patients}
    for name, values in given.items():
        if values is not None and len(values) != n:
            raise ConfigError(
                f"there are {len(values)} {name} for {n} images",
                todo=f"give {name} in the order of the images, one for each",
            )
    if not n:
        raise ConfigError("there are no images", todo="give one at least")
    if plan.task.has_boxes or (plan.images.dimensions == 3 and plan.task.type == "multilabel"):
        raise ConfigError(
            "own data are images with labels or masks; boxes, and volumes of several findings, "
            "are read from files",
            todo="write NIfTI files, and give --format nifti",
        )
    if plan.images.modality != [OTHER]:
        raise ConfigError(
            f"own data are no {' or '.join(plan.images.modality)} of a scanner",
            todo=f"set images.modality to [{OTHER}] in the plan",
        )


def _channels_last(image: Image, i: int) -> Image:
    """Give (H, W) or (H, W, 3)."""
    if image.ndim == 3 and image.shape[0] == 1:
        image = image[0]
    elif image.ndim == 3 and image.shape[0] == 3 and image.shape[2] != 3:
        image = np.moveaxis(image, 0, 2)
    if image.ndim != 2 and (image.ndim != 3 or image.shape[2] != 3):
        raise ConfigError(
            f"image {i} is {image.shape}, not (H, W), (1, H, W) or (3, H, W)", todo=BY_HAND
        )
    if image.dtype.kind not in "uifb":
        raise ConfigError(f"image {i} holds {image.dtype}, no real numbers", todo=BY_HAND)
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ConfigError(f"image {i} holds values that are no finite numbers", todo=BY_HAND)
    return image


def _whole_numbers(images: Sequence[Image]) -> list[Image]:
    """Give images of 8 bits as they are, and all others in 16, on one scale."""
    if all(image.dtype == np.uint8 for image in images):
        return [*images]
    low = min(float(image.min()) for image in images)
    high = max(float(image.max()) for image in images)
    scale = HIGHEST / (high - low) if high > low else 0.0
    return [np.rint((image.astype(np.float64) - low) * scale).astype(np.uint16) for image in images]


def _numbers(label: Any, plan: Plan) -> list[int]:
    """Write a label as the archive has it: the class's number, or a 0 or 1 for each finding."""
    classes, given = plan.task.classes, np.atleast_1d(np.asarray(label))
    many = plan.task.type == "multilabel"
    todo = f"give the class's number, 0 to {len(classes) - 1}, or its name: {', '.join(classes)}"
    if many:
        todo = (
            f"give a 0 or 1 for each of {', '.join(classes)}; leave samples with unknown ones out"
        )
    if given.size == 1 and given.dtype.kind == "U" and not many:
        if str(given.item()) not in classes:
            raise ConfigError(f"the label '{given.item()}' is no class of the plan", todo=todo)
        return [classes.index(str(given.item()))]
    n = len(classes) if many else 1
    if given.size != n:
        raise ConfigError(f"a label has {given.size} numbers, not {n}", todo=todo)
    highest = 1 if many else len(classes) - 1
    if given.dtype.kind not in "uifb" or not np.isin(given, range(highest + 1)).all():
        named = ", ".join(map(str, given.flat))
        raise ConfigError(f"the label {named} is no whole number from 0 to {highest}", todo=todo)
    return [int(value) for value in given.flat]


def _digest(found: object) -> str:
    """Name content: arrays by their bytes, all else by its text."""
    hashed = hashlib.sha256()

    def add(part: object) -> None:
        if isinstance(part, np.ndarray):
            hashed.update(f"{part.shape} {part.dtype}".encode() + part.tobytes())
        elif isinstance(part, list | tuple):
            for one in part:
                add(one)
        else:
            hashed.update(f"{part!r};".encode())

    add(found)
    return hashed.hexdigest()[:12]


def _write_arrays(
    folder: Path, images: Sequence[Image], labels: Sequence[list[int]], patients: Sequence[str]
) -> None:
    """Write the images of one size together, in arrays that fit into memory."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for i, image in enumerate(images):
        most = max(1, MOST_BYTES // max(image.nbytes, 1))
        alike = sum(len(v) for key, v in groups.items() if key[0] == image.shape)
        groups.setdefault((image.shape, alike // most), []).append(i)
    arrays: dict[str, NDArray[Any]] = {}
    for number, members in enumerate(groups.values()):
        prefix = f"part{number:04d}_"
        arrays[f"{prefix}images"] = np.stack([images[i] for i in members])
        arrays[f"{prefix}labels"] = np.array([labels[i] for i in members])
        if any(patients):
            whose = [patients[i] or f"image {i}" for i in members]
            arrays[f"{prefix}patients"] = np.array(whose)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "samples.npz", **arrays)  # type: ignore[arg-type]


def _site_file(plan: Plan) -> dict[str, object]:
    """Describe the folder: an archive's labels are numbers, which the plan's classes have."""
    classes = plan.task.classes
    values = {str(i): name for i, name in enumerate(classes)}
    data: dict[str, object] = {"folder": FOLDER}
    if plan.task.has_masks:
        data |= mask_keys(plan)
    else:
        where = csv_keys() if plan.images.dimensions == 3 else {"labels_from": "file"}
        data |= {**where, "values": values}
    if plan.task.type == "multilabel":
        data["separator"] = "|"  # as the archive's reader joins findings
    allowed = [plugin.model_dump() for plugin in plan.plugins]
    policy = {"approval": "none", "min_images": 1, "min_cell": 1, "plugins": allowed}
    return {"site": "own", "data": data, "policy": policy}
