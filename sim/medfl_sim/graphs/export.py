"""What torch.export sees of a module, once for training and once for evaluation."""

import contextlib
import io
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.export import Dim, ExportedProgram, export

from medfl_common.errors import ConfigError
from medfl_common.models.settled import settle_autograd
from medfl_sim.graphs.places import place_in
from medfl_sim.graphs.rewriting import PlainProducts

N_IMAGES = 3  # in the batch that is looked at; 0 and 1 would count as fixed
FIXED = re.compile(r"dynamic but your code specialized it|Constraints violated")
BY_VALUE = re.compile(r"data-dependent|Could not (guard|extract)|\.item\(\)")
MORE_ROOM = 300  # characters of another's reason that a person reads


@dataclass(frozen=True)
class Seen:
    """One program of a module, and the tensors that it names."""

    program: ExportedProgram
    tensors: dict[str, torch.Tensor]


def seen(module: nn.Module, shapes: Sequence[Sequence[int]], is_training: bool) -> Seen:
    """Look at a module with torch.export; its batch may have any size.

    Both modes are looked at, since a program of one has no other mode (pytorch#151726). Raises
    ConfigError where the module cannot be said as one program of tensor operators.
    """
    settle_autograd()
    module.train(is_training)
    batch = tuple(torch.zeros(N_IMAGES, *shape) for shape in shapes)
    any_size = tuple({0: Dim.DYNAMIC} for _ in batch)
    try:
        with _quiet(), PlainProducts():
            program = export(module, batch, dynamic_shapes=any_size)
    except Exception as error:  # torch raises its own, Python's, and the module's
        raise _why_not(error) from None
    constants = {n: t for n, t in program.constants.items() if isinstance(t, torch.Tensor)}
    return Seen(program, {**program.state_dict, **constants})


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch writes while it looks from the screen; its reason is told in words."""
    was = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(was)


def _why_not(error: Exception) -> ConfigError:
    told = str(error)
    place = place_in(told)
    if FIXED.search(told):
        return ConfigError(
            f"the network works for {N_IMAGES} images only: somewhere it has the batch's size as "
            "a fixed number",
            todo="write x.shape[0] or -1 where the code names the batch's size",
        )
    if BY_VALUE.search(told):
        return ConfigError(
            f"the network chooses its way by the values of a tensor{place}, and a graph has one "
            "way for every image",
            todo="use torch.where, or multiply by the condition, in place of if and while",
        )
    return ConfigError(
        f"torch.export cannot read the network{place}: {_short(told)}",
        todo="see that it runs on one batch of that size, with tensors alone",
    )


def _short(told: str) -> str:
    first = next((line.strip() for line in told.splitlines() if line.strip()), "no reason given")
    return first if len(first) <= MORE_ROOM else first[:MORE_ROOM] + " ..."
