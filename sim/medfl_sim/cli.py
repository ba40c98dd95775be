"""medfl-sim: the researcher's commands."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.screen import Screen, errors_for_people, log_to

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_show_locals=False
)


@app.command()
def phantom(
    folder: Annotated[Path, typer.Argument(help="Where the hospitals' folders are made.")],
    sites: Annotated[int, typer.Option(help="How many hospitals.", min=1)] = 3,
    images: Annotated[
        int, typer.Option(help="Samples at each hospital: pictures, candidates, series.", min=2)
    ] = 200,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.", min=0)] = 0,
    kind: Annotated[
        str, typer.Option(help="chest | mammography | fundus | lung-ct | brain-mr.")
    ] = "chest",
) -> None:
    """Write synthetic hospitals: small DICOM files, labels and a site file for each."""
    from medfl_sim.phantoms import KINDS

    with errors_for_people():
        screen = Screen()
        for site in KINDS.get(kind)(folder, sites, images, seed):
            screen.say(f"wrote {site}: {images} synthetic samples ({kind}), labels.csv, site.yaml")


@app.command()
def run(
    plan: Annotated[Path, typer.Argument(help="The study plan (see configs/).")],
    data: Annotated[Path, typer.Option(help="A folder with a site.yaml, or a folder of such.")],
    partition: Annotated[
        str, typer.Option(help="folder | iid | dirichlet:ALPHA | column:NAME of the labels.")
    ] = "folder",
    sites: Annotated[
        int | None, typer.Option(help="How many hospitals (iid, dirichlet).", min=1)
    ] = None,
    site_file: Annotated[
        Path | None, typer.Option(help="Describes --data in place of its site.yaml.")
    ] = None,
    source: Annotated[
        str, typer.Option("--format", help="What the images are: dicom | pictures | npz | nifti.")
    ] = "dicom",
    out: Annotated[
        Path | None, typer.Option(help="The run directory; runs/... if not given.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="inprocess | processes | ray; the weights do not depend on it.")
    ] = "inprocess",
    workers: Annotated[
        int | None, typer.Option(help="How many, for processes and ray; all cores.", min=1)
    ] = None,
    baselines: Annotated[
        bool, typer.Option(help="Train each hospital alone and all pooled too, and compare.")
    ] = True,
) -> None:
    """Run a study over virtual hospitals on this machine; on an existing --out, go on with it."""
    from medfl_server.model_card import write_model_card
    from medfl_server.report import final_table, write_report
    from medfl_server.study import create_study, open_study
    from medfl_sim.baselines import run_baselines
    from medfl_sim.compare import compare
    from medfl_sim.compare_page import answer, write_comparison
    from medfl_sim.hospitals import virtual_sites
    from medfl_sim.simulation import default_out, run_study
    from medfl_sim.sources import SOURCES

    with errors_for_people():
        screen = Screen()
        folder = out or default_out(plan)
        exists = (folder / "study.json").exists()
        study = open_study(folder) if exists else create_study(folder, plan)
        screen.say(f"run directory {folder}")
        reader = SOURCES.get(source)()
        hospitals = virtual_sites(
            data, study.plan, partition, sites, site_file, screen.watch, reader
        )
        screen.say(f"{len(hospitals)} virtual hospitals: {', '.join(hospitals)}")
        with screen.progress(study.plan.federation.rounds) as follow:
            log_to(folder / "flower.log")
            run_study(study, hospitals, screen.say, follow, engine, workers)
        path = write_report(study)
        card = write_model_card(study)
        screen.table(*final_table(study))
        screen.say(f"report: {path}, model card: {card}")
        if baselines and len(hospitals) > 1:
            run_baselines(study, hospitals, screen.say)
            rows = compare(study, hospitals)
            screen.say(answer(rows[:-1], rows[-1]))
            screen.say(f"did joining help? {write_comparison(study, rows)}")


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where everything of it goes.")],
    plan: Annotated[Path, typer.Option(help="The study plan.")] = Path("configs/phantom.yaml"),
) -> None:
    """Run a coordinator and three synthetic hospitals as real processes, to the report."""
    from medfl_sim.demo import demonstrate

    with errors_for_people():
        demonstrate(folder, plan, Screen())


def main() -> None:
    """Run the command line."""
    app()
