"""Message formats: what arrives, what is left out, and that nothing else fits."""

import math

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord

from medfl_common.errors import LinkError
from medfl_common.models.weights import Weights
from medfl_common.plan.federation import Messages
from medfl_common.wire.tensors import codec_of, decode_weights, encode_weights, layout_of, through

SHAPES = {"a": (3, 40), "bn.running_mean": (7,), "z": (5,)}
LOSSY = ["bfloat16", "float16", "int8", "top_k"]


def weights(seed: int = 0, scale: float = 1e-3) -> Weights:
    draw = torch.Generator().manual_seed(seed)
    return {name: scale * torch.randn(shape, generator=draw) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("name", LOSSY)
def test_what_arrives_arrives_again_the_same(name: str) -> None:
    codec = codec_of(Messages(update=name, top=0.1))
    assert codec is not None
    for seed, scale in ((0, 1e-3), (1, 300.0), (2, 1e-30), (3, 0.0)):
        once = through(weights(seed, scale), codec)
        again = through(once, codec)
        assert all(torch.equal(once[n], again[n]) for n in SHAPES)
        assert torch.equal(once["bn.running_mean"], weights(seed, scale)["bn.running_mean"])


def test_rounding_is_as_fine_as_the_bits_allow() -> None:
    sent = weights()
    for name, parts in (("bfloat16", 2**8), ("float16", 2**11)):
        codec = codec_of(Messages(update=name))
        assert codec is not None
        found = through({"a": sent["a"] + 1}, codec)["a"]
        assert float((found - sent["a"] - 1).abs().max()) <= 1 / parts
    codec = codec_of(Messages(update="int8"))
    assert codec is not None
    error = (through(sent, codec)["a"] - sent["a"]).abs().max()
    largest = sent["a"].abs().max()
    assert largest / 400 < error <= largest / 127  # half a step; steps are powers of two


def test_top_k_is_the_largest_and_bytes_are_as_the_plan_says() -> None:
    values = torch.arange(-100.0, 100.0) + 0.25  # -99.75, ..., 99.25
    codec = codec_of(Messages(update="top_k", top=0.02))
    assert codec is not None
    found = through({"w": values}, codec)["w"]
    assert found.nonzero().ravel().tolist() == [0, 1, 198, 199]
    assert found[[0, 1, 198, 199]].tolist() == [-99.75, -98.75, 98.25, 99.25]
    for name, expected in (
        ("float32", 4 * 132), ("bfloat16", 4 * 7 + 2 * 125), ("int8", 4 * 7 + 125 + 2 * 4),
        ("top_k", 4 * 7 + 13 * 8),
    ):  # fmt: skip
        layout = layout_of(SHAPES, codec_of(Messages(update=name, top=0.1)))
        assert sum(np.dtype(dtype).itemsize * n for dtype, n in layout.values()) == expected


def test_places_that_are_none_are_refused() -> None:
    codec = codec_of(Messages(update="top_k", top=0.02))
    assert codec is not None
    for places in ([0, 0, 1], [2, 1, 0], [-1, 0, 1], [0, 1, 125]):
        arrays = {
            "flat": np.zeros(7, np.float32), "values": np.ones(3, np.float32),
            "places": np.array(places, np.int32),
        }  # fmt: skip
        record = ArrayRecord({name: Array(array) for name, array in arrays.items()})
        with pytest.raises(LinkError, match="the places of the sent weights"):
            decode_weights(record, SHAPES, codec)


@pytest.mark.parametrize("name", LOSSY)
def test_another_format_than_the_plans_is_refused(name: str) -> None:
    codec = codec_of(Messages(update=name))
    with pytest.raises(LinkError):
        decode_weights(encode_weights(weights()), SHAPES, codec)
    with pytest.raises(LinkError):
        decode_weights(encode_weights(weights(), codec), SHAPES)


def test_what_is_left_out_comes_in_the_end() -> None:
    codec = codec_of(Messages(update="top_k", top=0.1))
    assert codec is not None
    wanted, left, arrived = weights()["a"], torch.zeros(3, 40), torch.zeros(3, 40)
    for _ in range(10):
        sent = through({"a": wanted + left}, codec)["a"]
        left, arrived = wanted + left - sent, arrived + sent
    torch.testing.assert_close(arrived + left, 10 * wanted)
    assert float(left.norm()) < 10 * float(wanted.norm()) * math.sqrt(0.9)
