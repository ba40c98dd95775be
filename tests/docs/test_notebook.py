"""The notebook runs from its first cell to its last."""

import json
from pathlib import Path

import pytest
from tests.conftest import ROOT

NOTEBOOK = ROOT / "notebooks" / "does-joining-help.ipynb"


@pytest.mark.slow
def test_every_cell_of_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    names: dict[str, object] = {}

    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), names)

    assert not any(cell.get("outputs") for cell in cells)
    assert (tmp_path / "notebook-run" / "uneven" / "compare.html").exists()
