"""`medfl-client look`: cases with outlines or boxes, as images that stay at the hospital."""

from functools import partial
from pathlib import Path

from medfl_client.config.folder import SiteFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.data.dataset import SiteData
from medfl_client.data.ingest import Collection, collect
from medfl_client.data.site_data import own_data
from medfl_client.egress.network_rules import allow_kept
from medfl_client.model_use.box_looks import worst_boxed, write_boxes
from medfl_client.model_use.kept_models import LAST, find_model
from medfl_client.model_use.looks import Model, find_case, worst_cases, write_look
from medfl_client.task.session import use_threads
from medfl_client.task.site import choose_device
from medfl_common.errors import ConfigError
from medfl_common.plan.dense import FROM_SCORE
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.model_file import load_model
from medfl_common.ui.overlay import legend
from medfl_common.ui.screen import Screen

N_LISTED = 200  # cases that are shown on the screen


def look(
    folder: Path, case: str, plan_file: Path | None, model_name: str, worst: int, screen: Screen
) -> list[Path]:
    """Write images of a case, or of a model's worst; without either, list the cases.

    Args:
        folder: The site's directory.
        case: Number, path, SOP or series UID; empty: none.
        plan_file: The study's plan; None: the model's, or plan.yaml in the directory.
        model_name: A model shown beside the site; empty: none, or with `worst` the last.
        worst: How many of the worst cases; 0: none.
        screen: Shows what is found.
    """
    site = load_site_file(folder)
    model_name = model_name or (LAST if worst else "")
    _refuse_two_plans(plan_file, model_name)
    plan, model = _plan_of(folder, plan_file), None
    if model_name:
        plan, network, _ = load_model(
            find_model(folder, model_name),
            partial(allow_kept, policy=site.policy, state=SiteFolder(folder).state),
        )
        device = choose_device(site.compute.device)
        model = Model(network.to(device), device)
    plan = _with_outlines(plan)
    use_threads(plan)
    state = SiteFolder(folder).state
    found = collect(folder, state, site.data, plan, screen.watch)
    if not case and not worst:
        (_list if plan.task.has_masks else _list_boxes)(found, plan, screen)
        return []
    chosen = [(find_case(found, case), "")] if case else []
    if worst and model is not None:
        chosen += _worst(own_data(state, site, found, plan), found, plan, model, worst)
    paths: list[Path] = []
    for place, score in chosen:
        into = SiteFolder(folder).looks / f"{place + 1:04d}"
        write = write_boxes if plan.task.has_boxes else write_look
        paths += write(found, place, plan, model, into)
        screen.say(f"case {place + 1}: {score}{found.samples[place].row.name}: {into}")
        for note in found.box_notes[place] if plan.task.has_boxes else ():
            screen.say(note)
    screen.say(_legend(plan, model))
    screen.say(f"images: {len(paths)}; they show patients, and stay here")
    return paths


def _worst(
    data: SiteData, found: Collection, plan: Plan, model: Model, n: int
) -> list[tuple[int, str]]:
    """Give the places of a model's worst cases, and what is wrong with each."""
    if plan.task.has_boxes:
        return worst_boxed(data, found, plan, model, n)
    ranked = worst_cases(data, found, plan, model, n)
    return [(place, f"Dice {dice:.3f}, ") for place, dice in ranked]


def _legend(plan: Plan, model: Model | None) -> str:
    """Say what is to be seen."""
    colours, what = legend(plan.task.foreground), "boxes" if plan.task.has_boxes else "masks"
    beside = f"; the site's {what} on the left, the model's on the right" if model else ""
    if plan.task.has_boxes:
        least = f" from a score of {FROM_SCORE:g} on" if model else ""
        return f"{colours}; as the network sees it{beside}{least}"
    return f"{colours}; white: unknown{beside}"


def _refuse_two_plans(plan_file: Path | None, model_name: str) -> None:
    if plan_file is not None and model_name:
        raise ConfigError(
            "--plan names a plan, and a model has its own",
            todo="leave --plan out, or --model and --worst",
        )


def _with_outlines(plan: Plan | None) -> Plan:
    """Give the plan; raise ConfigError where there is none, or none with outlines."""
    if plan is None:
        raise ConfigError(
            "look needs to know the classes", todo="name the study's plan with --plan FILE"
        )
    if not plan.task.is_dense:
        raise ConfigError(
            "look shows outlines and boxes, and the plan has none",
            todo="use medfl-client index, or of a model medfl-client explain",
        )
    return plan


def _list_boxes(found: Collection, plan: Plan, screen: Screen) -> None:
    """Say which cases there are, with how many boxes of each class."""
    assert found.boxes is not None
    rows = []
    for place, sample in enumerate(found.samples[:N_LISTED]):
        kinds = found.boxes[place][:, 0]
        counts = [str(int((kinds == k).sum())) for k in range(len(plan.task.classes))]
        rows.append([str(place + 1), sample.row.name, *counts])
    screen.table(["case", "file", *plan.task.classes], rows)
    if len(found.samples) > N_LISTED:
        screen.say(f"the first {N_LISTED} of {len(found.samples):,}")


def _plan_of(folder: Path, plan_file: Path | None) -> Plan | None:
    chosen = plan_file or SiteFolder(folder).plan_file
    return load_plan(chosen) if plan_file is not None or chosen.exists() else None


def _list(found: Collection, plan: Plan, screen: Screen) -> None:
    """Say which cases there are, with the volumes of their classes."""
    assert found.masks is not None
    rows = []
    for place, sample in enumerate(found.samples[:N_LISTED]):
        volumes = [_cell(ml) for ml in found.masks.ml[place, 1:].tolist()]
        rows.append([str(place + 1), sample.row.name, *volumes])
    screen.table(["case", "file", *(f"{name}, ml" for name in plan.task.foreground)], rows)
    if len(found.samples) > N_LISTED:
        screen.say(f"the first {N_LISTED} of {len(found.samples):,}")


def _cell(ml: float) -> str:
    return "?" if ml != ml else f"{ml:,.2f}"
