"""medfl-client audit: what left this hospital, and whether its ledger is whole."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_client.config.folder import SiteFolder
from medfl_common.ui.screen import Screen, errors_for_people

app = typer.Typer(no_args_is_help=True, help="What left this hospital, and can it be trusted?")

Folder = Annotated[Path, typer.Argument(help="The site's directory, with site.yaml.")]


@app.command()
def verify(folder: Folder) -> None:
    """Check ledger, approvals and questions; exit with 1 and name the first changed line."""
    from medfl_client.audit.verify import verify

    with errors_for_people():
        verify(folder, Screen())


@app.command()
def show(
    folder: Folder,
    run: Annotated[str, typer.Option(help="`last`, or the first letters of a run's id.")] = "",
) -> None:
    """List every message that left: what, how much, to whom, by which decision."""
    from medfl_client.audit.records import show

    with errors_for_people():
        show(folder, run, Screen())


@app.command()
def export(
    folder: Folder, out: Annotated[Path, typer.Option(help="The CSV file to write.")]
) -> None:
    """Write the ledger as CSV, safe to open in a spreadsheet."""
    from medfl_client.audit.records import export

    with errors_for_people():
        n_lines = export(folder, out)
        Screen().say(f"wrote {out}: {n_lines} messages")


@app.command()
def page(folder: Folder) -> None:
    """Write audit.html into the site's directory: messages, policy, approvals, ledger check."""
    from medfl_client.audit.page import write_audit

    with errors_for_people():
        path = SiteFolder(folder).audit
        write_audit(folder, path)
        Screen().say(f"the page stays here: {path}")
