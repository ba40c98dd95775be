"""The self-test of an update before it leaves (policy P22): off, tell, or stop."""

import torch

from medfl_client.config.folder import StateFolder
from medfl_client.data.dataset import SiteData
from medfl_client.egress import ledger
from medfl_client.egress.held_back import held_back
from medfl_client.egress.self_test import Reading, read
from medfl_client.task.site import Site
from medfl_client.training.dense_inputs import dense_inputs
from medfl_common.files import Json
from medfl_common.models.network import Network
from medfl_common.models.weights import load_shared
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import TrainTask

EVERY = 10  # rounds after the first; one that could be read is tried again where it stops


def try_to_read(
    task: TrainTask, model: Network, data: SiteData, result: TrainResult, site: Site
) -> str:
    """Try to read an image out of an update; say what can be read, empty if nothing.

    Raises DisclosureError where the policy stops such an update, noise apart. The model holds the
    task's weights afterwards. A virtual hospital has nobody to tell, and tries nothing.
    """
    mode, update = site.policy.self_test, result.update
    if site.state is None or update is None or mode == "off" or not _is_due(task, site):
        return ""
    load_shared(model, task.weights)
    with torch.no_grad():
        found = read(update, dense_inputs(model, update, data, task.plan, site.device))
    path = StateFolder(site.state).self_tests
    ledger.append(path, {"run": task.run, "round": task.round, **_facts(found)})
    if found is None or not found.n_found:
        return ""
    if mode == "stop" and task.plan.privacy.noise is None:  # there a refusal would tell of data
        raise held_back(in_words(found), "self_test")
    return in_words(found)


def in_words(found: Reading) -> str:
    """Say what can be read, and how well."""
    n = found.n_found
    what = f"a picture of yours can be read out of this update ({n} in all)"
    if not found.is_picture:
        images = "1 image" if n == 1 else f"{n} images"
        what = (
            f"the features of {images} of yours can be read out of this update, and from them a "
            "rough picture"
        )
    return f"{what} (correlation {found.correlation:.4f}, layer {found.layer})"


def _is_due(task: TrainTask, site: Site) -> bool:
    """Say whether the run was not tried here for ten rounds; a round again is tried again."""
    assert site.state is not None
    lines = ledger.newest_first(StateFolder(site.state).self_tests)
    newest = next((line for line in lines if line["run"] == task.run), None)
    if newest is None or (site.policy.self_test == "stop" and newest["found"]):
        return True
    return not 0 < task.round - int(str(newest["round"])) < EVERY


def _facts(found: Reading | None) -> dict[str, Json]:
    if found is None:
        return {"layer": "", "found": 0}
    return {
        "layer": found.layer,
        "found": found.n_found,
        "is_picture": found.is_picture,
        "correlation": round(found.correlation, 6),
        "others": round(found.others, 6),
    }
