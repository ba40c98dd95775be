"""A table that is sent whole while it is short, and each row as a part of its own from then on."""

from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

from markupsafe import Markup

MOST_WHOLE = 20  # rows up to which a table is sent whole
Frame = Callable[[Sequence[str]], str]


class LongTable:
    """The parts of one table.

    Args:
        name: Of its part; its template gives its rows the ids row-0, row-1, ...
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._n_rows = 0  # single rows that a page may show

    def parts(self, cells: Sequence[str], is_long: bool, frame: Frame) -> dict[str, str]:
        """Give the parts; a table that was long stays in rows.

        Args:
            cells: The content of each row that is shown.
            is_long: Whether there are more than MOST_WHOLE, shown or not.
            frame: Draws the table around rows.
        """
        if not is_long and not self._n_rows:
            return {self._name: frame([Markup(one) for one in cells])}  # noqa: S704
        self._n_rows = max(self._n_rows, len(cells))
        padded = [*cells, *[""] * (self._n_rows - len(cells))]
        around = frame([""] * self._n_rows)
        # A row that is sent with a new frame has to be new, too.
        of = f"<!-- {crc32(around.encode())} -->"
        return {self._name: around} | {f"row-{i}": f"{html}{of}" for i, html in enumerate(padded)}


def with_rows(parts: Mapping[str, str], name: str) -> Markup:
    """Give a table whole, for a page that is opened."""
    whole = "".join(parts[name])  # a str, whose `replace` escapes nothing
    for row, html in parts.items():
        if row.startswith("row-"):
            whole = whole.replace(f'<tr id="{row}"></tr>', f'<tr id="{row}">{"".join(html)}</tr>')
    return Markup(whole)  # noqa: S704
