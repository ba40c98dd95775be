"""Accept a site whose process was killed again at once."""

from typing import Protocol


class Nodes(Protocol):
    """Flower's records of the sites' connections."""

    def activate_node(self, node_id: int, heartbeat_interval: float) -> bool:
        """Open a session; False if one is open."""

    def deactivate_node(self, node_id: int) -> bool:
        """End a session."""


def let_restarted_sites_back(state: Nodes) -> None:
    """Accept a site whose process was killed: Flower would refuse its key for a minute."""
    activate = state.activate_node

    def activate_or_take_over(node_id: int, heartbeat_interval: float) -> bool:
        if activate(node_id, heartbeat_interval):
            return True
        state.deactivate_node(node_id)
        return activate(node_id, heartbeat_interval)

    setattr(state, "activate_node", activate_or_take_over)  # noqa: B010
