"""Which role may do what in the hospital's console; a form that is not its own does nothing."""

from pathlib import Path

from tests.consoles import matrix

from medfl_client.console.roles import BOTH, MANAGER, OFFICER, ROLES
from medfl_client.console.room import build

DATA, SECURITY = {MANAGER, BOTH}, {OFFICER, BOTH}


def test_each_role_does_its_own_and_a_viewer_nothing(tmp_path: Path) -> None:
    room = build(tmp_path)

    found = matrix(room.console, ROLES)

    of_security = ("withdraw", "confirm the budget", "verify the records", "write the audit page")
    assert {what: found.pop(what) for what in of_security} == dict.fromkeys(of_security, SECURITY)
    assert found.pop("approve") == {MANAGER, OFFICER, BOTH}  # who of them alone says the policy
    assert {"join", "look at the data", "start the client", "pause the client"} <= set(found)
    assert all(roles == DATA for roles in found.values()), found
