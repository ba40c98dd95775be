"""The algorithms that a plan can name."""

import inspect
import re
import sys

from tools.reference.markdown import code, page, table

from medfl_client.training.objectives import OBJECTIVES
from medfl_common.plan.algorithms import STRATEGY_OF
from medfl_server.aggregation.strategies import STRATEGIES

INTRO = "`federation.strategy` of a plan. Both halves of an algorithm follow from its name."


def names() -> list[str]:
    """List what a plan may name."""
    return sorted({*STRATEGIES.names(), *STRATEGY_OF})


def algorithms() -> str:
    """Give the page."""
    rows = []
    for name in names():
        part = STRATEGIES.get(name) if name in STRATEGIES.names() else OBJECTIVES.get(name)
        text = inspect.getdoc(sys.modules[part.__module__]) or ""
        title, _, rest = text.partition("\n")
        link = re.search(r"https?://\S+", rest)
        rows.append([code(name), title, f"[paper]({link[0]})" if link else ""])
    return page("Algorithms", INTRO, table(["strategy", "what it does", "paper"], rows))
