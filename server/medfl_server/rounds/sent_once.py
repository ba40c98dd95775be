"""What a site gets once per connection: frozen weights, and the start of what is its own.

With a frozen backbone a round then moves the head alone.
"""

from flwr.app import ArrayRecord

from medfl_common.models.weights import Weights
from medfl_common.wire.tensors import encode_weights
from medfl_server.superlink.transport import ConnectedSite


class SentOnce:
    """Who has been given the initial weights.

    Args:
        weights: Every tensor of the start that is not shared each round; may be empty.
    """

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._given: dict[str, ConnectedSite] = {}
        self._packed: ArrayRecord | None = None

    def due(self, site: str, connected_sites: ConnectedSite) -> ArrayRecord | None:
        """Give what to send along with a task; None where the connection has had it."""
        if not self._weights or self._given.get(site) == connected_sites:
            return None
        self._given[site] = connected_sites
        if self._packed is None:
            self._packed = encode_weights(self._weights)
        return self._packed

    def again(self, site: str) -> None:
        """Send it again with the next task: the site does not have it."""
        self._given.pop(site, None)

    def tidy(self) -> None:
        """Free the packed copy; it is made again where a site connects anew."""
        self._packed = None
