"""The Flower ClientApp. Glue only: a message in, `handle_task`, a message out."""

from collections.abc import Sequence

from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import Mod

from medfl_client.task.addressee import Find
from medfl_client.task.handler import handle_task


def build_app(find: Find, mods: Sequence[Mod] = ()) -> ClientApp:
    """Make the app of one hospital, or of all virtual hospitals of a simulation.

    Args:
        find: Gives who answers a message.
        mods: Flower mods around the work; a simulation makes faults with them.
    """
    app = ClientApp(mods=[*mods])

    @app.train()
    def train(message: Message, context: Context) -> Message:
        to = find(message.content, context)
        reply = handle_task(message.content, to.site, to.session, to.tell)
        return Message(reply, reply_to=message)

    return app
