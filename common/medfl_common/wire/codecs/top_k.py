"""The largest changes alone, each with its place; the others go with a later update.

Aji, Heafield: Sparse Communication for Distributed Gradient Descent. EMNLP 2017.
https://arxiv.org/abs/1704.05021
Stich, Cordonnier, Jaggi: Sparsified SGD with Memory. NeurIPS 2018. https://arxiv.org/abs/1809.07599
"""

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch

from medfl_common.errors import LinkError
from medfl_common.plan.federation import Messages
from medfl_common.wire.codecs import CODECS, Arrays, Layout, Received

VALUES, PLACES = "values", "places"


@CODECS.register("top_k")
class TopK:
    """The largest `top` of all weights, each with its place; as many in every update."""

    feeds_back: ClassVar[bool] = True
    settings: ClassVar[tuple[str, ...]] = ("top",)

    def __init__(self, messages: Messages) -> None:
        self._part = messages.top

    def layout(self, sizes: Sequence[int]) -> Layout:
        """Give the arrays for tensors of these sizes."""
        k = self._count(sum(sizes))
        return {VALUES: ("float32", k), PLACES: ("int32", k)}

    def encode(self, values: torch.Tensor, sizes: Sequence[int]) -> Arrays:
        """Take the k largest by size, in the order of their places."""
        found = torch.topk(values.abs(), self._count(len(values)), sorted=False).indices
        places = found.sort().values
        return {VALUES: values[places].numpy(), PLACES: places.int().numpy()}

    def decode(self, arrays: Received, sizes: Sequence[int]) -> torch.Tensor:
        """Put them where they belong, among zeros."""
        places = torch.from_numpy(arrays[PLACES].astype(np.int64))
        n = sum(sizes)
        is_rising = bool((places.diff() > 0).all())
        if not is_rising or (len(places) and not 0 <= int(places[0]) <= int(places[-1]) < n):
            raise LinkError(f"the places of the sent weights are not {len(places)} of {n}")
        values = torch.from_numpy(arrays[VALUES].astype(np.float32))
        return torch.zeros(n).scatter_(0, places, values)

    def _count(self, n: int) -> int:
        return min(n, max(1, math.ceil(self._part * n)))
