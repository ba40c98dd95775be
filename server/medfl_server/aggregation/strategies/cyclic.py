"""Cyclic weight transfer: the model goes from site to site, one a round, in the roster's order.

Chang, Balachandar, Lam et al.: Distributed deep learning networks among institutions for medical
imaging. JAMIA 25(8), 2018. https://doi.org/10.1093/jamia/ocy017
"""

from medfl_server.aggregation.strategies import STRATEGIES
from medfl_server.aggregation.strategies.fedavg import FedAvg


@STRATEGIES.register("cyclic")
class Cyclic(FedAvg):
    """w <- w + update of the one site that was asked; see `choose_sites`."""
