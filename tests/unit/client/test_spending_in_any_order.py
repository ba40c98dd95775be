"""Whatever comes in whatever order: no more is spent or kept than there is, and nothing is lost."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.unit.client.spending import Hospital, noisy_plan

from medfl_client.config.site_file import Budget, Policy
from medfl_client.egress import approvals, budget
from medfl_common.errors import BudgetError, RunError

PLANS = [noisy_plan(f"study-{i}", rounds=3, epsilon=e, multiplier=m)
         for i, (e, m) in enumerate(((3.0, 2.3), (6.0, 1.6), (2.0, 3.0)))]  # fmt: skip
PLAN = st.sampled_from(PLANS)
ROUND, WEIGHTS = st.integers(1, 3), st.integers(0, 3)


class Spending(RuleBasedStateMachine):
    """A hospital, and what an honest observer counted of it."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.here = Hospital(self.folder / "site-1")
        self.answered: set[str] = set()
        self.lowest, self.is_lowered, self.is_set_back = 8.0, False, False

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule(plan=PLAN)
    def approve(self, plan) -> None:  # type: ignore[no-untyped-def]
        try:
            self.here.approve(plan)
        except BudgetError:
            return
        except RunError:
            assert self.is_set_back

    @rule(plan=PLAN, round_=ROUND, weights=WEIGHTS)
    def task(self, plan, round_: int, weights: int) -> None:  # type: ignore[no-untyped-def]
        question = f"{plan.study} {round_} {weights}"
        try:
            self.here.ask(plan, round_, question)
        except BudgetError:
            assert question not in self.answered or self.is_set_back
            return
        except RunError:
            assert self.is_set_back
            return
        self.answered.add(question)
        self.here.receipt()

    @rule(plan=PLAN)
    def withdraw(self, plan) -> None:  # type: ignore[no-untyped-def]
        approvals.write_record(self.here.state, "withdraw", plan.hash(), plan.study, "")
        try:
            budget.release(self.here.state, plan.hash(), "withdrawn")
        except RunError:
            assert self.is_set_back

    @rule(epsilon=st.sampled_from([8.0, 6.0, 5.0, 20.0]))
    def change_the_site_file(self, epsilon: float) -> None:
        self.here.policy = Policy(budget=Budget(epsilon=epsilon, delta=1e-5))

    @rule()
    def kill(self) -> None:
        """A crash after the ledger's line: its head and the copy are those of before."""
        if not self.is_set_back and self.here.file.exists():
            with self.here.file.open("ab") as file:
                file.write(b'{"line": 99, "torn')

    @rule()
    def restore(self) -> None:
        """An older copy of the state is put back beside a newer copy of the head."""
        copy = self.folder / "copy"
        if copy.exists():
            before = self.here.file.read_bytes() if self.here.file.exists() else b""
            shutil.rmtree(self.here.state)
            shutil.copytree(copy, self.here.state)
            after = self.here.file.read_bytes() if self.here.file.exists() else b""
            self.is_set_back |= not after.startswith(before.rpartition(b"\n")[0])
            shutil.rmtree(copy)
        else:
            shutil.copytree(self.here.state, copy)

    @invariant()
    def no_more_is_spent_or_kept_than_there_is(self) -> None:
        if self.is_set_back or not self.here.file.exists():
            return
        account = self.here.account()
        assert self.answered <= account.questions.keys()
        if account.budget is None:
            return
        self.is_lowered |= account.budget.epsilon < 8
        spent, committed = self.here.shares()
        assert spent <= committed + 1e-9
        if not self.is_lowered:
            assert committed <= 8 * (1 + 1e-9)


TestSpending = Spending.TestCase
TestSpending.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
