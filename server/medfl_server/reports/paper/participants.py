"""`participants.md` and table 1: who took part, who was left out and why, who is in which part."""

from collections.abc import Sequence

from medfl_common.metrics.participants import STUDY_PARTS
from medfl_common.ui.page import Section, Table
from medfl_server.reports.flow import Flow, TableOne, flow_of, table_one
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.scores import n_scored_in
from medfl_server.reports.sections.data import data_section
from medfl_server.reports.sections.flow import NOT_TOLD, who_sections

TRAINED = "Training images of each hospital as it told them, and the images that it scored."


def participant_sections(facts: Facts) -> list[Section]:
    """Give the flow, table 1, and the images of each part that replies told."""
    read = [data_section(facts.read)] if facts.read else []
    return [*who_sections(facts.events, facts.plan), _by_part(facts), *read]


def table_one_rows(facts: Facts) -> list[list[str]]:
    """Lay table 1 out for a CSV: a line for each category, a column for each site and part."""
    table = table_one(facts.events, facts.plan)
    if table.why_none:
        return [["variable", "category"], [table.why_none, ""]]
    header = ["variable", "category", *(f"{site}, {part}" for site, part in table.columns)]
    lines = [("images", "", table.images), ("patients", "", table.patients)]
    lines += [(row.variable, row.category, row.counts) for row in table.rows]
    return [header, *([what, which, *map(_cell, counts)] for what, which, counts in lines)]


def flow(facts: Facts) -> Flow:
    """Read the participant flow."""
    return flow_of(facts.events, facts.plan)


def has_flow(facts: Facts) -> bool:
    """Say whether any hospital told its flow."""
    return bool(flow(facts).sites)


def numbers(facts: Facts) -> str:
    """Say how many patients and images were taken in and left out; empty: nobody told."""
    found = flow(facts).sites
    if found:
        n_out = sum(n for site in found for n in site.left_out.values())
        more = sum(site.more_left_out or 0 for site in found)
        reasons: dict[str, int] = {}
        for site in found:
            for reason, n in site.left_out.items():
                reasons[reason] = reasons.get(reason, 0) + n
        why = "; ".join(f"{reason}: {n}" for reason, n in reasons.items())
        return (
            f"{sum(site.images for site in found)} images of "
            f"{sum(site.patients for site in found)} patients at {len(found)} hospitals took "
            f"part; left out as far as told: {n_out + more} files{f' ({why})' if why else ''}. "
            f"{_parts_in_words(facts)}"
        )
    if facts.statistics:
        told = [*facts.statistics.values()]
        return (
            f"{sum(one.samples for one in told)} images of {sum(one.patients for one in told)} "
            f"patients at {len(told)} hospitals took part; left-out files as far as told: "
            f"{sum(one.left_out for one in told)}. {_parts_in_words(facts)}"
        )
    return ""


def characteristics(facts: Facts) -> str:
    """Say what table 1 has, over all sites; empty: nobody told."""
    table = table_one(facts.events, facts.plan)
    if table.why_none:
        return ""
    sums = _over_sites(table)
    variables = dict.fromkeys(row.variable for row in table.rows)
    found = [
        f"{variable}: {', '.join(f'{category} ({n})' for category, n in sums[variable].items())}"
        for variable in variables
        if sums[variable]
    ]
    return f"Images, small counts apart. {'; '.join(found)}. By site and part: table 1."


def _over_sites(table: TableOne) -> dict[str, dict[str, int]]:
    whole = [i for i, (_, part) in enumerate(table.columns) if part == "all"]
    found: dict[str, dict[str, int]] = {}
    for row in table.rows:
        n = sum(row.counts[i] or 0 for i in whole)
        found.setdefault(row.variable, {}).update({row.category: n} if n else {})
    return found


def _by_part(facts: Facts) -> Section:
    parts = _scored(facts)
    names = [*dict.fromkeys([*facts.trained, *(name for one in parts.values() for name in one)])]
    rows = [
        [name, _cell(facts.trained.get(name)), *(_cell(one.get(name)) for one in parts.values())]
        for name in names
    ]
    is_noisy = facts.plan.privacy.noise is not None
    header = ["site", "declared patients" if is_noisy else "training", *parts]
    return Section("Images in each part", [TRAINED], tables=[Table(header, rows)])


def _scored(facts: Facts) -> dict[str, dict[str, int]]:
    events = {
        "validation": facts.finished, "test": facts.tested, "outside": facts.outside,
    }  # fmt: skip
    return {part: n_scored_in(event) for part, event in events.items() if event is not None}


def _parts_in_words(facts: Facts) -> str:
    """Count the images of each part over all sites."""
    found = {part: sum(n.values()) for part, n in _scored(facts).items() if n}
    trained = {"training": sum(facts.trained.values())} if facts.trained else {}
    told = ", ".join(f"{part} {n}" for part, n in {**trained, **found}.items())
    return f"Images that were trained on or scored: {told}." if told else ""


def _cell(n: int | None) -> str:
    return NOT_TOLD if n is None else str(n)


def events_by_class(facts: Facts) -> str:
    """Count the images of each class by part, where the flow tells them; empty: it does not."""
    table = table_one(facts.events, facts.plan)
    found = []
    for part in STUDY_PARTS:
        own = [i for i, (_, column) in enumerate(table.columns) if column == part]
        counts = _counts(table, own)
        if counts:
            found.append(f"{part}: {', '.join(f'{name} {n}' for name, n in counts.items())}")
    return f"Images by class, small counts apart. {'; '.join(found)}." if found else ""


def _counts(table: TableOne, columns: Sequence[int]) -> dict[str, int]:
    rows = [row for row in table.rows if row.variable == "class"]
    sums = {row.category: sum(row.counts[i] or 0 for i in columns) for row in rows}
    return {name: n for name, n in sums.items() if n}
