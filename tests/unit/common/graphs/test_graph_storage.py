"""What the rules let be written over is memory that no image, weight or constant has."""

from typing import Any

import pytest
import torch

from medfl_common.models.graphs.operators import operators

torch.manual_seed(0)
FLAT, CUBE, DEEP = torch.rand(2, 4), torch.rand(2, 4, 6), torch.rand(1, 4, 3, 3, 3)
IMAGE, ONE, SCALAR = torch.rand(2, 4, 6, 6), torch.rand(1, 1, 1, 1), torch.rand(())
LAST = IMAGE.contiguous(memory_format=torch.channels_last)
WHOLE, TRUE = torch.zeros(2, 4, dtype=torch.int64), torch.ones(2, 4, dtype=torch.bool)
ZEROS, ONES = torch.zeros(4), torch.ones(4)
EYE = torch.eye(4)
Cases = list[tuple[Any, ...]]
EVERY: Cases = [(one,) for one in (FLAT, IMAGE, LAST, LAST[:1], ONE, SCALAR, FLAT.T)]
PAIRS: Cases = [
    (FLAT, torch.zeros(())), (FLAT, torch.ones(())), (FLAT, FLAT), (IMAGE, ONE), (ONE, IMAGE),
    (FLAT, torch.zeros(2, 4)), (FLAT, torch.ones(2, 4)), (WHOLE, WHOLE), (SCALAR, SCALAR),
]  # fmt: skip


def each(*more: Any) -> Cases:
    return [(*one, *more) for one in EVERY]


