"""One simulation from a plan to its pages, for the command line, sweeps and notebooks."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from medfl_client.data.ingest import Watch
from medfl_client.task.site import Site
from medfl_common.errors import RunError
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.events import DataRead, Event
from medfl_common.run.folder import RunFolder
from medfl_common.ui.screen import log_to
from medfl_server.reports.model_card import write_model_card
from medfl_server.reports.primary import verdict
from medfl_server.reports.report import write_report
from medfl_server.reports.sections.data import in_words
from medfl_server.rounds.progress import Follow, Progress
from medfl_server.study.plan_check import plan_notes
from medfl_server.study.run_directory import Study, create_study, open_study
from medfl_server.superlink.transport import Announce
from medfl_sim.data.fold import Fold
from medfl_sim.data.hospitals import Hospitals, read_hospitals
from medfl_sim.data.only_read import refuse_in_data
from medfl_sim.data.partition_page import write_partition
from medfl_sim.data.scenario import Scenario, keep_scenario, read_faults
from medfl_sim.data.sources import SOURCES
from medfl_sim.engine.simulation import IN_PROCESS, run_study, silent
from medfl_sim.own.samples import Samples
from medfl_sim.own.use import data_named
from medfl_sim.runs.baselines import run_baselines
from medfl_sim.runs.compare import Row, compare
from medfl_sim.runs.compare_boxes import compare_boxes
from medfl_sim.runs.compare_masks import compare_masks
from medfl_sim.runs.compare_page import write_comparison
from medfl_sim.runs.further import NOTHING, Further, Reading, answer_further, refuse_unfit
from medfl_sim.runs.inner_runs import Way, members
from medfl_sim.runs.primary import compare_primary, refuse_undecided
from medfl_sim.runs.sinks import feeding

CACHE = "medfl-cache"  # beside the run directories, if no other place is named

# Shows the progress of a study of so many rounds while the context is open.
Bar = Callable[[int], AbstractContextManager[Follow]]


@dataclass(frozen=True)
class Job:
    """What to simulate.

    plan: the plan file; data: a folder with a site.yaml, or of such folders; source: what the
    images are, a file in medfl_sim/data/sources; engine: a file in medfl_sim/engine/engines;
    sinks: files in medfl_sim/runs/sinks, which take the log too; cache: the folder for decoded
    images and the key of the pseudonyms, so that nothing is written into `data`; further:
    what to answer beyond the study.
    """

    plan: Path
    data: Path
    scenario: Scenario = field(default_factory=Scenario)
    site_file: Path | None = None
    source: str = "dicom"
    engine: str = IN_PROCESS
    n_workers: int | None = None
    baselines: bool = True
    sinks: tuple[str, ...] = ()
    cache: Path | None = None
    further: Further = NOTHING

    def hospitals(
        self, plan: Plan, cache: Path, watch: Watch | None = None, fold: Fold | None = None
    ) -> Hospitals:
        """Read the data and partition them; `cache` is taken if the job names none."""
        reader = SOURCES.get(self.source)()
        cache = self.cache or cache
        return read_hospitals(
            self.data, plan, self.scenario, self.site_file, watch, reader, cache, fold
        )

    def reading(self, plan: Plan, cache: Path) -> Reading:
        """Say how to read the hospitals again, with the scenario's faults and without."""
        true = replace(self, scenario=self.scenario.model_copy(update={"faults": []}))
        return Reading(
            lambda fold: self.hospitals(plan, cache, fold=fold).sites,
            lambda fold: true.hospitals(plan, cache, fold=fold).sites,
        )


def data_of(data: Path | str | Samples, source: str, plan: Path, cache: Path) -> tuple[Path, str]:
    """Give folder and format of the data: a folder, or own data, written once into the cache.

    Own data are given, or named as a script named them.
    """
    own = data if isinstance(data, Samples) else data_named(str(data))
    if isinstance(data, Path | str) and (own is None or Path(data).exists()):
        return Path(data), source
    assert own is not None
    return own.write(load_plan(plan), cache.resolve())


