"""What left each hospital: messages and bytes."""

from collections import defaultdict

from medfl_common.run.events import Asked
from medfl_common.ui.page import Section, Table

SUMMED = (
    "a list of masked numbers for each round and scoring, and keys and shares of some kilobytes, "
    "which are not counted here"
)
ALONE = "an update of the model and a list of counts and losses"


def what_left(asked: list[Asked]) -> Section:
    """Count the messages and bytes of each site."""
    sent: dict[str, list[int]] = defaultdict(list)
    received: dict[str, int] = defaultdict(int)
    for event in asked:  # replies of a round without a quorum have left their hospitals too
        for site, reply in event.sites.items():
            sent[site].append(reply.bytes_received)  # by the coordinator
            received[site] += reply.bytes_sent
    rows = [
        [site, str(len(sizes)), f"{max(sizes):,}", f"{sum(sizes):,}", f"{received[site]:,}"]
        for site, sizes in sent.items()
    ]
    header = ["site", "messages sent", "bytes in the largest", "bytes sent", "bytes received"]
    is_summed = any(event.pooled is not None for event in asked)
    what = SUMMED if is_summed else ALONE
    text = (
        f"Each hospital released {what}; no image, no header, no name and no path. In a real "
        "study each hospital holds its own ledger of these messages, chained by hashes. Bytes are "
        "those of arrays and numbers, without the transport's framing, in the accepted replies; "
        "only the ledger lists what the coordinator refused or the network lost."
    )
    return Section("What left each hospital", [text], tables=[Table(header, rows)])
