"""The Python interface: what the commands do, for notebooks and scripts.

from medfl_sim import simulate

run = simulate("plan.yaml", "hospitals", partition="dirichlet:0.3", sites=5)
run.scores["all sites"]["auc"]
"""

import html
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from safetensors.torch import load_file
from torch import nn

from medfl_common.models import build_model
from medfl_common.models.network import Network
from medfl_common.models.weights import load_shared
from medfl_common.parts.metrics import Counted
from medfl_common.run.model_file import WEIGHTS
from medfl_server.reports.scores import ALL, score_sites
from medfl_server.reports.sections.shared import main_score, second_score
from medfl_server.study.run_directory import Study, open_study
from medfl_sim.data.scenario import choose_scenario
from medfl_sim.engine.simulation import IN_PROCESS, default_out
from medfl_sim.graphs.make import GraphFiles, make_graph
from medfl_sim.own.samples import Samples
from medfl_sim.own.use import use
from medfl_sim.runs.compare import Row, read_comparison
from medfl_sim.runs.directories import curve, scored_events
from medfl_sim.runs.frame import to_pandas
from medfl_sim.runs.further import NOTHING, Further
from medfl_sim.runs.job import CACHE, Job, data_of, do

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Counted", "Further", "Run", "Samples", "graph", "open_run", "simulate", "use"]


@dataclass(frozen=True)
class Run:
    """A run directory, to read."""

    folder: Path

    @property
    def study(self) -> Study:
        """Return the run's plan and log."""
        return open_study(self.folder)

    @property
    def scores(self) -> dict[str, dict[str, float | None]]:
        """Return the newest scores by site, and over `all sites`: n, loss, accuracy, auc, ...

        Empty before the first scores. A site whose policy withholds scores is absent.
        """
        events = scored_events(self.study.log)
        if not events:
            return {}
        return {
            site: {"n": scored.n, "loss": scored.loss, **scored.values}
            for site, scored in score_sites(events[-1], self.study.plan).items()
        }

    def curve(self, value: str = "", site: str = ALL) -> tuple[list[float], list[float]]:
        """Return (rounds made, `value` of the model after them) at a site, or over all.

        Without `value` it is the AUC, a segmentation's Dice, or a detection's FROC.
        """
        return curve(self.study, value, site)

    def to_pandas(self) -> "DataFrame":
        """Return the run as a data frame, a line for each round, site and metric.

        Its columns: round, site, part (of the site's patients), metric, value, n (images). A score
        stands at the round after which the model has it, a figure of training at its own round.
        """
        return to_pandas(self.study)

    @property
    def comparison(self) -> list[Row]:
        """Return each hospital's comparison, the last row over all; empty without baselines."""
        return read_comparison(self.folder)

    def model(self) -> Network:
        """Return the final model, in eval mode; inputs are (N, C, [D,] S, S) float32."""
        model = build_model(self.study.plan)
        load_shared(model, load_file(self.folder / WEIGHTS))
        return model.eval()

    def _repr_html_(self) -> str:
        """Show the scores as a table in a notebook."""
        plan = self.study.plan
        names = ["n", main_score(plan)[0], second_score(plan)[0], "loss"]
        rows = "".join(
            f"<tr><th>{html.escape(site)}</th>"
            + "".join(f"<td>{_shown(values[name])}</td>" for name in names)
            + "</tr>"
            for site, values in self.scores.items()
        )
        header = "".join(f"<th>{name}</th>" for name in ["site", *names])
        return f"<p>{html.escape(str(self.folder))}</p><table><tr>{header}</tr>{rows}</table>"


def open_run(folder: Path | str) -> Run:
    """Open a run directory; raises RunError if there is none."""
    open_study(Path(folder))
    return Run(Path(folder))


