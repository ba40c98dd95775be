"""Adagrad at the coordinator: a weight that has moved much moves less.

Reddi, Charles, Zaheer, Garrett, Rush, Konecny, Kumar, McMahan: Adaptive Federated Optimization.
ICLR 2021. https://arxiv.org/abs/2003.00295
"""

from flwr.serverapp.strategy import FedAdagrad

from medfl_common.plan.algorithms.fedadagrad import FedAdagradOptions
from medfl_server.aggregation.strategies import STRATEGIES, AggregationContext
from medfl_server.aggregation.strategies._from_flower_optimizer import FlowerOptimizer


@STRATEGIES.register("fedadagrad")
def fedadagrad(context: AggregationContext) -> FlowerOptimizer:
    """Make v <- v + d^2, w <- w + eta d / (sqrt(v) + tau); d: the mean update, eta: adaptive_lr."""
    o = context.federation.own(FedAdagradOptions)
    return FlowerOptimizer(context, lambda: FedAdagrad(eta=o.adaptive_lr, tau=o.tau))
