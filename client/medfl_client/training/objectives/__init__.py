"""What an algorithm changes in a site's local training, one file each."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models.network import Network
from medfl_common.models.weights import Weights
from medfl_common.plan.halves import at_sites, objective_of
from medfl_common.plan.plan import Plan
from medfl_common.registry import Registry


@dataclass(frozen=True)
class ClientContext:
    """What an algorithm may look at in one round at one site; tensors are on the site's device.

    rate: the learning rate; model: in training; parameters: of it those trained and shared, by
    name; start: the round's weights by the same names; client_state: what the algorithm kept here
    after its last round, empty at first; server_state: what the coordinator's half says, empty at
    first.
    """

    plan: Plan
    rate: float
    model: Network
    parameters: Mapping[str, nn.Parameter]
    start: Weights
    client_state: Weights
    server_state: Weights

    def add_proximal_gradient(self, towards: Weights, strength: float) -> None:
        """Add the gradient of strength / 2 * |w - towards|^2."""
        for name, parameter in self.parameters.items():
            if parameter.grad is not None:
                parameter.grad.add_(parameter.detach() - towards[name], alpha=strength)

    def add_gradient(self, along: Weights, strength: float = 1.0) -> None:
        """Add so many times a direction to the gradient; what it does not name stays."""
        for name, direction in along.items():
            gradient = self.parameters[name].grad
            if gradient is not None:
                gradient.add_(direction, alpha=strength)

    def moved(self) -> Weights:
        """Say how far the weights are from the round's: local minus global."""
        return {n: p.detach() - self.start[n] for n, p in self.parameters.items()}


class Objective:
    """The task's loss and nothing else; an algorithm overrides what it changes."""

    def __init__(self, context: ClientContext | None = None) -> None: ...

    def before_epoch(self, epoch: int) -> None:
        """Prepare for an epoch, counted from 0."""

    def extra_loss(self, pixels: torch.Tensor) -> torch.Tensor | None:
        """Give what is added to the mean loss of a batch that the model has just seen."""

    def edit_gradients(self) -> None:
        """Change the gradients of a step before they are clipped and made."""

    def client_state(self, n_steps: int) -> Weights:
        """Give what the next round here needs, after so many steps; it never leaves the site."""
        return {}

    def personal_objective(self) -> "Objective | None":
        """Give what trains the site's own model after the round's, or None: there is none."""

    def close(self) -> None:
        """Leave the model as it was found; called even where training failed."""

    @classmethod
    def keeps_something(cls) -> bool:
        """Say whether it may keep anything at the site between rounds."""
        kept = (cls.client_state, cls.personal_objective)
        return kept != (Objective.client_state, Objective.personal_objective)


OBJECTIVES: Registry[type[Objective]] = Registry("objective", "medfl_client.training.objectives")


def objective_class(plan: Plan) -> type[Objective]:
    """Give the plan's half at the sites.

    Raises ConfigError where it keeps something and its algorithm does not tell the hospital what.
    """
    name = objective_of(plan)
    found = OBJECTIVES.get(name)
    if found.keeps_something() and not at_sites(plan).kept_at_site:
        raise ConfigError(
            f"the objective {name} keeps something at the site between rounds, and its algorithm "
            "does not say what",
            todo=f"write it into kept_at_site in the algorithm's file {name}.py",
        )
    return found
