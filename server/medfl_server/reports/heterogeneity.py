"""Do the sites' data fit together? Compare their statistics before training.

Each site is compared with a typical other site: another window, inverted images or another
resolution stand out before they cost a round.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from medfl_common.metrics.site_statistics import (
    N_INTENSITY_BINS,
    SIDES,
    SLICES,
    SPACINGS,
    SiteStatistics,
    band_names,
)
from medfl_common.plan.task import Task
from medfl_common.run import events as events_module
from medfl_server.study.run_directory import Study

MAX_INTENSITY_DISTANCE = 0.10  # of the whole range from black to white, on average over the pixels
NOT_TOLD = "not told"
MAX_BANDS = 2  # bands between the middle image of a site and of the others

Statistics = Mapping[str, SiteStatistics]
Told = tuple[dict[str, SiteStatistics], dict[str, str]]  # by site; and who told nothing, and why


def read_statistics(study: Study) -> Told | None:
    """Read what sites reported, and who did not with the reason; None if nobody was asked.

    A site that joined later was asked later.
    """
    events = study.log.read(events_module.Statistics)
    return statistics_in(events) if events else None


def statistics_in(
    events: Sequence[events_module.Statistics],
) -> tuple[dict[str, SiteStatistics], dict[str, str]]:
    """Give what each site reported, the newest, and who did not with the reason."""
    told: dict[str, SiteStatistics] = {}
    missing: dict[str, str] = {}
    for event in events:
        sent = {site: reply.statistics for site, reply in event.sites.items()}
        told |= {site: counts for site, counts in sent.items() if counts}
        missing |= event.missing
    return told, {site: why for site, why in missing.items() if site not in told}


def is_told(own: SiteStatistics, name: str, task: Task | None = None) -> bool:
    """Say whether a site told most of a list of counts, or its intensities.

    Of masks and boxes any class, but the background, which every image with a mask has.
    """
    if name == "greys":
        return any(own.greys)
    if name == "classes" and task is not None and task.is_dense:
        return any(own.classes[-len(task.foreground) :])
    told: int = sum(getattr(own, name))
    known: int = sum(getattr(own, name)[1:]) if name in ("spacings", "slices") else told
    return known > 0 and 2 * told >= own.samples


def told_counts(counts: Sequence[int], n_samples: int, overlaps: bool = False) -> list[str]:
    """Write counts; a 0 is one only where they add up to all samples, else it is not told."""
    zero = "0" if sum(counts) == n_samples and not overlaps else NOT_TOLD
    return [str(n) if n else zero for n in counts]


def kept_back(own: SiteStatistics, task: Task | None = None) -> list[str]:
    """Name what a site's policy hides so far that nothing can be compared."""
    words = {"greys": "intensities", "classes": "labels", "sides": "image sizes"}
    return [word for name, word in words.items() if not is_told(own, name, task)]


def differences(reported: Statistics) -> dict[str, list[str]]:
    """Say in words how each site differs from the others; no remark means no difference."""
    remarks: dict[str, list[str]] = {}
    for site, own in reported.items():
        others = [counts for name, counts in reported.items() if name != site]
        remarks[site] = _differences(own, others) if others else []
    return remarks


def _differences(own: SiteStatistics, others: Sequence[SiteStatistics]) -> list[str]:
    remarks = []
    lit = [other for other in others if is_told(other, "greys")]
    usual, distance = _typical(own, lit) if lit else (own, 0.0)
    if is_told(own, "greys") and distance > MAX_INTENSITY_DISTANCE:
        turned = _distance(own.greys[::-1], usual.greys)
        shift = _mean_intensity(own.greys) - _mean_intensity(usual.greys)
        if turned < distance / 2:
            remarks.append(
                f"its images look inverted: after inversion, their intensities would be "
                f"{turned:.2f} of the range from the others', as they are {distance:.2f} "
                "(PhotometricInterpretation?)"
            )
        else:
            remarks.append(
                f"its intensities are {distance:.2f} of the range from the others', "
                f"{'brighter' if shift > 0 else 'darker'} on average by {abs(shift):.2f} (another "
                "window, rescale or kind of image?)"
            )
    for name, bands, unit, what in (
        ("sides", SIDES, "pixels", "images have"),
        ("spacings", SPACINGS, "mm", "pixels lie"),
        ("slices", SLICES, "mm", "slices are"),
    ):
        first = 0 if name == "sides" else 1  # the first band of the others is the unknown
        middle = _middle_band(getattr(own, name), first)
        found = [_middle_band(getattr(other, name), first) for other in others]
        bands_of_others = [other for other in found if other is not None]
        if middle is None or not bands_of_others:
            continue
        near = sorted(bands_of_others, key=lambda other: abs(middle - other))
        typical = near[(len(near) - 1) // 2]
        if abs(middle - typical) < MAX_BANDS:
            continue
        names = band_names(bands, unit)
        remarks.append(
            f"its {what} {names[middle]}, the others' {names[typical]} (another "
            "machine or a shrunken export?)"
        )
    return remarks


def _typical(own: SiteStatistics, others: Sequence[SiteStatistics]) -> tuple[SiteStatistics, float]:
    """Return the other site at the median distance (the nearer of two), and the distance.

    So one odd site among three does not make the two that agree look odd.
    """
    near = sorted(others, key=lambda other: _distance(own.greys, other.greys))
    typical = near[(len(near) - 1) // 2]
    return typical, _distance(own.greys, typical.greys)


def _distance(one: Sequence[int], other: Sequence[int]) -> float:
    """Earth mover's distance of two histograms, as a fraction of the range from black to white."""
    sums = [np.cumsum(np.array(greys)) / max(sum(greys), 1) for greys in (one, other)]
    return float(np.abs(sums[0] - sums[1]).sum() / N_INTENSITY_BINS)


def _mean_intensity(greys: Sequence[int]) -> float:
    return float(
        np.dot(greys, (np.arange(N_INTENSITY_BINS) + 0.5) / N_INTENSITY_BINS) / max(sum(greys), 1)
    )


def _middle_band(counts: Sequence[int], first: int) -> int | None:
    """Return the band of the median image; None if nothing is known."""
    known = np.array(counts[first:])
    if not known.sum():
        return None
    return first + int(np.searchsorted(np.cumsum(known), known.sum() / 2))
