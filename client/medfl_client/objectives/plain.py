"""The task's loss and nothing else: local training of FedAvg."""

from medfl_client.objectives import OBJECTIVES, Objective


@OBJECTIVES.register("plain")
class Plain(Objective):
    """Change nothing."""
