"""Which role may do what in the coordinator's console; a form that is not its own does nothing."""

from pathlib import Path

from tests.conftest import MakePlan
from tests.consoles import matrix
from tests.unit.server.console.followed_studies import enrolled

from medfl_server.console.command import COORDINATOR, ROLES
from medfl_server.console.room import build


def test_a_coordinator_does_all_and_a_viewer_nothing(tmp_path: Path, make_plan: MakePlan) -> None:
    enrolled(make_plan, tmp_path / "study")

    found = matrix(build([tmp_path / "study"]), ROLES)

    assert all(roles == {COORDINATOR} for roles in found.values()), found
