"""The privacy budget (policy P20): what an answer with noise costs is charged before it is made.

An approval keeps what the whole plan costs, so a study does not stop in the middle. A question that
was charged is free for ever: its answer has the same bits. What goes beyond what is kept must fit
into what is left. The budget is the hospital's, for all its studies and for ever.
"""

import hmac
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from medfl_client.config.folder import SiteFolder, StateFolder, home_of
from medfl_client.config.rules import RULES, rule
from medfl_client.config.secret_keys import site_secret
from medfl_client.config.site_file import Budget, Policy
from medfl_client.egress import ledger
from medfl_client.egress.account import SETS, Account, BudgetInForce, Cost, Set, order_of
from medfl_client.egress.approvals import login, n_approvals
from medfl_client.egress.privacy_ledger import UNREAD, append, has_receipt, opened
from medfl_common.errors import BudgetError, ConfigError, DisclosureError, RunError
from medfl_common.files import Json
from medfl_common.plan.noise_cost import rdp_of_scoring, rdp_of_training
from medfl_common.plan.plan import Plan
from medfl_common.plan.privacy import why_unbounded
from medfl_common.plan.strict_yaml import read_yaml
from medfl_common.privacy.accountant import ORDERS, Rdp
from medfl_common.wire.tasks import TrainTask

LOWERED = "the site file"  # who set the first value, or a lower one, where no person did
ROUNDING = 1e-9  # of a budget


def charge(
    state: Path, task: TrainTask, question: str, cost: Cost, policy: Policy, is_stated: bool
) -> None:
    """Write down what an answer costs, before the first batch; return once it is on the disk.

    Args:
        state: The study's state; the account is the hospital's.
        task: What is asked.
        question: Digest of all that the answer's noise follows from; charged before, it is free.
        cost: What it costs.
        policy: The site's.
        is_stated: The coordinator sent the newest statement of this site's ledger along.

    Raises:
        BudgetError: It does not fit.
        RunError: The account is not to be trusted, or may be an older copy.
    """
    facts = _facts(state, task.plan, policy)
    with opened(state) as account:
        _tighten(state, account, policy)
        if _is_charged(account, task.plan.hash(), question, cost):
            return
        if not is_stated:
            _check_first(state, account, task)
        is_kept = account.costs_of(facts).holds(cost)
        _check_fits(account, facts, cost, is_kept)
        line = {
            "what": "charge", **facts, "run": task.run, "kind": task.kind, "round": task.round,
            "question": question, "set": cost.kind, "q": cost.q, "multiplier": cost.multiplier,
            "steps": cost.steps, "rdp": cost.rdp.tolist(), "reserved": is_kept,
        }  # fmt: skip
        append(state, account, line)


def reserve(state: Path, plan: Plan, policy: Policy, by: str = "") -> None:
    """Keep what the whole plan costs, when a person approves it; raises BudgetError."""
    if plan.privacy.noise is None:
        return
    site_secret(state)  # made before the account is locked
    with opened(state) as account:
        for line in lines_of_approval(state, account, plan, policy, by):
            append(state, account, line)


def lines_of_approval(
    state: Path, account: Account, plan: Plan, policy: Policy, by: str = ""
) -> list[dict[str, Json]]:
    """Give the lines that an approval adds, a lower budget in site.yaml first; or BudgetError."""
    lines = [] if (lower := _lower(account, policy)) is None else [lower]
    for one in lines:
        account = account.after({**one, "time": 0.0})
    facts = _facts(state, plan, policy)
    approval, costs = n_approvals(state, plan.hash()) + 1, plan_costs(plan)
    if account.costs_of(facts).approval == approval:
        return lines  # a crash came between it and the approval
    line: dict[str, Json] = {
        "what": "reserve", **facts, "approval": approval, "by": by or login(),
        "trained": costs["trained"].tolist(), "held_out": costs["held out"].tolist(),
    }  # fmt: skip
    after = account.after(line)
    if account.budget is not None and _is_over(account.budget, after.committed):
        raise _spent(account.budget, account.committed, after.committed, plan.study)
    return [*lines, line]


def release(state: Path, plan: str, why: str, run: str = "") -> None:
    """Give free what is kept for a plan and was not asked; nothing where nothing is kept.

    Args:
        state: The study's.
        plan: Its hash.
        why: A word for people.
        run: The run that has ended: the oldest approval was its. Empty: all approvals.
    """
    if not StateFolder(state).privacy.exists():
        return
    with opened(state) as account:
        of = _study_of(state)
        kept = [costs for costs in account.of_plan(plan, of) if costs.kept is not None]
        if kept and not (run and (plan, run) in account.finished):
            facts = {"plan": plan, "study": kept[0].study, "of": of, "run": run, "why": why}
            append(state, account, {"what": "release", **facts})


def set_budget(state: Path, budget: Budget | None, by: str = "") -> None:
    """Write down that a person sets the budget, or takes it away."""
    with opened(state) as account:
        append(state, account, {"what": "budget", **_values(budget), "by": by or login()})


def is_raise(account: Account, budget: Budget | None) -> bool:
    """Say whether site.yaml allows more than what is in force: that needs a person's word."""
    now = account.budget
    if now is None:
        return False
    return budget is None or budget.epsilon > now.epsilon or budget.delta > now.delta


