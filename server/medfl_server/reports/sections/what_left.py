"""What left each hospital: messages and bytes."""

from collections import defaultdict

from medfl_common.run.events import Asked
from medfl_common.ui.page import Section, Table


def what_left(asked: list[Asked]) -> Section:
    """Count the messages and bytes of each site."""
    sent: dict[str, list[int]] = defaultdict(list)
    received: dict[str, int] = defaultdict(int)
    for event in asked:  # what a round without a quorum brought has left its hospital too
        for site, reply in event.sites.items():
            sent[site].append(reply.bytes_received)  # by the coordinator
            received[site] += reply.bytes_sent
    rows = [
        [site, str(len(sizes)), f"{max(sizes):,}", f"{sum(sizes):,}", f"{received[site]:,}"]
        for site, sizes in sent.items()
    ]
    header = ["site", "messages sent", "bytes in the largest", "bytes sent", "bytes received"]
    text = (
        "What left is the change of the model's weights and a list of counts and losses; no image, "
        "no header, no name and no path. In a real study each hospital holds its own ledger of "
        "these messages, chained by hashes. Bytes are those of arrays and numbers, without the "
        "transport's framing, in the replies that were taken; what was refused or lost on the way "
        "is in the ledger only."
    )
    return Section("What left each hospital", [text], tables=[Table(header, rows)])
