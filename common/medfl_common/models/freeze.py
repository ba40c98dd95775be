"""Which tensors train and travel, which stay frozen, which stay at their site."""

from collections.abc import Collection

from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models.adapters import trained_in
from medfl_common.models.network import Network
from medfl_common.models.norms import is_norm
from medfl_common.plan.algorithms import Layers
from medfl_common.plan.model_choice import LastLayers, ModelChoice


def freeze(network: Network, choice: ModelChoice, own: Collection[Layers] = ()) -> None:
    """Freeze what the plan freezes, and note the part of each tensor of the state.

    `own` are the layers that stay at their site.
    """
    frozen = _frozen(network, choice, own)
    network.frozen = [*frozen.values()]
    for name, module in frozen.items():
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)
        network.parts |= dict.fromkeys(_own_tensors(name, module), "start")
    if "head" in own:
        head = (f"head.{name}" for name in network.head.state_dict())
        network.parts |= dict.fromkeys(head, "local")
    if "norm" in own:
        for name, module in network.backbone.named_modules(prefix="backbone"):
            if is_norm(module) and name not in frozen:
                network.parts |= dict.fromkeys(_own_tensors(name, module), "local")


def _frozen(network: Network, choice: ModelChoice, own: Collection[Layers]) -> dict[str, nn.Module]:
    """List the frozen modules by name; with adapters all but these, norms of a site's own too."""
    if choice.adapters is None:
        looking = [*network.get_submodule(network.encoder).named_modules(prefix=network.encoder)]
        return dict(looking[: _count_frozen(looking, network, choice)])
    trained = {id(layer) for layer in trained_in(network)}
    if "norm" in own:
        trained |= {id(module) for module in network.backbone.modules() if is_norm(module)}
    named = network.backbone.named_modules(prefix="backbone")
    return {name: module for name, module in named if id(module) not in trained}


def _count_frozen(
    looking: list[tuple[str, nn.Module]], network: Network, choice: ModelChoice
) -> int:
    """Count the frozen modules, in the order of construction."""
    if choice.freeze == "none":
        return 0
    if not isinstance(choice.freeze, LastLayers):
        return len(looking)
    layers = [i for i, (_, module) in enumerate(looking) if _is_layer(module)]
    if choice.freeze.last >= len(layers):
        raise ConfigError(
            f"model.freeze: last: {choice.freeze.last} of {choice.name}, which has {len(layers)} "
            f"layers {'in its encoder' if network.is_dense else 'before its head'}",
            todo="set freeze: none to train them all",
        )
    return layers[-choice.freeze.last]


def _is_layer(module: nn.Module) -> bool:
    """Say whether a module has a matrix or kernel of its own: a convolution, dense, attention."""
    return any(weight.dim() >= 2 for weight in module.parameters(recurse=False))


def _own_tensors(name: str, module: nn.Module) -> list[str]:
    own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    return [f"{name}.{key}" for key, _ in own]
