"""Check that the privacy ledger is whole, and say what of the budget is left."""

from pathlib import Path

from medfl_client.config.folder import StateFolder
from medfl_client.egress.privacy_ledger import read, why_not_whole
from medfl_common.ops.checks import Finding, fail, ok


def check_privacy(state: Path) -> Finding:
    """Hold the ledger against its head, the copy by the keys, the receipts and statements."""
    path = StateFolder(state).privacy
    if why := why_not_whole(state):
        return fail(
            f"{path.name}: {why}",
            f"put back the newest copy of {path}; until then nothing is answered with noise",
        )
    account = read(state)
    if not account.n_lines:
        return ok("nothing was answered with noise yet")
    budget, n = account.budget, f"whole, {account.n_lines} lines"
    if budget is None:
        return ok(f"{n}; there is no budget, so nothing stops")
    left = max(budget.epsilon - budget.share(account.committed), 0)
    return ok(f"{n}; {left:.3g} of the budget {budget.epsilon:g} is left")
