"""Images that are there more than once, and people who are there under two pseudonyms."""

import math
from collections import defaultdict
from collections.abc import Sequence

from medfl_client.data.cache import Cache
from medfl_client.data.selection import COPY, Sample

DIFFERENT_IN_TWINS = "the same pixels occur with different labels"


def find_duplicates(
    samples: Sequence[Sample], cache: Cache
) -> tuple[dict[int, str], dict[int, int]]:
    """Find samples that are not the only one with their pixels or their UID.

    Gives position -> reason, and position -> that of the equal image which stays. Of equal
    images with one label the first stays. Where labels differ, or where one UID stands for
    different images, nobody can say which is right: all are left out.
    """
    reasons: dict[int, str] = {}
    twins: dict[int, int] = {}
    by_uid, by_pixels = defaultdict(list), defaultdict(list)
    for i, sample in enumerate(samples):
        if cache.rows[i] >= 0:
            source = sample.source
            by_uid[sample.row.sop, sample.row.item, source.frame, source.position].append(i)
            by_pixels[cache.digests[i]].append(i)
    for same in by_uid.values():
        if len({cache.digests[i] for i in same}) > 1:
            reasons |= dict.fromkeys(same, "SOPInstanceUID is used by different images")
    for same in by_pixels.values():
        left = [i for i in same if i not in reasons]
        if len({_comparable(samples[i].targets) for i in left}) > 1:
            reasons |= dict.fromkeys(left, DIFFERENT_IN_TWINS)
            continue
        for i in left[1:]:
            is_copy = _name(samples[i]) == _name(samples[left[0]])
            reasons[i] = COPY if is_copy else "the same pixels as another image"
            twins[i] = left[0]
    return reasons, twins


def _name(sample: Sample) -> tuple[object, ...]:
    return sample.row.sop, sample.source.position


def _comparable(targets: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(-1.0 if math.isnan(value) else value for value in targets)


def join_persons(samples: Sequence[Sample], cache: Cache) -> dict[str, str]:
    """Join pseudonyms that share an image: one person under two numbers. Pseudonym -> person."""
    person = {sample.patient: sample.patient for sample in samples}

    def find(name: str) -> str:
        while person[name] != name:
            name = person[name]
        return name

    first: dict[bytes, str] = {}
    for i, sample in enumerate(samples):
        if cache.rows[i] >= 0:
            other = find(first.setdefault(cache.digests[i], sample.patient))
            person[find(sample.patient)] = other
    return {name: find(name) for name in person}