# Arguments by which an operator has nothing to do, and could hand on what it is given.
CASES: dict[str, Cases] = {
    "conv1d.default": [(CUBE, torch.eye(4)[..., None])],
    "conv1d.padding": [(CUBE, torch.eye(4)[..., None], None, [1], "same")],
    "conv2d.default": [(IMAGE, torch.eye(4)[..., None, None]), (LAST, EYE[..., None, None], ZEROS)],
    "conv2d.padding": [(IMAGE, EYE[..., None, None], None, [1, 1], "valid")],
    "conv3d.default": [(DEEP, EYE[..., None, None, None])],
    "conv3d.padding": [(DEEP, EYE[..., None, None, None], None, [1, 1, 1], "same")],
    "conv_transpose1d.default": [(CUBE, EYE[..., None])],
    "conv_transpose2d.input": [(IMAGE, EYE[..., None, None])],
    "conv_transpose3d.input": [(DEEP, EYE[..., None, None, None])],
    "linear.default": [(FLAT, EYE), (FLAT, EYE, ZEROS), (FLAT[0], EYE)],
    "matmul.default": [(FLAT, EYE), (EYE, EYE), (FLAT[0], EYE), (FLAT[:1, :1], FLAT[:1, :1])],
    "bmm.default": [(CUBE, torch.eye(6).repeat(2, 1, 1))],
    "baddbmm.default": [(CUBE, CUBE, torch.eye(6).repeat(2, 1, 1))],
    "addmm.default": [(FLAT, FLAT, EYE)],
    "mm.default": [(FLAT, EYE)],
    "batch_norm.default": [
        (IMAGE, None, None, ZEROS, ONES, False, 0.1, 0.0, False),
        (IMAGE, ONES, ZEROS, None, None, True, 0.1, 1e-5, False),
    ],
    "group_norm.default": [(IMAGE, 4), (IMAGE[:1, :, :1, :1], 1, ONES, ZEROS)],
    "layer_norm.default": [(FLAT, [4]), (FLAT[:, :1], [1], ONES[:1], ZEROS[:1])],
    "instance_norm.default": [(IMAGE, None, None, None, None, True, 0.1, 1e-5, False)],
    "rms_norm.default": [(FLAT, [4]), (FLAT, [4], ONES)],
    "leaky_relu.default": each(1.0),
    "elu.default": each(1.0), "celu.default": each(1.0),
    "hardtanh.default": each(-9.0, 9.0), "softplus.default": each(1.0, -9.0),
    "prelu.default": [(IMAGE, ONES), (FLAT, ONES[:1])],
    "softmax.int": each(0), "log_softmax.int": each(0),
    **{f"{kind}_pool{n}d.default": [(values, [1] * n)]
       for kind in ("max", "avg") for n, values in ((1, CUBE), (2, IMAGE), (3, DEEP))},
    **{f"adaptive_{kind}_pool{n}d.default": [(values, values.shape[2:])]
       for kind in ("max", "avg") for n, values in ((1, CUBE), (2, IMAGE), (3, DEEP))},
    **{f"upsample_nearest{n}d.vec": [(values, values.shape[2:], None), (values, None, [1.0] * n)]
       for n, values in ((1, CUBE), (2, IMAGE), (3, DEEP))},
    **{f"upsample_{kind}.vec": [(values, values.shape[2:], corners, None)]
       for kind, values in (("linear1d", CUBE), ("bilinear2d", IMAGE), ("bilinear2d", LAST),
                            ("bicubic2d", IMAGE), ("trilinear3d", DEEP)) for corners in (0, 1)},
    **{f"{name}.Scalar": each(0) for name in ("add", "sub", "eq", "ne", "gt", "lt", "ge", "le")},
    **{f"{name}.Scalar": each(1) for name in ("mul", "div")},
    "rsub.Scalar": each(0), "pow.Tensor_Scalar": each(1),
    "div.Tensor_mode": PAIRS[:7],
    "clamp.default": each(-9, 9), "clamp_min.default": each(-9), "clamp_max.default": each(9),
    "lerp.Scalar": [(FLAT, FLAT, 0.0), (FLAT, ZEROS, 1.0)],
    "floor.default": [*EVERY, (WHOLE,)], "round.default": [*EVERY, (WHOLE,)],
    "nan_to_num.default": [*EVERY, (WHOLE,), (TRUE,)], "abs.default": [*EVERY, (WHOLE,)],
    "logical_not.default": [(TRUE,)],
    "mean.dim": [(FLAT[:1], [0]), (SCALAR, []), (FLAT[:1], [0], True)],
    "sum.dim_IntList": [(FLAT[:1], [0]), (FLAT[:1], [0], True), (SCALAR, []), (FLAT, [])],
    "mean.default": each(), "sum.default": each(),
    "amax.default": [(FLAT[:1], [0]), (SCALAR, []), (FLAT[:1], [0], True)],
    "amin.default": [(FLAT[:1], [0]), (SCALAR, []), (FLAT[:1], [0], True)],
    "max.dim": [(FLAT[:1], 0), (FLAT[:1], 0, True), (SCALAR, 0)],
    "var.correction": [(FLAT, [1])], "std.correction": [(FLAT, [1])],
    "prod.dim_int": [(FLAT[:1], 0), (FLAT[:1], 0, True), (SCALAR, 0)],
    "cumsum.default": [(FLAT[:1], 0), (SCALAR, 0)],
    "logsumexp.default": [(FLAT[:1], [0]), (FLAT[:1], [0], True)],
    "linalg_vector_norm.default": [(FLAT[:1], 2, [0]), (FLAT[:1], 1, [0], True)],
    "norm.ScalarOpt_dim": [(FLAT[:1], 2, [0]), (FLAT[:1], 1, [0], True)],
    "cat.default": [([IMAGE],), ([LAST], 1), ([torch.rand(0), FLAT],), ([FLAT, FLAT],)],
    "stack.default": [([IMAGE],), ([SCALAR],)],
    "repeat.default": [(FLAT, [1, 1]), (FLAT, [1, 1, 1]), (SCALAR, []), (ONE, [1, 1, 1, 1])],
    "roll.default": [(FLAT, [0]), (FLAT, [0, 0], [0, 1]), (FLAT, [4], [1]), (ONE, [1], [0])],
    "flip.default": [(FLAT, []), (FLAT[:1], [0]), (ONE, [0, 1, 2, 3])],
    "index_select.default": [(FLAT, 0, torch.arange(2)), (SCALAR, 0, torch.zeros(1).long())],
    "gather.default": [(FLAT, 1, torch.arange(4).repeat(2, 1)), (FLAT[:1], 0, WHOLE[:1])],
    "index.Tensor": [(FLAT, [torch.arange(2)]), (FLAT, [None, torch.arange(4)])],
    "masked_fill.Scalar": [(FLAT, ~TRUE, 0.0), (SCALAR, torch.tensor(False), 0.0)],
    "where.self": [(TRUE, FLAT, FLAT), (TRUE, FLAT, SCALAR), (torch.tensor(True), FLAT, FLAT)],
    "where.ScalarOther": [(TRUE, FLAT, 0.0)],
    "full_like.default": each(1.0),
    "new_zeros.default": each([2]), "new_ones.default": each([2]),
    "zeros.default": [([2],)], "ones.default": [([2],)], "full.default": [([2], 1.0)],
    "arange.default": [(3,)], "arange.start": [(0, 3)], "empty.memory_format": [([2],)],
    "scalar_tensor.default": [(1.0,)], "one_hot.default": [(WHOLE, 1)],
    "scaled_dot_product_attention.default": [(IMAGE, IMAGE, IMAGE), (ONE, ONE, ONE)],
    "nll_loss.default": [(FLAT, WHOLE[:, 0], None, 0)],
    "nll_loss_nd.default": [(FLAT, WHOLE[:, 0], None, 0)],
    "cross_entropy_loss.default": [(FLAT, WHOLE[:, 0], None, 0), (FLAT, FLAT, None, 0)],
    **{f"{name}.default": [(FLAT, torch.zeros(2, 4), 0), (FLAT, FLAT, 0), (SCALAR, ZEROS[0])]
       for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div")},
    "binary_cross_entropy_with_logits.default": [(FLAT, TRUE.float(), None, None, 0)],
}  # fmt: skip


def tensors_in(value: object) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    return [t for one in value for t in tensors_in(one)] if isinstance(value, list | tuple) else []


def cases_of(name: str) -> Cases:
    """Give an operator's cases; of one tensor or two, those of all."""
    if (found := CASES.get(name)) is not None:
        return found
    packet, overload = name.split(".")
    schema = getattr(getattr(torch.ops.aten, packet), overload)._schema
    n_tensors = sum("Tensor" in str(one.type) for one in schema.arguments)
    return EVERY if n_tensors == 1 else PAIRS


FRESH = [n for n, one in operators().items() if one.is_fresh and not one.writes]


@pytest.mark.parametrize("name", FRESH)
def test_an_operator_that_may_be_written_over_gives_memory_of_its_own(name: str) -> None:
    n_ran = 0
    for given in cases_of(name.removeprefix("aten.")):
        more = {"rounding_mode": "floor"} if name.endswith("_mode") else {}
        made = operators()[name].run(*given, **more)
        taken = {one.untyped_storage().data_ptr() for one in tensors_in(given)}
        for one in tensors_in(made):
            assert one.untyped_storage().data_ptr() not in taken, given
            n_ran += 1
    assert n_ran
