"""What a plan's network costs: on the line, and in the memory of who trains it. Only estimates."""

import math

import torch

from medfl_common.models import build_model
from medfl_common.models.network import PARTS, Network
from medfl_common.plan.plan import Plan
from medfl_common.wire.tensors import codec_of, size_of

TRAINING = 6  # times the weights: themselves, gradient, optimiser, update, reply, a copy on its way

PROGRAM_BYTES = 1_000_000_000  # of a hospital: Python, torch, Flower and a decoding process


def build_empty(plan: Plan) -> Network:
    """Build without memory for the weights."""
    with torch.device("meta"):
        return build_model(plan)


def sizes(plan: Plan) -> tuple[int, int, int]:
    """Give a plan's weights, bytes a round the dearer way, and bytes once to each connection."""
    model = build_empty(plan)
    state = model.state_dict()
    n = {p: sum(math.prod(state[k].shape) for k in model.names(p)) for p in PARTS}
    shared = {name: model.shapes[name] for name in model.names("shared")}
    messages = plan.federation.messages
    both = (
        size_of(shared, codec_of(messages, form)) for form in (messages.update, messages.weights)
    )
    return sum(n.values()), max(both), 4 * (n["start"] + n["local"])


def training_bytes(plan: Plan) -> int:
    """Estimate the memory that one step takes: weights, and one batch on its way through.

    The values that the layers give are kept for the way back; with freeze: all they are not, and
    the largest two count. Of a dense network the decoder's are kept all the same.
    """
    model = build_empty(plan).eval()
    n_weights: int = sum(math.prod(tensor.shape) for tensor in model.state_dict().values())
    given: list[int] = []

    def count(module: torch.nn.Module, inputs: object, output: object) -> None:
        given.append(output.numel() if isinstance(output, torch.Tensor) else 0)

    is_frozen = plan.model.freeze == "all"
    below = model.encoder + "." if is_frozen and model.is_dense else None
    for name, module in model.named_modules():
        if not list(module.children()) and not (below and name.startswith(below)):
            module.register_forward_hook(count)
    images = plan.images
    with torch.no_grad():
        model(torch.empty(1, images.channels, *images.window, device="meta"))
    kept = sorted(given)[-2:] if is_frozen and not model.is_dense else given
    return 4 * (TRAINING * n_weights + plan.training.batch_size * sum(kept))
