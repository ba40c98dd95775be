"""Whether intervals count patients or images, in words."""

from collections.abc import Mapping

from medfl_common.metrics.clusters import FEWEST_PATIENTS, DesignEffects
from medfl_common.metrics.counts import ScoreCounts, merge

PER_IMAGE = (
    "The intervals treat images as independent, since no site told how alike the images of a "
    "patient are: several of one patient make them too narrow."
)
BY_PATIENT = (
    "They count patients, not images: what a patient's images do to a score is added up first, "
    "so its variance grows by its design effect (Obuchowski 1997; Rao and Scott 1992). From "
    f"several images of fewer than {FEWEST_PATIENTS} patients there is no interval."
)


def whose_images(counted: Mapping[str, ScoreCounts]) -> str:
    """Say what the intervals over some sites' scores take for independent."""
    told = {site: one.clusters for site, one in counted.items() if _tells(one)}
    if not any(isinstance(one.clusters, DesignEffects) for one in counted.values()):
        return PER_IMAGE
    if not told:
        return (
            f"No site has enough patients (at least {FEWEST_PATIENTS}, or its policy's smallest "
            "cell) to tell how alike the images of a patient are, so there is no interval."
        )
    whole = merge([*counted.values()]).clusters
    assert isinstance(whole, DesignEffects)
    if whole.n_patients == sum(one.n for one in counted.values()):
        return "Each scored image is of another patient, so the intervals count patients."
    n = f" of {whole.n_patients}" if whole.n_patients else ""
    text = (
        f"The intervals count patients{n}, not images: for several images of a patient the AUC's "
        f"variance is {whole.values[0]:.3g} times as large (its design effect)."
    )
    if len(told) < len(counted):
        text += (
            f" {len(counted) - len(told)} of {len(counted)} sites tell none, for too few patients "
            "or by an earlier version; the mean of the others stands for theirs."
        )
    return text


def _tells(one: ScoreCounts) -> bool:
    return isinstance(one.clusters, DesignEffects) and bool(one.clusters.values[0])
