"""medfl-sim: the researcher's commands."""

from pathlib import Path
from typing import Annotated

import typer

from medfl_common.registry import file_names
from medfl_common.ui.screen import Screen, errors_for_people
from medfl_sim.graphs.cli import graph
from medfl_sim.graphs.cli_parts import graph_loss, graph_step
from medfl_sim.runs.cli import Figures, Import, compare, ls, score, show, size

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_show_locals=False
)

PlanFile = Annotated[Path, typer.Argument(help="The study plan (see configs/).")]
Data = Annotated[Path, typer.Option(help="A folder with a site.yaml, or a folder of such.")]
HOW = (
    f"{' | '.join(['folder', *file_names('medfl_sim.data.partitioners')])}; with its first setting "
    "as in dirichlet:0.3, with more as KIND:key=value,key=value."
)
Dealt = Annotated[str | None, typer.Option("--partition", help=HOW)]
NSites = Annotated[
    int | None,
    typer.Option("--sites", help="The number of hospitals, if the data do not decide it."),
]
ScenarioFile = Annotated[
    Path | None,
    typer.Option("--scenario", help="A YAML file with partition, scanner shift and faults."),
]
SiteFile = Annotated[Path | None, typer.Option(help="Describes --data in place of its site.yaml.")]
Format = Annotated[
    str,
    typer.Option(
        "--format", help=f"What the images are: {' | '.join(file_names('medfl_sim.data.sources'))}."
    ),
]
EngineName = Annotated[
    str,
    typer.Option(
        help=f"{' | '.join(file_names('medfl_sim.engine.engines'))}; "
        "the weights do not depend on it."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(help="Number of workers, for processes and ray; default: all cores.", min=1),
]
PartitionSeed = Annotated[
    int | None,
    typer.Option(help="Draws the hospitals; default: the plan's seed.", min=0),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE of the plan, in place of its own; repeatable."),
]
Cache = Annotated[
    Path | None,
    typer.Option(help="The folder for decoded images; default: medfl-cache beside the runs."),
]
Baselines = Annotated[
    bool, typer.Option(help="Also train each hospital alone and all pooled, and compare.")
]
Vary = Annotated[
    list[str] | None,
    typer.Option(
        help="KEY=VALUE,VALUE of the plan, partition.KEY, partition_seed, scenario=FILE,FILE or "
        "data=FOLDER,FOLDER below --data; with --search also KEY=LOW..HIGH or KEY=LOW..HIGH:log; "
        "repeatable."
    ),
]
Reference = Annotated[
    list[str] | None,
    typer.Option(
        help="KEY=VALUE with which the other values of KEY are compared; default: the first; "
        "repeatable."
    ),
]
Search = Annotated[
    int | None,
    typer.Option(help="Try so many settings by Optuna, not every combination.", min=1),
]
CrossSite = Annotated[
    bool, typer.Option("--cross-site", help="Also score every model at every hospital.")
]
LeaveOneOut = Annotated[
    bool,
    typer.Option(
        "--leave-one-out", help="Also make a federation without each hospital, and score it there."
    ),
]
Folds = Annotated[
    int | None,
    typer.Option("--folds", help="Also test every patient once, in so many studies.", min=2),
]


@app.command()
def phantom(
    folder: Annotated[Path, typer.Argument(help="The folder for the hospitals' folders.")],
    sites: Annotated[int, typer.Option(help="The number of hospitals.", min=1)] = 3,
    images: Annotated[
        int, typer.Option(help="Samples at each hospital: images, candidates, series.", min=2)
    ] = 200,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.", min=0)] = 0,
    kind: Annotated[
        str,
        typer.Option(
            help="chest | mammography | fundus | lung-ct | brain-mr | organ-ct | lung-fields | "
            "chest-nodules | lesion-ct."
        ),
    ] = "chest",
) -> None:
    """Write synthetic hospitals: small DICOM files, their labels and a site file for each."""
    from medfl_sim.data.phantoms import KINDS

    with errors_for_people():
        screen = Screen()
        for site in KINDS.get(kind)(folder, sites, images, seed):
            screen.say(f"wrote {site}: {images} synthetic samples ({kind}), labels, site.yaml")


@app.command()
def run(
    plan: PlanFile,
    data: Data,
    changes: Set = None,
    partition: Dealt = None,
    sites: NSites = None,
    partition_seed: PartitionSeed = None,
    scenario: ScenarioFile = None,
    site_file: SiteFile = None,
    source: Format = "dicom",
    out: Annotated[Path | None, typer.Option(help="The run directory; default: runs/...")] = None,
    engine: EngineName = "inprocess",
    workers: Workers = None,
    baselines: Baselines = True,
    log_to: Annotated[
        list[str] | None, typer.Option(help="Also send the log to: tensorboard, mlflow.")
    ] = None,
    cache: Cache = None,
    cross_site: CrossSite = False,
    leave_one_out: LeaveOneOut = False,
    folds: Folds = None,
    own: Import = None,
) -> None:
    """Run a study over virtual hospitals on this machine; resume an existing --out."""
    from medfl_server.reports.sections.result import final_table
    from medfl_sim.data.scenario import choose_scenario
    from medfl_sim.engine.simulation import default_out
    from medfl_sim.own.scripts import import_scripts
    from medfl_sim.runs.changed_plan import plan_with
    from medfl_sim.runs.compare import read_comparison
    from medfl_sim.runs.compare_page import answer
    from medfl_sim.runs.further import Further
    from medfl_sim.runs.job import CACHE, Job, data_of, do

    with errors_for_people():
        screen = Screen()
        import_scripts(own or [])
        chosen = choose_scenario(scenario, partition, sites, partition_seed)
        out = out or default_out(plan)
        with plan_with(plan, changes or []) as changed:
            data, source = data_of(data, source, changed, cache or out.parent / CACHE)
            job = Job(changed, data, chosen, site_file, source, engine, workers, baselines,
                      tuple(log_to or ()), cache,
                      Further(cross_site, leave_one_out, folds))  # fmt: skip
            study = do(job, out, screen.say, screen.watch, screen.progress)
        screen.table(*final_table(study))
        if rows := read_comparison(study.folder):
            screen.say(answer(rows[:-1], rows[-1]))


@app.command()
def sweep(
    plan: PlanFile,
    data: Data,
    vary: Vary = None,
    reference: Reference = None,
    search: Search = None,
    seeds: Annotated[int, typer.Option(help="The number of seeds of each combination.", min=1)] = 3,
    figures: Figures = None,
    changes: Set = None,
    partition: Dealt = None,
    sites: NSites = None,
    partition_seed: PartitionSeed = None,
    scenario: ScenarioFile = None,
    site_file: SiteFile = None,
    source: Format = "dicom",
    out: Annotated[
        Path | None, typer.Option(help="The sweep's folder; default: sweeps/PLAN.")
    ] = None,
    runner: Annotated[str, typer.Option(help="What makes the runs: cores | ray.")] = "cores",
    workers: Annotated[
        int | None, typer.Option(help="Runs at a time; default: all cores.", min=1)
    ] = None,
    baselines: Baselines = False,
    cache: Cache = None,
    own: Import = None,
) -> None:
    """Run every combination of some settings with several seeds; start it again to resume."""
    from medfl_sim.data.scenario import choose_scenario
    from medfl_sim.own.scripts import import_scripts
    from medfl_sim.runs.changed_plan import plan_with
    from medfl_sim.runs.job import CACHE, Job, data_of
    from medfl_sim.sweeps.order import Order, make_sweep

    with errors_for_people():
        import_scripts(own or [])
    with errors_for_people(), plan_with(plan, changes or []) as changed:
        screen, folder = Screen(), out or Path("sweeps") / plan.stem
        data, source = data_of(data, source, changed, cache or folder / CACHE)
        chosen = choose_scenario(scenario, partition, sites, partition_seed)
        job = Job(changed, data, chosen, site_file, source, baselines=baselines, cache=cache)
        order = Order(tuple(vary or ()), tuple(reference or ()), seeds, search, figures, runner,
                      workers)  # fmt: skip
        make_sweep(job, order, folder, screen.say, screen.watch)


@app.command()
def partition(
    plan: PlanFile,
    data: Data,
    partition: Dealt = None,
    sites: NSites = None,
    partition_seed: PartitionSeed = None,
    scenario: ScenarioFile = None,
    site_file: SiteFile = None,
    source: Format = "dicom",
    out: Annotated[Path, typer.Option(help="The folder for partition.html and .csv.")] = Path(),
    cache: Cache = None,
) -> None:
    """Partition the data and draw the partition, without training."""
    from medfl_common.plan.plan import load_plan
    from medfl_server.reports.sections.data import in_words
    from medfl_sim.data.only_read import refuse_in_data
    from medfl_sim.data.partition_page import write_partition
    from medfl_sim.data.scenario import choose_scenario
    from medfl_sim.runs.job import CACHE, Job

    with errors_for_people():
        screen = Screen()
        study = load_plan(plan)
        chosen = choose_scenario(scenario, partition, sites, partition_seed)
        job = Job(plan, data, chosen, site_file, source, cache=cache)
        refuse_in_data(data, out, cache or out)
        hospitals, read = job.hospitals(study, out / CACHE, screen.watch)
        for line in in_words(read):
            screen.say(line)
        screen.say(f"{len(hospitals)} hospitals: {write_partition(out, hospitals, study, read)}")


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="The folder for all its files.")],
    plan: Annotated[Path, typer.Option(help="The study plan.")] = Path("configs/phantom.yaml"),
) -> None:
    """Run a coordinator and three synthetic hospitals as real processes, to the report."""
    from medfl_sim.local.demo import demonstrate

    with errors_for_people():
        demonstrate(folder, plan, Screen())


for command in (ls, show, compare, score, size, graph, graph_loss, graph_step):
    app.command()(command)


def main() -> None:
    """Run the command line."""
    app()
