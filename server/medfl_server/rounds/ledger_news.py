"""A site's ledger as its signed reply tells of it: a line that is gone is told."""

from flwr.app import RecordDict

from medfl_common.run.events import LedgerSetBack
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce, Post


def hear_of_ledger(
    post: Post, study: Study, announce: Announce, site: str, content: RecordDict
) -> None:
    """Note the last line of the site's ledger, and say so where an earlier one is gone."""
    before = post.hear(content, site)
    if before is not None:
        study.log.add(LedgerSetBack.of(site, before.line, before.hash))
        announce(
            f"{site}: its ledger has lost line {before.line}, which it had told of: an older "
            "copy was put back, or lines were cut off. Ask the site for medfl-client audit verify"
        )
