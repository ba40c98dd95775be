"""The Flower ClientApp. Glue only: a message in, `handle_task`, a message out."""

from collections.abc import Callable, Sequence

from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import Mod

from medfl_client.task.handler import Tell, handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import Site


def build_app(
    find_site: Callable[[Context], Site], tell: Tell, mods: Sequence[Mod] = ()
) -> ClientApp:
    """Make the app of one hospital, or of all virtual hospitals of a simulation.

    Args:
        find_site: Gives the site that a message is for.
        tell: Takes one line per task for the eyes of the site.
        mods: Flower mods around the work; a simulation makes faults with them.
    """
    app = ClientApp(mods=[*mods])
    session = Session()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        return Message(
            handle_task(message.content, find_site(context), session, tell), reply_to=message
        )

    return app
