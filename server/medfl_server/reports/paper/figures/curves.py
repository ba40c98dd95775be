"""The score and the loss of the common model, round by round."""

from collections.abc import Iterator
from functools import partial

from medfl_common.run.events import Asked, ModelScored
from medfl_common.ui.page import line_figure
from medfl_server.reports.line_scores import curves
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.figures.drawing import Drawing, rows_of
from medfl_server.reports.scores import ALL
from medfl_server.reports.sections.shared import main_score

CAPTION = (
    "{what} of the common model on the validation part, before the first round and after every "
    "round, at each site and over all."
)
MOST_SITES = 8  # lines that a figure shows apart


def curve_drawings(facts: Facts) -> Iterator[Drawing]:
    """Draw both, where sites share scores of rounds."""
    last: list[Asked] = [*facts.of_kind(ModelScored)]
    if not last and facts.finished:
        last = [facts.finished]
    in_order: list[Asked] = [*facts.rounds, *last]
    name, word = main_score(facts.plan)
    for key, what in (("loss", "Loss"), (name, word)):
        lines = curves(in_order, key)
        if len(lines) > MOST_SITES:
            lines = {ALL: lines[ALL]}
        if not lines or max(len(x) for x, _ in lines.values()) < 2:
            continue
        names = [*(site for site in facts.sites if site in lines), ALL]
        label = f"{what.lower() if key == 'loss' else word} on the validation part"
        draw = partial(line_figure, lines, "rounds made", label, names, ALL)
        header = ["site", "rounds_made", key]
        yield Drawing(f"curve-{key}", CAPTION.format(what=what), draw, header, rows_of(lines))
