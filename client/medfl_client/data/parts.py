"""The parts of a site's data: to train on, to choose by, and to score the result on."""

from typing import Literal, get_args

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
