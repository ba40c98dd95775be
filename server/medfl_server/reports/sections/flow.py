"""Participant flow, first table and hours, as the report shows them."""

from collections.abc import Sequence

from medfl_common.metrics.participants import STUDY_PARTS
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Event
from medfl_common.ui.page import Section, Table
from medfl_server.reports.flow import ALL, Flow, SiteFlow, TableOne, flow_of, hours_of, table_one

NOT_TOLD = "not told"
REST = "reasons that are not told, together"
DEVICES = {"cuda": "GPU", "cpu": "processor", "unknown": "not told"}
FEW = (
    f"'{NOT_TOLD}' means none, or fewer than the hospital's smallest cell, or withheld because it "
    "would tell such a count."
)


def flow_sections(events: Sequence[Event], plan: Plan) -> list[Section]:
    """Show where files and patients went, who is in which part, and how long the sites worked."""
    return [*who_sections(events, plan), *_hours_section(events)]


def who_sections(events: Sequence[Event], plan: Plan) -> list[Section]:
    """Show where files and patients went, and who is in which part."""
    return [_flow_section(flow_of(events, plan)), *_table_section(table_one(events, plan))]


def _flow_section(flow: Flow) -> Section:
    heading = "From files to patients"
    if flow.why_none or not flow.sites:
        return Section(heading, [flow.why_none or "No site has told yet.", *_silent(flow)])
    text = (
        "Each hospital counted its own files by a fixed list of reasons. A file is left out for "
        f"the first reason that applies. {FEW}"
    )
    return Section(heading, [text, *_silent(flow)], tables=[_steps(flow.sites), _parts(flow.sites)])


def _silent(flow: Flow) -> list[str]:
    return [f"{site} told no flow: {why}." for site, why in flow.silent.items()]


def _steps(sites: Sequence[SiteFlow]) -> Table:
    """Lay out the way from found files to images, a column for each site."""
    rows = [["files found, as far as told", *(f"{site.found:,}" for site in sites)]]
    for what in ("passed_over", "left_out"):
        reasons = dict.fromkeys(reason for site in sites for reason in getattr(site, what))
        for reason in reasons:
            cells = [_files(site, what, reason) for site in sites]
            rows.append([f"{what.replace('_', ' ')}: {reason}", *cells])
    if any(site.more_left_out for site in sites):
        rows.append([f"left out: {REST}", *(_text(site.more_left_out) for site in sites)])
    rows += [
        ["files that take part", *(f"{site.files:,}" for site in sites)],
        ["patients with a readable file", *(_text(site.found_patients) for site in sites)],
        ["patients who take part", *(f"{site.patients:,}" for site in sites)],
    ]
    return Table(["step", *(site.site for site in sites)], rows, caption="from files to patients")


def _files(site: SiteFlow, what: str, reason: str) -> str:
    n, patients = getattr(site, what).get(reason), site.left_out_patients.get(reason)
    of = f" of {patients:,} patients" if patients and what == "left_out" else ""
    return f"{_text(n)}{of}"


def _parts(sites: Sequence[SiteFlow]) -> Table:
    """Lay out images and patients by part."""
    rows = []
    for site in sites:
        images = [_text(site.part_images.get(part)) for part in STUDY_PARTS]
        patients = [_text(site.part_patients.get(part)) for part in STUDY_PARTS]
        both = [f"{n} / {p}" for n, p in zip(images, patients, strict=True)]
        rows.append([site.site, f"{site.images:,} / {site.patients:,}", *both])
    header = ["site", ALL, *STUDY_PARTS]
    return Table(header, rows, caption="images / patients")


def _table_section(table: TableOne) -> list[Section]:
    """Show the first table, a table for each site; none where nobody was asked for counts."""
    if table.why_none:
        return []
    sites = dict.fromkeys(site for site, _ in table.columns)
    text = (
        "Counts of images, not of patients: age and sex are those in each image's header. A 0 is "
        f"told where the other parts are. {FEW}"
    )
    tables = [_of_site(table, site) for site in sites]
    return [Section("Who takes part", [text], tables=tables)]


def _of_site(table: TableOne, site: str) -> Table:
    own = [i for i, (name, _) in enumerate(table.columns) if name == site]
    lines = [
        ("all", "", table.images),
        ("patients", "", table.patients),
        *((row.variable, row.category, row.counts) for row in table.rows),
    ]
    rows = [
        [f"{variable} {category}".strip(), *(_text(counts[i]) for i in own)]
        for variable, category, counts in lines
        if any(counts[i] for i in own)
    ]
    return Table(["images", *(table.columns[i][1] for i in own)], rows, caption=site)


def _hours_section(events: Sequence[Event]) -> list[Section]:
    hours = hours_of(events)
    if not hours:
        return []
    rows = [
        [one.site, DEVICES.get(device, device), f"{spent:.3g}", str(one.n_answers)]
        for one in hours
        for device, spent in one.by_device.items()
    ]
    text = (
        "Each site's own time for training and scoring, in the replies that the coordinator "
        "accepted; to read the images before the first round takes a site more. A site tells "
        "whether a GPU or a processor worked, and nothing else of its machine."
    )
    table = Table(["site", "device", "hours", "replies"], rows)
    return [Section("How long the sites worked", [text], tables=[table])]


def _text(n: int | None) -> str:
    return NOT_TOLD if n is None else f"{n:,}"
