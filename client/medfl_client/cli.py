"""medfl-client: the hospital's commands."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from medfl_client.audit.cli import app as audit
from medfl_client.commands.plugins import list_plugins
from medfl_client.config.folder import SiteFolder
from medfl_client.console.command import add_console
from medfl_common.errors import ConfigError
from medfl_common.ui.asking import Asking, confirmed, person, typed
from medfl_common.ui.screen import Screen, errors_for_people

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_show_locals=False
)
app.add_typer(audit, name="audit")
add_console(app)
app.command("plugins")(list_plugins)

OutputKind = Literal["dicom-seg", "nifti", "png", "csv", "coco"]
Folder = Annotated[Path, typer.Argument(help="The site's directory, with site.yaml.")]


@app.command()
def init(
    folder: Folder,
    name: Annotated[str, typer.Option(help="This hospital's name, as others may see it.")] = "",
    server: Annotated[str, typer.Option(help="The coordinator's host:port.")] = "",
    ca: Annotated[Path | None, typer.Option(help="The ca.crt that the coordinator sent.")] = None,
) -> None:
    """Make the site file and the identity key, and say what to send to the coordinator."""
    from medfl_client.commands.init import set_up

    with errors_for_people():
        set_up(folder, name, server, ca, Screen().say)


@app.command()
def join(
    invitation: Annotated[Path, typer.Argument(help="The NAME.medfl-invite that came to you.")],
    folder: Folder,
    data: Annotated[str, typer.Option(help="The folder with the DICOM files.")] = "",
    labels: Annotated[str, typer.Option(help="The label file, a CSV.")] = "",
    join_column: Annotated[str, typer.Option(help="Its column that says which image.")] = "",
    label_column: Annotated[str, typer.Option(help="Its column with the label.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take what is found.")] = False,
) -> None:
    """Join a study by an invitation: make the directory and keys, and ask the coordinator."""
    from medfl_client.commands.join import join as take_part
    from medfl_client.first_look.subject import Given

    given = Given(data, labels, join_column, label_column)
    with errors_for_people():
        if not take_part(folder, invitation, given, Asking(Screen(), None if yes else typed)):
            raise typer.Exit(1)


@app.command()
def data(
    folder: Folder,
    images: Annotated[str, typer.Option("--data", help="The folder with the DICOM files.")] = "",
    labels: Annotated[str, typer.Option(help="The label file, a CSV.")] = "",
    join_column: Annotated[str, typer.Option(help="Its column that says which image.")] = "",
    label_column: Annotated[str, typer.Option(help="Its column with the label.")] = "",
    name: Annotated[str, typer.Option(help="This hospital's name, in a new site.yaml.")] = "",
    plan: Annotated[
        Path | None, typer.Option(help="The study plan; default: the one that is in the directory.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take what is found.")] = False,
) -> None:
    """Look at the images and the label file, ask what they mean, and write site.yaml; shown."""
    from medfl_client.commands.describe_data import describe_data
    from medfl_client.first_look.subject import Given

    given = Given(images, labels, join_column, label_column)
    with errors_for_people():
        asking = Asking(Screen(), person(yes, "medfl-client data", typed))
        if not describe_data(folder, name, plan, given, asking):
            raise typer.Exit(1)


@app.command("new-keys")
def new_keys(folder: Folder) -> None:
    """Make new identity keys, for instance after the loss of a machine. Sends nothing."""
    from medfl_client.commands.init import renew_keys

    with errors_for_people():
        renew_keys(folder, Screen().say)


@app.command()
def check(
    folder: Folder,
    plan: Annotated[
        Path | None, typer.Option(help="The study plan; default: plan.yaml in the directory.")
    ] = None,
) -> None:
    """Read the data, train one step, show exactly what a round would send. Sends nothing."""
    from medfl_client.commands.check import check_site

    with errors_for_people():
        chosen = plan or SiteFolder(folder).plan_file
        if plan is None and not chosen.exists():
            raise ConfigError(
                "check needs the study's plan",
                todo="name it with --plan FILE; the coordinator has it",
            )
        check_site(folder, chosen, Screen())


@app.command()
def index(
    folder: Folder,
    plan: Annotated[
        Path | None, typer.Option(help="A study plan; plan.yaml in the directory if it is there.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Decode every sample, not 2,000 evenly over all.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the facts for a script.")] = False,
    share: Annotated[
        Path | None,
        typer.Option(help="Write counts for the coordinator's plan, as the policy allows."),
    ] = None,
) -> None:
    """Say whether the data are ready: a verdict, and a page for the data manager. Sends nothing."""
    from medfl_client.commands.index import survey

    with errors_for_people():
        chosen = plan or (
            SiteFolder(folder).plan_file if SiteFolder(folder).plan_file.exists() else None
        )
        if survey(folder, chosen, every, as_json, share, Screen()) == "block":
            raise typer.Exit(1)


@app.command()
def approve(
    folder: Folder,
    plan: Annotated[
        Path | None,
        typer.Argument(help="The study plan; default: the newest that waits, or plan.yaml."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Show a plan in plain words, and approve it. Without approval a plan does not run here."""
    from medfl_client.commands.approve import approve_plan

    with errors_for_people():
        if not approve_plan(folder, plan, lambda text: yes or confirmed(text), Screen()):
            raise typer.Exit(1)


