"""How a site's files became its parts, in counts; the guard takes out what is small."""

from collections.abc import Mapping, Sequence

from medfl_client.data.dataset import Indices
from medfl_client.data.ingest import Collection
from medfl_client.data.labels import count_labels
from medfl_client.data.parts import PARTS, Part
from medfl_client.data.reason_codes import code_of
from medfl_common.metrics.participants import (
    MAKERS,
    REASONS,
    VIEWS,
    Participants,
    Rows,
    by_part,
    maker_place,
    view_place,
)
from medfl_common.metrics.site_statistics import AGES, SEXES, age_place, sex_place
from medfl_common.plan.plan import Plan


def participants(
    collection: Collection, places: Mapping[Part, Indices], plan: Plan, is_whole: bool
) -> Participants:
    """Count a site's files by reason, and its images by part; the guard takes out what is small.

    Args:
        collection: The samples.
        places: Positions of the samples of each part.
        plan: The study's.
        is_whole: Whether all of the collection is the site's; else its files are of no site.
    """
    chosen = [[collection.samples[i] for i in places[part]] for part in PARTS]
    rows = [[sample.row for sample in part] for part in chosen]
    whose = [{collection.patients[i] for i in places[part]} for part in PARTS]
    files, owners = _left_out(collection) if is_whole else ({}, {})
    known = {*collection.file_patients.values()} if is_whole else set[str]()
    return Participants(
        files=len({row.name for part in chosen for s in part for row in s.source.rows}),
        found_patients=len(known | set[str]().union(*whose)) if known else 0,
        reasons=tuple(files.get(code, 0) for code in REASONS),
        reason_patients=tuple(len(owners.get(code, ())) for code in REASONS),
        images=tuple(map(len, chosen)),
        patients=tuple(map(len, whose)),
        classes=_classes([[s.targets for s in part] for part in chosen], plan),
        ages=by_part([[age_place(row.age) for row in part] for part in rows], len(AGES)),
        sexes=by_part([[sex_place(row.sex) for row in part] for part in rows], len(SEXES)),
        views=by_part([[view_place(row.view) for row in part] for part in rows], len(VIEWS)),
        makers=by_part(
            [[maker_place(row.manufacturer) for row in part] for part in rows], len(MAKERS)
        ),
    )


def _left_out(collection: Collection) -> tuple[dict[str, int], dict[str, set[str]]]:
    """Count the files of each code, and collect whose they are."""
    files: dict[str, int] = {}
    owners: dict[str, set[str]] = {}
    for name, reason in collection.refused.items():
        code = code_of(reason)
        files[code] = files.get(code, 0) + 1
        if (who := collection.file_patients.get(name)) is not None:
            owners.setdefault(code, set()).add(who)
    return files, owners


def _classes(targets: Sequence[Sequence[tuple[float, ...]]], plan: Plan) -> Rows:
    counted = [count_labels(part, plan.task).values() for part in targets]
    return tuple(zip(*counted, strict=True))
