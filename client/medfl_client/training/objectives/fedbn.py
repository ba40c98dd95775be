"""FedBN: norm layers stay at their site, where scanners differ; the rest is FedAvg.

Li, Jiang, Zhang, Kamp, Dou: FedBN: Federated Learning on Non-IID Features via Local Batch
Normalization. ICLR 2021. https://arxiv.org/abs/2102.07623
Which layers stay is in the algorithm's own file, since both ends must know.
"""

from medfl_client.training.objectives import OBJECTIVES, Objective


@OBJECTIVES.register("fedbn")
class FedBN(Objective):
    """The task's loss, over all layers together; the norm layers' weights are not sent."""
