"""The algorithms that a plan can name."""

import importlib

from tools.reference.markdown import code, page, table

from medfl_common.plan.algorithms import ALGORITHMS

INTRO = "`federation.strategy` of a plan. Both halves of an algorithm follow from its name."
HEADER = ["strategy", "what it does", "its keys", "kept at the site", "paper"]


def names() -> list[str]:
    """List what a plan may name."""
    return ALGORITHMS.names()


def algorithms() -> str:
    """Give the page."""
    return page("Algorithms", INTRO, table(HEADER, [_row(name) for name in names()]))


def _row(name: str) -> list[str]:
    algorithm = ALGORITHMS.get(name)
    module = importlib.import_module(f"{ALGORITHMS.package}.{name}")
    title = (module.__doc__ or "").partition("\n")[0]
    options = [f"options.{key}" for key in algorithm.options.model_fields]
    keys = ", ".join(map(code, [*algorithm.settings, *options]))
    layers = f"the {algorithm.local_layers} layers" if algorithm.local_layers else ""
    kept = layers or algorithm.kept_at_site
    return [code(name), title, keys, kept, f"[paper]({algorithm.paper})"]
