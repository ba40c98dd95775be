"""medfl-server: the coordinator's commands."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.run.folder import RunFolder
from medfl_common.ui.asking import confirmed
from medfl_common.ui.screen import Screen, errors_for_people
from medfl_server.commands import going_on
from medfl_server.commands.dossier import dossier
from medfl_server.commands.init import init
from medfl_server.commands.models import models
from medfl_server.commands.paper import paper
from medfl_server.commands.plan import plan as write_plan
from medfl_server.commands.roster import roster
from medfl_server.commands.score import score
from medfl_server.commands.suggest_plan import suggest_plan
from medfl_server.console.command import add_console
from medfl_server.roster.roles import Role
from medfl_server.study.run_directory import open_study

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_show_locals=False
)

Folder = Annotated[Path, typer.Argument(help="The study's directory.")]
Port = Annotated[int, typer.Option(help="Port for the hospitals.", min=1, max=65535)]
Bind = Annotated[str, typer.Option(help="Address to listen on.")]
MetricsPort = Annotated[
    int | None, typer.Option(help="Port on 127.0.0.1 for Prometheus.", min=1, max=65535)
]


app.command()(init)


@app.command()
def privacy(
    plan: Annotated[Path, typer.Argument(help="The study plan, with privacy.noise.")],
    hospitals: Annotated[int, typer.Option(help="Hospitals that score at the end.", min=1)] = 5,
    held_out: Annotated[int, typer.Option(help="Held-out patients at each of them.", min=2)] = 200,
    write: Annotated[bool, typer.Option("--write", help="Write the multiplier there.")] = False,
) -> None:
    """Compute a plan's noise, and say what it promises and what it costs. Sends nothing."""
    from medfl_server.commands.privacy import compute_noise
    from medfl_server.planning.noise_figures import Hospitals

    with errors_for_people():
        compute_noise(plan, Hospitals(hospitals, held_out), write, Screen())


@app.command()
def invite(
    folder: Folder,
    name: Annotated[str, typer.Argument(help="The hospital's name in this study.")],
    days: Annotated[int, typer.Option(help="The invitation ends after so many.", min=1)] = 14,
    address: Annotated[
        str, typer.Option(help="HOST:PORT for hospitals; default: the certificate's host, 8443.")
    ] = "",
    auto_admit: Annotated[
        bool, typer.Option("--auto-admit", help="Enrol who comes with it, without `admit`.")
    ] = False,
    role: Annotated[
        Role, typer.Option(help="evaluate: it trains nothing, and only scores models.")
    ] = "train",
    out: Annotated[
        Path | None, typer.Option(help="The file; default: NAME.medfl-invite here.")
    ] = None,
) -> None:
    """Write an invitation: one file, with which one hospital joins the study by itself."""
    from medfl_server.steering.invitation import invite as write

    with errors_for_people():
        Screen().say_all(write(folder, name, out, days, address, auto_admit, role))


