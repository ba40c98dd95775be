"""The privacy budget: what is charged, what is free, and what stops."""

from pathlib import Path

import pytest
from tests.unit.client.spending import (
    EIGHT,
    RUN,
    Hospital,
    cost_of,
    is_close,
    noisy_plan,
    one_shot,
    task_of,
)

from medfl_client.config.folder import StateFolder
from medfl_client.config.site_file import Budget, Policy
from medfl_client.egress import budget, ledger
from medfl_client.egress.account import Cost
from medfl_client.egress.approvals import login
from medfl_common.errors import BudgetError, ConfigError, DisclosureError


@pytest.fixture
def here(tmp_path: Path) -> Hospital:
    return Hospital(tmp_path / "site-1")


def test_rounds_cost_what_all_their_steps_cost_at_once_and_asked_again_nothing(
    here: Hospital,
) -> None:
    plan = noisy_plan()
    here.approve(plan)

    for round_ in range(1, 11):
        for nonce, run in ((7, RUN), (8, RUN), (9, "ef" * 16)):  # lost, asked again, a second run
            here.ask(plan, round_, nonce=nonce, run=run)

    assert here.n_charges == 10
    assert is_close(here.account().epsilon(1e-5), one_shot(plan, 10))
    assert one_shot(plan, 10) <= 3.0


def test_an_approval_keeps_the_whole_study_and_the_end_gives_the_rest_back(here: Hospital) -> None:
    plan = noisy_plan()
    here.approve(plan)
    spent, kept = here.shares()
    assert spent == 0
    assert kept == pytest.approx(1.31, abs=0.01)  # six such studies fit into 8

    here.ask(plan, 1)
    assert here.shares() == (pytest.approx(kept / 10), pytest.approx(kept))
    budget.release(here.state, plan.hash(), "finished")
    assert here.shares() == (pytest.approx(kept / 10), pytest.approx(kept / 10))

    here.ask(plan, 2)  # after the end it needs free room, and is a charge all the same
    assert here.shares()[0] == pytest.approx(kept / 5)


def test_the_end_of_one_run_leaves_what_a_further_approval_keeps(here: Hospital) -> None:
    plan = noisy_plan()
    here.approve(plan)
    (_, once), _ = here.shares(), here.approve(plan)
    for round_ in range(1, 6):
        here.ask(plan, round_)

    for _ in range(2):  # the coordinator's last word may come twice
        budget.release(here.state, plan.hash(), "finished", RUN)

    assert here.shares() == (pytest.approx(once / 2), pytest.approx(1.5 * once))
    others = [noisy_plan(f"study-{i}") for i in range(4)]
    for other in others:
        here.approve(other)
    for round_ in range(1, 11):  # the second run does not stop in its middle
        here.ask(plan, round_, f"second run {round_}", run="ef" * 16)
    budget.release(here.state, plan.hash(), "finished", "ef" * 16)
    assert here.shares()[1] == pytest.approx(5.5 * once)


def test_an_approval_that_was_cut_off_and_freed_meanwhile_keeps_anew(here: Hospital) -> None:
    plan = noisy_plan()
    here.approve(plan)
    kept = here.shares()[1]
    budget.reserve(here.state, plan, here.policy)  # a crash comes before the approval
    budget.release(here.state, plan.hash(), "withdrawn")
    assert here.shares()[1] == 0

    here.approve(plan)

    assert here.shares()[1] == pytest.approx(kept)


def test_one_plan_in_two_studies_of_a_hospital_keeps_its_cost_twice(tmp_path: Path) -> None:
    home = Hospital(tmp_path / "site-1")
    one, two = (Hospital(home.folder / "studies" / name) for name in ("a", "b"))
    plan = noisy_plan()

    one.approve(plan)
    kept = home.shares()[1]
    two.approve(plan)
    assert home.shares()[1] == pytest.approx(2 * kept)

    budget.release(two.state, plan.hash(), "withdrawn")
    assert home.shares()[1] == pytest.approx(kept)


def test_who_may_have_changed_sides_pays_for_both(here: Hospital) -> None:
    plan = noisy_plan()
    half = cost_of(plan)
    held = Cost("held out", half.q, half.multiplier, half.steps)
    here.ask(plan, 1)
    budget.charge(here.state, task_of(plan), "held out", held, EIGHT, True)
    assert here.account().spent == pytest.approx(half.rdp)

    # another key of places, then another section that says who is a patient
    StateFolder(here.state).patients_key.write_text("ab" * 32)
    budget.charge(here.state, task_of(plan), "after another key", held, EIGHT, True)
    assert here.account().spent == pytest.approx(2 * half.rdp)
    (here.folder / "site.yaml").write_text("data: {folder: dicom, split: given}\n")
    budget.charge(here.state, task_of(plan), "after a given split", held, EIGHT, True)
    assert here.account().spent == pytest.approx(3 * half.rdp)


