"""What a site's answers with noise need: its secret, its declared patients, its account."""

import hashlib
import hmac

from medfl_client.config.folder import StateFolder
from medfl_client.config.secret_keys import noise_secret
from medfl_client.egress import budget
from medfl_client.egress.account import Cost
from medfl_client.task.site import Site
from medfl_client.training.private_round import NoiseAtSite
from medfl_common.wire.tasks import TrainTask


def noise_at(site: Site, task: TrainTask, is_stated: bool) -> NoiseAtSite:
    """Say where noise comes from and what is charged; a virtual hospital has no account.

    Args:
        site: The site.
        task: What is asked.
        is_stated: The coordinator sent its newest statement of this site's ledger along.
    """
    secret = _secret(site, task)

    def charge(question: str, cost: Cost) -> None:
        if site.state is not None:  # with another key the same question has other noise
            name = hmac.digest(secret, b"charged question" + question.encode(), "sha256").hex()
            budget.charge(site.state, task, name, cost, site.policy, is_stated)

    return NoiseAtSite(secret, site.n_patients, charge)


def _secret(site: Site, task: TrainTask) -> bytes:
    """Read the hospital's key, or make one of a virtual hospital, whose noise hides nobody.

    A simulation over a hospital's own folder takes its key, so it has the bits of the real study.
    """
    if site.state is not None:
        return noise_secret(site.state)
    own = site.noise_state
    if own is not None and StateFolder(own).noise_key.exists():
        return noise_secret(own)
    text = f"medfl simulated noise {task.plan.seed} {site.name}"
    return hashlib.sha256(text.encode()).digest()
