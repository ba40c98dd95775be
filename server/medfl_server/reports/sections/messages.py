"""The size of a round's messages, beside the model's scores."""

from statistics import median

from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked, RoundMade
from medfl_common.ui.page import Section, Table
from medfl_common.wire.cost import build_empty
from medfl_common.wire.tensors import size_of
from medfl_server.reports.scores import ALL, score_sites
from medfl_server.reports.sections.shared import main_score, second_score

HEADER = ["message", "form", "bytes, median", "of float32"]


def messages_section(plan: Plan, rounds: list[RoundMade], shown: Asked | None) -> Section:
    """Show the bytes of a site's messages beside the result's scores over all sites.

    Args:
        plan: The study's.
        rounds: The rounds made.
        shown: The result's scores.
    """
    replies = [reply for event in rounds for reply in event.sites.values()]
    if not replies:
        return Section("What messages weigh", ["There is no finished round yet."])
    found = score_sites(shown).get(ALL) if shown else None
    shown_scores = (main_score(plan), second_score(plan))
    worth = [found.text(name) if found else "n/a" for name, _ in shown_scores]
    header = [*HEADER, *(word for _, word in shown_scores)]
    messages, model = plan.federation.messages, build_empty(plan)
    whole = size_of({name: model.shapes[name] for name in model.names("shared")}, None)
    rows = []
    for way, form, sizes in (
        ("to a site", messages.weights, [reply.bytes_sent for reply in replies]),
        ("from a site", messages.update, [reply.bytes_received for reply in replies]),
    ):
        size = median(sizes)
        rows.append([way, form, f"{size:,.0f}", f"{size / whole:.1%}", *worth])
    text = (
        f"The shared weights are {whole:,} bytes as float32; a message also holds "
        "counts, and the first one to a site the tensors that travel only once."
    )
    return Section("What messages weigh", [text], tables=[Table(header, rows)])
