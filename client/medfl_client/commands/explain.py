"""`medfl-client explain`: where the model looked, on a page that stays at the hospital."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from medfl_client.config.folder import SiteFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.data.dataset import Examples
from medfl_client.data.ingest import collect
from medfl_client.data.reasons import file_rows
from medfl_client.data.site_data import own_data
from medfl_client.egress.network_rules import allow_kept
from medfl_client.model_use.kept_models import find_model
from medfl_client.model_use.saliency import grad_cam
from medfl_client.task.session import use_threads
from medfl_client.task.site import choose_device
from medfl_client.training.evaluate import score
from medfl_client.training.losses import log_odds
from medfl_common import __version__
from medfl_common.errors import ConfigError, DataError
from medfl_common.files import write_atomic
from medfl_common.models.input_scale import CENTRE, SPREAD
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import load_model
from medfl_common.ui.page import Section, image_grid, render
from medfl_common.ui.screen import Screen

KINDS = {
    "wrong": "Misclassified, most confident first",
    "uncertain": "Uncertain, right or wrong, least confident first",
    "right": "Classified correctly, most confident first",
}
AT_ONCE = 4  # images explained at a time
SIDE = 192  # pixels of an image on the page
GLOW = np.array([255.0, 80.0, 0.0])  # the colour of the overlay; Grad-CAM gives its opacity


@dataclass(frozen=True)
class Case:
    """One validation image on the page."""

    position: int
    kind: str  # a key of KINDS
    output: int  # the index of the explained logit
    is_absent: bool  # the model called it absent: the overlay shows what spoke against it
    probability: float  # of that output
    sureness: float  # the larger, the surer the model
    called: str
    truth: str

    @property
    def is_wrong(self) -> bool:
        """Say whether the model misclassified the image, also where it is shown as uncertain."""
        return self.called != self.truth


def explain(folder: Path, run: str, n: int, screen: Screen) -> Path:
    """Write `explain.html` into the site's directory: overlays of about n validation images.

    A third each are misclassified, uncertain and classified correctly, as far as they exist.
    """
    site = load_site_file(folder)
    plan, model, _ = load_model(
        find_model(folder, run),
        partial(allow_kept, policy=site.policy, state=SiteFolder(folder).state),
    )
    if plan.task.is_dense:
        raise ConfigError(
            "explain shows where a network looked that judges a whole image; this one "
            f"{'outlines' if plan.task.has_masks else 'draws boxes'}",
            todo=f"see what it draws: medfl-client look SITE --worst 5 --model {run}",
        )
    use_threads(plan)
    state = SiteFolder(folder).state
    found = collect(folder, state, site.data, plan, screen.watch)
    n_used = len({sample.row.name for sample in found.samples})
    screen.table(["files", "what became of them"], file_rows(n_used, found.refused))
    data = own_data(state, site, found, plan)
    if not len(data.validation):
        raise DataError("the site has no validation image to explain")
    device = choose_device(site.compute.device)
    model = model.to(device)
    logits, targets = score(model, data.validation, plan, device)
    cases = choose(logits, targets, plan, n)
    tiles = [
        (kind, _tile(model, data.validation, case, device))
        for kind in KINDS
        for case in cases
        if case.kind == kind
    ]
    path = SiteFolder(folder).explanations
    write_atomic(path, _page(plan, cases, tiles).encode())
    screen.say(f"{len(cases)} of {len(targets)} validation images; the page stays here: {path}")
    return path


def choose(logits: torch.Tensor, targets: torch.Tensor, plan: Plan, n: int) -> list[Case]:
    """Choose the most confident errors and hits, and the least sure, of (N, K) logits."""
    cases = [
        case
        for position in range(len(targets))
        for case in [_case(position, logits, targets, plan)]
        if case is not None
    ]
    by_sureness = sorted(cases, key=lambda case: (case.sureness, case.position))
    uncertain = [_as(case, "uncertain") for case in by_sureness[: n // 3]]
    taken = {case.position for case in uncertain}
    surest = [case for case in reversed(by_sureness) if case.position not in taken]
    wrong = [case for case in surest if case.kind == "wrong"][: n // 3]
    right = [case for case in surest if case.kind == "right"][: n - len(wrong) - len(uncertain)]
    return wrong + uncertain + right


def _as(case: Case, kind: str) -> Case:
    return replace(case, kind=kind)


def _case(position: int, logits: torch.Tensor, targets: torch.Tensor, plan: Plan) -> Case | None:
    """Judge one image; of several findings, take the one with the most confident prediction."""
    target, classes = targets[position], plan.task.classes
    chances = torch.sigmoid(log_odds(logits[position : position + 1], plan))[0]
    if plan.task.is_one_of_many:
        output, true = int(chances.argmax()), int(target.argmax())
        kind = "right" if output == true else "wrong"
        words = classes[output], classes[true]
        chance = float(chances[output])
        return Case(position, kind, output, False, chance, chance, *words)
    known = (~torch.isnan(target)).nonzero()[:, 0]
    if not len(known):
        return None
    threshold = plan.evaluation.threshold
    output = int(known[(chances[known] - threshold).abs().argmax()])
    called, true = bool(chances[output] >= threshold), bool(target[output] > 0.5)
    if plan.task.type == "binary":
        words = classes[int(called)], classes[int(true)]
    else:
        said = {True: "yes", False: "no"}
        words = f"{classes[output]}: {said[called]}", f"{classes[output]}: {said[true]}"
    kind = "right" if called == true else "wrong"
    chance = float(chances[output])
    return Case(position, kind, output, not called, chance, abs(chance - threshold), *words)


def _tile(
    model: Network, images: Examples, case: Case, device: torch.device
) -> tuple[NDArray[np.uint8], str]:
    """Lay the image and its overlay side by side, with a caption."""
    ((pixels, _),) = images.batches(torch.tensor([case.position]), 1)
    places = grad_cam(model, pixels.to(device), case.output, case.is_absent).cpu()[0]
    grey = ((pixels[0] * SPREAD + CENTRE) * 255).clamp(0, 255)
    if grey.dim() == 4:  # the slice that counted most
        depth = int(places.flatten(1).sum(dim=1).argmax())
        grey, places = grey[:, depth], places[depth]
    plain = grey.expand(3, -1, -1).permute(1, 2, 0).numpy()
    cover = 0.6 * places.numpy()[..., None]
    both = np.concatenate([plain, plain * (1 - cover) + GLOW * cover], axis=1).astype(np.uint8)
    repeats = max(1, round(SIDE / both.shape[0]))
    both = both.repeat(repeats, axis=0).repeat(repeats, axis=1)
    mark = "WRONG: " if case.is_wrong else ""
    return both, f"{mark}{case.truth}, called {case.called} (p = {case.probability:.2f})"


def _page(
    plan: Plan, cases: list[Case], tiles: list[tuple[str, tuple[NDArray[np.uint8], str]]]
) -> str:
    sections = [
        Section(heading, sheet=image_grid([tile for k, tile in tiles if k == kind], wide=True))
        for kind, heading in KINDS.items()
        if any(k == kind for k, _ in tiles)
    ]
    sections.append(
        Section(
            "How to read this",
            [
                "Left: the image as the network sees it. Right: the same, with an orange veil where"
                " the network looked for its prediction. The caption starts with the true "
                "label, after WRONG where the prediction is another. p is the network's "
                "probability before calibration.",
                "A veil on a marker, a tube or the border says that the network may have learnt "
                "how the image was made, not the finding. A veil at the right place proves "
                "nothing: Grad-CAM shows where, coarsely, and not why.",
            ],
        )
    )
    n_wrong, n = sum(case.is_wrong for case in cases), len(cases)
    answer = (
        f"Of {n} validation images on this page {n_wrong} {'is' if n_wrong == 1 else 'are'} "
        f"misclassified, chosen with preference, so this is no error rate; the orange veil shows "
        f"where {plan.model.called} looked. This page stays at your hospital."
    )
    title = f"medfl: where the model of {plan.study} looked"
    return render(title, "Where did the model look?", answer, sections, __version__)
