"""The tensor operators that a graph may name, and what each does to memory.

The names are those of PyTorch's ATen library with their overload, as torch.export writes them. They
are looked up here once, from this file's own text, never from a graph's.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from medfl_common.models.graphs.careful import careful

# Each gives memory that nothing else holds.
_FRESH = """
conv1d.default conv1d.padding conv2d.default conv2d.padding conv3d.default conv3d.padding
conv_transpose1d.default conv_transpose2d.input conv_transpose3d.input linear.default
matmul.default bmm.default baddbmm.default addmm.default mm.default
batch_norm.default group_norm.default layer_norm.default instance_norm.default rms_norm.default
relu.default relu6.default leaky_relu.default elu.default selu.default gelu.default silu.default
hardswish.default hardsigmoid.default hardtanh.default sigmoid.default tanh.default
softplus.default mish.default prelu.default logsigmoid.default celu.default log_sigmoid.default
softmax.int log_softmax.int
max_pool1d.default max_pool2d.default max_pool3d.default
avg_pool1d.default avg_pool2d.default avg_pool3d.default
adaptive_avg_pool1d.default adaptive_avg_pool2d.default adaptive_avg_pool3d.default
adaptive_max_pool1d.default adaptive_max_pool2d.default adaptive_max_pool3d.default
upsample_nearest1d.vec upsample_nearest2d.vec upsample_nearest3d.vec
upsample_linear1d.vec upsample_bilinear2d.vec upsample_trilinear3d.vec upsample_bicubic2d.vec
add.Tensor add.Scalar sub.Tensor sub.Scalar rsub.Scalar rsub.Tensor
mul.Tensor mul.Scalar div.Tensor div.Scalar div.Tensor_mode neg.default
exp.default log.default log1p.default sqrt.default rsqrt.default square.default
pow.Tensor_Scalar pow.Tensor_Tensor abs.default sign.default erf.default sin.default cos.default
clamp.default clamp_min.default clamp_max.default minimum.default maximum.default
reciprocal.default lerp.Scalar floor.default round.default
mean.default mean.dim sum.default sum.dim_IntList amax.default amin.default max.dim
var.correction std.correction prod.dim_int cumsum.default logsumexp.default
linalg_vector_norm.default norm.ScalarOpt_dim
cat.default stack.default repeat.default roll.default flip.default index_select.default
gather.default index.Tensor clone.default masked_fill.Scalar where.self where.ScalarOther
zeros_like.default ones_like.default full_like.default new_zeros.default new_ones.default
zeros.default ones.default full.default arange.default arange.start empty.memory_format
scalar_tensor.default one_hot.default
eq.Tensor eq.Scalar ne.Scalar ne.Tensor gt.Scalar lt.Scalar ge.Scalar le.Scalar
gt.Tensor lt.Tensor ge.Tensor le.Tensor logical_and.default logical_or.default logical_not.default
isnan.default nan_to_num.default
scaled_dot_product_attention.default
nll_loss.default nll_loss_nd.default cross_entropy_loss.default mse_loss.default l1_loss.default
smooth_l1_loss.default huber_loss.default kl_div.default binary_cross_entropy_with_logits.default
"""
# What these give may be the memory of their first argument.
_VIEWS = """
flatten.using_ints unflatten.int reshape.default view.default permute.default transpose.int
unsqueeze.default squeeze.dim squeeze.dims squeeze.default expand.default expand_as.default
movedim.int movedim.intlist select.int slice.Tensor narrow.default split.Tensor
split_with_sizes.default chunk.default unbind.int contiguous.default to.dtype to.dtype_layout
_to_copy.default type_as.default detach.default alias.default
lift_fresh_copy.default dropout.default
feature_dropout.default alpha_dropout.default pad.default constant_pad_nd.default
pixel_shuffle.default pixel_unshuffle.default channel_shuffle.default
view_as.default reshape_as.default t.default numpy_T.default unfold.default
"""
# These write into their first argument, and give it.
_WRITES = """
relu_.default relu6_.default leaky_relu_.default elu_.default selu_.default silu_.default
hardswish_.default hardsigmoid_.default hardtanh_.default sigmoid_.default tanh_.default
mish_.default add_.Tensor add_.Scalar sub_.Tensor mul_.Tensor mul_.Scalar div_.Tensor div_.Scalar
dropout_.default feature_dropout_.default bernoulli_.float fill_.Scalar zero_.default clamp_.default
clamp_min_.default masked_fill_.Scalar
"""
_KEYWORDS = """
dtype memory_format alpha beta scale is_causal value rounding_mode approximate correction keepdim p
dropout_p training enable_gqa dim unbiased copy
"""
_WORDS = "none tanh constant reflect replicate circular mean sum floor trunc same valid"
KEYWORDS, WORDS = frozenset(_KEYWORDS.split()), frozenset(_WORDS.split())
DTYPES = {
    "float32": torch.float32,
    "int64": torch.int64,
    "bool": torch.bool,
}
FORMATS = {
    "contiguous": torch.contiguous_format,
    "preserve": torch.preserve_format,
    "channels_last": torch.channels_last,
    "channels_last_3d": torch.channels_last_3d,
}
SIZE = "aten.sym_size.int"  # of an axis: the number of images is known when they come
PICK = "item"  # one of several values that an operator gives
LARGEST = 2**40  # of a number that a graph reckons from the number of images


class NumberError(ValueError):
    """A graph reckons with what is no number, or beyond all sizes."""


def _whole(reckon: Callable[[int, int], int]) -> Callable[[object, object], int]:
    def run(a: object, b: object) -> int:
        if type(a) is not int or type(b) is not int or abs(a) > LARGEST or abs(b) > LARGEST:
            raise NumberError
        return reckon(a, b)

    return run


def _pick(values: object, i: object) -> object:
    if not isinstance(values, list | tuple) or type(i) is not int:
        raise NumberError
    return values[i]


_SETTINGS = {
    "ScalarType": torch.dtype,
    "MemoryFormat": torch.memory_format,
    "Layout": torch.layout,
    "Device": torch.device,
    "Generator": torch.Generator,
}
_SYMBOLIC: dict[str, Callable[..., Any]] = {
    PICK: _pick,
    "sym.add": _whole(operator.add),
    "sym.sub": _whole(operator.sub),
    "sym.mul": _whole(operator.mul),
    "sym.floordiv": _whole(operator.floordiv),
}


@dataclass(frozen=True)
class Operator:
    """One operator of the list."""

    name: str
    run: Callable[..., Any]
    is_fresh: bool  # gives memory that nothing else holds
    writes: bool  # into its first argument
    is_whole: bool  # takes and gives integers, or picks one of several values


@cache
def settings_of(name: str) -> dict[str | int, type]:
    """Say which arguments of an operator, by place and name, are a type of numbers or a format.

    Torch takes a whole number for these too, and some numbers end its process.
    """
    packet, overload = name.removeprefix("aten.").rsplit(".", 1)
    schema = getattr(getattr(torch.ops.aten, packet), overload)._schema
    found: dict[str | int, type] = {}
    for place, argument in enumerate(schema.arguments):
        kind = str(argument.real_type).removeprefix("Optional[").removesuffix("]")
        if (needed := _SETTINGS.get(kind)) is not None:
            found[argument.name] = needed
            found[place] = needed
    return found


@cache
def operators() -> dict[str, Operator]:
    """Give the list, by name; an overload that this version of torch lacks is not in it."""
    found = {
        name: Operator(name, run, is_fresh=False, writes=False, is_whole=True)
        for name, run in _SYMBOLIC.items()
    }
    for names, is_fresh, writes in ((_FRESH, 1, 0), (_VIEWS, 0, 0), (_WRITES, 1, 1)):
        for full in names.split():
            packet, overload = full.rsplit(".", 1)
            run = getattr(getattr(torch.ops.aten, packet, None), overload, None)
            if run is not None:
                name = f"aten.{full}"
                run = careful(full, run)
                found[name] = Operator(name, run, bool(is_fresh), bool(writes), is_whole=False)
    found[SIZE] = Operator(SIZE, _size, is_fresh=False, writes=False, is_whole=True)
    return found


def _size(values: torch.Tensor, axis: int) -> int:
    return values.shape[axis]
