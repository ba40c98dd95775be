import ast
from pathlib import Path

import pytest

from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_common.run.folder import RunFolder

ROOT = Path(__file__).parents[2]
FOLDERS = {"client/medfl_client/config/folder.py", "common/medfl_common/run/folder.py"}


def names_in(kind: type) -> set[str]:
    """List the file names that a folder's properties give."""
    folder = kind(Path("base"))
    properties = [name for name, value in vars(kind).items() if isinstance(value, property)]
    return {getattr(folder, name).name for name in properties}


@pytest.mark.parametrize("package", ["common", "client", "server", "sim"])
def test_each_file_name_of_a_site_or_run_directory_stands_once(package: str) -> None:
    names = names_in(SiteFolder) | names_in(StateFolder) | names_in(RunFolder)
    files = {name for name in names if "." in name} | {"state", "tls", "checkpoints", "proposed"}
    for path in (ROOT / package).rglob("*.py"):
        if path.relative_to(ROOT).as_posix() in FOLDERS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            is_join = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            if is_join and isinstance(node.right, ast.Constant):  # type: ignore[attr-defined]
                assert node.right.value not in files, (path, node.right.value)  # type: ignore[attr-defined]
