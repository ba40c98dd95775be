"""Each file name of a site or run directory stands once, with what the file is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.reference.directories import COORDINATOR, RUN, SIMULATION, SITE

from medfl_client.config.folder import (
    CacheFolder,
    SiteFolder,
    StateFolder,
    SumFolder,
)
from medfl_client.config.outline_folder import OutlineFolder
from medfl_common.console.folder import ConsoleFolder
from medfl_common.run.folder import RunFolder
from medfl_common.run.paper_folder import PaperFolder
from medfl_common.run.simulation_files import SimulationFiles

ROOT = Path(__file__).parents[2]
KINDS = (
    SiteFolder, StateFolder, CacheFolder, OutlineFolder, SumFolder, RunFolder, SimulationFiles,
    ConsoleFolder, PaperFolder,
)  # fmt: skip
FOLDERS = {
    "client/medfl_client/config/folder.py",
    "client/medfl_client/config/outline_folder.py",
    "common/medfl_common/console/folder.py",
    "common/medfl_common/run/folder.py",
    "common/medfl_common/run/paper_folder.py",
    "common/medfl_common/run/simulation_files.py",
}
# `ca.crt` is a setting's default, too; a public report may show both names.
DEFAULTS = {"ca.crt", "plan.yaml"}


def names_in(kind: type) -> set[str]:
    """List the file names that a folder's properties give."""
    folder = kind(Path("base"))
    return {getattr(folder, name).name for name in properties(kind)}


def properties(kind: type) -> list[str]:
    return [name for name, value in vars(kind).items() if isinstance(value, property)]


def literals(tree: ast.AST) -> Iterator[object]:
    """Give the constants that are no docstring."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Constant) and not isinstance(node, ast.Expr):
                yield child.value


def joined(tree: ast.AST) -> Iterator[object]:
    """Give the constants that are joined to a path."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            yield from literals(node)


@pytest.mark.parametrize("package", ["common", "client", "server", "sim"])
def test_each_file_name_of_a_site_or_run_directory_stands_once(package: str) -> None:
    names = set[str]().union(*map(names_in, KINDS))
    files = {name for name in names if "." in name} - DEFAULTS
    for path in (ROOT / package).rglob("*.py"):
        where = path.relative_to(ROOT).as_posix()
        if where in FOLDERS:
            continue
        tree = ast.parse(path.read_text())
        assert not files.intersection(literals(tree)), path
        if where != "common/medfl_common/files.py":  # it locks any folder
            assert not names.intersection(joined(tree)), path


def test_each_file_name_is_said_to_be_something() -> None:
    for kind in KINDS:
        for name in properties(kind):
            assert (vars(kind)[name].__doc__ or "").endswith("."), name


def test_each_file_name_is_in_the_reference() -> None:
    paths = [*RUN, *COORDINATOR, *SIMULATION, *SITE]
    told = {part for path in paths for part in path.split("/")}

    assert set[str]().union(*map(names_in, KINDS)) <= told