@app.command()
def admit(
    folder: Folder,
    name: Annotated[
        str, typer.Argument(help="The hospital that asks to join; default: list them all.")
    ] = "",
    images: Annotated[
        int | None,
        typer.Option(
            help="The most images it trains on; the coordinator does not admit more.", min=1
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="The hospital has made new keys; revoke the old ones.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Enrol a hospital that asks to join by its invitation; without NAME, list invitations."""
    from medfl_server.commands.admit import admit_site, list_invitations

    with errors_for_people():
        study, screen = open_study(folder), Screen()
        if not name:
            list_invitations(study, screen)
        elif not admit_site(folder, name, images, replace, None if yes else confirmed, screen):
            raise typer.Exit(1)


@app.command()
def enrol(
    folder: Folder,
    name: Annotated[str, typer.Argument(help="The hospital's name in this study.")],
    key: Annotated[Path, typer.Argument(help="The identity.pub that the hospital sent.")],
    images: Annotated[
        int | None,
        typer.Option(
            help="The most images it trains on; the coordinator does not admit more.", min=1
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="The hospital has made new keys; revoke the old ones.")
    ] = False,
    role: Annotated[
        Role, typer.Option(help="evaluate: it trains nothing, and only scores models.")
    ] = "train",
) -> None:
    """Admit a hospital by its public keys, from the next round on."""
    from medfl_server.roster.enrolment import text_of
    from medfl_server.steering import hospitals

    with errors_for_people():
        open_study(folder)
        keys = text_of(key)
        Screen().say_all(hospitals.enrol(folder, name, keys, images, replace, role))


@app.command()
def revoke(
    folder: Folder,
    name: Annotated[str, typer.Argument(help="The hospital's name in this study.")],
) -> None:
    """Remove a hospital at once: its keys and its invitation; its earlier updates stay."""
    from medfl_server.steering import hospitals

    with errors_for_people():
        Screen().say_all(hospitals.revoke(folder, name))


app.command()(roster)


@app.command()
def renew(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Another name or address; default: as before.")] = "",
) -> None:
    """Make a new server certificate; hospitals need nothing new. Then start `run` again."""
    from medfl_server.roster import certificates
    from medfl_server.study.coordinator import is_coordinator

    with errors_for_people():
        if not is_coordinator(folder):
            open_study(folder)
        ends = certificates.renew(folder, host)
        Screen().say(f"the server's certificate is valid until {ends:%Y-%m-%d}; start run again")


@app.command()
def run(
    folder: Folder,
    port: Port = 8443,
    bind: Bind = "0.0.0.0",  # noqa: S104
    metrics_port: MetricsPort = None,
) -> None:
    """Run a study, or all below a directory, or go on. Ends with final models and reports."""
    from medfl_server.commands.run import run_and_report

    with errors_for_people():
        run_and_report(folder, bind, port, metrics_port)


@app.command()
def resume(
    folder: Folder,
    port: Port = 8443,
    bind: Bind = "0.0.0.0",  # noqa: S104
    metrics_port: MetricsPort = None,
    no_run: Annotated[bool, typer.Option("--no-run", help="A service runs the study.")] = False,
) -> None:
    """Run a study that `pause` has paused; else the same as `run`."""
    from medfl_server.commands.run import run_and_report
    from medfl_server.steering.course import resume as end_pause

    with errors_for_people():
        said, goes_on = end_pause(folder)
        Screen().say_all(said)
        if not (no_run or goes_on):
            run_and_report(folder, bind, port, metrics_port)


for command in (
    going_on.pause, going_on.stop, going_on.extend, going_on.amend, going_on.branch,
    going_on.without, score,
):  # fmt: skip
    app.command()(command)


@app.command()
def doctor(
    folder: Folder,
    port: Port = 8443,
    is_json: Annotated[bool, typer.Option("--json", help="Print the findings for a script.")] = (
        False
    ),
) -> None:
    """Check all that could stop the study later, and say who must do what. Changes nothing."""
    from medfl_common.ops.checks import has_failed, show
    from medfl_common.ops.public import as_json
    from medfl_server.doctor.study import examine_several, examine_study, private_names
    from medfl_server.study.coordinator import is_coordinator

    with errors_for_people():
        examine = examine_several if is_coordinator(folder) else examine_study
        found = examine(folder, port)
        if is_json:
            print(as_json(found, private_names(folder)))
        else:
            show(found, Screen())
        if has_failed(found):
            raise typer.Exit(1)


@app.command()
def report(folder: Folder) -> None:
    """Write report.html from the run log."""
    from medfl_server.commands.run import report_study

    with errors_for_people():
        report_study(open_study(folder), Screen())


@app.command()
def export(
    folder: Folder,
    onnx: Annotated[bool, typer.Option("--onnx", help="Also write model.onnx.")] = False,
    pt2: Annotated[
        bool, typer.Option("--pt2", help="Also write model.pt2, for your own use: see the guide.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="The folder; default: `export` in the study's directory.")
    ] = None,
    round_: Annotated[
        int | None,
        typer.Option("--round", help="The model of a kept round, not the final one.", min=0),
    ] = None,
) -> None:
    """Write the final model for other programs, with its preprocessing, checked against torch."""
    from medfl_server.export.model import export as write
    from medfl_server.export.model import write_round

    with errors_for_people():
        screen, source = Screen(), folder
        out = out or RunFolder(folder).export
        if round_ is not None:
            source = out = out / f"round-{round_:04d}"
            write_round(folder, round_, out)
        for line in write(source, out, onnx, pt2):
            screen.say(line)


for last in (models, suggest_plan, dossier, paper):
    app.command()(last)
app.command("plan")(write_plan)
add_console(app)


def main() -> None:
    """Run the command line."""
    app()
