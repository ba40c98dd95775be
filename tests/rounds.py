"""Rounds of sites that train on pictures made for the test."""

from collections.abc import Callable

import torch

from medfl_client.data.dataset import Examples
from medfl_client.training.client_state import ClientState
from medfl_client.training.local_round import train_locally
from medfl_common.models import build_model
from medfl_common.models.network import Network
from medfl_common.models.weights import Weights, load_shared, shared_weights
from medfl_common.plan.plan import Plan
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import TrainTask
from medfl_server.aggregation.aggregator import RoundAggregation, needs

CPU = torch.device("cpu")
ImagesOf = Callable[[int], Examples]  # the number of a site -> its six images


def one_round(
    plan: Plan, round_: int, before: Weights, state: Weights, kept: dict[str, ClientState],
    networks: dict[str, Network], images_of: ImagesOf,
) -> tuple[Weights, Weights]:  # fmt: skip
    """Train at every site from the common weights, and join what they send."""
    joining = RoundAggregation(plan, before, round_, len(networks), state)
    for number, (site, network) in enumerate(networks.items()):
        load_shared(network, before)
        task = TrainTask("train", "0" * 32, round_, 0, site, plan, before, server_state=state)
        after = ClientState(kept[site].after)
        trained, update = train_locally(task, network, images_of(number), CPU, after)
        kept[site] = after
        joining.add(
            site,
            TrainResult(
                "0", round_, 0, n_images=6, n_steps=trained.n_steps, start_loss=1.0, update=update
            ),
        )
    return joining.finish()


def two_rounds(plan: Plan, images_of: ImagesOf) -> dict[str, Network]:
    """Give each site's network with the common weights after two rounds."""
    sites = [f"site-{i}" for i in range(max(2, needs(plan.federation)))]
    networks = {site: build_model(plan) for site in sites}
    kept = {site: ClientState() for site in sites}
    before, state = shared_weights(networks[sites[0]]), {}
    for round_ in (1, 2):
        before, state = one_round(plan, round_, before, state, kept, networks, images_of)
    for network in networks.values():
        load_shared(network, before)
    return networks
