"""Markdown that a plain reader shows: headings, paragraphs, tables."""

import inspect
import re
from collections.abc import Sequence

NOTICE = "<!-- `make reference` writes this page from the code; change the code, not the page. -->"


def page(title: str, intro: str, *blocks: str) -> str:
    """Join the parts of one page."""
    return "\n\n".join([NOTICE, f"# {title}", intro, *blocks]).rstrip() + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows; a column without any text is left out."""
    full = [i for i in range(len(header)) if any(row[i] for row in rows)]
    lines = [[header[i] for i in full], ["---"] * len(full)]
    lines += [[cell(row[i]) for i in full] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(text: str) -> str:
    """Put a text on one line; a bar would begin another cell."""
    return " ".join(text.split()).replace("|", r"\|")


def code(text: object) -> str:
    """Show a text as code."""
    return f"`{text}`"


def anchor(heading: str) -> str:
    """Give the address of a heading on its page, as GitHub and mkdocs make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def words_of(thing: object) -> str:
    """Give a docstring, all of it."""
    return inspect.getdoc(thing) or ""


def first_words(thing: object) -> str:
    """Give the first paragraph of a docstring."""
    return words_of(thing).split("\n\n")[0].replace("\n", " ")
