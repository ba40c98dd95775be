"""SECURITY.md names a test for each requirement; the names are those of tests that are there."""

import ast
import re
from pathlib import Path

from tests.conftest import ROOT

TODO = "(TODO)"


def rows() -> list[list[str]]:
    """Give the cells of the rows below the last heading of SECURITY.md."""
    text = (ROOT / "SECURITY.md").read_text().split("\n## Requirement, place, test\n")[1]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_requirement_has_a_test_that_is_there() -> None:
    found = rows()

    assert len(found) > 40
    for requirement, _, cell in found:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", cell)
        assert named or TODO in cell, f"no test for: {requirement}"
        for path, name in named if TODO not in cell else ():
            assert (ROOT / path).exists(), f"{path}, named for: {requirement}"
            assert name in names_in(ROOT / path), f"{path}::{name}, named for: {requirement}"


def test_every_place_that_is_named_is_there() -> None:
    for requirement, place, cell in rows():
        for path in re.findall(r"`(\w+)/([\w/.]+)`", place) if TODO not in cell else ():
            package = path[0].removeprefix("medfl_")
            folder = ROOT / package / path[0] if path[0].startswith("medfl_") else ROOT / path[0]
            assert (folder / path[1]).exists(), f"{'/'.join(path)}, named for: {requirement}"
