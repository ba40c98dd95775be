"""`medfl-client budget`: what may be told of one patient, what was told, and by which studies."""

from collections.abc import Callable
from pathlib import Path

from medfl_client.commands.approve_budget import raise_in_words
from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.config.site_file import load_site_file
from medfl_client.egress.account import SETS, Account, BudgetInForce, PlanCosts
from medfl_client.egress.budget import is_raise, set_budget
from medfl_client.egress.privacy_ledger import read
from medfl_common.privacy.accountant import Rdp, epsilon_of
from medfl_common.ui.told import Shows

DELTA = 1e-5  # at which epsilon is told where there is no budget
STUDY = ["study", "plan", "answers", "repeats among them", "trained on", "held out", "kept"]


def budget(folder: Path, confirm: bool, ask: Callable[[str], bool], screen: Shows) -> bool:
    """Show the budget, or have the one of site.yaml confirmed; False: it was not."""
    if confirm:
        return set_from_site_file(folder, ask, screen)
    show_budget(folder, screen)
    return True


def show_budget(folder: Path, screen: Shows) -> None:
    """Print the budget and the studies; raises RunError where the ledger is not to be trusted."""
    policy, state = load_site_file(folder).policy, SiteFolder(folder).state
    account = read(state)
    screen.table(["what", "amount"], rows_of(account), title="the privacy budget of this hospital")
    if account.plans:
        screen.table(STUDY, [_row(account, *of) for of in account.plans.items()], title="by study")
    screen.say(
        "the unit is a patient of this hospital; one who was treated at two hospitals pays at "
        "both. Amounts of a budget add up over studies; a study's own epsilon is another number"
    )
    if account.budget is None and policy.budget is None:
        screen.say("there is no budget, so nothing stops: write policy.budget in site.yaml")
    elif is_raise(account, policy.budget):
        screen.say("site.yaml says more than is in force: medfl-client budget --set confirms it")
    elif account.budget is None or policy.budget != account.budget.wish:
        screen.say("the lower budget in site.yaml counts from the next question on")


def set_from_site_file(
    folder: Path, ask: Callable[[str], bool], screen: Shows, by: str = ""
) -> bool:
    """Have a person confirm the budget of site.yaml; False: they did not."""
    policy, state = load_site_file(folder).policy, SiteFolder(folder).state
    account = read(state)
    if account.budget is None and policy.budget is None:
        screen.say("site.yaml has no policy.budget, and none is in force; nothing was changed")
        return False
    if account.budget is not None and account.budget.wish == policy.budget:
        screen.say("the budget of site.yaml is in force already; nothing was changed")
        return True
    if not ask(raise_in_words(account, policy)):
        screen.say("nothing was changed")
        return False
    set_budget(state, policy.budget, by)
    screen.say(f"written down in {StateFolder(state).privacy}")
    return True


def rows_of(account: Account) -> list[list[str]]:
    """Say what is in force, spent, kept and left."""
    budget = account.budget
    if budget is None:
        told = [[f"told of a patient {of}", _epsilon(account.sum_of(of), DELTA)] for of in SETS]
        return [["budget", "none"], *told]
    spent, committed = budget.share(account.spent), budget.share(account.committed)
    return [
        ["budget", f"epsilon {budget.epsilon:g}, delta {budget.delta:g}"],
        ["set by", f"{budget.by}, on {budget.day}"],
        ["spent", f"{spent:.3g} of {budget.epsilon:g}"],
        ["kept for approved studies", f"{committed - spent:.3g}"],
        ["left", f"{max(budget.epsilon - committed, 0):.3g}"],
        *([_several_orders(account, budget)] if account.n_orders > 1 else []),
        ["told so far of any patient", _epsilon(account.spent, budget.delta)],
        *([f"of one {of}", _epsilon(account.sum_of(of), budget.delta)] for of in SETS),
    ]


def _several_orders(account: Account, budget: BudgetInForce) -> list[str]:
    n = account.n_orders
    return ["holds at delta", f"{n * budget.delta:g}, as the budget was changed {n - 1} times"]


def _row(account: Account, key: tuple[str, str, str], costs: PlanCosts) -> list[str]:
    kept = max((costs.committed(of) - costs.charged[of] for of in SETS), key=lambda rdp: rdp[0])
    return [
        costs.study, key[0][:12], str(costs.n_charges), str(costs.n_repeats),
        *(_amount(account, costs.charged[of]) for of in SETS),
        _amount(account, kept),
    ]  # fmt: skip


def _amount(account: Account, rdp: Rdp) -> str:
    """Give a part of the budget; without one, epsilon of it alone."""
    if account.budget is not None:
        return f"{account.budget.share(rdp):.3g}"
    return _epsilon(rdp, DELTA)


def _epsilon(rdp: Rdp, delta: float) -> str:
    if not rdp.any():
        return "nothing"
    return f"epsilon {epsilon_of(rdp, delta)[0]:.3g} at delta {delta:g}"
