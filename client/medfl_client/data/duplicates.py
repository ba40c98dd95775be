"""Images that are there more than once, and people who are there under two pseudonyms."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfl_client.data.reason_codes import CodedReason
from medfl_client.data.records import Cache
from medfl_client.data.selection import COPY, Sample

MOST_NUMBERS = 3  # of one person, at one hospital; an image of more patients is a test image
FEWEST_GREYS = 16
MOST_OF_ONE_GREY = 0.95  # of the pixels
DIFFERENT_IN_TWINS = CodedReason("the same pixels occur with different labels", "twin")
SAME_UID = CodedReason("SOPInstanceUID is used by different images", "twin")
TWIN = CodedReason("the same pixels as another image", "twin")


def find_duplicates(
    samples: Sequence[Sample],
    cache: Cache,
    labels: Sequence[bytes] | None = None,
    across_patients: bool = True,
) -> tuple[dict[int, CodedReason], dict[int, int]]:
    """Find samples that are not the only one with their pixels or their UID.

    Gives position -> reason, and position -> that of the equal image which stays. Of equal
    images with one label the first stays. Where labels differ, or where one UID stands for
    different images, nobody can say which is right: all are left out.

    Args:
        samples: (N,) as they were selected.
        cache: Their images.
        labels: (N,) hashes of their masks or boxes.
        across_patients: Whether a patient's images are held against others'.
    """
    reasons: dict[int, CodedReason] = {}
    twins: dict[int, int] = {}
    by_uid, by_pixels = defaultdict(list), defaultdict(list)
    for i, sample in enumerate(samples):
        if cache.rows[i] >= 0:
            source = sample.source
            whose = "" if across_patients else sample.patient
            uid = (sample.row.sop, sample.row.item, source.frame, source.position)
            by_uid[whose, *uid].append(i)
            by_pixels[whose, cache.digests[i]].append(i)
    for same in by_uid.values():
        if len({cache.digests[i] for i in same}) > 1:
            reasons |= dict.fromkeys(same, SAME_UID)
    for same in by_pixels.values():
        left = [i for i in same if i not in reasons]
        if len({_comparable(samples[i].targets) for i in left}) > 1 or (
            labels is not None and len({labels[i] for i in left}) > 1
        ):
            reasons |= dict.fromkeys(left, DIFFERENT_IN_TWINS)
            continue
        for i in left[1:]:
            is_copy = _name(samples[i]) == _name(samples[left[0]])
            reasons[i] = COPY if is_copy else TWIN
            twins[i] = left[0]
    return reasons, twins


def _name(sample: Sample) -> tuple[object, ...]:
    return sample.row.sop, sample.source.position


def _comparable(targets: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(-1.0 if math.isnan(value) else value for value in targets)


@dataclass(frozen=True)
class Persons:
    """Who is whom."""

    person_of: dict[str, str]  # pseudonym -> person
    n_impersonal: int = 0  # images that several pseudonyms share, and that identify nobody


def join_persons(samples: Sequence[Sample], cache: Cache) -> Persons:
    """Join pseudonyms that share an image which identifies a person: one under two numbers.

    A test image of a machine lies in many patients' folders, and an almost empty one is anybody's:
    neither says that two numbers are one person.
    """
    person = {sample.patient: sample.patient for sample in samples}

    def find(name: str) -> str:
        while person[name] != name:
            name = person[name]
        return name

    owners: dict[bytes, dict[str, int]] = defaultdict(dict)  # image -> pseudonym -> its record
    for i, sample in enumerate(samples):
        if cache.rows[i] >= 0:
            owners[cache.digests[i]].setdefault(sample.patient, int(cache.rows[i]))
    n_impersonal = 0
    for names in (names for names in owners.values() if len(names) > 1):
        first, *others = names
        if len(names) > MOST_NUMBERS or is_poor(cache.pixels[names[first]]):
            n_impersonal += 1
            continue
        for name in others:
            person[find(name)] = find(first)
    return Persons({name: find(name) for name in person}, n_impersonal)


def is_poor(image: NDArray[np.generic]) -> bool:
    """Say whether an image has too little in it to be one person's: few greys, or almost one."""
    values, counts = np.unique(image, return_counts=True)
    return len(values) < FEWEST_GREYS or bool(counts.max() > MOST_OF_ONE_GREY * image.size)
