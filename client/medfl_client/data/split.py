"""What a site trains on, validates on and tests on: one split, by patient.

A patient who has a part keeps it. The others are ranked by a keyed hash, HMAC-SHA256 (RFC 2104) of
the site's secret over the study's salt and the patient, and fill the parts of their class.
"""

import hmac
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from medfl_client.data.dataset import Indices
from medfl_client.data.ingest import Collection
from medfl_client.data.parts import PARTS, Part
from medfl_common.errors import DataError
from medfl_common.plan.plan import Plan

SMALLEST_TEST = 10  # patients; a site with fewer in its test part has none
NO_TEST = (
    f"there is no test part: it would be fewer than {SMALLEST_TEST} patients, so they are trained "
    "on; other hospitals' test patients score the final model"
)
Sides = Mapping[str, Part]  # key of a pseudonym -> part


@dataclass
class Person:
    """Somebody with images: the keys of all pseudonyms, and the highest label of the images."""

    keys: set[str] = field(default_factory=set)
    label: int = -1
    given: set[Part] = field(default_factory=set)  # where the site says it

    def noted(self, sides: Sides) -> Part | None:
        """Give the part from before that has seen most of the person: training, validation."""
        own = {sides[key] for key in self.keys & sides.keys()}
        return next((part for part in PARTS if part in own), None)


def persons_of(collection: Collection, positions: Indices, plan: Plan) -> dict[str, Person]:
    """Give who has the samples at some positions of a collection, by name.

    Of a segmentation or detection a person's label is the rarest class that the images show.
    """
    salt = salt_of(plan)
    persons: dict[str, Person] = defaultdict(Person)
    for i in positions:
        sample, one = collection.samples[i], persons[collection.patients[i]]
        one.keys.add(split_key(collection.secret, salt, sample.patient))
        one.label = max(one.label, sample.label)
        one.given |= {sample.given} if sample.given else set()
    if plan.task.is_dense:
        _label_by_presence(persons, collection, positions)
    for other, name in collection.others_of.items():  # of an image too that is there twice
        if name in persons:
            own = (split_key(collection.secret, salt, pseudonym) for pseudonym in (other, name))
            persons[name].keys.update(own)
    return persons


def _label_by_presence(
    persons: Mapping[str, Person], collection: Collection, positions: Indices
) -> None:
    shown: dict[str, set[int]] = {name: set() for name in persons}
    for i in positions:
        present = enumerate(collection.samples[i].targets, start=1)
        shown[collection.patients[i]] |= {k for k, value in present if value == 1}
    n_persons = Counter(k for classes in shown.values() for k in classes)
    for name, person in persons.items():
        person.label = min(shown[name], key=lambda k: (n_persons[k], k), default=0)


def salt_of(plan: Plan) -> bytes:
    """Give what a plan's split follows from, beside the site's secret."""
    return plan.evaluation.salt(plan.study, plan.seed).encode()


def split_key(secret: bytes, salt: bytes, pseudonym: str) -> str:
    """Hash a pseudonym: the rank of its patient in the split, and the name in its notes."""
    return hmac.digest(secret, salt + b"\0" + pseudonym.encode(), "sha256").hex()


def split(
    persons: Mapping[str, Person], plan: Plan, sides: Sides, is_outside: bool = False
) -> dict[str, Part]:
    """Give each person a part: those who have one keep it, the others fill their class's parts.

    A class's parts are of its persons here, rounded; one of them always stays in training. At an
    outside hospital, which trains nothing, all are tested. Raises DataError where a given split
    contradicts itself, or what was noted before.
    """
    if is_outside:
        return {name: person.noted(sides) or "test" for name, person in persons.items()}
    if any(person.given for person in persons.values()):
        return _given(persons, sides)
    classes: dict[int, list[str]] = defaultdict(list)
    for name, person in persons.items():
        classes[person.label].append(name)
    shares = {"test": plan.evaluation.test, "validation": plan.evaluation.validation}
    wanted = {label: _sizes(len(group), shares) for label, group in classes.items()}
    parts = _all_filled(classes, persons, wanted, sides)
    is_new = "test" not in sides.values() and "test" in parts.values()
    if is_new and sum(part == "test" for part in parts.values()) < SMALLEST_TEST:
        wanted = {label: {**sizes, "test": 0} for label, sizes in wanted.items()}
        parts = _all_filled(classes, persons, wanted, sides)
    return parts


def _sizes(n: int, shares: Mapping[str, float]) -> dict[Part, int]:
    """Count the persons of a class of n in each part but training, which has one at least."""
    n_validation = min(round(n * shares["validation"]), n - 1)
    n_test = min(round(n * shares["test"]), n - 1 - n_validation)
    return {"test": n_test, "validation": n_validation}


def _all_filled(
    classes: Mapping[int, Sequence[str]],
    persons: Mapping[str, Person],
    wanted: Mapping[int, Mapping[Part, int]],
    sides: Sides,
) -> dict[str, Part]:
    """Give the persons of all classes their parts."""
    return {
        name: part
        for label, group in classes.items()
        for name, part in _fill(group, persons, wanted[label], sides).items()
    }


def _fill(
    group: Sequence[str], persons: Mapping[str, Person], wanted: Mapping[Part, int], sides: Sides
) -> dict[str, Part]:
    """Give the persons of one class their parts."""
    before = {name: persons[name].noted(sides) for name in group}
    parts: dict[str, Part] = {name: part for name, part in before.items() if part is not None}
    new = sorted((name for name in group if name not in parts), key=lambda n: min(persons[n].keys))
    for part, n in wanted.items():
        free = max(n - [*before.values()].count(part), 0)
        parts |= dict.fromkeys(new[:free], part)
        new = new[free:]
    return parts | dict.fromkeys(new, PARTS[0])


def _given(persons: Mapping[str, Person], sides: Sides) -> dict[str, Part]:
    n_torn = sum(len(person.given) != 1 for person in persons.values())
    if n_torn:
        raise DataError(
            f"{n_torn} patients have images in several parts of the given split, or in none",
            todo="give all images of a patient one part; or write split: drawn in site.yaml",
            data="nothing was trained",
        )
    parts = {name: next(iter(person.given)) for name, person in persons.items()}
    noted = {name: person.noted(sides) for name, person in persons.items()}
    n_moved = sum(noted[name] not in (None, part) for name, part in parts.items())
    if n_moved:
        raise DataError(
            f"the given split moves {n_moved} patients to another part than they had in this study",
            todo="give them their old part; a model must not be tested on whom it has seen",
            data="nothing was trained",
        )
    return parts
