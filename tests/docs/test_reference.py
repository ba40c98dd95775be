"""docs/reference says what the code says."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "reference"
PAGES = sorted(path.name for path in FOLDER.iterdir())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the pages in a program of their own: tests enter parts into the registries here."""
    folder = tmp_path_factory.mktemp("reference")
    command = [sys.executable, "-m", "tools.reference", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_is_what_the_code_says(made: Path, name: str) -> None:
    written = (FOLDER / name).read_text(encoding="utf-8")

    assert written == (made / name).read_text(encoding="utf-8"), "stale; run `make reference`"


def test_no_page_of_the_reference_is_missing(made: Path) -> None:
    assert sorted(path.name for path in made.iterdir()) == PAGES, "run `make reference`"
