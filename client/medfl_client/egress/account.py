"""The account of a hospital's patients: what was told of any one of them, and what may be.

It follows from the lines of the privacy ledger alone. Costs are RDP by order, so they add up; a
budget is held at one order, fixed when it is set (Feldman, Zrnic 2021). A patient is trained on or
held out, never both under one split, so of the two sums the larger is what a split tells; what
plans of different splits tell adds up.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np

from medfl_client.config.site_file import Budget
from medfl_common.privacy.accountant import (
    ORDERS,
    Rdp,
    capacity,
    epsilon_of,
    filter_order,
    rdp_of_step,
)

Set = Literal["trained", "held out", "both"]  # whose images an answer is of
SETS: tuple[Set, Set] = ("trained", "held out")
Line = Mapping[str, Any]
NOTHING: Rdp = np.zeros(len(ORDERS))


@dataclass(frozen=True)
class Cost:
    """What an answer costs each patient of a set."""

    kind: Set
    q: float  # chance at which a patient is drawn into a step
    multiplier: float  # of the noise, in clips
    steps: int

    @property
    def rdp(self) -> Rdp:
        """Give the cost by order."""
        return self.steps * rdp_of_step(self.q, self.multiplier)


@dataclass(frozen=True)
class BudgetInForce:
    """The most that may be told of one patient; a person has set it, or a lower site.yaml."""

    epsilon: float
    delta: float
    order: int
    by: str  # login name, or where it was lowered
    time: float

    @classmethod
    def of(cls, line: Line) -> Self | None:
        """Read a line; None: the budget was taken away."""
        if line["epsilon"] is None:
            return None
        return cls(
            float(line["epsilon"]), float(line["delta"]), int(line["order"]),
            str(line["by"]), float(line["time"]),
        )  # fmt: skip

    @property
    def capacity(self) -> float:
        """Give the RDP that it bears at its order."""
        return capacity(self.epsilon, self.delta, self.order)

    def share(self, rdp: Rdp) -> float:
        """Say how much of its epsilon a cost takes; such amounts add up to the whole."""
        return float(rdp[self.order - ORDERS.start]) / self.capacity * self.epsilon

    @property
    def wish(self) -> Budget:
        """Give it as site.yaml says it."""
        return Budget(epsilon=self.epsilon, delta=self.delta)

    @property
    def day(self) -> str:
        """Say when it was set, in local time."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.time))


def order_of(epsilon: float, delta: float) -> int:
    """Give the order at which a budget is held."""
    return filter_order(epsilon, delta)


@dataclass
class PlanCosts:
    """What one plan has cost in one study of the hospital, and what is kept for it, by set.

    reserved: For each open approval, oldest first, what is committed up to its end: a row of
        charges and what it may still ask.
    """

    study: str
    split: str
    charged: dict[Set, Rdp] = field(default_factory=lambda: dict.fromkeys(SETS, NOTHING))
    reserved: list[dict[Set, Rdp]] = field(default_factory=list)
    approval: int = 0  # of the newest reserve
    n_charges: int = 0
    n_repeats: int = 0  # charges beyond what was kept

    def add(self, line: Line) -> None:
        """Add a charge."""
        rdp = np.array(line["rdp"])
        sets = SETS if line["set"] == "both" else (line["set"],)
        self.charged = {one: rdp * (one in sets) + self.charged[one] for one in SETS}
        self.n_charges += 1
        self.n_repeats += not line["reserved"]

    @property
    def kept(self) -> dict[Set, Rdp] | None:
        """Give what is kept in all, charges among it; None: nothing is."""
        return self.reserved[-1] if self.reserved else None

    def keep(self, line: Line) -> None:
        """Keep the cost of a further approval."""
        before = self.charged if self.kept is None else self.kept
        new = dict(zip(SETS, (line["trained"], line["held_out"]), strict=True))
        end = {one: before[one] + np.array(new[one]) for one in SETS}
        self.reserved, self.approval = [*self.reserved, end], int(line["approval"])

    def free(self, is_all: bool) -> None:
        """Give free what the oldest approval has not asked, or what all have not."""
        if self.reserved and not is_all:
            oldest, *rest = self.reserved
            unused = {one: np.maximum(oldest[one] - self.charged[one], 0) for one in SETS}
            self.reserved = [{one: end[one] - unused[one] for one in SETS} for end in rest]
        else:
            self.reserved = []
        self.approval = self.approval if self.reserved else 0

    def committed(self, of: Set) -> Rdp:
        """Give what is charged or kept, whichever is more."""
        return (
            self.charged[of] if self.kept is None else np.maximum(self.charged[of], self.kept[of])
        )

    def holds(self, cost: Cost) -> bool:
        """Say whether what is kept covers a further cost, at every order."""
        if self.kept is None:
            return False
        sets = SETS if cost.kind == "both" else (cost.kind,)
        return all(np.all(self.charged[s] + cost.rdp <= self.kept[s] * (1 + 1e-12)) for s in sets)


