"""A hospital that spends its privacy budget: plans with noise, tasks, and what was charged."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from tests.conftest import PLAN

from medfl_client.config.folder import StateFolder
from medfl_client.config.site_file import Budget, Policy
from medfl_client.egress import approvals, budget, ledger
from medfl_client.egress.account import Account, Cost
from medfl_client.egress.privacy_ledger import read
from medfl_common.errors import BudgetError
from medfl_common.plan.noise_cost import chance
from medfl_common.plan.plan import Plan, plan_from_values
from medfl_common.privacy.accountant import epsilon_of, rdp_of_step
from medfl_common.wire.tasks import TrainTask

RUN = "cd" * 16
EIGHT = Policy(budget=Budget(epsilon=8, delta=1e-5))
NOISE = {
    "epsilon": 3.0, "delta": 1e-5, "draw": 256, "steps": 6, "multiplier": 3.6,
    "least_patients": 900, "scores": 1.0,
}  # fmt: skip


def noisy_plan(study: str = "small", rounds: int = 10, **noise: object) -> Plan:
    values = yaml.safe_load(PLAN) | {"study": study, "privacy": {"noise": {**NOISE, **noise}}}
    values["federation"]["rounds"] = rounds
    values["evaluation"] |= {"keep": "last", "test": 0}
    return plan_from_values(values)


def task_of(plan: Plan, round_: int = 1, run: str = RUN, nonce: int = 7) -> TrainTask:
    return TrainTask("train", run, round_, nonce, "site-1", plan, {})


def cost_of(plan: Plan) -> Cost:
    """One round of a hospital with the plan's number of patients."""
    noise = plan.privacy.noise
    assert noise is not None
    return Cost("trained", chance(noise), noise.multiplier, noise.steps)


def one_shot(plan: Plan, rounds: int) -> float:
    """Epsilon of all steps of some rounds, taken at once."""
    noise = plan.privacy.noise
    assert noise is not None
    steps = rounds * noise.steps
    return epsilon_of(steps * rdp_of_step(chance(noise), noise.multiplier), noise.delta)[0]


@dataclass
class Hospital:
    """A site directory with a state, without images."""

    folder: Path
    policy: Policy = EIGHT

    def __post_init__(self) -> None:
        (self.folder / "state").mkdir(parents=True, exist_ok=True)
        (self.folder / "site.yaml").touch()

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def file(self) -> Path:
        return StateFolder(self.state).privacy

    def approve(self, plan: Plan) -> None:
        budget.reserve(self.state, plan, self.policy)
        approvals.approve(self.state, plan)

    def ask(
        self, plan: Plan, round_: int = 1, question: str = "", is_stated: bool = True,
        run: str = RUN, nonce: int = 7,
    ) -> None:  # fmt: skip
        """Charge one round; the question is the round's unless it is given."""
        name = question or f"{plan.hash()} round {round_}"
        task = task_of(plan, round_, run, nonce)
        budget.charge(self.state, task, name, cost_of(plan), self.policy, is_stated)

    def spend_all(self, plan: Plan) -> int:
        """Ask with other weights until no more fits; give how many were answered."""
        for i in range(1000):
            try:
                self.ask(plan, 1, f"{plan.study} {i}")
            except BudgetError:
                return i
        return 1000

    def receipt(self) -> None:
        """Write what a receipt says of the privacy ledger into the ledger of messages."""
        from medfl_client.egress.privacy_ledger import last

        ledger.append(StateFolder(self.state).ledger, {"decision": "released", **last(self.state)})

    def account(self) -> Account:
        return read(self.state)

    @property
    def n_charges(self) -> int:
        return sum(costs.n_charges for costs in self.account().plans.values())

    def shares(self) -> tuple[float, float]:
        """Give what is spent, and spent or kept, in the budget's own scale."""
        account = self.account()
        assert account.budget is not None
        return account.budget.share(account.spent), account.budget.share(account.committed)

    def copied(self, to: Path) -> "Hospital":
        shutil.copytree(self.folder, to)
        return Hospital(to, self.policy)


def is_close(one: float, other: float) -> bool:
    return bool(np.isclose(one, other, rtol=0, atol=1e-9))
