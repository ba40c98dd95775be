"""What a person is shown of a plan's noise and of the hospital's budget."""

from pathlib import Path

import pytest
import yaml
from tests.unit.client.spending import RUN, Hospital, cost_of, noisy_plan, task_of
from tests.unit.client.test_approvals import Said

from medfl_client.audit.page import write_audit
from medfl_client.audit.verify import verify
from medfl_client.commands.approve import approve_plan
from medfl_client.commands.budget import budget as show
from medfl_client.commands.plan_summary import summarise
from medfl_client.commands.withdraw import withdraw
from medfl_client.config.site_file import load_site_file
from medfl_client.doctor.privacy import check_privacy
from medfl_client.egress import budget
from medfl_client.egress.approvals import login, status_of
from medfl_common.errors import BudgetError, RunError
from medfl_common.plan.plan import Plan

FORBIDDEN = ("anonym", "%")


@pytest.fixture
def site(hospitals: Path) -> Path:
    folder = hospitals / "site-1"
    set_site_budget(folder, 8.0)
    return folder


def set_site_budget(folder: Path, epsilon: float | None) -> None:
    values = yaml.safe_load((folder / "site.yaml").read_text())
    values["policy"]["budget"] = epsilon and {"epsilon": epsilon, "delta": 1e-5}
    (folder / "site.yaml").write_text(yaml.safe_dump(values))


def written(folder: Path, plan: Plan) -> Path:
    path = folder / f"{plan.study}.yaml"
    path.write_text(yaml.safe_dump(plan.model_dump(mode="json")))
    return path


def test_approve_says_what_a_study_costs_and_keeps_it_and_withdraw_gives_it_back(
    site: Path,
) -> None:
    said, plan = Said(), noisy_plan()
    assert approve_plan(site, written(site, plan), lambda text: True, said)

    for words in (
        "each patient here who is trained on at most epsilon 3 (delta 1e-05)",
        "the scoring at the end tells of those held out epsilon 1 at most",
        "the unit is a patient, with all images",
        "of this hospital's budget of epsilon 8 (delta 1e-05) the study takes 1.31; spent or kept "
        "for other studies before 0, left after it 6.69 of 8",
    ):
        assert words in said.text
    assert "anonym" not in said.text
    here, policy = Hospital(site), load_site_file(site).policy
    budget.charge(here.state, task_of(plan), "1", cost_of(plan), policy, True)
    assert here.shares() == (pytest.approx(0.131, abs=1e-3), pytest.approx(1.31, abs=0.01))

    withdraw(site, None, False, said)
    assert here.shares() == (pytest.approx(0.131, abs=1e-3), pytest.approx(0.131, abs=1e-3))


def test_approve_refuses_a_study_that_does_not_fit(site: Path) -> None:
    set_site_budget(site, 1.0)
    plan = noisy_plan()

    with pytest.raises(BudgetError, match=r"of the privacy budget 1 \(delta 1e-05\)") as told:
        approve_plan(site, written(site, plan), lambda text: True, Said())

    assert told.value.code == 450
    assert status_of(site / "state", plan.hash()) == "not approved"
    assert not (site / "state" / "privacy.jsonl").exists()


def test_a_raise_of_the_budget_counts_after_a_person_said_so(site: Path) -> None:
    here = Hospital(site)
    here.ask(noisy_plan(), 1)
    set_site_budget(site, 12.0)
    said = Said()

    assert not show(site, True, lambda text: False, said)
    assert "site.yaml says more than is in force" in (show(site, False, bool, said), said.text)[1]
    assert show(site, True, lambda text: "epsilon 12" in text and "login" in text, said)
    assert show(site, False, lambda text: True, said)
    assert f"set by | {login()}, on" in said.text
    assert "budget | epsilon 12, delta 1e-05" in said.text


def test_the_table_tells_studies_repeats_and_both_sets_apart(site: Path) -> None:
    here, said, plan = Hospital(site), Said(), noisy_plan(rounds=2)
    here.approve(plan)
    for question in ("1", "2", "3"):
        here.ask(plan, 1, question)
    show(site, False, bool, said)

    assert f"small | {plan.hash()[:12]} | 3 | 1 | 0.392 | 0 | " in said.text
    assert "told so far of any patient | epsilon 1." in said.text
    assert not any(word in said.text for word in FORBIDDEN)


def test_without_a_budget_it_is_said_that_nothing_stops(site: Path) -> None:
    set_site_budget(site, None)
    said, plan = Said(), noisy_plan()
    approve_plan(site, written(site, plan), lambda text: True, said)
    show(site, False, bool, said)

    assert "this site has no privacy budget: what is told is written down, and nothing" in said.text
    assert "there is no budget, so nothing stops" in said.text
    assert (
        check_privacy(site / "state").seen == "whole, 1 lines; there is no budget, so nothing stops"
    )


def test_the_audit_page_has_each_line_in_words_and_a_broken_one_is_named(site: Path) -> None:
    here, plan, page = Hospital(site), noisy_plan(), site / "audit.html"
    here.approve(plan)
    here.ask(plan, 1)
    here.ask(plan, 1, "again")
    budget.release(here.state, plan.hash(), "finished")
    write_audit(site, page)
    told = page.read_text()

    for words in (
        "lowered or began the budget: epsilon 8, delta 1e-05",
        f"{login()} approved plan {plan.hash()[:12]}: its cost is kept",
        f"an answer to run {RUN[:8]}, train of round 1: 6 steps, chance 0.284, noise 3.6 clips",
        "what was kept is free again: the study has ended",
        "0.131 of 8",
    ):
        assert words in told
    verify(site, Said())

    here.file.write_text(here.file.read_text().replace("finished", "Finished"))
    with pytest.raises(RunError, match="line 5: it was changed"):
        verify(site, Said())
    assert check_privacy(here.state).state == "fail"
    write_audit(site, page)
    assert "THE PRIVACY LEDGER IS NOT TO BE TRUSTED: line 5: it was changed" in page.read_text()


def test_a_plan_with_noise_is_summarised_by_its_coins_and_never_called_safe() -> None:
    rows = "\n".join(": ".join(row) for row in summarise(noisy_plan()))

    for words in (
        "10 rounds, 6 steps in each",
        "each patient by a coin, about 256 of them",
        "all rounds together tell of one patient at most epsilon 2.92 at delta 1e-05",
        "a declared number of patients (at least 900)",
        "finds out that a given patient was there with a chance of 0.2 at most",
    ):
        assert words in rows
    assert "training loss" not in rows
    assert "anonym" not in rows
