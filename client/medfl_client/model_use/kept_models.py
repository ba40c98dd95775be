"""The models that a site scored last: it may use them without asking anyone."""

from pathlib import Path

from medfl_client.config.folder import StateFolder
from medfl_common.errors import ConfigError
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.models.network import PARTS, Network
from medfl_common.models.weights import Weights, shared_weights
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import WEIGHTS, read_scores, save_model

LAST = "last"
PERSONAL = "personal-"  # before the run's id: the site's own model beside the study's


def personal_name(run: str) -> str:
    """Name the site's own model of a study."""
    return PERSONAL + run


def keep_model(
    state: Path, run: str, plan: Plan, model: Network, scored: ScoreCounts | None
) -> Path:
    """Keep a study's model as it is now, with its calibration on the site's own images."""
    weights: Weights = {}
    for part in PARTS:
        weights |= shared_weights(model, part)
    folder = StateFolder(state).models / run
    save_model(folder, plan, weights, read_scores(scored, plan, 1))
    return folder


def find_model(site: Path, name: str) -> Path:
    """Find a model by its folder, by the beginning of its name, or as `last`."""
    if (Path(name) / WEIGHTS).exists():
        return Path(name)
    kept = [path.parent for path in StateFolder.of(site).models.glob(f"*/{WEIGHTS}")]
    kept.sort(key=lambda path: (path / WEIGHTS).stat().st_mtime)
    common = [path for path in kept if not path.name.startswith(PERSONAL)]
    found = common[-1:] if name == LAST else [path for path in kept if path.name.startswith(name)]
    if len(found) != 1:
        known = ", ".join(path.name[: len(path.name) - 24] for path in kept) or "none yet"
        raise ConfigError(
            f"{name!r} is no folder with a model and {'no' if not found else 'more than one'} run "
            f"kept here; kept: {known}",
            todo="wait for a study's final scoring: it keeps the model, or name a folder",
        )
    return found[0]
