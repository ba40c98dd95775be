"""`medfl-server roster`: the enrolled hospitals, and whose fingerprint somebody has compared."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.errors import ConfigError
from medfl_common.ui.screen import Screen, errors_for_people

HEAD = (
    "hospital",
    "fingerprint of its keys",
    "compared by telephone",
    "role",
    "images, at most",
    "its ledger's last line",
)


def roster(
    folder: Annotated[Path, typer.Argument(help="The study's directory.")],
    compared: Annotated[
        str, typer.Option(help="The hospital whose fingerprint was compared by telephone.")
    ] = "",
    by: Annotated[str, typer.Option(help="Who compared it; default: who types this.")] = "",
) -> None:
    """List the enrolled hospitals with the fingerprints to compare by telephone."""
    from medfl_server.roster.study_key import study_fingerprint
    from medfl_server.steering.hospitals import compare
    from medfl_server.study.run_directory import open_study

    with errors_for_people():
        open_study(folder)
        screen = Screen()
        if by and not compared:
            raise ConfigError(
                "--by says who compared a fingerprint, and nothing says whose",
                todo="name the hospital: --compared NAME",
            )
        if compared:
            screen.say_all(compare(folder, compared, by))
            return
        screen.table(HEAD, _rows(folder))
        if shown := study_fingerprint(folder):
            screen.say(f"fingerprint of the study key, as hospitals see it: {shown}")


def _rows(folder: Path) -> list[list[str]]:
    from medfl_server.roster.comparisons import read_comparisons
    from medfl_server.roster.enrolment import read_roster
    from medfl_server.roster.ledgers import in_words, read_ledgers

    heard, noted = read_ledgers(folder), read_comparisons(folder)
    return [
        [
            name,
            site.fingerprint,
            noted[name].in_words if name in noted else "not yet",
            site.role,
            f"{site.max_images:,}" if site.max_images else "not limited",
            in_words(heard.get(name)),
        ]
        for name, site in read_roster(folder).items()
    ]
