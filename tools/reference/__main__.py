"""Write every page into docs/reference, or into the folder that is named."""

import sys
from pathlib import Path

from tools.reference.pages import PAGES

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def write(folder: Path) -> None:
    """Write all pages; a file that is none is removed."""
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")
    for path in folder.iterdir():
        if path.name not in PAGES:
            path.unlink()


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
