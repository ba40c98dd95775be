"""The button raises the privacy budget to what the page showed, and to nothing else."""

import re
from pathlib import Path

from tests.conftest import MakePlan
from tests.unit.client.console.people import People, set_policy
from tests.unit.client.spending import noisy_plan

from medfl_client.config.site_file import Budget
from medfl_client.console.roles import OFFICER
from medfl_client.egress.budget import set_budget
from medfl_client.egress.privacy_ledger import read
from medfl_sim.local.deployment import wait_until

OF = "/study/_"


def test_only_the_budget_that_was_shown_is_raised(hospitals: Path, make_plan: MakePlan) -> None:
    site = hospitals / "site-1"
    plan = make_plan(privacy={"noise": noisy_plan().privacy.noise.model_dump()},  # type: ignore[union-attr]
                     evaluation={"keep": "last", "test": 0})  # fmt: skip
    (site / "plan.yaml").write_bytes(plan.read_bytes())
    set_budget(site / "state", Budget(epsilon=1, delta=1e-5))
    set_policy(site, budget={"epsilon": 2.0, "delta": 1e-5})
    people = People(site)
    ada = people.person(OFFICER)

    def in_force() -> float:
        budget = read(site / "state").budget
        assert budget is not None
        return budget.epsilon

    wait_until(lambda: "site.yaml says epsilon 2" in ada.reads(f"{OF}/plan/"), 120, "the question")
    found = re.search(r'name="shown" form="budget" value="(\w+)"', ada.reads(f"{OF}/plan/"))
    assert found is not None
    set_policy(site, budget={"epsilon": 99.0, "delta": 1e-5})
    unseen = [ada.does(f"{OF}/budget"), ada.does(f"{OF}/budget", shown=found[1])]
    assert [status for status, _ in unseen] == [409, 409]
    assert "another budget than the page did" in unseen[1][1]
    assert in_force() == 1
    set_policy(site, budget={"epsilon": 2.0, "delta": 1e-5})
    assert ada.does(f"{OF}/budget", shown=found[1])[0] == 200
    assert in_force() == 2
    people.close()