def test_what_does_not_fit_is_neither_kept_nor_charged(here: Hospital) -> None:
    plans = [noisy_plan(f"study-{i}") for i in range(9)]
    for plan in plans[:6]:
        here.approve(plan)
    with pytest.raises(BudgetError, match=r"study-6 would take 1\.\d+ of the privacy budget 8"):
        here.approve(plans[6])
    assert len(here.account().plans) == 6

    here.ask(plans[0], 1)
    assert 9 <= here.spend_all(plans[0]) < 20  # repeats: beyond what was kept
    with pytest.raises(BudgetError, match=r"is spent or kept \(policy P20, budget\)"):
        here.ask(plans[0], 1, "another")
    for plan in plans[1:6]:  # what was kept for the other studies is there
        for round_ in range(1, 11):
            here.ask(plan, round_)
    assert here.shares()[1] <= 8 * (1 + 1e-9)


def test_repeats_are_counted_apart(here: Hospital) -> None:
    plan = noisy_plan(rounds=2)
    here.approve(plan)
    for question in ("1", "2", "2 again", "1 again"):
        here.ask(plan, 1, question)

    (costs,) = here.account().of_plan(plan.hash(), "state")
    assert (costs.n_charges, costs.n_repeats) == (4, 2)


def test_without_a_budget_all_is_charged_and_nothing_stops(here: Hospital) -> None:
    here.policy = Policy()
    plan = noisy_plan()
    for i in range(80):
        here.ask(plan, 1, f"question {i}")

    assert here.n_charges == 80
    assert here.account().budget is None
    here.policy = EIGHT  # what was told before counts from the first day of a budget
    with pytest.raises(BudgetError):
        here.ask(plan, 1, "one more")
    here.ask(plan, 1, "question 7")


def test_patients_held_out_and_trained_on_have_an_account_each(here: Hospital) -> None:
    plan = noisy_plan()
    half = cost_of(plan)
    for kind in ("trained", "held out", "trained"):
        cost = Cost(kind, half.q, half.multiplier, half.steps)  # type: ignore[arg-type]
        budget.charge(here.state, task_of(plan), f"{kind} {here.n_charges}", cost, EIGHT, True)
    account = here.account()
    assert account.spent == pytest.approx(2 * half.rdp)
    assert account.sum_of("held out") == pytest.approx(half.rdp)

    both = Cost("both", half.q, half.multiplier, half.steps)
    budget.charge(here.state, task_of(plan), "both", both, EIGHT, True)
    assert here.account().spent == pytest.approx(3 * half.rdp)
    # another study divides patients otherwise: who was trained on there was held out here
    other = noisy_plan("other")
    held = Cost("held out", half.q, half.multiplier, half.steps)
    budget.charge(here.state, task_of(other), "other", held, EIGHT, True)
    assert here.account().spent == pytest.approx(4 * half.rdp)


def test_a_lower_budget_counts_at_once_and_a_higher_one_by_a_persons_word(here: Hospital) -> None:
    plan = noisy_plan()
    here.ask(plan, 1)
    here.policy = Policy(budget=Budget(epsilon=20, delta=1e-5))
    here.ask(plan, 2)
    account = here.account()
    assert account.budget is not None
    assert account.budget.epsilon == 8
    assert budget.is_raise(account, here.policy.budget)
    assert budget.is_raise(account, None)

    here.policy = Policy(budget=Budget(epsilon=0.5, delta=1e-5))
    with pytest.raises(BudgetError):
        here.ask(plan, 3)
    here.policy = Policy(budget=Budget(epsilon=20, delta=1e-5))
    with pytest.raises(BudgetError):
        here.ask(plan, 3)
    budget.set_budget(here.state, here.policy.budget)
    here.ask(plan, 3)

    account = here.account()
    assert account.budget is not None
    assert (account.budget.epsilon, account.budget.by) == (20, login())
    assert account.n_orders == 3  # 8, 0.5 and 20 are held at three orders
    whats = [line["what"] for line in ledger.read_lines(here.file)]
    assert whats == ["tighten", "charge", "charge", "tighten", "budget", "charge"]


def test_a_budget_that_cannot_be_shown_is_said_to_be_too_small(here: Hospital) -> None:
    here.policy = Policy(budget=Budget(epsilon=0.05, delta=1e-5))
    with pytest.raises(ConfigError, match=r"policy\.budget: epsilon 0\.05 at delta 1e-05 is below"):
        here.ask(noisy_plan(), 1)


def test_a_budget_taken_out_of_the_site_file_still_binds_plans_without_noise(
    here: Hospital,
) -> None:
    plain = noisy_plan().model_copy(update={"privacy": type(noisy_plan().privacy)()})
    budget.check_bounded(here.state, plain)
    here.ask(noisy_plan(), 1)

    with pytest.raises(DisclosureError, match=r"a privacy budget is in force.*\(policy P20"):
        budget.check_bounded(here.state, plain)
    budget.set_budget(here.state, None)
    budget.check_bounded(here.state, plain)


def test_an_approval_that_a_crash_cut_keeps_its_cost_once(here: Hospital) -> None:
    plan = noisy_plan()
    for _ in range(3):
        budget.reserve(here.state, plan, here.policy)

    kept = here.shares()[1]
    here.approve(plan)
    assert here.shares()[1] == kept
    here.approve(plan)  # a second run
    assert here.shares()[1] == pytest.approx(2 * kept)
