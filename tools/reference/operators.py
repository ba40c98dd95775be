"""The operators that a graph may name."""

from tools.reference.markdown import code, page, table

from medfl_common.models.graphs.operators import operators

INTRO = """A network, a loss or an image step that a plan brings is a list of these operators and
of nothing else. The names are those of PyTorch's ATen library, with their overload;
`medfl-sim graph` finds them in a network, and says which is not on the list, from which line, and
what to use in its place. An operator that writes in place may do so only on what another has just
made: never on the image, a weight or a statistic."""
KINDS = ("gives fresh values", "gives a view", "writes in place", "reckons with sizes, or picks")


def listed() -> str:
    """Give the page."""
    rows: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name, one in sorted(operators().items()):
        at = 3 if one.is_whole else 2 if one.writes else 0 if one.is_fresh else 1
        rows[KINDS[at]].append(code(name.removeprefix("aten.")))
    blocks = [table(("what it does", "operators"), [(k, ", ".join(n)) for k, n in rows.items()])]
    return page("Operators of a graph", INTRO, *blocks)
