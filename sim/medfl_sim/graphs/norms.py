"""Batch norms of the author's network: replaced by group norms, or kept at each site."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from medfl_common.errors import ConfigError
from medfl_common.models.norms import norm_layer, replace_batch_norms

NORMS = ("group", "batch")
ALL_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def replace_norms(module: nn.Module, norm: str) -> None:
    """Replace every batch norm below a module by a group norm of its scales, if `norm` is group."""
    if norm not in NORMS:
        raise ConfigError(f"unknown norm {norm!r}", todo=f"choose {' or '.join(NORMS)}")
    if norm == "batch":
        return
    before = dict(_batch_norms(module))
    replace_batch_norms(module, norm)
    for name, child in _batch_norms(module):  # over features without space
        parent, _, key = name.rpartition(".")
        setattr(module.get_submodule(parent), key, norm_layer(norm, child.num_features))
    for name, child in before.items():
        if child.affine and name:
            module.get_submodule(name).load_state_dict(dict(child.named_parameters()))


def _batch_norms(module: nn.Module) -> list[tuple[str, _BatchNorm]]:
    return [(n, m) for n, m in module.named_modules() if isinstance(m, ALL_BATCH_NORMS) and n]


def count_batch_norms(module: nn.Module) -> int:
    """Count a network's batch norms."""
    return len(_batch_norms(module))
