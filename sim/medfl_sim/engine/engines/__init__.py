"""What runs the sites' ClientApp, one file each; on CPU all give the same weights."""

from collections.abc import Callable
from typing import Protocol

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from medfl_common.registry import Registry


class Engine(Protocol):
    """Takes messages, and gives their replies in the order in which they are asked for."""

    def push(self, message_id: str, message: Message, context: Context) -> None:
        """Take a message for the site of a context."""

    def pull(self, message_id: str) -> Message:
        """Give the reply, once; waits for it."""

    def close(self) -> None:
        """End what was started."""


# (makes the app, in whichever process it is to run; workers wanted; the most bytes of a message)
MakeEngine = Callable[[Callable[[], ClientApp], int | None, int], Engine]
ENGINES: Registry[MakeEngine] = Registry("engine", "medfl_sim.engine.engines")
