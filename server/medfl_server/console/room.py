"""The coordinator's console put together: what can be read and done, by whom."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medfl_common.console.app import Console
from medfl_common.console.doors import Doors, Visitor
from medfl_common.console.offered import Args, Note, Page
from medfl_common.errors import MedflError
from medfl_server.console.pages import Studies, with_rows

HERE = Path(__file__).parent
TITLE = "Studies"


def build(folders: Sequence[Path], doors: Doors, note: Note, is_tls: bool = False) -> Console:
    """Make the console of some directories.

    Args:
        folders: Each a study's directory, or one with studies below.
        doors: Who is in.
        note: Writes a line of the record of actions.
        is_tls: Whether pages are served by TLS.
    """
    studies = Studies(folders, lambda template, **values: console.render(template, **values))

    def study_page(args: Args, visitor: Visitor) -> dict[str, Any]:
        one = studies.followed(args["study"])
        try:
            plan = one.state().plan
        except (MedflError, OSError):
            plan = None
        names = studies.names()
        return {"study": args["study"], "plan": plan, "names": names, "folder": one.folder}

    pages = [
        Page(
            "/",
            "studies.html.j2",
            lambda args, visitor: {"names": studies.names()},
            lambda args: studies.live,
        ),
        Page(
            "/study/{study}/",
            "study.html.j2",
            study_page,
            lambda args: studies.live_of(args["study"]),
        ),
    ]
    console = Console(TITLE, HERE / "templates", pages, [], note, doors, is_tls=is_tls)
    console.environment.filters["with_rows"] = with_rows
    return console
