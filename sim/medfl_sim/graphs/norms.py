"""Batch norms of the author's network: replaced by group norms, or kept at each site."""

from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models.norms import norm_layer, replace_batch_norms

NORMS = ("group", "batch")
ALL_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def replace_norms(module: nn.Module, norm: str) -> None:
    """Replace every batch norm below a module by a group norm, if `norm` is group."""
    if norm not in NORMS:
        raise ConfigError(f"unknown norm {norm!r}", todo=f"choose {' or '.join(NORMS)}")
    if norm == "batch":
        return
    replace_batch_norms(module, norm)
    for parent in [*module.modules()]:
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm1d):
                setattr(parent, name, norm_layer(norm, child.num_features))


def count_batch_norms(module: nn.Module) -> int:
    """Count a network's batch norms."""
    return sum(isinstance(one, ALL_BATCH_NORMS) for one in module.modules())
