"""What both commands `console` are told on the command line, once."""

from pathlib import Path
from typing import Annotated

import typer

Port = Annotated[int, typer.Option(help="Its port; 0: a free one.", min=0, max=65535)]
Bind = Annotated[
    str, typer.Option(help="Address to listen on; another than this machine's needs TLS.")
]
Hosts = Annotated[
    list[str] | None, typer.Option("--host", help="A name that browsers ask for; repeatable.")
]
Cert = Annotated[Path | None, typer.Option(help="Certificate for TLS, with its chain.")]
Key = Annotated[Path | None, typer.Option(help="The certificate's key.")]
TrustHeader = Annotated[
    str, typer.Option(help="Header in which a proxy on this machine names who is signed in.")
]
TrustFrom = Annotated[
    list[str] | None,
    typer.Option(help="The proxy's address, 127.0.0.1 if not given; repeatable."),
]
Link = Annotated[
    str, typer.Option(help="Make a one-time link for this person; the console runs already.")
]
