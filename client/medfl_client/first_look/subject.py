"""What the questions are about, and what was said before the first of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medfl_client.config.site_file import DataFiles
from medfl_client.first_look.images import SeenImages
from medfl_common.plan.plan import Plan

Look = Callable[[DataFiles], SeenImages]  # reads the headers of a folder


@dataclass(frozen=True)
class Given:
    """What was said on the command line; empty: it is to be found or asked."""

    data: str = ""
    labels: str = ""
    join_column: str = ""
    label_column: str = ""


@dataclass(frozen=True)
class Subject:
    """A site's directory, what is known of it, and how its images are looked at.

    folder: To which answers are made relative.
    known: What site.yaml says already; it is proposed again, and what is not asked stays.
    plan: Of the study; None: there is none yet.
    secret: The key of the pseudonyms.
    look: Reads the headers; None: nobody looks at the images, and nothing need be right yet.
    """

    folder: Path
    known: DataFiles | None = None
    plan: Plan | None = None
    secret: bytes = b""
    look: Look | None = None

    @property
    def values(self) -> dict[str, str]:
        """Give what site.yaml says of words already."""
        return self.known.values if self.known is not None else {}
