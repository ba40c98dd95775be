"""The parts that a plan names and medfl may not have: whether they are here, and may be seen.

What a plugin brought is seen by the plans that name the plugin, and by no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from medfl_common.errors import ConfigError
from medfl_common.parts.augmentations import AUGMENTATIONS
from medfl_common.parts.losses import LOSSES
from medfl_common.parts.metrics import METRICS
from medfl_common.plan.algorithms import ALGORITHMS
from medfl_common.registry import Registry

if TYPE_CHECKING:
    from medfl_common.plan.plan import Plan

Part = TypeVar("Part")


def own_part(registry: Registry[Part], name: str, plan: Plan) -> Part:
    """Give a part that a plan names, or raise ConfigError where the plan may not see it."""
    if reason := why_unseen(registry, name, plan):
        raise ConfigError(reason)
    return registry.get(name)


def why_unseen(registry: Registry[Any], name: str, plan: Plan) -> str:
    """Say why a plan does not see a part by this name; empty: it does."""
    owner = registry.plugin_of(name)
    is_named = not owner or owner in map(str, plan.plugins)
    return "" if registry.has(name) and is_named else registry.why_unknown(name)


def why_part_unknown(plan: Plan) -> str:
    """Say which part the plan names that is not here; empty: all are, or are looked for later."""
    reasons = (why_unseen(registry, name, plan) for registry, name in _named(plan))
    return next((reason for reason in reasons if reason), "")


def _named(plan: Plan) -> Iterator[tuple[Registry[Any], str]]:
    yield ALGORITHMS, plan.federation.strategy
    if isinstance(plan.training.loss, str) and (own := plan.training.own_loss):
        yield LOSSES, own
    for name in plan.training.augmentation.own:
        yield AUGMENTATIONS, name
    for name in plan.evaluation.own_metrics:
        yield METRICS, name