def simulate(
    plan: Path | str | Mapping[str, Any],
    data: Path | str | Samples,
    *,
    partition: str | None = None,
    sites: int | None = None,
    partition_seed: int | None = None,
    scenario: Path | str | Mapping[str, Any] | None = None,
    site_file: Path | str | None = None,
    source: str = "dicom",
    out: Path | str | None = None,
    engine: str = IN_PROCESS,
    workers: int | None = None,
    baselines: bool = True,
    log_to: Sequence[str] = (),
    cache: Path | str | None = None,
    further: Further = NOTHING,
    say: Callable[[str], None] = print,
) -> Run:
    """Run a study over virtual hospitals, or resume one; the same as `medfl-sim run`.

    Raises MedflError, which says what is wrong and what to do.

    Args:
        plan: A plan file, or its settings.
        data: A folder with a site.yaml, or a folder of such; or own images, as Samples.
        partition: The partition, as on the command line; without it, a site per folder.
        sites: The number of hospitals, if the partition needs it.
        partition_seed: Draws the hospitals; the plan's seed if not given.
        scenario: A scenario file, or its settings: partition, shift, faults.
        site_file: Describes `data` in place of its site.yaml.
        source: What the images are: dicom, pictures, npz, nifti.
        out: The run directory; runs/... if not given. An existing one is resumed.
        engine: inprocess, processes or ray.
        workers: The number of workers, for processes and ray.
        baselines: Train each hospital alone and all pooled too.
        log_to: tensorboard, mlflow.
        cache: The folder for decoded images; medfl-cache beside the run directory if not given.
        further: Other hospitals and other splits: Further(cross_site=True, n_folds=5).
        say: Takes one line per event.
    """
    given = Path(scenario) if isinstance(scenario, str) else scenario
    chosen = choose_scenario(given, partition, sites, partition_seed)
    with tempfile.TemporaryDirectory() as scratch:
        plan_file = _plan_file(plan, Path(scratch))
        folder = _path(out) or default_out(plan_file)
        here, source = data_of(data, source, plan_file, _path(cache) or folder.parent / CACHE)
        job = Job(plan_file, here, chosen, _path(site_file), source, engine, workers,
                  baselines, tuple(log_to), _path(cache), further)  # fmt: skip
        return Run(do(job, folder, say).folder)


def graph(
    network: nn.Module,
    image: Sequence[int],
    out: Path | str,
    *,
    whole: bool = False,
    norm: str = "group",
    say: Callable[[str], None] = print,
) -> GraphFiles:
    """Write a network as data for a plan; the same as `medfl-sim graph`.

    Returns the two files; `model` of them is the plan's section. Raises MedflError, which says what
    is wrong and what to do.

    Args:
        network: (B, *image) float32 -> (B, outputs), or (B, outputs, [D,] H, W).
        image: The shape of one image: channels, [depth,] height, width.
        out: The graph's file, such as my_net.json; the weights lie beside it as .safetensors.
        whole: Keep the last layer in the graph; else medfl's head takes its place.
        norm: `group` replaces batch norms; `batch` keeps them, and their statistics at each site.
        say: Takes one line per event.
    """
    return make_graph(network, image, Path(out), whole, norm, say)


def _path(given: Path | str | None) -> Path | None:
    return None if given is None else Path(given)


def _plan_file(plan: Path | str | Mapping[str, Any], scratch: Path) -> Path:
    if not isinstance(plan, Mapping):
        return Path(plan)
    _bring(plan, scratch)
    path = scratch / f"{plan.get('study', 'study')}.yaml"
    path.write_text(yaml.safe_dump(dict(plan), sort_keys=False), encoding="utf-8")
    return path


def _bring(plan: Mapping[str, Any], folder: Path) -> None:
    """Copy the files that a plan without a file names, relative to the working folder."""
    model = plan.get("model")
    weights = model.get("weights") if isinstance(model, Mapping) else None
    for one in (model, weights):
        name = one.get("file") if isinstance(one, Mapping) else None
        if not isinstance(name, str) or {"..", "/"} & {*Path(name).parts}:
            continue
        if Path(name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(name, folder / name)


def _shown(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4g}"
