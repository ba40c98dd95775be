"""Sites whose replies differ from the others', in plain words."""

from dataclasses import dataclass
from statistics import median

from medfl_common.run.events import Asked, RoundMade, RoundWithoutQuorum
from medfl_common.ui.page import Section, Table
from medfl_server.reports.sections.summed_norms import summed_norms_section

FACTOR = 3.0  # an update this many times larger or smaller than the median site's stands out
MISSED = 0.1  # fraction of its rounds that a site misses while most sites do not
MIN_SITES = 3  # of two that differ, neither stands out
HEADER = [
    "site", "times answered", "update, of the median site's", "cosine with the others",
    "replies refused", "times missed",
]  # fmt: skip
CAREFUL = (
    "Standing out is no proof of a fault or an attack: a hospital with other patients, another "
    "scanner, few images or another way of labelling stands out too. Ask it. The reverse holds as "
    "well: a site that does harm with care need not stand out."
)
HOW = (
    "Update: the norm of the site's update divided by that of the median site in the same round. "
    "Cosine: 1 where the update points the same way as the mean of the others', 0 where it has "
    "nothing to do with it, below 0 where it points against it; from at most 100,000 weights. Both "
    "are medians over the rounds, running statistics left out."
)


@dataclass(frozen=True)
class Standing:
    """One site over all rounds."""

    site: str
    asked: int  # rounds in which it belonged to the study, those made again too
    answered: int
    missed: int
    refused: list[str]  # the reasons, one for each reply
    size: float | None  # None: no round has it
    cosine: float | None

    @property
    def missed_part(self) -> float:
        """Return the fraction of the times it was asked that it missed."""
        return self.missed / max(self.asked, 1)


def stand_out_section(asked: list[Asked], names: list[str]) -> Section:
    """Name the sites that stand out and why, or say that none does; show the figures.

    Args:
        asked: The events that hold sites' replies.
        names: The sites, in the report's order.
    """
    rounds = [event for event in asked if isinstance(event, RoundMade) and event.pooled]
    if rounds:
        return summed_norms_section(rounds)
    standings = [_standing(site, asked) for site in names]
    found = {one.site: _reasons(one, standings) for one in standings}
    lines = [f"{site} stands out: {'; '.join(why)}." for site, why in found.items() if why]
    if sum(one.size is not None for one in standings) < MIN_SITES:
        lines.append("Updates of fewer than three sites cannot show which of them stands out.")
    if not any(found.values()):
        lines.insert(0, "No site stands out.")
    table = Table(HEADER, [_row(one) for one in standings])
    texts = [*lines, CAREFUL, HOW] if any(found.values()) else [*lines, HOW]
    return Section("Does a site stand out?", texts, tables=[table])


def _standing(site: str, asked: list[Asked]) -> Standing:
    rounds = [event for event in asked if isinstance(event, RoundMade | RoundWithoutQuorum)]
    refused = [event.quarantined[site] for event in asked if site in event.quarantined]
    sizes, cosines = [], []
    for event in rounds:
        norms = {s: r.norm for s, r in event.sites.items() if r.norm is not None}
        middle = median(norms.values()) if norms else 0.0
        if site in norms and middle > 0:
            sizes.append(norms[site] / middle)
        if site in event.sites and (cosine := event.sites[site].cosine) is not None:
            cosines.append(cosine)
    return Standing(
        site,
        sum(site in event.sites or site in event.missing for event in rounds),
        sum(site in event.sites for event in rounds),
        sum(site in event.missing.keys() - event.quarantined.keys() for event in rounds),
        refused,
        median(sizes) if sizes else None,
        median(cosines) if cosines else None,
    )


def _reasons(one: Standing, all_sites: list[Standing]) -> list[str]:
    """Say why a site stands out; nothing if it does not."""
    others = [other for other in all_sites if other.site != one.site]
    found = _of_changes(one, others)
    if one.refused:
        different = sorted(set(one.refused))
        more = f" and {len(different) - 3} other reasons" if len(different) > 3 else ""
        n = len(one.refused)
        words = "1 of its replies was" if n == 1 else f"{n} of its replies were"
        found.append(f"{words} refused ({'; '.join(different[:3])}{more})")
    usual = median([other.missed_part for other in others]) if others else 0.0
    if one.missed and one.missed_part >= MISSED and one.missed_part > usual:
        found.append(f"it missed {one.missed} of the {one.asked} times that it was asked")
    return found


def _of_changes(one: Standing, others: list[Standing]) -> list[str]:
    known = [o for o in others if o.size is not None]
    if one.size is None or len(known) + 1 < MIN_SITES:
        return []
    found = []
    if one.size > FACTOR:
        found.append(f"its updates are {one.size:.1f} times as large as the median site's")
    elif one.size < 1 / FACTOR:
        found.append(f"its updates are only {one.size:.2g} times as large as the median site's")
    cosines = [o.cosine for o in known if o.cosine is not None]
    usual = median(cosines) if cosines else 0.0
    if one.cosine is not None and one.cosine < 0 < usual:
        found.append(
            f"its updates point against the others' (cosine {one.cosine:.2f}, where the other "
            f"sites have {usual:.2f})"
        )
    return found


def _row(one: Standing) -> list[str]:
    return [
        one.site,
        str(one.answered),
        "n/a" if one.size is None else f"{one.size:.2f}",
        "n/a" if one.cosine is None else f"{one.cosine:.2f}",
        str(len(one.refused)),
        str(one.missed),
    ]
