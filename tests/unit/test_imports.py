"""What is slow to import is imported where it is used, so that help is there at once."""

import ast
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

SLOW = {
    "captum", "matplotlib", "mlflow", "onnx", "onnxruntime", "onnxscript", "ray", "scipy",
    "sklearn", "tensorboard", "torchvision",
}  # fmt: skip


def imported_at_once(path: Path) -> set[str]:
    """Give the packages that a file imports outside its functions and `if TYPE_CHECKING`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_no_file_imports_a_slow_package_before_it_is_used() -> None:
    for folder in ("common", "client", "server", "sim", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not imported_at_once(path) & SLOW, path


def test_no_command_line_imports_torch_or_flower_before_a_command_runs() -> None:
    lines = "".join(f"import medfl_{side}.cli\n" for side in ("client", "server", "sim"))
    asked = f"{lines}import sys\nprint(*{{'torch', 'flwr'}} & set(sys.modules))"

    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert said.stdout == "\n"
