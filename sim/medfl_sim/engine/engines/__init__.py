"""Engines that run the sites' ClientApp, one file each; on CPU all give the same weights."""

from collections.abc import Callable
from typing import Protocol

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from medfl_common.registry import Registry


class Engine(Protocol):
    """Takes messages, and returns their replies in the order of the requests."""

    def push(self, message_id: str, message: Message, context: Context) -> None:
        """Take a message for the site of a context."""

    def pull(self, message_id: str) -> Message:
        """Wait for the reply, and return it once."""

    def close(self) -> None:
        """Stop the engine's processes."""


# (makes the app, in whichever process it is to run; workers wanted; the most bytes of a message)
MakeEngine = Callable[[Callable[[], ClientApp], int | None, int], Engine]
ENGINES: Registry[MakeEngine] = Registry("engine", "medfl_sim.engine.engines")
