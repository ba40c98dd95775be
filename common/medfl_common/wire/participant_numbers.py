"""A participant flow in a result's numbers, and what a coordinator admits of one."""

from flwr.app import MetricRecord

from medfl_common.errors import RunError
from medfl_common.metrics.participants import (
    PASSED_OVER,
    REASONS,
    STUDY_PARTS,
    TABLES,
    Participants,
    n_rows,
)
from medfl_common.metrics.site_statistics import SiteStatistics
from medfl_common.plan.plan import Plan
from medfl_common.plan.task import Task
from medfl_common.wire.read_numbers import MAX_COUNT, read_counts

BEFORE = "flow_"
_PLAIN = ("files", "found_patients", "reasons", "reason_patients", "images", "patients")
PARTICIPANTS = tuple(f"{BEFORE}{name}" for name in (*_PLAIN, *TABLES))  # names in a message


def participant_numbers(told: Participants | None) -> dict[str, list[int]]:
    """Write a flow as lists of counts; nothing where there is none."""
    if told is None:
        return {}
    plain = {name: _listed(getattr(told, name)) for name in _PLAIN}
    tables = {name: [n for row in getattr(told, name) for n in row] for name in TABLES}
    return {f"{BEFORE}{name}": values for name, values in {**plain, **tables}.items()}


def read_participants(numbers: MetricRecord, plan: Plan) -> Participants | None:
    """Read the flow that the plan asks for, or raise RunError; None: there is none."""
    if not plan.federation.participants or not any(name in numbers for name in PARTICIPANTS):
        return None
    n_parts = len(STUDY_PARTS)
    lengths = dict.fromkeys(("reasons", "reason_patients"), len(REASONS))
    lengths |= dict.fromkeys(("images", "patients"), n_parts)
    plain = {name: _read(numbers, name, (n,)) for name, n in lengths.items()}
    tables = {
        name: tuple(map(tuple, read_counts(numbers, f"{BEFORE}{name}", (n, n_parts)).tolist()))
        for name, n in n_rows(len(plan.task.classes)).items()
    }
    files, found = (_read(numbers, name, (1,))[0] for name in ("files", "found_patients"))
    return Participants(files, found, **plain, **tables)  # type: ignore[arg-type]


def check_participants(told: Participants, whole: SiteStatistics, task: Task) -> None:
    """Raise RunError unless a flow can be true beside the counts of the same site as a whole."""
    if not 0 <= told.files <= MAX_COUNT or (0 < told.found_patients < whole.patients):
        raise RunError(f"{told.files} files of {told.found_patients} patients are not possible")
    if any(p > n for n, p in zip(told.reasons, told.reason_patients, strict=True)):
        raise RunError("a reason has more patients than files")
    if sum(told.reasons[len(PASSED_OVER) :]) > whole.left_out:
        raise RunError(f"the reasons count more than the {whole.left_out} files that are left out")
    for name, values, total in (
        ("images", told.images, whole.samples),
        ("patients", told.patients, whole.patients),
    ):
        if any(values) and sum(values) != total:
            raise RunError(f"the parts' {name} are not the {total} of the site")
    if any(p > n for n, p in zip(told.images, told.patients, strict=True)):
        raise RunError("a part has more patients than images")
    for name in TABLES:
        _check_table(name, told, whole, name == "classes" and task.has_several)


def _check_table(name: str, told: Participants, whole: SiteStatistics, overlaps: bool) -> None:
    """Check that a table's rows are those of the site, and its columns within the parts."""
    rows, at_site = getattr(told, name), getattr(whole, name, None)
    for i, row in enumerate(rows):
        if any(row) and at_site is not None and sum(row) != at_site[i]:
            raise RunError(f"{name} by part do not add up to those of the site")
    for n, column in zip(told.images, zip(*rows, strict=True), strict=True):
        if (max(column) if overlaps else sum(column)) > n:
            raise RunError(f"{name} count more than the {n} images of a part")


def _listed(value: int | tuple[int, ...]) -> list[int]:
    return [value] if isinstance(value, int) else [*value]


def _read(numbers: MetricRecord, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(read_counts(numbers, f"{BEFORE}{name}", shape).tolist())
