"""A plan from a study's statistics: its own, with grid, patch, batch and network changed."""

from collections.abc import Mapping

from medfl_common.errors import ConfigError
from medfl_common.metrics.site_statistics import SiteStatistics
from medfl_common.ops.machine import in_bytes
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import loads
from medfl_server.planning.bands import add_up
from medfl_server.planning.draft import flat, plan_text
from medfl_server.planning.fitting import Changes, Room, fit, fit_pictures
from medfl_server.planning.grid import OPTIONS, Wishes, grid
from medfl_server.planning.proposals import Choice
from medfl_server.reports.heterogeneity import read_statistics
from medfl_server.study.plan_check import check_plan
from medfl_server.study.run_directory import Study

EARLIER = "as in the study"


def suggest(study: Study, wishes: Wishes) -> str:
    """Write the suggested plan; the same statistics and wishes give the same text.

    Raises ConfigError where the statistics are not there, or do not decide.
    """
    plan = study.plan
    _check_kind(plan)
    told, missing = _statistics(study)
    room = Room(plan, wishes.memory_gb, min(site.samples for site in told.values()))
    if plan.images.dimensions == 2 and plan.images.spacing_mm is wishes.spacing_mm is None:
        changes = fit_pictures(room, _usual_side(told, plan))
    else:
        changes = fit(room, grid(told, wishes, plan.images.dimensions == 3))
    text = plan_text(joined(plan, changes), _head(told, missing, room, changes))
    check_plan(loads(Plan, text, "the suggested plan"), "the suggested plan")
    return text


def _check_kind(plan: Plan) -> None:
    if plan.images.sample == "candidate":
        raise ConfigError(
            "the patch around a candidate follows from what it should show, not from statistics",
            todo="choose images.size and spacing_mm by the size of the finding",
        )
    if not plan.task.has_masks and plan.images.dimensions == 2:
        raise ConfigError(
            "this is for segmentations and volumes",
            todo="medfl-server plan --from STUDY proposes a plan for pictures with labels",
        )


def _statistics(study: Study) -> tuple[dict[str, SiteStatistics], dict[str, str]]:
    """Give what hospitals told and why others did not; raises ConfigError where nobody did."""
    found = read_statistics(study)
    if found is None:
        has_asked = study.plan.federation.statistics
        raise ConfigError(
            "no hospital has told statistics in this study",
            todo="medfl-server run asks for them before the first round"
            if has_asked
            else "make a study whose plan says federation.statistics: true, and run it; its first "
            "round is enough (federation.rounds: 1)",
            data="nothing was written",
        )
    told, missing = found
    if not told:
        reasons = "; ".join(f"{site}: {why}" for site, why in sorted(missing.items()))
        raise ConfigError(
            f"no hospital told its statistics ({reasons})",
            todo="ask one to allow them (policy.share_statistics)",
            who="the hospital",
            data="nothing was written",
        )
    return told, missing


def _usual_side(told: Mapping[str, SiteStatistics], plan: Plan) -> Choice:
    """Propose the pixels of pictures: those that the median one has at least."""
    try:
        band = add_up(told.values(), "sides").band(0.5, "median")
    except ConfigError as error:
        return Choice(plan.images.size, f"{EARLIER}: {error.what}")
    return Choice(
        min(int(band.low), 2048),
        f"the median image has {band.name} on its longer side: no more are made up",
    )


def joined(plan: Plan, changes: Changes) -> Changes:
    """Join the study's own settings and the changed ones; a setting that is gone is left out."""
    values = plan.model_dump(mode="json", exclude_unset=True)
    del values["plan"]
    if "images.patch" in changes:
        values["images"].pop("patch", None)
    own = {key: Choice(value, "") for key, value in flat(values)}
    every = {**own, **changes}
    return {key: choice for key, choice in every.items() if choice.value is not None or key in own}


def _head(
    told: Mapping[str, SiteStatistics], missing: Mapping[str, str], room: Room, changes: Changes
) -> str:
    n_samples = sum(site.samples for site in told.values())
    lines = [
        f"Suggested by medfl-server suggest-plan; what hospitals told of {n_samples:,} samples:",
        f"{', '.join(sorted(told))}.",
        "What has a reason is suggested, after nnU-Net (Nature Methods 18, 2021); the rest is the "
        "study's.",
        "Hospitals tell bands, not values; a number that you know replaces a band's middle:",
        f"{', '.join(f'--{option}' for option in OPTIONS)}.",
        f"A hospital that trains needs about {in_bytes(room.needed(changes))} of memory.",
    ]
    if missing:
        lines.append(f"Not counted, because they told nothing: {', '.join(sorted(missing))}.")
    lines += _unknown(told, changes)
    if "images.patch.size" in changes:
        lines.append(
            "A hospital keeps each volume at its own size, but starts only where the disk has room "
            "for as many of the largest."
        )
    return "".join(f"# {line}\n" for line in lines)


def _unknown(told: Mapping[str, SiteStatistics], changes: Changes) -> list[str]:
    """Say of how many samples no file tells the spacing."""
    unknown = add_up(told.values(), "spacings").unknown
    if not unknown or "images.spacing_mm" not in changes:
        return []
    return [f"Of {unknown:,} samples no file says the pixel spacing: this plan leaves them out."]
