"""Named tensors as Flower arrays, and back: whole in float32, or through the plan's codec."""

import io
import math
from collections.abc import Mapping
from functools import cache

import numpy as np
import torch
from flwr.app import Array, ArrayRecord
from numpy.typing import NDArray

from medfl_common.errors import LinkError
from medfl_common.models.norms import is_statistic
from medfl_common.models.weights import Weights
from medfl_common.plan.federation import Messages
from medfl_common.wire.codecs import CODECS, Codec, Layout

FLAT = "flat"  # the one array of weights that travel whole
WHOLE = "float32"
NUMPY = "numpy.ndarray"  # Flower's name of how an array is written

Shapes = Mapping[str, tuple[int, ...]]


def codec_of(messages: Messages, name: str = "") -> Codec | None:
    """Give the plan's codec of updates, or the one called `name`; None: all travels whole."""
    chosen = name or messages.update
    return None if chosen == WHOLE else CODECS.get(chosen)(messages)


def layout_of(shapes: Shapes, codec: Codec | None) -> Layout:
    """Give the arrays in which tensors of these shapes travel: no other is let out or in."""
    whole, coded = _split(shapes, codec)
    n_whole = sum(_sizes(shapes, whole))
    flat: Layout = {FLAT: (WHOLE, n_whole)} if whole or codec is None else {}
    return flat if codec is None else flat | codec.layout(_sizes(shapes, coded))


def size_of(shapes: Shapes, codec: Codec | None) -> int:
    """Count the bytes of these tensors on their way, headers apart."""
    layout = layout_of(shapes, codec).values()
    return sum(np.dtype(dtype).itemsize * n for dtype, n in layout)


def encode_weights(weights: Weights, codec: Codec | None = None) -> ArrayRecord:
    """Pack named float32 tensors, by name in alphabetical order.

    One array where they travel whole, because Flower moves each array by requests of its own. That
    order, because a mapping's own differs between a model and a checkpoint.
    """
    if not weights:
        return ArrayRecord()
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    whole, coded = _split(shapes, codec)
    arrays: dict[str, NDArray[np.generic]] = {}
    if whole:
        arrays[FLAT] = _joined(weights, whole).numpy()
    if codec is not None:
        arrays |= codec.encode(_joined(weights, coded), _sizes(shapes, coded))
    return ArrayRecord({name: _written(array) for name, array in arrays.items()})


def decode_weights(record: ArrayRecord, shapes: Shapes, codec: Codec | None = None) -> Weights:
    """Unpack the tensors of these names and shapes.

    Raises LinkError. Every byte before the values must be what numpy writes for them: nothing that
    the other end wrote is parsed.
    """
    layout = layout_of(shapes, codec)
    if set(record) != set(layout):
        raise LinkError(f"expected {len(layout)} arrays of weights, got {len(record)} or others")
    arrays = {name: _decode(record[name], *layout[name]) for name in layout}
    whole, coded = _split(shapes, codec)
    found: Weights = {}
    if whole:
        found |= _parts(torch.from_numpy(arrays[FLAT].copy()), shapes, whole)
    if codec is not None:
        values = codec.decode(arrays, _sizes(shapes, coded))
        found |= _parts(values, shapes, coded)
    return {name: found[name] for name in sorted(shapes)}


def through(weights: Weights, codec: Codec) -> Weights:
    """Give the weights as they arrive."""
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    return decode_weights(encode_weights(weights, codec), shapes, codec)


@cache
def header(dtype: str, n: int) -> bytes:
    """Give what numpy writes before n values of a type."""
    buffer = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": descr, "fortran_order": False, "shape": (n,)}
    )
    return buffer.getvalue()


def _split(shapes: Shapes, codec: Codec | None) -> tuple[list[str], list[str]]:
    """Give the names of what travels whole, and of what the codec takes."""
    names = sorted(shapes)
    if codec is None:
        return names, []
    whole = [name for name in names if is_statistic(name)]
    return whole, [name for name in names if not is_statistic(name)]


def _sizes(shapes: Shapes, names: list[str]) -> list[int]:
    return [math.prod(shapes[name]) for name in names]


def _joined(weights: Weights, names: list[str]) -> torch.Tensor:
    return torch.cat([weights[name].reshape(-1) for name in names])


def _parts(values: torch.Tensor, shapes: Shapes, names: list[str]) -> Weights:
    parts = torch.split(values, _sizes(shapes, names))
    return {name: part.reshape(shapes[name]) for name, part in zip(names, parts, strict=True)}


def _written(values: NDArray[np.generic]) -> Array:
    """Write (n,) values as numpy does, and copy them once."""
    dtype = str(values.dtype)
    data = b"".join((header(dtype, len(values)), memoryview(values.data).cast("B")))
    return Array(dtype=dtype, shape=(len(values),), stype=NUMPY, data=data)


def _decode(array: Array, dtype: str, n_values: int) -> NDArray[np.generic]:
    """Read (n_values,) of a type from npy bytes, or raise LinkError."""
    start = header(dtype, n_values)
    n_bytes = len(start) + np.dtype(dtype).itemsize * n_values
    if array.stype != NUMPY or len(array.data) != n_bytes:
        raise LinkError(
            f"the weights have {len(array.data)} bytes; {n_bytes} of {dtype} ({n_values},) "
            "were expected"
        )
    if array.data[: len(start)] != start:
        raise LinkError(f"the weights do not begin as {dtype} ({n_values},) does")
    return np.frombuffer(array.data, dtype, offset=len(start))