@dataclass
class Account:
    """Everything that the privacy ledger says, added up."""

    budget: BudgetInForce | None = None
    # By plan, split, and the study of the hospital that asks.
    plans: dict[tuple[str, str, str], PlanCosts] = field(default_factory=dict)
    finished: set[tuple[str, str]] = field(default_factory=set)  # plans and runs that are over
    questions: dict[str, tuple[Line, ...]] = field(default_factory=dict)  # charges, by question
    n_orders: int = 1  # at which the budget was held since the first charge
    n_lines: int = 0

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Self:
        """Add up the lines of a ledger."""
        account = cls()
        for line in lines:
            account.take(line)
        return account

    def after(self, line: Line) -> Self:
        """Give the account as it would be after a line; this one stays as it is."""
        plans = {key: replace(costs) for key, costs in self.plans.items()}
        new = replace(self, plans=plans, questions={**self.questions}, finished={*self.finished})
        new.take(line)
        return new

    def take(self, line: Line) -> None:
        """Add one line."""
        self.n_lines += 1
        if line["what"] in ("budget", "tighten"):
            self._take_budget(BudgetInForce.of(line))
        elif line["what"] == "reserve":
            self.costs_of(line).keep(line)
        elif line["what"] == "charge":
            self.costs_of(line).add(line)
            question = str(line["question"])
            self.questions[question] = (*self.questions.get(question, ()), line)
        elif line["what"] == "release":
            self.finished.add((str(line["plan"]), str(line["run"])))
            for costs in self.of_plan(str(line["plan"]), str(line["of"])):
                costs.free(is_all=not line["run"])

    def _take_budget(self, new: BudgetInForce | None) -> None:
        if self.budget and new and new.order != self.budget.order and self.questions:
            self.n_orders += 1
        self.budget = new

    def costs_of(self, line: Line) -> PlanCosts:
        """Give the costs of a line's plan."""
        key = (str(line["plan"]), str(line["split"]), str(line["of"]))
        return self.plans.setdefault(key, PlanCosts(str(line["study"]), key[1]))

    def of_plan(self, plan: str, of: str) -> Iterator[PlanCosts]:
        """Give the costs of a plan in one study of the hospital."""
        return (one for (name, _, where), one in self.plans.items() if (name, where) == (plan, of))

    @property
    def spent(self) -> Rdp:
        """Give the most that was told of any one patient, by order."""
        return self._most(lambda costs, of: costs.charged[of])

    @property
    def committed(self) -> Rdp:
        """Give the same with what is kept for plans that may still ask."""
        return self._most(PlanCosts.committed)

    def sum_of(self, of: Set) -> Rdp:
        """Give what was told of a patient who was in one set all the time."""
        return sum((costs.charged[of] for costs in self.plans.values()), NOTHING)

    def _most(self, part: Callable[[PlanCosts, Set], Rdp]) -> Rdp:
        total = NOTHING
        for split in {costs.split for costs in self.plans.values()}:
            own = [costs for costs in self.plans.values() if costs.split == split]
            sums = [sum((part(costs, one) for costs in own), NOTHING) for one in SETS]
            total = total + np.maximum(*sums)
        return total

    def epsilon(self, delta: float) -> float:
        """Give epsilon of what was told, at the order that tells the least of it."""
        return epsilon_of(self.spent, delta)[0]
