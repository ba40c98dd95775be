"""The weights a study starts from: drawn from the seed, published ones, or a file.

Only the coordinator fetches or reads them; hospitals get them with the first task.
"""

from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from medfl_common.errors import ConfigError, system_reason
from medfl_common.files import write_atomic
from medfl_common.models import Backbone, DenseBackbone, build_backbone, build_model
from medfl_common.models.adapters import is_adapter, merged
from medfl_common.models.input_scale import SPREAD
from medfl_common.models.network import Network
from medfl_common.models.norms import RUNNING
from medfl_common.models.weights import Weights, load_shared
from medfl_common.plan.model_choice import WeightsFile
from medfl_common.plan.plan import Plan
from medfl_server.study.run_directory import Study, check_file


def initial_weights(study: Study) -> tuple[Network, Weights]:
    """Give the plan's model and all its initial weights; made once per study, then kept in a file.

    Raises ConfigError where they do not fit the model or cannot be fetched.
    """
    model, path = build_model(study.plan), study.files.initial_weights
    if not path.exists():
        found = _find(study)
        if found:
            load_shared(model, _fitted(found, model, study.plan))
        state = {n: t for n, t in model.state_dict().items() if t.is_floating_point()}
        write_atomic(path, save(state))
    return model, load(path.read_bytes())


def _find(study: Study) -> Weights:
    """Read weights from where the plan says; empty where the seed draws them."""
    choice = study.plan.model.weights
    if isinstance(choice, WeightsFile):
        try:
            kept = choice.model_copy(update={"file": study.files.weights_file.name})
            return load(check_file(kept, study.folder))
        except SafetensorError:
            raise ConfigError(
                "model.weights.file is no safetensors file",
                todo="name a file that medfl-server or safetensors has written",
            ) from None
    return {} if choice == "none" else _fetch(build_backbone(study.plan), choice, study.plan)


def _fetch(backbone: Backbone | DenseBackbone, choice: str, plan: Plan) -> Weights:
    """Fetch torchvision's weights, adapted to images as medfl feeds them."""
    from torchvision.models import get_model_weights

    name = plan.model.encoder or plan.model.name
    kinds = {"imagenet": "IMAGENET1K_V1", "kinetics": "KINETICS400_V1"}
    known = get_model_weights(backbone.published).__members__
    if kinds[choice] not in known:
        raise ConfigError(
            f"torchvision has no {choice} weights for {name}",
            todo=f"choose among: {', '.join(known)}",
        )
    published = known[kinds[choice]]
    try:
        state = published.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        raise ConfigError(
            f"the {choice} weights of {name} could not be fetched ({system_reason(error)})",
            todo="let the coordinator reach the internet for this once, or put the file under "
            f"TORCH_HOME: {published.url}",
        ) from None
    state = {key: tensor.float() for key, tensor in state.items() if tensor.is_floating_point()}
    if name.startswith("vit"):
        state = _other_size(state, plan.images.size)
    preset = published.transforms()
    spread = [0.5] * 3 if name == "inception_v3" else preset.std
    return _other_units(state, spread)


def _other_size(state: Weights, size: int) -> Weights:
    from torchvision.models.vision_transformer import interpolate_embeddings

    resized: Weights = interpolate_embeddings(size, 16, state)
    return resized


def _other_units(state: Weights, spread: list[float]) -> Weights:
    """Rescale the first convolution, which was made for (grey - mean) / spread of each colour.

    Colours meet at other offsets than in the publication by at most 0.1 of black to white.
    """
    first = next(name for name, tensor in state.items() if tensor.dim() >= 4)
    shape = (1, 3, *(1 for _ in state[first].shape[2:]))
    factor = SPREAD / torch.tensor(spread).reshape(shape)
    return {**state, first: state[first] * factor}


def _fitted(found: Mapping[str, torch.Tensor], model: Network, plan: Plan) -> Weights:
    """Match names and shapes; the head is drawn anew where it is another.

    Weights of medfl's own runs begin with `backbone.` and `head.`, published ones with neither. A
    classification network's fit the encoder of a segmentation, whose decoder is then drawn anew.
    """
    wanted = {n: t for n, t in model.state_dict().items() if t.is_floating_point()}
    found = merged(found)  # the adapters of an earlier study become part of the network
    if not any(name.startswith("backbone.") for name in found):
        found = {f"backbone.{name}": tensor for name, tensor in found.items()}
    if not any(name.startswith(f"{model.encoder}.") for name in found):
        found = {
            name.replace("backbone", model.encoder, 1): tensor
            for name, tensor in found.items()
            if name.startswith("backbone.")
        }
        wanted = {n: t for n, t in wanted.items() if n.startswith(model.encoder)}
    first = next((n for n, t in wanted.items() if t.dim() >= 4), "")
    fitted: Weights = {}
    for name, tensor in wanted.items():
        if name.startswith("head.") and (name not in found or found[name].shape != tensor.shape):
            continue
        if name not in found and name.endswith(RUNNING):
            continue  # of norm layers that the file's network did not have
        if is_adapter(name):
            continue  # fresh: the new study's begin at 0
        given = found.get(name)
        if given is not None and name == first:
            given = _other_channels(given, tensor.shape[1])
        if given is None or given.shape != tensor.shape:
            seen = "nothing of that name" if given is None else f"{tuple(given.shape)}"
            raise ConfigError(
                f"the initial weights do not fit {plan.model.called}: {name} is "
                f"{tuple(tensor.shape)}, "
                f"they have {seen}",
                todo="is it another network, or another norm layer?",
            )
        fitted[name] = given.float()
    return fitted


def _other_channels(kernel: torch.Tensor, n_channels: int) -> torch.Tensor:
    """Fit a first convolution (out, in, ...) to grey or colour, keeping what it answers to grey.

    From three channels to one: their sum. From one to three: a third each.
    """
    if kernel.shape[1] == n_channels:
        return kernel
    summed = kernel.sum(dim=1, keepdim=True)
    repeats = [1, n_channels, *([1] * (kernel.dim() - 2))]
    return summed.repeat(repeats) / n_channels
