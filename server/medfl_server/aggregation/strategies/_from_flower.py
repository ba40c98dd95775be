"""Flower's own robust strategies as an aggregation: sites' updates in, their aggregate out.

The rules treat every site alike, whatever its number of images: a site could claim any number.
They compare the sites, so every update of the round is kept: memory is O(sites x model), and
Krum's distances take about four times the updates' bytes.
"""

from collections.abc import Callable, Mapping

import torch
from flwr.app import Array, ArrayRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp.strategy import Strategy

from medfl_common.errors import RunError
from medfl_common.models.weights import Weights
from medfl_server.aggregation.strategies import UpdateInfo

WEIGHT = "num-examples"  # the key under which Flower looks for a reply's weight
NOWHERE = 0  # the node of messages that only hand updates to Flower's rule


class FlowerAggregation:
    """One round of a strategy of Flower's: w <- w + rule(update_1, ..., update_n).

    Works inside a Flower run only, real or simulated: Flower's messages name the run.

    Args:
        needs: Updates that the rule needs to withstand the plan's bad sites.
        make: Gives Flower's strategy for so many updates.
    """

    def __init__(self, needs: int, make: Callable[[int], Strategy]) -> None:
        self.needs = needs
        self._make = make
        self._replies: list[Message] = []

    def add(self, update: Mapping[str, torch.Tensor], info: UpdateInfo) -> None:
        """Keep a site's update; its number of images has no say."""
        arrays = ArrayRecord({name: Array(tensor.numpy()) for name, tensor in update.items()})
        content = RecordDict({"arrays": arrays, "metrics": MetricRecord({WEIGHT: 1.0})})
        self._replies.append(Message(content, NOWHERE, MessageType.TRAIN))

    def result(self, weights: Mapping[str, torch.Tensor]) -> Weights:
        """Give the weights after the round."""
        replies, self._replies = self._replies, []  # Flower empties them as it goes
        if len(replies) < self.needs:
            raise RunError(f"the strategy needs {self.needs} updates, {len(replies)} came")
        arrays, _ = self._make(len(replies)).aggregate_train(0, replies)
        if arrays is None:
            raise RunError(f"Flower's strategy made nothing of {len(replies)} updates")
        change = {name: torch.from_numpy(array.numpy()) for name, array in arrays.items()}
        return {name: w + change[name].to(w.dtype).reshape(w.shape) for name, w in weights.items()}

    def state(self) -> Weights:
        """Keep nothing."""
        return {}
