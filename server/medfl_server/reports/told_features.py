"""What sites tell of the features of the final model, joined."""

from medfl_common.metrics.feature_moments import joined_moments
from medfl_common.run.events import Finished
from medfl_common.run.model_file import ToldFeatures


def told_features(finished: Finished) -> ToldFeatures | None:
    """Join the moments of the final model's features; None: no site sends any."""
    found = [reply.features for reply in finished.sites.values()]
    told = [moments for moments in found if moments is not None]
    whole = joined_moments(told)
    if whole is None:
        return None
    n_sites = len({*finished.sites, *finished.missing})
    return ToldFeatures(whole.to_numbers(), len(told), n_sites)
