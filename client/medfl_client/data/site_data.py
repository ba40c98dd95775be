"""A collection as one site works with it: split by patient, with what may be told of it."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from medfl_client.config.site_file import SiteFile
from medfl_client.data.dataset import Indices, SiteData
from medfl_client.data.describe import describe
from medfl_client.data.examples import examples
from medfl_client.data.ingest import Collection
from medfl_client.data.participants import participants
from medfl_client.data.parts import PARTS, Part
from medfl_client.data.reasons import count_faults
from medfl_client.data.selection import Sample
from medfl_client.data.split import Sides, persons_of, split
from medfl_client.data.split_notes import known_sides
from medfl_client.data.steady_split import steady_split
from medfl_client.data.subgroups import groups_of
from medfl_common.plan.plan import Plan

NO_SIDES: Sides = {}


def site_data(
    collection: Collection,
    plan: Plan,
    sides: Sides = NO_SIDES,
    part: Indices | None = None,
    is_outside: bool = False,
) -> SiteData:
    """Split a collection for one site.

    Args:
        collection: The samples.
        plan: Says how large the parts are.
        sides: What was noted of the patients before.
        part: Positions of the samples that the site has; None: all.
        is_outside: Whether all its patients are tested, and none trained on.
    """
    positions = np.arange(len(collection.samples)) if part is None else np.sort(part)
    samples = [collection.samples[i] for i in positions]
    patients = [collection.patients[i] for i in positions]
    persons = persons_of(collection, positions, plan)
    is_drawn = not (is_outside or any(person.given for person in persons.values()))
    if plan.privacy.noise is not None and is_drawn:
        part_of = steady_split(collection.secret, persons, plan)
    else:
        part_of = split(persons, plan, sides, is_outside)
    indices = _indices([part_of[patient] for patient in patients])
    pseudonyms, numbers = np.unique(patients, return_inverse=True)

    places = {name: positions[chosen] for name, chosen in indices.items()}
    sets = {name: examples(collection, chosen, plan) for name, chosen in places.items()}

    def members() -> dict[str, dict[str, str]]:
        return {
            name: _members([(patients[i], samples[i]) for i in chosen])
            for name, chosen in indices.items()
        }

    n_left_out = count_faults(collection.refused) if part is None else 0  # they are of no part
    return SiteData(
        train=sets["train"],
        validation=sets["validation"],
        test=sets["test"],
        describe=partial(describe, collection, positions, plan, n_left_out),
        participants=partial(participants, collection, places, plan, part is None),
        groups={name: groups_of([samples[i].row for i in indices[name]], plan) for name in PARTS},
        patients={name: numbers[chosen].astype(np.int64) for name, chosen in indices.items()},
        pseudonyms=pseudonyms.tolist(),
        members=members,
        sides={key: part_of[name] for name, person in persons.items() for key in person.keys},
    )


def own_data(state: Path, site: SiteFile, collection: Collection, plan: Plan) -> SiteData:
    """Split a site's collection as its notes and its role say."""
    sides = known_sides(state, plan, collection, site.site)
    return site_data(collection, plan, sides, is_outside=site.policy.role == "evaluate")


def _indices(parts: Sequence[Part]) -> Mapping[Part, Indices]:
    return {name: np.flatnonzero([part == name for part in parts]) for name in PARTS}


def _members(images: Sequence[tuple[str, Sample]]) -> dict[str, str]:
    """Give patient -> hash of the names of the images, in any order, and of their labels."""
    names: dict[str, list[str]] = {}
    for patient, sample in images:
        row, of = sample.row, names.setdefault(patient, [])
        of.append(f"{row.sop or row.path} {row.item}")
        of += [f"{mask.path} {mask.size} {mask.mtime_ns}" for mask in sample.masks]
        of += [f"{box.kind} {box.place}" for box in sample.boxes]
    return {
        patient: hashlib.sha256("\n".join(sorted(of)).encode()).hexdigest()[:32]
        for patient, of in names.items()
    }
