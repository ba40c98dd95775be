import re

from medfl_server.console.svg import curve_svg, strip_svg
from medfl_server.console.thinned import MOST_POINTS, Curves, Thinned, quantiles


def test_a_curve_of_many_rounds_keeps_few_points_over_all_of_them_and_the_newest() -> None:
    line: Thinned[float] = Thinned()

    for x in range(10_000):
        line.add(x, x / 2)

    assert len(line.points) <= MOST_POINTS
    assert line.points[0] == (0, 0.0)
    assert line.points[-1] == (9_999, 4_999.5)
    gaps = {b[0] - a[0] for a, b in zip(line.points[:-2], line.points[1:-1], strict=True)}
    assert gaps == {32}


def test_quantiles_are_values_of_hospitals() -> None:
    assert quantiles([0.5, 0.1, 0.4, 0.2, 0.3]) == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert quantiles([0.7]) == (0.7,) * 5


def test_up_to_eight_hospitals_have_a_line_each_and_nine_have_a_band() -> None:
    curves = Curves()
    values = {f"site-{i}": (60 + i) / 100 for i in range(8)}

    curves.add(0, 0.6, values)
    curves.add(1, 0.7, values)
    few = curve_svg(curves, 10, "AUC", 0.5, 1.0)
    curves.add(2, 0.8, {**values, "site-8": 0.5})
    many = curve_svg(curves, 10, "AUC", 0.5, 1.0)

    assert (few.count('class="line l'), few.count("band")) == (8, 0)
    assert (many.count('class="line l'), many.count('class="band')) == (0, 2)
    assert curves.quantiles.points[0][1] == (0.6, 0.62, 0.64, 0.65, 0.67)


def test_a_curve_says_in_words_what_it_shows_and_styles_nothing() -> None:
    curves = Curves()
    curves.add(0, 0.5, {"<b>": 0.5})
    curves.add(4, 0.75, {"<b>": 0.75})

    drawn = curve_svg(curves, 4, "AUC", 0.5, 1.0)

    assert "AUC of all hospitals together: 0.500 after round 0, 0.750 after round 4" in drawn
    assert "style" not in drawn
    assert "<b>" not in drawn
    path = re.search(r'bold">.*?<path d="M([^"]+)"', drawn)
    assert path is not None
    # From the left edge at the lowest line to the right edge, halfway up: (10 + 212) / 2.
    assert path[1] == "48.0,212.0L548.0,111.0"


def test_a_strip_has_a_path_for_each_kind_of_round_and_says_it() -> None:
    drawn = strip_svg(["in", "in", "out", "bad"])

    assert drawn.count("<path") == 3
    assert 'aria-label="in 2 of the last 4 rounds, refused in 1"' in drawn
    assert 'class="in" d="M32 2v16M39 2v16"' in drawn
