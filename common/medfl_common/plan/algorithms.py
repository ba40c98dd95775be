"""Which halves an algorithm has: its fold at the coordinator, its part in the sites' training.

A plan names an algorithm once, in `federation.strategy`. What is a file of the coordinator's
strategies alone needs no line here; what has a half at the sites, a file of the client's
objectives of the same name, is listed with the strategy that joins its updates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from medfl_common.plan.plan import Plan

Layers = Literal["norm", "head"]

STRATEGY_OF = {
    "fedprox": "fedavg",
    "fedbn": "fedavg",
    "fedper": "fedavg",
    "fedrep": "fedavg",
    "ditto": "fedavg",
    "moon": "fedavg",
    "scaffold": "scaffold",
    "feddyn": "feddyn",
}
PLAIN = "plain"
PAIRED = ("scaffold", "feddyn")  # neither of their halves goes with another one
# Layers that never leave a site, by algorithm.
OWN_LAYERS: dict[str, Layers] = {"fedbn": "norm", "fedper": "head", "fedrep": "head"}
# These take an update apart into steps of a known length, which Adam's are not.
NEED_SGD = ("scaffold", "fednova")
# What the coordinator's half keeps, these send to the sites with the weights.
TELL_STATE = ("scaffold",)
# These weigh sites by the loss of the round's weights on what they train on.
NEED_START_LOSS = ("qfedavg",)
# These say themselves which sites a round asks.
CHOOSE = ("cyclic", "fedbuff")
# These learn from one image seen by several networks, which features from a frozen one are not.
NEED_PICTURES = ("moon",)


def strategy_of(name: str) -> str:
    """Name the coordinator's file that joins the updates of an algorithm."""
    return STRATEGY_OF.get(name, name)


def objective_of(plan: Plan) -> str:
    """Name the client's file with the half at the sites: the plan's, or the algorithm's own."""
    name = plan.federation.strategy
    return plan.training.objective or (name if name in STRATEGY_OF else PLAIN)


def own_layers(plan: Plan) -> set[Layers]:
    """Say which layers stay at their site."""
    own: set[Layers] = {"norm"} if plan.model.norm_layers == "local" else set()
    return own | {OWN_LAYERS[name] for name in _names(plan) if name in OWN_LAYERS}


def why_unfit(plan: Plan) -> str:
    """Say why the plan's algorithm does not go with its other settings; empty: it does."""
    names = _names(plan)
    halves = plan.federation.strategy, objective_of(plan)
    if halves[0] != halves[1] and (paired := set(halves).intersection(PAIRED)):
        return f"{paired.pop()} has two halves that belong together; leave training.objective"
    if plan.training.optimizer != "sgd" and names.intersection(NEED_SGD):
        return f"{plan.federation.strategy} needs training.optimizer: sgd"
    if plan.model.freeze == "all" and names.intersection(NEED_PICTURES):
        return f"{plan.federation.strategy} needs a trained backbone; leave model.freeze"
    if plan.model.freeze == "all" and own_layers(plan):
        return "with model.freeze: all only the head is trained, and it is shared"
    if plan.federation.sites_per_round is not None and names.intersection(CHOOSE):
        return f"{plan.federation.strategy} says itself whom it asks; leave sites_per_round"
    if plan.evaluation.early_stop is not None and names.intersection(CHOOSE):
        return f"other sites score every round of {plan.federation.strategy}; leave early_stop"
    if "trimmed_mean" in names and plan.federation.trim == 0 < plan.federation.bad_sites:
        return "trim: 0 withstands no bad site; give bad_sites: 0, or a larger trim"
    if "fedrep" in names and plan.training.epochs <= plan.federation.options.fedrep_head_epochs:
        return "fedrep needs more training.epochs than options.fedrep_head_epochs"
    return ""


def _names(plan: Plan) -> set[str]:
    """Name the plan's halves; a half that adds nothing has no name."""
    return {plan.federation.strategy, objective_of(plan)} - {PLAIN}
