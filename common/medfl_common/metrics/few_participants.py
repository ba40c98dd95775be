"""Which counts of a participant flow may leave: none of few, and none that would tell of few.

A reason is told if so many patients stand behind it as the smallest cell has; of files whose header
cannot be read, so many files. What is not told has together one reason of a cell, or is nothing.
How many patients were found is told where none is lost, or a cell of them and no reason has any:
else reason and loss would tell how many take part all the same.

A category is told in all parts or in none: where each part has none of it or a cell. What the told
categories leave of each part is none or a cell too. So of a category that is not told nobody can
narrow down any part to fewer than a cell of values, with the counts of the site as a whole beside.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from medfl_common.metrics.participants import PASSED_OVER, TABLES, Participants, Rows
from medfl_common.metrics.site_statistics import SiteStatistics
from medfl_common.plan.task import Task

N_PASSED = len(PASSED_OVER)


def suppressed_participants(
    counted: Participants, told: SiteStatistics, min_cell: int, task: Task
) -> Participants:
    """Set what may not leave to 0.

    Args:
        counted: A site's own counts.
        told: What it tells of its data as a whole: small counts are out already.
        min_cell: The smallest cell.
        task: The plan's.
    """
    kept = _told_reasons(counted, min_cell)
    images = _all_or_none(counted.images, _are_cells(counted.images, min_cell))
    has_patients = any(images) and _are_cells(counted.patients, min_cell)
    reason_patients = _only(counted.reason_patients, kept)
    tables = {
        name: _told_rows(
            getattr(counted, name),
            images,
            getattr(told, name, None),
            min_cell,
            overlaps=name == "classes" and task.has_several,
        )
        for name in TABLES
    }
    return replace(
        counted,
        found_patients=_found(counted, told, min_cell, any(reason_patients)),
        reasons=_only(counted.reasons, kept),
        reason_patients=reason_patients,
        images=images,
        patients=_all_or_none(counted.patients, has_patients),
        **tables,  # type: ignore[arg-type]
    )


def hides_total(counted: Participants, min_cell: int) -> bool:
    """Say whether all left-out files together are of too few to be counted."""
    behind = _behind(counted)[N_PASSED:]
    return 0 < max(behind) < min_cell


def small_participants(told: Mapping[str, Sequence[int]], min_cell: int) -> str:
    """Name a list of finished counts that tells of fewer than a cell; empty: none does."""
    for name, values in told.items():
        if name not in ("files", "found_patients") and not _are_cells(values, min_cell):
            return name
    return ""


def _found(counted: Participants, told: SiteStatistics, min_cell: int, has_reasons: bool) -> int:
    n_lost = counted.found_patients - told.patients
    is_told = n_lost == 0 or (n_lost >= min_cell and not has_reasons)
    return counted.found_patients if is_told else 0


def _told_reasons(counted: Participants, min_cell: int) -> set[int]:
    """Choose reasons of enough patients; of those left out also so that the rest has enough."""
    behind = _behind(counted)
    kept = {i for i, n in enumerate(behind) if n >= min_cell}
    faults = range(N_PASSED, len(behind))

    def hidden() -> list[int]:
        return [behind[i] for i in faults if behind[i] and i not in kept]

    while hidden() and max(hidden()) < min_cell and kept & {*faults}:
        kept.remove(min(kept & {*faults}, key=lambda i: (behind[i], i)))
    return kept


def _behind(counted: Participants) -> list[int]:
    """Count who stands behind each reason: patients, or files where no header names any."""
    pairs = zip(counted.reasons, counted.reason_patients, strict=True)
    return [n_patients or n_files for n_files, n_patients in pairs]


def _told_rows(
    rows: Rows, images: Sequence[int], whole: Sequence[int] | None, min_cell: int, overlaps: bool
) -> Rows:
    """Keep the categories that are told in all parts.

    Args:
        rows: (categories, parts) images.
        images: Images of each part; 0: the parts are not told.
        whole: What is told of each category at the site; None: nothing is.
        min_cell: The smallest cell.
        overlaps: Whether an image may be of several categories.
    """
    kept = {
        i
        for i, row in enumerate(rows)
        if any(images) and _are_cells(row, min_cell) and (whole is None or whole[i])
    }
    if overlaps:  # what is without a finding is told with it
        rest = {i: [n - own for n, own in zip(images, rows[i], strict=True)] for i in kept}
        kept = {i for i in kept if _are_cells(rest[i], min_cell)}
        return _rows(rows, kept)
    while kept and not _are_cells(_left(rows, images, kept), min_cell):
        kept.remove(min(kept, key=lambda i: (sum(rows[i]), i)))
    return _rows(rows, kept)


def _left(rows: Rows, images: Sequence[int], kept: Iterable[int]) -> list[int]:
    told = [rows[i] for i in kept]
    return [n - sum(row[part] for row in told) for part, n in enumerate(images)]


def _rows(rows: Rows, kept: set[int]) -> Rows:
    return tuple(_all_or_none(row, i in kept) for i, row in enumerate(rows))


def _only(values: tuple[int, ...], kept: set[int]) -> tuple[int, ...]:
    return tuple(n if i in kept else 0 for i, n in enumerate(values))


def _all_or_none(values: tuple[int, ...], is_told: bool) -> tuple[int, ...]:
    return values if is_told else (0,) * len(values)


def _is_cell(n: int, min_cell: int) -> bool:
    return n == 0 or n >= min_cell


def _are_cells(values: Sequence[int], min_cell: int) -> bool:
    return all(_is_cell(n, min_cell) for n in values)