def check_bounded(state: Path, plan: Plan) -> None:
    """Refuse a plan without a bound while a budget is in force, though site.yaml lost it."""
    why = why_unbounded(plan)
    if not why:
        return
    for line in ledger.newest_first(StateFolder(state).privacy):
        if line["what"] in ("budget", "tighten"):
            if line["epsilon"] is None:
                return
            error = DisclosureError(
                f"a privacy budget is in force at this site, and {why} {rule('budget')}",
                todo="medfl-client budget shows it; only a person there takes it away",
                data=UNREAD,
            )
            error.rule = RULES["budget"][0]
            raise error


def plan_costs(plan: Plan) -> dict[Set, Rdp]:
    """Give what a whole plan costs, by set: all rounds, and the scorings at the end."""
    noise = plan.privacy.noise
    if noise is None:
        raise ValueError("a plan without noise has no cost")
    n_scorings = (plan.evaluation.validation > 0) + (plan.evaluation.test > 0)
    held_out = n_scorings * rdp_of_scoring(noise)
    return dict(zip(SETS, (rdp_of_training(noise, plan.federation.rounds), held_out), strict=True))


def _split_of(state: Path, plan: Plan, policy: Policy) -> str:
    """Name what decides who is trained on and who is held out; plans of one name share it.

    It is the role, the shares, the study's salt, the key of the patients' places, and the section
    of site.yaml that says who is a patient and whether the hospital gives the split itself.
    """
    scoring, site_file = plan.evaluation, SiteFolder(state.parent).site_file
    is_said = site_file.exists() and site_file.stat().st_size
    data = json.dumps(read_yaml(site_file).get("data"), sort_keys=True) if is_said else ""
    own = hmac.digest(site_secret(state), b"name of a split" + data.encode(), "sha256").hex()[:16]
    shares = f"{scoring.validation:g} {scoring.test:g}"
    return f"{policy.role} {shares} {scoring.salt(plan.study, plan.seed)} {own}"


def _facts(state: Path, plan: Plan, policy: Policy) -> dict[str, Json]:
    split, of = _split_of(state, plan, policy), _study_of(state)
    return {"plan": plan.hash(), "study": plan.study, "split": split, "of": of}


def _study_of(state: Path) -> str:
    """Name one of the hospital's studies: where its state is, seen from the hospital."""
    return os.path.relpath(state.resolve(), home_of(state.parent).resolve())


def _tighten(state: Path, account: Account, policy: Policy) -> None:
    if (line := _lower(account, policy)) is not None:
        append(state, account, line)


def _lower(account: Account, policy: Policy) -> dict[str, Json] | None:
    """Give the line by which a lower budget in site.yaml counts at once, or the first one."""
    new, now = policy.budget, account.budget
    if new is not None and now is not None:
        new = Budget(epsilon=min(new.epsilon, now.epsilon), delta=min(new.delta, now.delta))
        if (new.epsilon, new.delta) == (now.epsilon, now.delta):
            return None
    return None if new is None else {"what": "tighten", **_values(new), "by": LOWERED}


def _values(budget: Budget | None) -> dict[str, Json]:
    if budget is None:
        return {"epsilon": None, "delta": None, "order": None}
    try:
        order = order_of(budget.epsilon, budget.delta)
    except ValueError as error:
        raise ConfigError(f"policy.budget: {error}", todo="set a larger epsilon") from None
    return {"epsilon": budget.epsilon, "delta": budget.delta, "order": order}


def _is_charged(account: Account, plan: str, question: str, cost: Cost) -> bool:
    paid = (plan, cost.kind, cost.rdp.tolist())
    same = account.questions.get(question, ())
    return any((line["plan"], line["set"], line["rdp"]) == paid for line in same)


def _check_first(state: Path, account: Account, task: TrainTask) -> None:
    """Without a statement of the ledger, refuse where the coordinator should have one."""
    has_charge = any(
        line["run"] == task.run for same in account.questions.values() for line in same
    )
    if has_charge or has_receipt(state):
        raise RunError(
            "the task does not say what the coordinator heard of this site's ledger, so nobody "
            "vouches that this folder is not an older copy; a new question is not answered",
            todo="an honest coordinator says it with its next task, as it hears of this answer",
            who="the coordinator",
            data=UNREAD,
        )


def _check_fits(account: Account, facts: Mapping[str, Json], cost: Cost, is_kept: bool) -> None:
    """Raise BudgetError where a charge does not fit: beyond what is kept it needs free room."""
    budget = account.budget
    if budget is None:
        return
    after = account.after(
        {"what": "charge", **facts, "question": "", "set": cost.kind, "rdp": cost.rdp.tolist(),
         "reserved": is_kept},
    )  # fmt: skip
    before, total = account.committed, after.committed
    if is_kept:  # nothing more is committed; a lowered budget may hold less than was kept
        before, total = account.spent, after.spent
    if _is_over(budget, total):
        raise _spent(budget, before, total, str(facts["study"]))


def _is_over(budget: BudgetInForce, rdp: Rdp) -> bool:
    at_order = float(rdp[budget.order - ORDERS.start])
    return at_order > budget.capacity * (1 + ROUNDING)


def _spent(budget: BudgetInForce, before: Rdp, after: Rdp, study: str) -> BudgetError:
    more, held = budget.share(np.maximum(after - before, 0)), budget.share(before)
    error = BudgetError(
        f"study {study} would take {more:.3g} of the privacy budget {budget.epsilon:g} "
        f"(delta {budget.delta:g}), of which {held:.3g} is spent or kept {rule('budget')}",
        todo="the hospital alone may raise its budget: policy.budget in site.yaml, then "
        "medfl-client budget --set",
        data=UNREAD,
    )
    error.rule = RULES["budget"][0]
    return error
