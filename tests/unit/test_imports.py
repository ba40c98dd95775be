"""What is slow to import is imported where it is used, so that help is there at once."""

import ast
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

from medfl_sim.local.deployment import command

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


def test_no_program_that_medfl_starts_imports_from_the_current_directory(tmp_path: Path) -> None:
    for name in ("torch", "flwr", "dl", "yaml", "medfl_client", "medfl_common", "json"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w').close(); raise SystemExit(7)")

    for side in ("server", "client", "sim"):
        subprocess.run([*command(side), "--help"], cwd=tmp_path, check=True, capture_output=True)

    assert not (tmp_path / "imported").exists()
    for folder in ("common", "client", "server", "sim"):
        for path in (ROOT / folder).rglob("*.py"):
            for found in re.finditer(r"\[\s*sys\.executable,\s*(\S+)", path.read_text()):
                assert found.group(1) == '"-P",', path
