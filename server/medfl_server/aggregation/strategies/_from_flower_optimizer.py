"""Flower's own server optimisers as an aggregation: the mean update in, the optimiser's step out.

The mean is a running sum, and Flower's class is given that alone: memory is O(model).
"""

from collections.abc import Callable, Mapping

import torch
from flwr.app import Array, ArrayRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAdagrad, FedAdam, FedYogi

from medfl_common.errors import RunError
from medfl_common.models.weights import Weights
from medfl_server.aggregation.strategies import AggregationContext, UpdateInfo
from medfl_server.aggregation.strategies._from_flower import NOWHERE, WEIGHT
from medfl_server.aggregation.strategies._sums import RunningSum

FIRST, SECOND = "first/", "second/"  # moments, in the names of the state


class FlowerOptimizer:
    """One round of one of Flower's adaptive strategies; its moments are the aggregation's state.

    Reddi, Charles, Zaheer, Garrett, Rush, Konecny, Kumar, McMahan: Adaptive Federated Optimization.
    ICLR 2021. https://arxiv.org/abs/2003.00295
    Works inside a Flower run only, real or simulated: Flower's messages name the run.

    Args:
        context: The round.
        make: Gives Flower's strategy.
    """

    needs = 1

    def __init__(
        self, context: AggregationContext, make: Callable[[], FedAdam | FedYogi | FedAdagrad]
    ) -> None:
        self._context, self._flower = context, make()
        self._mean = RunningSum()

    def add(self, update: Mapping[str, torch.Tensor], info: UpdateInfo) -> None:
        """Add n_images times the update to the running sum."""
        self._mean.add(update, info.n_images)

    def result(self, weights: Mapping[str, torch.Tensor]) -> Weights:
        """Give the weights after the round."""
        flower, state, mean = self._flower, self._context.state, self._mean.mean()
        # Flower takes differences itself; from 0 they are the mean update, bit by bit.
        flower.current_arrays = {name: t.new_zeros(t.shape).numpy() for name, t in mean.items()}
        flower.m_t = {n: state[FIRST + n].numpy() for n in mean if FIRST + n in state} or None
        flower.v_t = {n: state[SECOND + n].numpy() for n in mean if SECOND + n in state} or None
        arrays = ArrayRecord({name: Array(tensor.numpy()) for name, tensor in mean.items()})
        content = RecordDict({"arrays": arrays, "metrics": MetricRecord({WEIGHT: 1.0})})
        reply = Message(content, NOWHERE, MessageType.TRAIN)
        found, _ = flower.aggregate_train(self._context.number, [reply])
        if found is None:
            raise RunError("Flower's strategy made nothing of the mean update")
        step = {name: torch.from_numpy(array.numpy()) for name, array in found.items()}
        return {name: w + step[name].to(w.dtype).reshape(w.shape) for name, w in weights.items()}

    def state(self) -> Weights:
        """Give both moments."""
        first, second = self._flower.m_t or {}, self._flower.v_t or {}
        return {
            prefix + name: torch.from_numpy(moment).float()
            for prefix, moments in ((FIRST, first), (SECOND, second))
            for name, moment in moments.items()
        }
