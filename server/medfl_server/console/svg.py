"""Curves and strips as SVG without a style of their own: the page's policy allows none.

The looks are classes of `console.css`. A curve costs as many operations as it has points.
"""

from collections.abc import Callable, Iterable, Sequence
from html import escape

from medfl_server.console.thinned import ALL, Curves, Quantiles, Thinned

W, H, LEFT, RIGHT, TOP, BOTTOM = 560, 250, 48, 12, 10, 38
N_LOOKS = 6  # of lines, by colour and dash
STEPS = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 2500, 5000)
SHAPES = {  # drawn as a thick line, an outline, a small outline, a cross; from {left} or {middle}
    "in": "M{middle} 2v16", "unused": "M{left} 2h5v16h-5z", "out": "M{left} 13h5v5h-5z",
    "bad": "M{left} 6l5 10m0-10l-5 10",
}  # fmt: skip
WIDTH, FEWEST = 7, 8  # of a round in a strip; rounds that a strip has room for at the least
At = Callable[[float], float]


def curve_svg(
    curves: Curves, n_rounds: int, title: str, low: float | None, high: float | None
) -> str:
    """Draw one score over rounds; empty without a point.

    Args:
        curves: The score.
        n_rounds: Of the plan: the end of the x axis.
        title: The score's name.
        low: The y axis begins there or below; None: at the lowest value.
        high: It ends there or above; None: at the highest value.
    """
    values = [y for _, y in curves.all.points] + _of_sites(curves)
    if not values:
        return ""
    lowest = min(values) if low is None else min(low, *values)
    highest = max(values) if high is None else max(high, *values)
    highest = highest if highest - lowest > 1e-9 else lowest + 1
    newest = curves.all.newest or (0, 0.0)
    last = max(n_rounds, newest[0], 1)

    def x_at(x: float) -> float:
        return LEFT + (W - LEFT - RIGHT) * x / last

    def y_at(y: float) -> float:
        return TOP + (H - TOP - BOTTOM) * (1 - (y - lowest) / (highest - lowest))

    parts = [*_axes(x_at, y_at, last, lowest, highest)]
    if curves.is_many:
        parts += [
            _band(curves.quantiles.points, x_at, y_at, 0, "out"),
            _band(curves.quantiles.points, x_at, y_at, 1, "in"),
        ]
    else:
        parts += [
            _line(line, x_at, y_at, f"l{i % N_LOOKS}", _said(curves, line, name, name))
            for i, (name, line) in enumerate(curves.sites.items())
        ]
    if curves.all.newest is not None:
        all_together = _said(curves, curves.all, ALL, "all together")
        parts.append(_line(curves.all, x_at, y_at, "bold", all_together))
    label = escape(in_words(curves, title))
    return f'<svg viewBox="0 0 {W} {H}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def in_words(curves: Curves, title: str) -> str:
    """Say what a curve shows."""
    points = curves.all.points
    if not points:
        return f"{title} of single hospitals over rounds"
    (begin, first), (end, last) = points[0], points[-1]
    before, now = (curves.written(value, ALL) for value in (first, last))
    ends = f"{before} after round {begin}, {now} after round {end}"
    return f"{title} of all hospitals together: {ends}"


def _of_sites(curves: Curves) -> list[float]:
    if curves.is_many:
        return [y for _, told in curves.quantiles.points for y in (told[0], told[-1])]
    return [y for line in curves.sites.values() for _, y in line.points]


def _axes(x_at: At, y_at: At, last: int, lowest: float, highest: float) -> Iterable[str]:
    for i in range(5):
        value = lowest + (highest - lowest) * i / 4
        y = y_at(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{W - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>'
    step = next((one for one in STEPS if one >= last / 7), last)
    for x in range(0, last + 1, step):
        yield f'<text x="{x_at(x):.1f}" y="{H - BOTTOM + 17}" text-anchor="middle">{x}</text>'
    yield f'<text x="{(W + LEFT) / 2:.0f}" y="{H - 4}" text-anchor="middle">rounds made</text>'


def _said(curves: Curves, line: Thinned[float], name: str, called: str) -> str:
    x, y = line.points[-1]
    return f"{called}: {curves.written(y, name)} after round {x}"


def _line(line: Thinned[float], x_at: At, y_at: At, look: str, said: str) -> str:
    points = line.points
    x, y = points[-1]
    path = "L".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in points)
    return (
        f'<g class="line {look}"><title>{escape(said)}</title>'
        f'<path d="M{path}"/><circle cx="{x_at(x):.1f}" cy="{y_at(y):.1f}" r="3.2"/></g>'
    )


def _band(points: Sequence[tuple[int, Quantiles]], x_at: At, y_at: At, edge: int, look: str) -> str:
    """Fill between the quantiles at `edge` from below and from above."""
    above = [f"{x_at(x):.0f},{y_at(told[-1 - edge]):.0f}" for x, told in points]
    below = [f"{x_at(x):.0f},{y_at(told[edge]):.0f}" for x, told in reversed(points)]
    return f'<path class="band {look}" d="M{"L".join(above + below)}Z"/>'


def strip_svg(rounds: Sequence[str]) -> str:
    """Draw a hospital's last rounds, the newest at the right: one path for each kind."""
    n = max(FEWEST, len(rounds))
    paths: dict[str, list[str]] = {}
    for i, kind in enumerate(rounds, n - len(rounds)):
        at = {"left": i * WIDTH + 1, "middle": i * WIDTH + 4}
        paths.setdefault(kind, []).append(SHAPES[kind].format(**at))
    drawn = "".join(f'<path class="{kind}" d="{"".join(path)}"/>' for kind, path in paths.items())
    n_in, n_bad = (len(paths.get(kind, ())) for kind in ("in", "bad"))
    said = f"in {n_in} of the last {len(rounds)} rounds"
    said += f", refused in {n_bad}" if n_bad else ""
    return (
        f'<svg class="strip" width="{n * WIDTH}" height="20" viewBox="0 0 {n * WIDTH} 20" '
        f'role="img" aria-label="{said}"><title>{said}</title>{drawn}</svg>'
    )


def sample_svg(look: str) -> str:
    """Draw a piece of a line, for the legend."""
    return (
        '<svg class="sample" width="26" height="12" viewBox="0 0 26 12" aria-hidden="true">'
        f'<g class="line {look}"><path d="M0 6L26 6"/></g></svg>'
    )
