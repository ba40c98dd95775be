"""The task's loss and nothing else: local training of FedAvg."""

from medfl_client.training.objectives import OBJECTIVES, Objective


@OBJECTIVES.register("plain")
class Plain(Objective):
    """Change nothing."""
