import re

from medfl_common.ui.page import COLOURS, Section, Table, line_plot, render


def test_ten_lines_have_ten_looks() -> None:
    names = [f"site-{i}" for i in range(10)]

    svg = line_plot({name: ([0, 1], [0, 1]) for name in names}, "x", "y", names)

    shapes = dict(re.findall(r'<path id="(\w+)" d="(.*?)"', svg, re.DOTALL))
    marks = re.findall(r'<use xlink:href="#(\w+)".*?fill: (#\w+)', svg)
    coloured = [mark for mark in marks if mark[1].upper() in COLOURS]
    assert len({(shapes[shape], colour) for shape, colour in coloured}) == 10


def test_a_page_escapes_its_texts_and_a_picture_its_labels() -> None:
    evil = "</text><script>x</script>"
    image = line_plot({evil: ([0, 1], [0, 1])}, evil, evil, [evil])
    section = Section(evil, [evil], [image], [Table([evil], [[evil]], evil)], evil)

    page = render(evil, evil, evil, [section], "0")

    assert "<script>" not in page
    assert "&lt;script&gt;" in image


def test_a_legend_names_a_line_whose_name_begins_with_an_underscore() -> None:
    svg = line_plot({"_b": ([0, 1], [0, 1]), "c": ([0, 1], [0, 1])}, "x", "y", ["_b", "c"])

    assert {"_b", "c"} <= {*re.findall(r"<text[^>]*>([^<]*)</text>", svg)}
