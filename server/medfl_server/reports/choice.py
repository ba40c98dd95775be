"""Why a study's result is the best round's model, or the last one's."""

from collections.abc import Sequence

from medfl_common.metrics.enough import FEWEST_IMAGES, FEWEST_OF_A_CLASS
from medfl_common.metrics.mask_estimates import FEWEST_CASES
from medfl_common.run.choice import Choice


def why(choice: Choice, sites: Sequence[str] = ()) -> str:
    """Say why the last round's model is the result, or on what the best one was found."""
    n, images = len(choice.sites), choice.n_images
    whom = ", ".join(sites) if sites else f"{n} site{'s' * (n != 1)}"
    return {
        "best": f"it is the best of {choice.n_rounds} models that the same sites scored ({whom}, "
        f"{images} images)",
        "plan": "the plan keeps the last round",
        "algorithm": "with this strategy other sites score in every round, so no round is compared",
        "no_scores": "no site let scores out, so no round is compared",
        "no_value": f"the metric has no value on the {images} images of {whom}, such as the AUC "
        "of one class",
        "other_sites": f"other sites, or other images, were scored in each round: the sites that "
        f"scored the same in most ({whom}) hold {images} images, less than half of all, so no "
        "round is compared",
        "few_rounds": f"the same sites ({whom}) scored in a single round",
        "few_images": f"the sites that scored in most rounds ({whom}) hold {images} images; a "
        f"comparison needs {FEWEST_IMAGES}, and {FEWEST_OF_A_CLASS} of each kind; that of a "
        f"segmentation or detection needs {FEWEST_CASES} with each scored class",
        "weights_gone": "a damaged checkpoint has cost the weights of the best round",
    }[choice.why]
