"""What a site trains on and what it scores on: one split, by patient."""

import hashlib
from collections.abc import Sequence
from functools import partial

import numpy as np

from medfl_client.data.dataset import ImageSet, Indices, SiteData, encode_targets
from medfl_client.data.describe import describe
from medfl_client.data.dicom.header import Row
from medfl_client.data.ingest import Collection
from medfl_client.data.reasons import count_faults
from medfl_client.data.subgroups import groups_of
from medfl_common.plan.plan import Plan
from medfl_common.seeds import numpy_generator


def split(
    patients: Sequence[str], labels: Sequence[int], plan: Plan, site: str
) -> tuple[Indices, Indices]:
    """Split images (N,) into training and validation positions by patient, within each class.

    A patient's class is the highest among its images. Patients are taken in the order of their
    first image, so names and pseudonyms do not matter. A class with one patient stays in training.
    """
    rng = numpy_generator(plan.seed, "split", 0, site)
    highest: dict[str, int] = {}
    for patient, label in zip(patients, labels, strict=True):
        highest[patient] = max(label, highest.get(patient, 0))
    chosen: set[str] = set()
    for label in sorted(set(highest.values())):
        group = [patient for patient, value in highest.items() if value == label]
        n_validation = min(round(len(group) * plan.evaluation.validation), len(group) - 1)
        chosen |= {group[i] for i in rng.permutation(len(group))[:n_validation]}
    validation = np.array([patient in chosen for patient in patients], dtype=bool)
    return np.flatnonzero(~validation), np.flatnonzero(validation)


def site_data(
    collection: Collection, plan: Plan, site: str, part: Indices | None = None
) -> SiteData:
    """Split a collection, or the samples of it at the positions `part`, for one site."""
    positions = np.arange(len(collection.samples)) if part is None else np.sort(part)
    samples = [collection.samples[i] for i in positions]
    labels = [sample.label for sample in samples]
    train, validation = split([collection.patients[i] for i in positions], labels, plan, site)
    targets = encode_targets([sample.targets for sample in samples], plan)

    def image_set(chosen: Indices) -> ImageSet:
        rows = collection.rows[positions[chosen]]
        return ImageSet(collection.pixels, rows, targets[chosen], plan.images.channels)

    n_left_out = count_faults(collection.refused) if part is None else 0  # they are of no part
    counting = partial(describe, collection, positions, plan, n_left_out)
    groups = groups_of([samples[i].row for i in validation], plan)

    def members() -> dict[str, dict[str, str]]:
        sets = {"train": train, "validation": validation}
        return {
            name: _members([(collection.patients[positions[i]], samples[i].row) for i in chosen])
            for name, chosen in sets.items()
        }

    return SiteData(image_set(train), image_set(validation), counting, groups, members)


def _members(images: Sequence[tuple[str, Row]]) -> dict[str, str]:
    """Give patient -> hash of the names of the images, whatever their order."""
    names: dict[str, list[str]] = {}
    for patient, row in images:
        names.setdefault(patient, []).append(f"{row.sop or row.path} {row.item}")
    return {
        patient: hashlib.sha256("\n".join(sorted(of)).encode()).hexdigest()[:32]
        for patient, of in names.items()
    }
