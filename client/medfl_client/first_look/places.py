"""Where a hospital's images and labels may be, by the usual names of folders and files."""

from pathlib import Path

from medfl_client.config.folder import home_of
from medfl_client.config.site_template import EXAMPLE
from medfl_common.errors import ConfigError

IMAGES = ("dicom", "images", "data")  # names of folders, the likeliest first
LABELS = ("labels", "label", "annotations")


def likely_images(folder: Path) -> Path:
    """Give the folder that is likeliest to hold the images of a site's directory."""
    bases = dict.fromkeys((folder, home_of(folder), Path()))
    places = [base / name for base in bases for name in IMAGES]
    return next((place for place in places if place.is_dir()), folder / EXAMPLE.folder)


def likely_labels(folder: Path, images: Path) -> Path:
    """Give the CSV that is likeliest to hold the labels; it may be none that is there."""
    for base in dict.fromkeys((folder, images.parent, images, home_of(folder), Path())):
        found = sorted(base.glob("*.csv")) if base.is_dir() else []
        if found:
            return next((path for path in found if path.stem.lower() in LABELS), found[0])
    return folder / EXAMPLE.labels


def given(option: str, said: str) -> Path | None:
    """Give the path of an option, which is relative to where the command is typed."""
    if said and not Path(said).exists():
        raise ConfigError(f"{option} {said} is not there", todo="name another")
    return Path(said) if said else None


def place_of(folder: Path, said: str) -> Path:
    """Give the path of an answer: below the site's directory, else below this one."""
    answer = Path(said).expanduser()
    is_here = not (folder / answer).exists() and answer.exists()
    return answer if is_here else folder / answer


def relative(folder: Path, path: Path) -> str:
    """Write a path as site.yaml has it: relative where it is below the site's directory."""
    whole, base = path.resolve(), folder.resolve()
    return whole.relative_to(base).as_posix() if whole.is_relative_to(base) else str(whole)


def shown(folder: Path, path: Path) -> str:
    """Write a path as a person would answer."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
