"""What `approve` says of a plan's noise: its cost to a patient, and whether the budget bears it."""

from collections.abc import Callable
from pathlib import Path

from medfl_client.config.rules import rule
from medfl_client.config.site_file import Policy
from medfl_client.egress.account import Account, BudgetInForce
from medfl_client.egress.budget import is_raise, lines_of_approval, set_budget
from medfl_client.egress.privacy_ledger import read
from medfl_common.plan.plan import Plan
from medfl_common.plan.privacy import Noise
from medfl_common.ui.told import Shows

Ask = Callable[[str], bool]
UNITS = {"patient": "a patient, with all images", "image": "one image, not a patient"}


def show_cost(state: Path, plan: Plan, policy: Policy, ask: Ask, screen: Shows) -> None:
    """Say what a plan costs each patient here, and what is left after it.

    Asks about a budget that site.yaml raises. Raises BudgetError where the plan does not fit.
    """
    noise = plan.privacy.noise
    if noise is None:
        return
    screen.say(_told(noise))
    account = read(state)
    if is_raise(account, policy.budget) and ask(raise_in_words(account, policy)):
        set_budget(state, policy.budget)
        account = read(state)
    after = account
    for line in lines_of_approval(state, account, plan, policy):
        after = after.after({**line, "time": 0.0})
    screen.say(_of_budget(account, after))


def raise_in_words(account: Account, policy: Policy) -> str:
    """Ask whether site.yaml's higher budget is meant."""
    new = policy.budget
    wish = "no budget" if new is None else f"epsilon {new.epsilon:g} (delta {new.delta:g})"
    now = account.budget
    held = "none" if now is None else f"epsilon {now.epsilon:g} (delta {now.delta:g})"
    return (
        f"site.yaml says {wish}, in force is {held}. Raise it? More may then be told of every "
        "patient here, and your login name is written down"
    )


def _told(noise: Noise) -> str:
    scoring = (
        f"the scoring at the end tells of those held out epsilon {noise.scores:g} at most"
        if noise.scores
        else "no scores leave"
    )
    whom = "patient here who" if noise.per == "patient" else "image here that"
    return (
        f"this study costs each {whom} is trained on at most epsilon {noise.epsilon:g} "
        f"(delta {noise.delta:g}); {scoring}; the unit is {UNITS[noise.per]}. It holds against "
        "everybody who sees what leaves, the other hospitals and readers of the model included; "
        "not for how many patients there are, that this hospital takes part, or for errors of "
        "the program"
    )


def _of_budget(before: Account, after: Account) -> str:
    budget = after.budget
    if budget is None:
        return (
            "this site has no privacy budget: what is told is written down, and nothing stops it "
            f"{rule('budget')}"
        )
    now, then = (budget.share(account.committed) for account in (before, after))
    return (
        f"of this hospital's budget of {_in_words(budget)} the study takes {then - now:.3g}; spent "
        f"or kept for other studies before {now:.3g}, left after it {budget.epsilon - then:.3g} of "
        f"{budget.epsilon:g}. These amounts are parts of the budget, which add up over studies; a "
        "study's own epsilon is another number"
    )


def _in_words(budget: BudgetInForce) -> str:
    return f"epsilon {budget.epsilon:g} (delta {budget.delta:g})"