def no_bar(n_rounds: int) -> AbstractContextManager[Follow]:
    """Show nothing."""
    return nullcontext(lambda progress: None)


def do(
    job: Job,
    folder: Path,
    say: Announce = silent,
    watch: Watch | None = None,
    bar: Bar = no_bar,
) -> Study:
    """Do a job in a run directory, or resume it; repeat nothing that is finished.

    Args:
        job: What to simulate.
        folder: The run directory.
        say: Takes one line per event.
        watch: Follows long work, such as decoding.
        bar: Follows the rounds.
    """
    refuse_in_data(job.data, folder, job.cache or folder.parent / CACHE)
    study = _opened(job, folder)
    keep_scenario(folder, job.scenario)
    say(f"run directory {folder}")
    hospitals, read = job.hospitals(study.plan, folder.parent / CACHE, watch)
    joined, way = members(hospitals), Way(job.engine, job.n_workers, read_faults(job.scenario))
    reading = job.reading(study.plan, folder.parent / CACHE)
    refuse_unfit(job.further, study, reading, len(joined), job.baselines)
    refuse_undecided(study.plan, len(joined), job.baselines)
    _note_data(study, read)
    page = write_partition(folder, hospitals, study.plan, read)
    for line in [*plan_notes(study.plan), *in_words(read)]:
        say(line)
    say(f"{len(hospitals)} virtual hospitals: {page}")
    with bar(study.plan.federation.rounds) as follow, feeding(study, job.sinks) as feed:
        log_to(RunFolder(folder).flower_log)

        def follow_and_feed(progress: Progress) -> None:
            follow(progress)
            if not progress.part:
                feed()

        run_study(study, hospitals, say, follow_and_feed, job.engine, job.n_workers, way.faults)
    say(f"report: {write_report(study)}, model card: {write_model_card(study)}")
    if job.baselines and len(joined) > 1:
        _compare(study, hospitals, say)
    if study.plan.evaluation.primary:
        say(verdict(study.log.read(Event), study.plan).sentence)
    answer_further(job.further, study, reading, way, say)
    return study


def _opened(job: Job, folder: Path) -> Study:
    """Make the run directory, or open it; RunError where it is of another plan."""
    exists = RunFolder(folder).facts.exists()
    study = open_study(folder) if exists else create_study(folder, job.plan)
    if load_plan(job.plan) != study.plan:
        raise RunError(
            f"{folder} has another plan than {job.plan.name} with the settings given",
            todo=f"give that one to resume ({RunFolder(folder).plan_file}), or another --out",
        )
    return study


def _compare(study: Study, hospitals: Mapping[str, Site], say: Announce) -> None:
    """Train the baselines, and write what they say of the study."""
    joined = members(hospitals)
    run_baselines(study, joined, say)
    say(f"did joining help? {write_comparison(study, _rows(study, joined))}")
    if compare_primary(study, hospitals) is not None:
        write_report(study)
        write_model_card(study)


def _rows(study: Study, joined: Mapping[str, Site]) -> list[Row]:
    kinds = {"segmentation": compare_masks, "detection": compare_boxes}
    return kinds.get(study.plan.task.type, compare)(study, joined)


def _note_data(study: Study, read: DataRead) -> None:
    """Write into the log what was read; raise RunError where a run began with other data."""
    if not study.log.read(Event):
        study.log.add(read)
    for begun in study.log.read(DataRead)[:1]:
        if _amounts(begun) != _amounts(read):
            raise RunError(
                f"{study.folder} began with other data: {'; '.join(in_words(begun))}",
                todo="give the data as they were, or another --out",
                data=f"now there are: {'; '.join(in_words(read))}",
            )


def _amounts(read: DataRead) -> dict[str, int]:
    return {name: source.n_images for name, source in read.sources.items()}
