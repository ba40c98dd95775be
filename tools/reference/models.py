"""The networks that a plan can name."""

import inspect
import sys

from tools.reference.markdown import cell, code, first_words, page, table

from medfl_common.models import DENSE, MODELS
from medfl_common.models.dense._tapped import ENCODERS
from medfl_server.export.catalogue import HEADER, TITLE, catalogue

INTRO = f"""`model.name` of a plan. {TITLE}. `medfl-server models --plan FILE` counts for your plan.
"by plan": `model.norm` chooses the norm layers; "own": the network has its own."""


def models() -> str:
    """Give the page."""
    rows = [[code(name), *facts] for name, *facts in catalogue()]
    blocks = [table(HEADER, rows), "## What they are"]
    words = []
    for name in [*MODELS.names(), *DENSE.names()]:
        build: object = MODELS.get(name) if name in MODELS.names() else DENSE.get(name)
        paper = cell(inspect.getdoc(sys.modules[build.__module__]) or "")
        words.append([code(name), _built(build), paper])
    blocks.append(table(["model", "how it is built", "family"], words))
    return page("Models", INTRO, *blocks, "## For a segmentation", segmentation())


def segmentation() -> str:
    """Say which networks outline, and how the plan shapes them."""
    encoders = ", ".join(code(name) for name in ENCODERS)
    return (
        f"{', '.join(code(name) for name in DENSE.names())} are for `task.type: segmentation`, in "
        "2D and in 3D, for images of any size; the others judge the whole image. `model.encoder` "
        f"puts the layers of another network into `unet`: {encoders}. Its published weights then "
        "fit (`model.weights`), and `model.freeze` is about it alone: the decoder and the head are "
        "always trained, and travel. Pixels are halved at each level; slices only while 4 are left "
        "and while they are less than twice as far apart as the pixels. The memory and time of a "
        "step go with `model.width` and with the pixels of the image: `medfl-client doctor` says "
        "what a plan takes."
    )


def _built(build: object) -> str:
    words = first_words(build).removeprefix("Build ")
    return words[0].upper() + words[1:]
