"""A finished model kept at its site, for the site's own use."""

from pathlib import Path

import torch

from medfl_client.data.dataset import SiteData
from medfl_client.model_use.box_report import keep_with_boxes
from medfl_client.model_use.kept_models import keep_model, personal_name
from medfl_client.model_use.local_report import local_membership, local_report
from medfl_client.model_use.mask_report import keep_with_masks
from medfl_client.task.site import Site
from medfl_client.training.client_state import ClientState
from medfl_client.training.evaluate import count_scores, score
from medfl_client.training.membership import gains
from medfl_common.files import write_atomic
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.models.network import Network
from medfl_common.models.weights import load_shared
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import TrainTask


def keep_models(
    task: TrainTask,
    model: Network,
    result: TrainResult,
    data: SiteData,
    site: Site,
    client_state: ClientState,
) -> None:
    """Keep the finished model for the site's own use, and its personal one where there is one."""
    assert site.state is not None
    # Test patients choose nothing, and what stays here needs no noise.
    is_exact = task.kind == "evaluate" and task.plan.privacy.noise is None
    scored = result.score_counts if is_exact else None
    _keep_model(site.state, task.run, task, model, scored, data, site.device)
    if personal := client_state.of("personal"):
        load_shared(model, personal)
        _keep_model(site.state, personal_name(task.run), task, model, None, data, site.device)


def _keep_model(
    state: Path,
    name: str,
    task: TrainTask,
    model: Network,
    scored: ScoreCounts | None,
    data: SiteData,
    device: torch.device,
) -> None:
    if task.plan.task.has_masks:
        keep_with_masks(state, name, task.plan, model, data, device)
        return
    if task.plan.task.has_boxes:
        keep_with_boxes(state, name, task.plan, model, data, device)
        return
    logits_and_targets = None
    if len(data.validation):
        trunk = model if data.validation.is_images else model.head
        logits_and_targets = score(trunk, data.validation, task.plan, device)
        scored = scored or count_scores(*logits_and_targets, task.plan)
    folder = keep_model(state, name, task.plan, model, scored)
    if logits_and_targets is not None:
        report = local_report(*logits_and_targets, task.plan)
        found = gains(model, data, task.plan, device)
        report += "" if found is None else local_membership(*found, task.plan)
        write_atomic(folder / "scores.txt", report.encode())
