"""What an update of a plan could show, and which rule of the policy forbids it."""

from torch import nn

from medfl_client.commands.graph_in_words import graph_risks
from medfl_client.config.rules import rule
from medfl_client.egress.start_weights import can_be_checked
from medfl_common.models.norms import is_statistic
from medfl_common.plan.plan import Plan
from medfl_common.plan.privacy import Noise
from medfl_common.wire.cost import build_empty

FEW_IMAGES = 8  # in a step: pictures have been made out of the gradients of fewer
MUCH = 0.5  # a chance to be found from which on a bound promises little
LARGE_DENSE = 1_000_000  # weights of a dense layer


def risks(plan: Plan) -> list[str]:
    """Say in sentences what a dishonest coordinator could read out of an update."""
    if plan.privacy.noise is not None:
        return _with_noise(plan.privacy.noise)
    found = [
        *graph_risks(plan),
        f"each step is of {plan.training.batch_size} images, over {plan.training.epochs} passes: "
        "the fewer steps a round has, the more of single images an update holds. A hospital with "
        f"few images keeps out with a larger minimum {rule('min_images')}",
    ]
    if plan.training.batch_size < FEW_IMAGES:
        found.append(
            f"steps of fewer than {FEW_IMAGES} images: pictures can be made out of such gradients; "
            f"forbid it with a larger smallest batch {rule('min_batch')}"
        )
    if not can_be_checked(plan):
        found.append(
            "the network starts from weights that this site cannot make by itself: crafted ones "
            "can carry single images into an ordinary update, whatever the batch; forbid it with "
            f"`own` {rule('start_weights')}"
        )
    model = build_empty(plan)
    dense = [m for m in model.backbone.modules() if isinstance(m, nn.Linear)]
    if any(m.weight.requires_grad and m.weight.numel() >= LARGE_DENSE for m in dense):
        by = f"naming other networks {rule('models')}"
        if plan.model.file is not None:
            by = f"not listing it {rule('networks')}"
        found.append(
            f"{plan.model.called} has large dense layers, whose inputs are the easiest to read "
            f"out; forbid it by {by}"
        )
    if any(is_statistic(name) for name in model.names("shared")):
        found.append(
            "batch norm layers are shared: means and variances of this site's images leave; "
            "forbid it by naming networks without them "
            f"{rule('models')}; a rule for norm layers alone there is none"
        )
    return found


def _with_noise(noise: Noise) -> list[str]:
    """Say what noise leaves open; against it no network, batch or start weights help."""
    found = [
        f"one who knows everything else, and is wrong about 1 of 100 who were not there, "
        f"finds out that a given {noise.per} was there with a chance of {noise.found_at_most:.2g} "
        "at most"
    ]
    if noise.found_at_most >= MUCH:
        found.append(
            f"epsilon {noise.epsilon:g} is a figure for the accounts rather than a promise; a "
            f"hospital that wants one keeps a smaller budget {rule('budget')}"
        )
    if noise.per == "image":
        found.append(
            "the noise hides single images: a patient with several is hidden less, with n of them "
            "by about n times the epsilon"
        )
    return found
