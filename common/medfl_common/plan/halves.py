"""The two halves of a plan's algorithm, and whether they go with the rest of the plan.

A plan names an algorithm once, in `federation.strategy`; `training.objective` may put another half
at the sites.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfl_common.plan.algorithms import ALGORITHMS, PLAIN, Algorithm, Layers
from medfl_common.plan.algorithms.fedavg import FEDAVG

if TYPE_CHECKING:
    from medfl_common.plan.federation import Federation
    from medfl_common.plan.plan import Plan


def at_coordinator(federation: Federation) -> Algorithm:
    """Give the algorithm whose half joins the updates."""
    return ALGORITHMS.get(ALGORITHMS.get(federation.strategy).strategy)


def at_sites(plan: Plan) -> Algorithm:
    """Give the algorithm whose half trains at the sites."""
    name = objective_of(plan)
    return FEDAVG if name == PLAIN else ALGORITHMS.get(name)


def objective_of(plan: Plan) -> str:
    """Name the client's file with the half at the sites: the plan's, or the algorithm's own."""
    return plan.training.objective or ALGORITHMS.get(plan.federation.strategy).objective


def own_layers(plan: Plan) -> set[Layers]:
    """Say which layers stay at their site."""
    own: set[Layers] = {"norm"} if plan.model.norm_layers == "local" else set()
    return own | {a.local_layers for a in algorithms_of(plan) if a.local_layers is not None}


def algorithms_of(plan: Plan) -> list[Algorithm]:
    """List the algorithms that the plan names, by itself or by a half."""
    named = ALGORITHMS.get(plan.federation.strategy)
    found = {a.name: a for a in (named, at_coordinator(plan.federation), at_sites(plan))}
    return [*found.values()]


def objectives() -> list[str]:
    """List what a plan can name as its objective."""
    return sorted({ALGORITHMS.get(name).objective for name in ALGORITHMS.names()})


def why_unknown(plan: Plan) -> str:
    """Say which half of the plan's algorithm there is not; empty: both are known."""
    strategy, objective, known = plan.federation.strategy, plan.training.objective, objectives()
    if not ALGORITHMS.has(strategy):
        return ALGORITHMS.why_unknown(strategy)
    if objective is not None and objective not in known:
        return f"unknown objective {objective!r}; known: {', '.join(known)}"
    return ""


def why_unfit(plan: Plan) -> str:
    """Say why the plan's algorithm does not go with its other settings; empty: it does."""
    found = algorithms_of(plan)
    reasons = (reason for a in found for reason in (_needs(a, plan), a.why_unfit(plan)) if reason)
    return _unpaired(plan) or _frozen(plan) or _own_features(plan) or next(reasons, "")


def _unpaired(plan: Plan) -> str:
    halves = at_coordinator(plan.federation), at_sites(plan)
    paired = [a.name for a in halves if a.is_paired]
    if halves[0] is halves[1] or not paired:
        return ""
    return f"{paired[0]} has two halves that belong together; leave training.objective"


def _frozen(plan: Plan) -> str:
    if _is_head_alone(plan) and own_layers(plan):
        return "with model.freeze: all only the head is trained, and it is shared"
    return ""


def _is_head_alone(plan: Plan) -> bool:
    """Say whether only the head is trained; a segmentation always trains its decoder."""
    return plan.model.freeze == "all" and not plan.task.is_dense


def _own_features(plan: Plan) -> str:
    if plan.evaluation.feature_statistics and own_layers(plan):
        return "evaluation.feature_statistics needs a model whose layers are all common"
    return ""


def _needs(algorithm: Algorithm, plan: Plan) -> str:
    name = algorithm.name
    if algorithm.needs_sgd and plan.training.optimizer != "sgd":
        return f"{name} needs training.optimizer: sgd"
    if algorithm.needs_images and _is_head_alone(plan):
        return f"{name} needs a trained backbone; leave model.freeze"
    if algorithm.chooses_sites and plan.federation.sites_per_round is not None:
        return f"{name} says itself whom it asks; leave sites_per_round"
    if algorithm.chooses_sites and plan.evaluation.early_stop is not None:
        return f"other sites score every round of {name}; leave early_stop"
    return ""
