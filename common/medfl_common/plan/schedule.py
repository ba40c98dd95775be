"""How far a site's steps go: the round's learning rate, and the plain steps that momentum makes."""

import math

from medfl_common.plan.plan import Plan


def learning_rate_of_round(plan: Plan, round_: int) -> float:
    """Give the learning rate of a round, counted from 1: warm-up, then the schedule.

    Cosine: Loshchilov, Hutter: SGDR. ICLR 2017. It is over the rounds after the warm-up.
    """
    settings, schedule = plan.training, plan.training.schedule
    done = round_ - 1
    if done < schedule.warmup_rounds:
        return settings.lr * (done + 1) / (schedule.warmup_rounds + 1)
    done -= schedule.warmup_rounds
    if schedule.kind == "cosine":
        n_rounds = max(plan.federation.rounds - schedule.warmup_rounds, 1)
        return settings.lr * 0.5 * (1 + math.cos(math.pi * min(done / n_rounds, 1)))
    if schedule.kind == "step":
        factor: float = schedule.factor ** (done // schedule.every_rounds)
        return settings.lr * factor
    return settings.lr


def effective_steps(n_steps: int, momentum: float) -> float:
    """Count the plain steps that add up to as many gradients as `n_steps` with momentum.

    The sum of the coefficients with which the gradients enter: tau - m (1 - m**tau) / (1 - m), over
    1 - m. Wang, Liu, Liang, Joshi, Poor: Tackling the Objective Inconsistency Problem in
    Heterogeneous Federated Optimization. NeurIPS 2020. https://arxiv.org/abs/2007.07481
    """
    kept = 1 - momentum
    return (n_steps - momentum * (1 - momentum**n_steps) / kept) / kept
