"""The coordinator's console put together: what can be read and done, by whom."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medfl_common.console.actions import write
from medfl_common.console.app import Console
from medfl_common.console.doors import Doors, Visitor
from medfl_common.console.folder import ConsoleFolder
from medfl_common.console.offered import Args, Page
from medfl_common.errors import MedflError
from medfl_common.files import Json
from medfl_server.console.acts import Acts
from medfl_server.console.long_table import with_rows
from medfl_server.console.pages import Studies
from medfl_server.console.reading import Reading

HERE = Path(__file__).parent
TITLE = "Studies"


def build(folders: Sequence[Path]) -> Console:
    """Make the console of some directories, each a study's or one with studies below."""
    studies = Studies(folders, lambda template, **values: console.render(template, **values))
    acts = Acts(studies)
    reading = Reading(studies, acts)

    def study_page(args: Args, visitor: Visitor) -> dict[str, Any]:
        one = studies.followed(args["study"])
        try:
            state = one.state()
        except (MedflError, OSError):
            state = None
        files = reading.files_of(args["study"])
        return {**args, "state": state, "folder": one.folder, "files": files}

    def note(visitor: Visitor, what: str, facts: Mapping[str, Json]) -> None:
        """Write into the record of the study that it is about."""
        name = str(facts.get("study", ""))
        folder = studies.followed(name).folder if name in studies.names() else folders[0]
        write(ConsoleFolder(folder).actions, visitor, what, facts)

    pages = [
        Page("/", "studies.html.j2", lambda args, visitor: {}, lambda args: studies.live),
        Page(
            "/study/{study}/", "study.html.j2", study_page,
            lambda args: studies.live_of(args["study"]),
        ),
        *reading.pages,
    ]  # fmt: skip
    console = Console(
        TITLE, HERE / "templates", pages, acts.offered, note, Doors(), reading.downloads
    )
    console.environment.filters["with_rows"] = with_rows
    return console


def read_ahead(console: Console) -> None:
    """Begin to read the logs, so that who comes in finds them read."""
    live = console.pages[0].live
    if live is not None:
        threading.Thread(target=live({}).look, daemon=True).start()
