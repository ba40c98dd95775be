import pytest
import typer
from typer.testing import CliRunner

from medfl_client.cli import app as client
from medfl_server.cli import app as server
from medfl_sim.cli import app as sim


@pytest.mark.parametrize(
    ("app", "command", "meaning"),
    [
        (client, "init", "The site's directory, with site.yaml."),
        (server, "run", "The study's directory."),
        (sim, "run", "The study plan"),
    ],
)
def test_help_says_what_each_argument_is(app: typer.Typer, command: str, meaning: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"]).output

    assert meaning in " ".join(shown.split())
