"""What a spreadsheet does to keys and labels: digits lost, dates made of numbers."""

import re
from collections.abc import Callable, Iterable, Mapping

from medfl_client.config.site_file import DataFiles
from medfl_common.errors import DataError

SCIENTIFIC = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE]\+\d+")
MONTHS = "jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
DATES = (
    re.compile(rf"\d{{1,2}}[-. /]+(?:{MONTHS})[a-zé]*\.?", re.IGNORECASE),  # 2-Jan, 02. Mär
    re.compile(rf"(?:{MONTHS})[a-zé]*[-. /]+\d{{2,4}}", re.IGNORECASE),  # Jan-02
    re.compile(r"\d{1,2}[./]\d{1,2}[./]\d{4}(?: 0{1,2}:00(?::00)?)?"),  # 02.01.2026
    re.compile(r"\d{4}-\d{2}-\d{2} 00:00:00"),
)
AS_TEXT = "format the column as text, enter the values again from their source, and export again"
MOST_ROWS, MOST_DIGITS = 500, 16  # looked at for a hint


def refuse_damage(cells: Mapping[str, str], data: DataFiles, where: str) -> None:
    """Raise DataError for a key that lost its digits, and for a key or label that is a date."""
    for column in filter(None, (data.join_column, data.patient_column)):
        if SCIENTIFIC.fullmatch(cells[column]):
            raise DataError(
                f"{where} has {cells[column]} as {column}: a spreadsheet shortened a long number, "
                "and its digits are lost",
                todo=AS_TEXT,
            )
    for column in filter(None, (data.join_column, data.label_column)):
        word = cells[column]
        if word not in data.values and any(date.fullmatch(word) for date in DATES):
            raise DataError(
                f"{where} has {word!r} as {column}: a spreadsheet made a date of something like "
                "1-2",
                todo=f"{AS_TEXT}; or map it under data.values in site.yaml",
            )


def hint_of_join(
    rows: Iterable[Mapping[str, str]],
    data: DataFiles,
    key_of: Callable[[str, str], str],
    known: Mapping[str, set[str]],
) -> str:
    """Say how the labels join the images, where they do not as the site file has it.

    Args:
        rows: Cells by column.
        data: The site's.
        key_of: Turns (join, text) into what the index has.
        known: What the images have, by join.
    """
    some = [cells for cells, _ in zip(rows, range(MOST_ROWS), strict=False)]
    if not some:
        return ""
    ids = {column: [cells[column] for cells in some if cells[column]] for column in some[0]}

    def n_known(join: str, texts: Iterable[str]) -> int:
        return sum(key_of(join, text) in known[join] for text in texts)

    own = n_known(data.join, ids[data.join_column])
    found = {(join, column): n_known(join, ids[column]) for join in known for column in ids}
    join, column = max(found, key=lambda way: (found[way], way == (data.join, data.join_column)))
    if found[join, column] > own:
        why = "holds their values"
        if _without_zeros(ids[column]) == _without_zeros(ids[data.join_column]):
            why = f"is {data.join_column} with its leading zeros"
        line = f"join: {join} and " * (join != data.join) + f"join_column: {column}"
        return f"the column {column} {why}: write {line} below data: in site.yaml"
    numbers = [text for text in ids[data.join_column] if text.isdigit()]
    for width in range(2, MOST_DIGITS + 1):
        if n_known(data.join, (text.zfill(width) for text in numbers)) > own:
            return (
                f"{data.join_column} lost its leading zeros: the images' {data.join} have {width} "
                f"digits; {AS_TEXT}"
            )
    if n_known(data.join, _without_zeros(numbers)) > own:
        return f"{data.join_column} has leading zeros, the images' {data.join} have none: drop them"
    if data.join == "path" and not own and known["path"] and ids[data.join_column]:
        return (
            f"{data.join_column} says {ids[data.join_column][0]!r}, and a file here is called "
            f"{min(known['path'])!r}: write paths as they are below data.folder, with / and the "
            "file's own ending"
        )
    return ""


def _without_zeros(texts: Iterable[str]) -> list[str]:
    return [text.lstrip("0") for text in texts]
