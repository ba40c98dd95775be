"""What an accountant tells after ten rounds: one that is made again each round, and medfl's.

    told_epsilon.py

An engine that is made again in each round begins at 0 and tells of one round. medfl adds the
charges of rounds up in the hospital's ledger. Opacus and dp-accounting are left out where this
Python lacks them; medfl needs neither.
"""

import logging
import warnings
from importlib.util import find_spec

from medfl_common.privacy.accountant import epsilon_of, rdp_of_step

Q, MULTIPLIER, STEPS, ROUNDS, DELTA, N = 0.125, 1.0, 8, 10, 1e-5, 800


def opacus_told() -> list[float]:
    """Train really, an engine a round; give what each told at its end."""
    import torch
    from opacus import PrivacyEngine
    from torch.utils.data import DataLoader, TensorDataset

    told = []
    model = torch.nn.Linear(4, 1)
    data = TensorDataset(torch.randn(N, 4), torch.rand(N, 1).round())
    for _ in range(ROUNDS):
        engine = PrivacyEngine(accountant="rdp")
        fresh = torch.nn.Linear(4, 1)
        fresh.load_state_dict(model.state_dict())
        private, optimizer, loader = engine.make_private(
            module=fresh, optimizer=torch.optim.SGD(fresh.parameters(), lr=0.1),
            data_loader=DataLoader(data, batch_size=round(N * Q)),
            noise_multiplier=MULTIPLIER, max_grad_norm=1.0,
        )  # fmt: skip
        for x, y in loader:
            optimizer.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(private(x), y).backward()
            optimizer.step()
        model.load_state_dict(fresh.state_dict())
        told.append(engine.get_epsilon(DELTA))
    return told


def oracle(steps: int) -> float:
    """Give dp-accounting's epsilon of all steps at once, by RDP."""
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
    from dp_accounting.rdp import RdpAccountant

    event = PoissonSampledDpEvent(Q, GaussianDpEvent(MULTIPLIER))
    return float(RdpAccountant().compose(SelfComposedDpEvent(event, steps)).get_epsilon(DELTA))


def main() -> None:
    """Print what each tells."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    if find_spec("opacus"):
        told = opacus_told()
        print(f"Opacus, an engine a round: {told[0]:.4f} after round 1, {told[-1]:.4f} after all")
    else:
        print("this Python has no Opacus: left out")
    charges = sum(STEPS * rdp_of_step(Q, MULTIPLIER) for _ in range(ROUNDS))
    added = epsilon_of(charges, DELTA)[0]
    once = epsilon_of(STEPS * ROUNDS * rdp_of_step(Q, MULTIPLIER), DELTA)[0]
    print(f"medfl, charges added up: {added:.4f}; all steps at once: {once:.4f}")
    print(f"difference: {abs(added - once):.1e}")
    if find_spec("dp_accounting"):
        print(f"dp-accounting, all steps at once, RDP: {oracle(STEPS * ROUNDS):.4f}")


if __name__ == "__main__":
    main()
