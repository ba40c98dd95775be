"""Small trained matrices beside frozen layers: low-rank adapters.

A layer gives W x + B A x. Hu et al.: LoRA. ICLR 2022. https://arxiv.org/abs/2106.09685
A is drawn from the seed and frozen, only B is trained: sites' products B A then average as their B
do. Sun et al.: Improving LoRA in Privacy-preserving Federated Learning. ICLR 2024.
https://arxiv.org/abs/2403.12313
"""

import math
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from medfl_common.errors import ConfigError
from medfl_common.models.graphs.network import GraphNetwork
from medfl_common.models.network import Network
from medfl_common.models.weights import Weights
from medfl_common.plan.model_choice import Adapters, ModelChoice

DOWN, UP = ".adapter.down.weight", ".adapter.up.weight"
OF = ("weight", "in_proj_weight")  # what the product of an adapter is added to


class Adapter(nn.Module):
    """(..., n_in) -> (..., n_out) through `rank` values; 0 before training.

    `down` is A times alpha / rank, so B A alone says what is added to the layer's matrix.
    """

    def __init__(self, n_in: int, n_out: int, setting: Adapters) -> None:
        super().__init__()
        self.down = nn.Linear(n_in, setting.rank, bias=False)
        self.up = nn.Linear(setting.rank, n_out, bias=False)
        reach = setting.alpha / setting.rank / math.sqrt(n_in)
        nn.init.uniform_(self.down.weight, -reach, reach)
        nn.init.zeros_(self.up.weight)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Give what is added to the layer's own values."""
        added: torch.Tensor = self.up(self.down(values))
        return added


class AdaptedAttention(nn.Module):
    """torch's self-attention with the same names and numbers, and adapters.

    torch's own uses its output matrix and, in evaluation, all of them without calling a layer: no
    adapter could be added there. Tensors are (B, L, E).
    """

    def __init__(self, own: nn.MultiheadAttention, setting: Adapters) -> None:
        super().__init__()
        self.n_heads, self.dropout = own.num_heads, own.dropout
        assert own.in_proj_weight is not None
        self.in_proj_weight, self.in_proj_bias = own.in_proj_weight, own.in_proj_bias
        self.out_proj = own.out_proj
        self.adapter = Adapter(own.embed_dim, 3 * own.embed_dim, setting)
        adapt(self.out_proj, setting)

    def forward(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, need_weights: bool
    ) -> tuple[torch.Tensor, None]:
        """Attend (B, L, E) to itself."""
        assert query is key
        assert key is value
        assert not need_weights
        n_images, length, width = query.shape
        joint = functional.linear(query, self.in_proj_weight, self.in_proj_bias)
        joint = joint + self.adapter(query)
        heads = joint.reshape(n_images, length, 3, self.n_heads, width // self.n_heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        seen = functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        out: torch.Tensor = self.out_proj(seen.transpose(1, 2).reshape(n_images, length, width))
        return out, None


def adapt(layer: nn.Linear, setting: Adapters) -> None:
    """Put an adapter beside a dense layer; the layer keeps its names and its place."""
    layer.add_module("adapter", Adapter(layer.in_features, layer.out_features, setting))
    layer.register_forward_hook(_add)


def _add(layer: nn.Module, given: tuple[torch.Tensor, ...], out: torch.Tensor) -> torch.Tensor:
    adapter = layer.adapter
    assert isinstance(adapter, Adapter)
    added: torch.Tensor = adapter(given[0])
    return out + added


def add_adapters(network: Network, choice: ModelChoice) -> None:
    """Add the plan's adapters, drawing from torch's generator.

    Raises ConfigError where the network has no such layers, or thinner ones than the rank.
    """
    setting = choice.adapters
    if setting is None:
        return
    found = [*network.backbone.named_modules()]
    attention = [(n, m) for n, m in found if isinstance(m, nn.MultiheadAttention)]
    inside = {f"{name}.out_proj" for name, _ in attention}
    is_graph = isinstance(network.backbone, GraphNetwork)
    dense = [(n, m) for n, m in found if isinstance(m, nn.Linear) and n not in inside]
    of_attention = {n for n, _ in dense if is_graph and _says_attention(n)}
    if setting.where == "attention":
        dense = [(n, m) for n, m in dense if n in of_attention]
    elif setting.where == "dense":
        attention, dense = [], [(n, m) for n, m in dense if n not in of_attention]
    if not attention and not dense:
        raise _no_layers(choice, setting, any(isinstance(m, nn.Linear) for _, m in found))
    _refuse_thin([*attention, *dense], setting)
    for _, layer in dense:
        adapt(layer, setting)
    for name, own in attention:
        parent, _, key = name.rpartition(".")
        setattr(network.backbone.get_submodule(parent), key, AdaptedAttention(own, setting))


def trained_in(network: Network) -> list[nn.Module]:
    """List the layers of the adapters that are trained."""
    return [module.up for module in network.modules() if isinstance(module, Adapter)]


def merged(weights: Mapping[str, torch.Tensor]) -> Weights:
    """Add B A to the matrix beside each adapter, and leave the adapters out."""
    found = {name: t for name, t in weights.items() if not name.endswith((DOWN, UP))}
    for name in weights:
        layer = name.removesuffix(UP)
        of = next((f"{layer}.{key}" for key in OF if f"{layer}.{key}" in found), None)
        if layer == name or of is None or layer + DOWN not in weights:
            continue
        product = weights[name].double() @ weights[layer + DOWN].double()
        found[of] = (found[of].double() + product).to(found[of].dtype)
    return found


def is_adapter(name: str) -> bool:
    """Say whether a tensor of the state is an adapter's."""
    return name.endswith((DOWN, UP))


def _says_attention(name: str) -> bool:
    """Say whether a graph's layer is called one of attention: by timm, MONAI and torch `attn`."""
    return any(part.startswith("attn") or "attention" in part for part in name.lower().split("."))


def _no_layers(choice: ModelChoice, setting: Adapters, has_dense: bool) -> ConfigError:
    layers = {"attention": "attention", "dense": "dense layers", "all": "attention or dense layers"}
    todo = (
        "set model.adapters.where: dense"
        if has_dense and setting.where == "attention"
        else "name vit_b_16, convnext_tiny or a graph with dense layers; or use model.freeze"
    )
    return ConfigError(
        f"model.adapters: {choice.name} has no {layers[setting.where]} before its head", todo=todo
    )


def _refuse_thin(layers: list[tuple[str, nn.Module]], setting: Adapters) -> None:
    for name, layer in layers:
        of = layer.out_proj if isinstance(layer, nn.MultiheadAttention) else layer
        assert isinstance(of, nn.Linear)
        thin = min(of.in_features, of.out_features)
        if setting.rank >= thin:
            raise ConfigError(
                f"model.adapters.rank: {setting.rank}, but {name} has {thin} values",
                todo="set a smaller rank: an adapter is to be smaller than its layer",
            )
