"""The app bundle that Flower insists on: a name and no code. No hospital unpacks it."""

import io
import zipfile

PYPROJECT = """\
[project]
name = "medfl"
version = "0.1.0"
[tool.flwr.app]
publisher = "medfl"
[tool.flwr.app.components]
serverapp = "medfl_server.rounds.app:app"
clientapp = "medfl_client.task.app:app"
"""


def empty_bundle() -> bytes:
    """Return the bundle's bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("pyproject.toml", PYPROJECT)
    return buffer.getvalue()