@app.command()
def budget(
    folder: Folder,
    confirm: Annotated[bool, typer.Option("--set", help="Confirm site.yaml's budget.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Show the privacy budget: what was told of one patient, by which studies, and what is left."""
    from medfl_client.commands.budget import budget

    with errors_for_people():
        if not budget(folder, confirm, lambda text: yes or confirmed(text), Screen()):
            raise typer.Exit(1)


@app.command()
def withdraw(
    folder: Folder,
    plan: Annotated[
        Path | None, typer.Option(help="The plan to leave; needed where more are approved.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Leave all studies of this site.")] = False,
) -> None:
    """Leave the study: send nothing more, and end a running client of this directory."""
    from medfl_client.commands.withdraw import withdraw

    with errors_for_people():
        withdraw(folder, plan, every, Screen())


@app.command()
def explain(
    folder: Folder,
    run: Annotated[
        str, typer.Argument(help="A model: `last`, a run's id, or a folder that holds one.")
    ],
    n: Annotated[int, typer.Option("--n", help="The number of images.", min=3, max=500)] = 20,
) -> None:
    """Show where the model looked in right, wrong, uncertain validation images. Sends nothing."""
    from medfl_client.commands.explain import explain

    with errors_for_people():
        explain(folder, run, n, Screen())


@app.command()
def predict(
    folder: Folder,
    model: Annotated[
        str, typer.Argument(help="A model: `last`, a run's id, or a folder that holds one.")
    ],
    dicom: Annotated[list[Path], typer.Argument(help="DICOM files, or folders of them.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The CSV; of outlines the folder. Default: predictions.csv, or outlines, in the "
            "site's directory."
        ),
    ] = None,
    kind: Annotated[
        OutputKind | None,
        typer.Option(
            "--as",
            help="Of a segmentation the mask files, default: dicom-seg; of a detection csv, its "
            "default, or coco.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Of a detection: boxes from this score on; default: 0.3.", min=0, max=1),
    ] = None,
) -> None:
    """Score DICOM files with a model, or outline or box. Sends nothing; no diagnosis."""
    from medfl_client.commands.predict import predict

    with errors_for_people():
        predict(folder, model, dicom, out, Screen(), kind, threshold)


@app.command()
def look(
    folder: Folder,
    case: Annotated[
        str, typer.Argument(help="A number, path, SOP or series UID; without it all are listed.")
    ] = "",
    plan: Annotated[
        Path | None, typer.Option(help="The study plan; default: plan.yaml. A model has its own.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="A model whose outlines or boxes are shown too: as for predict.")
    ] = "",
    worst: Annotated[
        int, typer.Option(help="So many of the cases in which the model is worst.", min=0)
    ] = 0,
) -> None:
    """Show cases with their outlines, as images in the site's directory. Sends nothing."""
    from medfl_client.commands.look import look as look_at

    with errors_for_people():
        look_at(folder, case, plan, model, worst, Screen())


@app.command()
def doctor(
    folder: Folder,
    plan: Annotated[
        Path | None, typer.Option(help="A study plan; plan.yaml in the directory if it is there.")
    ] = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print them for a script.")] = False,
) -> None:
    """Check all that could stop this site later, and say who must do what. Changes nothing."""
    from medfl_client.doctor.site import examine_site, private_names
    from medfl_common.ops.checks import has_failed, show
    from medfl_common.ops.public import as_json

    with errors_for_people():
        chosen = plan or (
            SiteFolder(folder).plan_file if SiteFolder(folder).plan_file.exists() else None
        )
        found = examine_site(folder, chosen)
        if is_json:
            print(as_json(found, private_names(folder, chosen)))
        else:
            show(found, Screen())
        if has_failed(found):
            raise typer.Exit(1)


@app.command()
def run(
    folder: Folder,
    metrics_port: Annotated[
        int | None, typer.Option(help="Port on 127.0.0.1 for Prometheus.", min=1, max=65535)
    ] = None,
) -> None:
    """Take part in the approved studies until stopped with Ctrl-C."""
    from medfl_client.commands.run import participate

    with errors_for_people():
        participate(folder, Screen(outlived=True), metrics_port)


def main() -> None:
    """Run the command line."""
    app()
