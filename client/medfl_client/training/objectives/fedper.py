"""FedPer: each site has a head of its own on the common layers, both trained together.

Arivazhagan, Aggarwal, Singh, Choudhary: Federated Learning with Personalization Layers. 2019.
https://arxiv.org/abs/1912.00818
Which layers stay is in the algorithm's own file, since both ends must know.
"""

from medfl_client.training.objectives import OBJECTIVES, Objective


@OBJECTIVES.register("fedper")
class FedPer(Objective):
    """The task's loss, over all layers together; the head's weights are not sent."""
