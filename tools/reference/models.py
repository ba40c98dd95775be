"""The networks that a plan can name."""

import inspect
import sys

from tools.reference.markdown import cell, code, first_words, page, table

from medfl_common.models import MODELS
from medfl_server.export.catalogue import HEADER, TITLE, catalogue

INTRO = f"""`model.name` of a plan. {TITLE}. `medfl-server models --plan FILE` counts for your plan.
"by plan": `model.norm` chooses the norm layers; "own": the network has its own."""


def models() -> str:
    """Give the page."""
    rows = [[code(name), *facts] for name, *facts in catalogue()]
    blocks = [table(HEADER, rows), "## What they are"]
    words = []
    for name in MODELS.names():
        build = MODELS.get(name)
        paper = cell(inspect.getdoc(sys.modules[build.__module__]) or "")
        words.append([code(name), _built(build), paper])
    return page("Models", INTRO, *blocks, table(["model", "how it is built", "family"], words))


def _built(build: object) -> str:
    words = first_words(build).removeprefix("Build ")
    return words[0].upper() + words[1:]
