"""One site after the other in this process: one model, one update in memory, no other process."""

from collections.abc import Callable

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from medfl_sim.engine.engines import ENGINES


@ENGINES.register("inprocess")
class InProcess:
    """Runs the app for a message when the caller asks for its reply, so nothing piles up."""

    def __init__(
        self, make_app: Callable[[], ClientApp], n_workers: int | None, max_bytes: int
    ) -> None:
        self._app = make_app()
        self._waiting: dict[str, tuple[Message, Context]] = {}

    def push(self, message_id: str, message: Message, context: Context) -> None:
        """Keep a message."""
        self._waiting[message_id] = (message, context)

    def pull(self, message_id: str) -> Message:
        """Run the app."""
        return self._app(*self._waiting.pop(message_id))

    def close(self) -> None:
        """Drop the messages whose reply nobody asked for."""
        self._waiting.clear()
