"""In a folder that is a list of parts, each file is a part; what parts share begins with _."""

import ast
from pathlib import Path

import pytest
from tests.conftest import ROOT

# A network's own room too: what all models are made of has names without _.
ROOM = {
    "adapters", "brought", "freeze", "graph", "input_scale", "network", "norms", "settled",
    "weights",
}  # fmt: skip


def folders() -> list[Path]:
    """Give the folder of each package that is named to a Registry."""
    found = set()
    for package in ("common", "client", "server", "sim"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Registry":
                    _, name = map(ast.literal_eval, node.args)
                    found.add(ROOT / package / name.replace(".", "/"))
    return sorted(folder for folder in found if folder.is_dir())  # a module has others' parts


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_each_file_registers_a_part_or_begins_with_an_underscore(folder: Path) -> None:
    files = {path for path in folder.glob("*.py") if not path.name.startswith("_")}
    parts = {path for path in files if "register(" in path.read_text()}

    others = {path.stem for path in files - parts}

    assert parts
    assert others == (ROOM if folder.name == "models" else set())
