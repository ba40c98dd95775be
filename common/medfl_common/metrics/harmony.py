"""What a hospital may hand to a coordinator before there is a plan: counts of its data, in a file.

Only counts of a smallest cell and more stand in it. The hospital writes, reads and sends it itself.
"""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medfl_common.errors import ConfigError
from medfl_common.metrics.site_statistics import SIDES
from medfl_common.plan.bounds import check_size
from medfl_common.plan.settings import Name, Settings, check
from medfl_common.plan.strict_json import parse_json

Count = Annotated[int, Field(ge=0, lt=2**40)]
Word = Annotated[str, Field(min_length=1, max_length=64)]
Counts = Annotated[dict[Word, Count], Field(max_length=64)]


class Harmony(Settings):
    """One hospital's images, in numbers."""

    harmony: Literal[1]
    """The version of this format."""
    site: Name
    """The hospital's name."""
    images: Count
    """Images that can be used."""
    patients: Count
    """Patients whom they are of."""
    series: Count
    """Series that they belong to."""
    labels: Counts
    """Images with each label, as the hospital writes it."""
    modality: Counts
    """Images of each modality."""
    plane: Counts
    """Images in each plane."""
    sides: list[Count] = Field(min_length=len(SIDES), max_length=len(SIDES))
    """Images by their longer side, in medfl's bands."""


def read_harmony(path: Path) -> Harmony:
    """Read a hospital's file; raises ConfigError for what is none."""
    try:
        check_size(path.stat().st_size, str(path))
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(
            f"{path} cannot be read", todo="name a file that `medfl-client index --share` wrote"
        ) from None
    return check(Harmony, parse_json(text, str(path)), str(path))


def harmony_text(counts: Harmony) -> str:
    """Write the file's text."""
    return json.dumps(counts.model_dump(), indent=1, ensure_ascii=False) + "\n"
