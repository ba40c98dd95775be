"""What a site may tell of its data: counts of samples, by bands; the guard takes out the small."""

from medfl_client.data.dataset import Indices
from medfl_client.data.ingest import Collection
from medfl_client.data.labels import count_labels
from medfl_common.metrics.site_statistics import (
    AGES,
    SIDES,
    SLICES,
    SPACINGS,
    SiteStatistics,
    band,
    intensity_histogram,
)
from medfl_common.plan.plan import Plan

MAX_HISTOGRAM = 2000  # images whose intensities are counted; of more, every second, third, ...


def describe(
    collection: Collection, positions: Indices, plan: Plan, n_left_out: int
) -> SiteStatistics:
    """Count what a site may tell of its samples; the guard takes out what is small."""
    samples = [collection.samples[i] for i in positions]
    rows = [sample.row for sample in samples]
    steps = max(1, len(positions) // MAX_HISTOGRAM)
    return SiteStatistics(
        samples=len(samples),
        patients=len({collection.patients[i] for i in positions}),
        left_out=n_left_out,
        classes=tuple(count_labels([s.targets for s in samples], plan.task).values()),
        sides=band([max(row.height, row.width) for row in rows], SIDES),
        spacings=band([row.spacing_mm for row in rows], SPACINGS),
        slices=band([row.slice_mm for row in rows], SLICES),
        ages=band([row.age for row in rows], AGES),
        sexes=_sexes([row.sex for row in rows]),
        greys=intensity_histogram(
            collection.pixels[row] for row in collection.rows[positions[::steps]]
        ),
    )


def _sexes(words: list[str]) -> tuple[int, ...]:
    n_female, n_male = words.count("F"), words.count("M")
    return n_female, n_male, len(words) - n_female - n_male
