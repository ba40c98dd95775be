"""A file is read at one sitting, a function at one glance."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

FOLDERS = ("common", "client", "server", "sim", "tests", "tools", "benchmarks")
MOST_OF_FILE, MOST_OF_FUNCTION = 300, 50  # lines, docstrings among them


def files() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob("*.py")


def test_no_file_is_above_300_lines() -> None:
    long = {path: n for path in files() if (n := len(path.read_text().splitlines())) > MOST_OF_FILE}

    assert not long


def test_no_function_is_above_50_lines() -> None:
    long = {
        f"{path}:{node.lineno} {node.name}"
        for path in files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MOST_OF_FUNCTION
    }

    assert not long
