"""Counts that a hospital may hand to a coordinator before a plan; small ones are left out."""

from collections import Counter
from collections.abc import Mapping

from medfl_client.config.rules import rule
from medfl_client.config.site_file import SiteFile
from medfl_client.data.dicom.plane import plane_name
from medfl_client.readiness.assess import Readiness
from medfl_client.readiness.checks import UNLABELLED
from medfl_common.errors import DisclosureError
from medfl_common.metrics.harmony import Harmony
from medfl_common.metrics.site_statistics import SIDES, band, suppress


def counts_to_share(found: Readiness, site: SiteFile) -> Harmony:
    """Count what a plan is made from; raises DisclosureError where the policy keeps counts."""
    if not site.policy.share_statistics:
        raise DisclosureError(
            f"the policy keeps counts of the data here {rule('share_statistics')}",
            todo="leave --share, or change the policy",
            data="no file was written",
        )
    cell, rows = site.policy.min_cell, [sample.row for sample in found.used]
    labels = {} if UNLABELLED in found.labels else found.labels
    overlaps = found.plan.task.has_several
    planes = Counter(plane_name(row.orientation) or "not known" for row in rows)
    return Harmony(
        harmony=1,
        site=site.site,
        images=len(rows),
        patients=len({sample.patient for sample in found.used}),
        series=len({row.series for row in rows}),
        labels=_apart(labels, cell, len(rows)) if overlaps else _large(labels, cell, len(rows)),
        modality=_large(Counter(row.modality or "none" for row in rows), cell, len(rows)),
        plane=_large(planes, cell, len(rows)),
        sides=list(suppress(band([max(r.height, r.width) for r in rows], SIDES), cell, len(rows))),
    )


def _large(counts: Mapping[str, int], cell: int, total: int) -> dict[str, int]:
    """Keep counts that are no small cell, and do not tell one."""
    kept = suppress(tuple(counts.values()), cell, total)
    return {name[:64]: n for name, n in zip(counts, kept, strict=True) if n}


def _apart(counts: Mapping[str, int], cell: int, total: int) -> dict[str, int]:
    """Keep counts of findings, of which an image may have several."""
    return {name: n for name, n in counts.items() if n >= cell and not 0 < total - n < cell}
